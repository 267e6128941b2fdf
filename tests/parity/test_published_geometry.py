"""Published geometry: projection, crops, rotation by heading, polar tiles, yaw, sampling, and where points lie in a tile.

Published clouds have the axes east, height, minus north; heading-up that is right, height, minus ahead.
"""

import ast
import re

import numpy as np
import pytest
import torch

from data.areas.cloud_index import cloud_of_spans
from data.areas.farthest_order import farthest_point_order
from data.batches.augmentation import Augmentation, turn_columns
from data.batches.cutters import TileImageCutter, cut_clouds
from data.osm.mesh import Mesh
from data.osm.sampling import sample_surface
from data.sources.streetlearn.dataset_files import Cloud, indices_around, published_axes
from data.surfaces import ROOF
from models.clouds.cloud_encoder import scaled
from models.fusions.tile_pixels import pixel_centres, sample_pixels, tile_pixels, upsample
from models.neighbors import nearest_neighbors
from utils.georeference import EXTENT_M
from utils.projection import Projection


def stored_axes(points: np.ndarray) -> np.ndarray:
    """Published points in this project's axes, by the reader of the published layout."""
    return Cloud(points, np.zeros(len(points), np.uint8)).points()


def number(text: str) -> float:
    """A number in the name of an output, where p stands for the decimal point and m for minus."""
    return float(text.replace("m", "-").replace("p", "."))


def endings(outputs: dict, prefix: str) -> list[str]:
    """The rest of the names of outputs that begin with a prefix. There must be some."""
    found = [name.removeprefix(prefix) for name in outputs if name.startswith(prefix)]
    assert found
    return found


@pytest.mark.parity("g_mercator*")
def test_mercator(published):
    projection = Projection(*published.spec["origin"])
    latlon, xy = published.outputs["latlon_f64"], published.outputs["xy_f64"]
    assert np.abs(np.column_stack(projection.forward(*latlon.T)) - xy).max() < 1e-7  # metres
    assert np.abs(np.column_stack(projection.inverse(*xy.T)) - latlon).max() < 1e-12
    published.compare("back_f64", np.column_stack(projection.inverse(*xy.T)), 1e-13)
    (drawn_lat, drawn_lon), origin = published.draws(), published.spec["origin"]
    assert np.abs(np.column_stack([origin[0] + drawn_lat, origin[1] + drawn_lon]) - latlon).max() < 1e-12


@pytest.mark.parity("g_crop*")
def test_square_of_a_places_index(published):
    text = published.spec["inputs"]
    cloud = published.draws()[0]
    border = np.array(ast.literal_eval(re.search(r"\[\[.*\]\]", text)[0]))
    cloud[: len(border)] = border
    points = cloud[:, [0, 2, 1]] * (1, -1, 1)  # not through float32, in which 113.999 and 114.0001 would be other numbers
    for name in endings(published.outputs, "idx_center_"):
        x, z = map(number, name.split("_"))
        found = indices_around(points, np.arange(len(points)), x, -z)
        assert np.array_equal(found, published.outputs[f"idx_center_{name}"]), name


@pytest.mark.parity("g_rotate_cloud*")
def test_heading_up_cloud(published):
    points, (cx, _, cz) = published.outputs["points"], published.spec["center"]
    stored = stored_axes(points)
    for name in endings(published.outputs, "rotated_"):
        heading = number(name)
        everything, centre = torch.arange(len(points))[None], torch.tensor([[cx, -cz]], dtype=torch.float64)
        view = cut_clouds(torch.from_numpy(stored), everything, centre, torch.tensor([heading]))[0].numpy()
        expected = published.outputs[f"rotated_{name}"].astype(np.float64) - (cx, 0, cz)
        assert np.abs(published_axes(view) - expected).max() < 2e-4  # float32 at a kilometre from the origin
        picks = cloud_of_spans(stored, np.array([[0, len(points)]]), cx, -cz, heading, len(points))
        assert np.array_equal(np.unique(picks), published.outputs[f"kept_{name}"]), name


@pytest.mark.parity("g_pc_normalize*")
def test_normalised_cloud(published):
    unit = scaled(torch.from_numpy(stored_axes(published.outputs["points"]))[None], "unit")[0].numpy()
    published.compare("normalized", published_axes(unit), 1e-5)  # the published mean, summed in float32, is 2e-6 off


@pytest.mark.parity("g_fps*")
def test_farthest_points(case, published):
    """In local coordinates, because in the city's the published picks depend on float32 rounding.

    The published distances come from norms and dot products, which round differently from squared differences. Among many points the
    same ones are picked, but two with nearly equal distances swap.
    """
    turned, outputs = case("g_rotate_cloud"), published.outputs

    def picks(points, count, start):
        return farthest_point_order(points.astype(np.float32), count, int(start[0]))

    local = turned.outputs["points"] - np.array(turned.spec["center"])
    assert np.array_equal(picks(local, len(outputs["idx_local"]), outputs["start_local"]), outputs["idx_local"])
    dense, expected = published.draws()[-1] * [1, 0.3, 1], outputs["dense_idx_local"]
    found = picks(dense, len(expected), outputs["dense_start"])
    assert np.array_equal(found[:100], expected[:100]) and len(np.intersect1d(found, expected)) >= 0.995 * len(expected)


@pytest.mark.parity("g_polar*")
def test_polar_tile(published):
    """A random tile, and one whose pixels hold their own positions."""
    (drawn,) = published.draws()
    size, (height, width, _) = len(drawn), published.spec["outputs"]["polar"]["shape"]
    rows, columns = np.mgrid[:size, :size]
    ramps = np.stack([columns, rows, np.ones((size, size))], axis=-1)
    cut = TileImageCutter(height, width, polar=True, paper=True)
    still = torch.zeros(1, dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    random, ramp = (cut(torch.from_numpy(image.astype(np.float32))[None], *still)[0].permute(1, 2, 0) for image in (drawn, ramps))
    published.compare("polar", random, 1e-6)
    published.compare("ramp_polar", ramp * 255, 1e-6)  # the cutter divides by 255, which the ramps are not


@pytest.mark.parity("g_rotate_panorama*")
def test_turned_panorama(published):
    """Known differences: the published row at the pole has the colour of one pixel, and one column may repeat its neighbour."""
    image = torch.from_numpy(published.outputs["image"]).permute(2, 0, 1)[None]
    width = image.shape[3]
    for name in endings(published.outputs, "yaw_"):
        none, zero = torch.zeros(1, dtype=torch.bool), torch.zeros(1, dtype=torch.long)
        columns = torch.tensor([number(name) / 360 * width]).round().long()
        random = Augmentation(none, zero, columns, *[torch.zeros(1)] * 5)
        turned, expected = turn_columns(image, random)[0].permute(1, 2, 0).numpy()[1:], published.outputs[f"yaw_{name}"][1:]
        differs = np.flatnonzero((turned != expected).any((0, 2)))
        assert len(differs) <= 1, name
        for column in differs:
            assert any((expected[:, column] == turned[:, (column + side) % width]).all() for side in (-1, 1)), name


@pytest.mark.parity("g_mesh_sampling*")
def test_number_of_sampled_points(published):
    """The published density is per m² of parallelogram, so twice as high per m² of triangle. Its rounding is random, here it is not."""
    vertices, triangles = published.outputs["vertices_f64"], published.outputs["triangles"]
    density, spec = 2 * published.spec["density"], published.spec
    mesh = Mesh.of(vertices[triangles], ROOF, 0, np.uint64(1))
    points, face = sample_surface(mesh, density)
    assert spec["requested_total"] <= len(points) <= spec["requested_total"] + 1 <= spec["sum_of_ceils"]
    a, b, c = vertices[triangles].transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    assert area.sum() == pytest.approx(spec["true_area"])
    assert np.array_equal(np.ceil(area * density).astype(int), published.outputs["ceil_per_face"])
    assert np.abs(np.bincount(face, minlength=len(area)) - area * density).max() < 3


@pytest.mark.parity("g_projection*")
def test_points_in_the_tile(case, published):
    cloud = published.inputs if "xyz" in published.inputs else case("c_dgcnn_v2").inputs
    local = cloud["xyz"].astype(np.float64) - cloud["center"][:, :, None]
    view = torch.from_numpy(np.stack([local[:, 0], -local[:, 2], local[:, 1]], axis=-1)).float()
    features, up_in = (torch.from_numpy(drawn).float() for drawn in published.draws())
    size = features.shape[3]
    pixels = tile_pixels(view, size)
    published.compare("pixels", pixels.transpose(1, 2), 1e-5)
    published.compare("sampled", sample_pixels(features, pixels).transpose(1, 2), 1e-4)
    expected, centres = published.outputs["nearest_point_of_pixel"], pixel_centres(size, pixels).expand(len(pixels), -1, -1)
    given = torch.from_numpy(published.outputs["pixels"]).transpose(1, 2)
    assert np.array_equal(nearest_neighbors(given, 1, centres)[..., 0], expected)
    assert (nearest_neighbors(pixels, 1, centres)[..., 0].numpy() == expected).mean() > 0.999
    published.compare("up_out", upsample(up_in, published.spec["outputs"]["up_out"]["shape"][3] // up_in.shape[3]), 1e-6)
    special = published.spec["special_points"]
    metres = torch.tensor(special["in (x,_,z) about centre 0"])
    assert EXTENT_M == 152 and torch.allclose(
        tile_pixels(torch.stack([metres[:, 0], -metres[:, 2], metres[:, 1]], dim=-1), size),
        torch.tensor(special["pixel (col,row)"]), atol=1e-5)  # fmt: skip
