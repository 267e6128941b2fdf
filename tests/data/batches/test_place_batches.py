"""Batches: from stored areas to what a model sees."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from config.cloud_settings import CLOUDS
from config.schema import AugmentationConfig
from data.area import Area
from data.areas.cloud_index import cloud_index
from data.areas.write_area import write_area
from data.batches.cutters import TileCutter
from data.batches.place_batches import PlaceBatches, prefetch
from data.locations import Locations
from data.osm.build import build_map
from utils.batch import Batch, Inputs, PlaceGraph, TileInput
from utils.errors import InputError

CPU = torch.device("cpu")
OFF = dict(mirror=False, turn=False, heading_deg=0, yaw_deg=0, shift_m=0, brightness=0, contrast=0, saturation=0, erase=0,
           point_jitter_m=0, point_drop=0)  # fmt: skip
HEADINGS = [0.0, 90.0, 180.0, 30.0, 300.0, 0.0, 45.0, 200.0, 120.0, 10.0, 250.0, 330.0]
TOWER_BEARING = 90.0


def inputs(polar=False, tile=True, cloud=True, height=32, points=128, encoder="dgcnn"):
    graph = cloud and CLOUDS[encoder].reads == "graph"
    return Inputs(height, TileInput(32, 64 if polar else 32, polar) if tile else None, points if cloud and not graph else 0, graph, False)


def write(city, path, xy, headings):
    """An area whose panoramas are black but for a white column where the tower is."""
    n = len(headings)
    x, y = np.array(xy, float).T
    lat, lon = city.projection.inverse(x, y)
    places = Locations(np.array([f"{path.name}{i}" for i in range(n)]), lat, lon, np.array(headings, float), x, y)

    def panorama_of(i):
        image = np.zeros((32, 64, 3), np.uint8)
        image[:, int(((TOWER_BEARING - headings[i]) / 360 + 0.5) % 1 * 64)] = 255
        return image

    write_area(path, city, places, panorama_of, lambda i: cloud_index(city, x[i], y[i], headings[i], 160), 32, 160, {}, processes=1)


@pytest.fixture(scope="module")
def root(tower_city, small_city, tmp_path_factory):
    """A data root with two cities: tower/one, tower/two and small/three."""
    root = tmp_path_factory.mktemp("root")
    for name, city in (("tower", tower_city), ("small", small_city)):
        shutil.copytree(city.path, root / name / "map")
    write(tower_city, root / "tower/one", [(0, 0)] * len(HEADINGS), HEADINGS)
    write(tower_city, root / "tower/two", [(-5.0 * i, 3.0) for i in range(5)], HEADINGS[:5])
    write(small_city, root / "small/three", [(40.0 * i, 0.0) for i in range(4)], [0, 10, 20, 30])
    return root


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    return {name: value for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}


def directions(batch: Batch, polar: bool):
    """Bearing of the tower from ahead, clockwise, in degrees, as each modality shows it: panorama, tile, and cloud or graph, each (B,)."""
    column = batch.panorama.mean((1, 2)).argmax(1).numpy()
    panorama = ((column + 0.5) / batch.panorama.shape[3] - 0.5) * 360
    bare = batch.tile[:, :, -1:, :1] if polar else batch.tile[:, :, 16:17, 16:17]
    mask = ((batch.tile - bare).abs().sum(1) > 0.1).double().numpy()  # B,h,w
    if polar:
        angle = 2 * np.pi * ((np.arange(mask.shape[2]) + 0.5) / mask.shape[2] - 0.5)
        tile = np.degrees(np.arctan2((mask.sum(1) * np.sin(angle)).sum(1), (mask.sum(1) * np.cos(angle)).sum(1)))
    else:
        row, column = (np.tensordot(mask, g, 2) / mask.sum((1, 2)) for g in np.mgrid[:32, :32] + 0.5)
        tile = np.degrees(np.arctan2(column - 16, 16 - row))
    right, ahead = (batch.graph.nodes if batch.cloud is None else batch.cloud.mean(1)).numpy()[:, :2].T
    return panorama, tile, np.degrees(np.arctan2(right, ahead))


def assert_directions(batch, expected, polar):
    for seen in directions(batch, polar):
        assert np.abs((seen - expected + 180) % 360 - 180).max() < 8


@pytest.mark.parametrize("polar", [False, True])
def test_panorama_tile_and_cloud_agree(root, polar):
    batch = PlaceBatches(root, ["tower/one"], inputs(polar), CPU).batch(np.arange(len(HEADINGS)))
    assert_directions(batch, TOWER_BEARING - np.array(HEADINGS), polar)


@pytest.mark.parametrize("polar", [False, True])
def test_mirrored_and_turned_samples_still_agree(root, polar):
    """The tower changes sides, or front and back, in all three alike."""
    places = PlaceBatches(root, ["tower/one"], inputs(polar), CPU, AugmentationConfig(**{**OFF, "mirror": True, "turn": True}))
    plain = TOWER_BEARING - np.array(HEADINGS)
    seen = set()
    for seed in range(4):
        batch = places.batch(np.arange(len(HEADINGS)), torch.Generator().manual_seed(seed))
        panorama, _, _ = directions(batch, polar)
        kinds = {"as it is": plain, "turned": plain + 180, "mirrored": -plain, "both": -plain - 180}
        expected = np.zeros(len(plain))
        for i in range(len(plain)):
            apart = {k: abs((v[i] - panorama[i] + 180) % 360 - 180) for k, v in kinds.items()}
            kind = min(apart, key=apart.get)
            assert apart[kind] < 8
            seen.add(kind)
            expected[i] = kinds[kind][i]
        assert_directions(batch, expected, polar)
    assert len(seen) == 4


@pytest.mark.parametrize("polar", [False, True])
def test_samples_turned_a_little_still_agree(root, polar):
    settings = {**OFF, "heading_deg": 90.0, "mirror": True}
    batch = PlaceBatches(root, ["tower/one"], inputs(polar), CPU, AugmentationConfig(**settings)).batch(np.arange(12), torch.Generator())
    panorama, tile, cloud = directions(batch, polar)
    untouched = [(p - e + 180) % 360 - 180 for p, e in zip(panorama, TOWER_BEARING - np.array(HEADINGS), strict=True)]
    assert np.abs(untouched).max() > 30  # they were turned
    assert_directions(batch, panorama, polar)


def test_evaluation_batches(root):
    places = PlaceBatches(root, ["tower/one"], inputs(), CPU)
    first, again = (places.batch(np.array([3, 0, 7])) for _ in range(2))
    for name, value in tensors(first).items():
        assert torch.equal(value, getattr(again, name)), name
    area = places.areas[0]
    assert np.array_equal((first.panorama * 255).round().byte().permute(0, 2, 3, 1).numpy(), area.panoramas[[3, 0, 7]])
    assert first.tile.shape == (3, 3, 32, 32) and first.cloud.shape == (3, 128, 3) and first.classes.dtype == torch.uint8
    assert first.position.dtype == torch.float64
    index = area.cloud_index[3, :128]  # the first of the farthest-point order, and in that order
    assert np.array_equal(first.classes[0].numpy(), places.cities[0].classes.numpy()[index])
    assert np.allclose(first.cloud[0, :, 2].numpy(), places.cities[0].points.numpy()[index, 2])


def test_training_batches_follow_the_generator(root):
    places = PlaceBatches(root, ["tower/one", "small/three"], inputs(), CPU, AugmentationConfig(shift_m=2.0))
    first, again, other = (places.batch(np.arange(16), torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    for name, value in tensors(first).items():
        assert torch.equal(value, getattr(again, name)), name
        assert name in ("position", "city", "classes") or not torch.equal(value, getattr(other, name)), name


def test_training_points_come_from_the_first_of_the_order(root):
    places = PlaceBatches(root, ["small/three"], inputs(points=100), CPU, AugmentationConfig(**{**OFF, "point_drop": 0.3}))
    batch = places.batch(np.arange(4), torch.Generator().manual_seed(0))
    points = places.cities[0].points
    for i in range(4):
        pool = {round(float(z), 3) for z in points[places.areas[0].cloud_index[i, :130].tolist(), 2]}
        assert {round(float(z), 3) for z in batch.cloud[i, :, 2]} <= pool
        distinct = {tuple(p) for p in batch.cloud[i].tolist()}
        assert len(distinct) == 100  # none twice


def test_training_points_keep_their_order(root):
    """So that the first of them are a sample of all."""
    places = PlaceBatches(root, ["small/three"], inputs(points=100), CPU, AugmentationConfig(**{**OFF, "point_drop": 0.3}))
    area, rows = places.areas[0], np.arange(4)
    index = places._points(area, rows, torch.Generator().manual_seed(0))
    rank = [[area.cloud_index[i].tolist().index(point) for point in index[i].tolist()] for i in rows]
    assert all(r == sorted(r) and r[-1] >= 100 for r in rank)


@pytest.mark.parametrize("points", [160, 150])
def test_points_are_dropped_where_the_area_stores_no_others(root, points):
    """The area stores 160. Stored points replace the dropped ones as long as there are any, then copies do; the order is kept."""
    places = PlaceBatches(root, ["small/three"], inputs(points=points), CPU, AugmentationConfig(**{**OFF, "point_drop": 0.25}))
    stored = torch.from_numpy(np.array(places.areas[0].cloud_index)).long()
    chosen = places._points(places.areas[0], np.arange(4), torch.Generator().manual_seed(0))
    kept = round(160 / 1.25)
    assert chosen.shape == (4, points)
    for row, own in zip(chosen, stored, strict=True):
        position = [(own == i).nonzero()[0].item() for i in row]
        assert len(set(position)) == kept and position[:kept] == sorted(position[:kept])
        assert position[kept:] == position[: points - kept]
    others = places._points(places.areas[0], np.arange(4), torch.Generator().manual_seed(1))
    assert not torch.equal(chosen, others)


def test_a_city_is_shared_by_models_that_read_the_same_of_it(root):
    """Other tiles, points or graphs are loaded anew."""
    cities = {}

    def city(**sizes):
        return PlaceBatches(root, ["small/three"], inputs(**sizes), CPU, cities=cities).cities[0]

    first, paper = city(), replace(inputs(), paper=True)
    assert city() is first is city(points=64) and len(cities) == 1
    assert city(polar=True) is not first and city(polar=True).cut_tile.grid.shape != first.cut_tile.grid.shape
    assert not hasattr(city(tile=False), "cut_tile") and not hasattr(city(cloud=False), "points") and hasattr(city(), "points")
    assert PlaceBatches(root, ["small/three"], paper, CPU, cities=cities).cities[0] is not first
    assert city() is first and len(cities) == 5


def test_polar_tiles_are_told_from_others_of_their_size(root):
    """No polar tile has the size of a Cartesian one today, but cities must not be confused if one ever has."""
    cities = {}
    for polar in (False, True):
        PlaceBatches(root, ["small/three"], replace(inputs(), tile=TileInput(32, 64, polar)), CPU, cities=cities)
    assert len(cities) == 2


def test_point_jitter_and_shift(root):
    plain = PlaceBatches(root, ["tower/one"], inputs(), CPU).batch(np.arange(12))
    still = {**OFF, "point_jitter_m": 0.5}
    jittered = PlaceBatches(root, ["tower/one"], inputs(), CPU, AugmentationConfig(**still)).batch(np.arange(12), torch.Generator())
    assert torch.equal(jittered.panorama, plain.panorama) and torch.equal(jittered.tile, plain.tile)
    spread = jittered.cloud.sort(1).values - plain.cloud.sort(1).values
    assert 0.01 < spread.abs().mean() < 1
    moved = PlaceBatches(root, ["tower/one"], inputs(), CPU, AugmentationConfig(**{**OFF, "shift_m": 8.0}))
    batch = moved.batch(np.arange(12), torch.Generator().manual_seed(0))
    assert torch.equal(batch.panorama, plain.panorama) and torch.equal(batch.position, plain.position)
    shift = plain.cloud.mean(1) - batch.cloud.mean(1)
    assert shift[:, 2].abs().max() < 1e-4 and 1 < shift[:, :2].norm(dim=1).max() < 8 * 2**0.5 + 0.1


def test_areas_come_back_in_the_order_asked_for(root):
    """Places of three areas and two cities, mixed, each equal to its own batch of one."""
    names = ["tower/one", "small/three", "tower/two"]
    places = PlaceBatches(root, names, inputs(), CPU)
    assert len(places) == len(places.xy) == 12 + 4 + 5
    order = np.array([20, 0, 13, 5, 16, 12, 15, 1, 19])
    batch = places.batch(order)
    assert np.array_equal(batch.position.numpy(), places.xy[order])
    assert np.array_equal(batch.city.numpy(), places.city_of[order])
    assert len(set(places.city_of[[0, 16]])) == 1 and places.city_of[0] != places.city_of[12]
    for i, place in enumerate(order):
        single = places.batch(np.array([place]))
        for name, value in tensors(batch).items():
            assert torch.allclose(value[i], getattr(single, name)[0], atol=1e-6), name


@pytest.mark.parametrize("polar", [False, True])
def test_tile_images_stand_for_the_raster(root, tower_city, tmp_path, polar):
    """The same places with tile images give the same batches, also turned, shifted and mirrored, together with an area without images."""
    shutil.copytree(root / "tower", tmp_path / "tower")
    one = Area(root, "tower/one")
    tiles = TileCutter(tower_city, 256, 256, False)(torch.tensor(one.locations.xy), torch.tensor(one.locations.heading_deg))
    tiles = (tiles * 255).round().byte().permute(0, 2, 3, 1).numpy()
    write_area(tmp_path / "tower/images", tower_city, one.locations, one.panoramas.__getitem__, one.cloud_index.__getitem__, 32, 160, {},
               1, tiles.__getitem__)  # fmt: skip
    assert np.array_equal(Area(tmp_path, "tower/images").tiles, tiles) and one.tiles is None
    random = AugmentationConfig(**{**OFF, "mirror": True, "turn": True, "heading_deg": 30.0, "shift_m": 5.0})
    for augmentation in (None, random):
        batches = [PlaceBatches(tmp_path, [name], inputs(polar), CPU, augmentation).batch(np.arange(12), torch.Generator().manual_seed(3))
                   for name in ("tower/one", "tower/images")]  # fmt: skip
        assert (batches[0].tile - batches[1].tile).abs().mean() < 0.002 and batches[0].tile.std() > 0.015
        assert torch.equal(batches[0].cloud, batches[1].cloud)
    mixed = PlaceBatches(tmp_path, ["tower/one", "tower/images"], inputs(polar), CPU).batch(np.array([13, 1]))
    assert (mixed.tile[0] - mixed.tile[1]).abs().mean() < 0.004


@pytest.mark.parametrize("changes", [{}, {"mirror": True, "turn": True}, {"mirror": True, "turn": True, "heading_deg": 90.0}])
def test_the_graph_agrees_with_the_panorama(root, changes):
    """The tower is the only node of each place, and lies where the panorama and the tile show it, mirrored and turned too."""
    config = AugmentationConfig(**{**OFF, **changes}) if changes else None
    places = PlaceBatches(root, ["tower/one"], inputs(encoder="buildings"), CPU, config)
    seen = []
    for seed in range(4):
        batch = places.batch(np.arange(len(HEADINGS)), torch.Generator().manual_seed(seed))
        graph = batch.graph
        assert graph.place.tolist() == list(range(len(HEADINGS))) and graph.edges.shape == (2, 0)
        assert torch.allclose(graph.nodes[:, 2], torch.tensor(50.0), atol=0.1)
        right, ahead, sine, cosine = graph.nodes[:, [0, 1, 3, 4]].T.numpy()
        assert np.allclose(np.degrees(np.arctan2(right, ahead)), np.degrees(np.arctan2(sine, cosine)), atol=0.01)
        assert_directions(batch, np.degrees(np.arctan2(right, ahead)), False)
        seen.append(right)
    assert bool(changes) == (np.std(seen, axis=0).max() > 1)


def test_the_graph_is_shifted_as_the_cloud_is(root):
    shift = {}
    for encoder, of in (("dgcnn", lambda batch: batch.cloud.mean(1)[:, :2]), ("buildings", lambda batch: batch.graph.nodes[:, :2])):
        augmentations = None, AugmentationConfig(**{**OFF, "shift_m": 8.0})
        read = [PlaceBatches(root, ["tower/one"], inputs(encoder=encoder), CPU, augmentation) for augmentation in augmentations]
        plain, shifted = (of(places.batch(np.arange(12), torch.Generator())) for places in read)
        shift[encoder] = shifted - plain
    assert torch.allclose(shift["dgcnn"], shift["buildings"], atol=1e-3) and shift["buildings"].abs().max() > 4


def test_graphs_come_back_in_the_order_asked_for(root):
    places = PlaceBatches(root, ["tower/one", "small/three", "tower/two"], inputs(encoder="buildings"), CPU)
    order = np.array([20, 0, 13, 5, 16, 12, 15, 1, 19])
    batch, singles = places.batch(order), [places.batch(np.array([place])) for place in order]
    for name, value in vars(PlaceGraph.join([single.graph for single in singles])).items():
        assert np.array_equal(value, getattr(batch.graph, name)), name
    assert batch.graph.edges.shape[1] > 20 and np.array_equal(batch.position.numpy(), places.xy[order])


def test_graphs_only_where_they_are_wanted_and_held(root, tmp_path):
    batch = PlaceBatches(root, ["tower/one"], inputs(), CPU).batch(np.arange(2))
    assert batch.graph is None and batch.cloud is not None
    batch = PlaceBatches(root, ["tower/one"], inputs(encoder="buildings"), CPU).batch(np.arange(2))
    assert batch.graph is not None and batch.cloud is None and batch.classes is None
    shutil.copytree(root / "tower", tmp_path / "tower")
    (tmp_path / "tower/map/graph.npz").unlink()
    PlaceBatches(tmp_path, ["tower/one"], inputs(), CPU)
    with pytest.raises(InputError, match="tower/map: this map has no graph of buildings and streets"):
        PlaceBatches(tmp_path, ["tower/one"], inputs(encoder="buildings"), CPU)


def test_modalities_that_the_model_does_not_want(root):
    batch = PlaceBatches(root, ["tower/one", "tower/two"], inputs(cloud=False), CPU).batch(np.array([0, 14]))
    assert batch.cloud is None and batch.classes is None and batch.tile is not None
    batch = PlaceBatches(root, ["tower/one", "tower/two"], inputs(tile=False), CPU).batch(np.array([0, 14]))
    assert batch.tile is None and batch.cloud is not None


@pytest.mark.parametrize("height", [16, 24])
def test_panoramas_are_scaled_down_by_their_mean(root, height):
    batch = PlaceBatches(root, ["tower/one"], inputs(height=height), CPU).batch(np.arange(12))
    assert batch.panorama.shape == (12, 3, height, 2 * height)
    assert batch.panorama.mean((1, 2, 3)).numpy() == pytest.approx(np.full(12, 1 / 64), rel=0.1)


def test_areas_that_do_not_suffice(root):
    with pytest.raises(InputError, match="no area here"):
        PlaceBatches(root, ["tower/none"], inputs(), CPU)
    with pytest.raises(InputError, match="--height 64"):
        PlaceBatches(root, ["tower/one"], inputs(height=64), CPU)
    with pytest.raises(InputError, match="--points 200"):
        PlaceBatches(root, ["tower/one"], inputs(points=200), CPU)


def test_an_area_of_another_map(root, tmp_path, new_extract):
    shutil.copytree(root / "tower", tmp_path / "tower")
    extract = new_extract(100, 100)
    extract.box(0, 0, 10, 10, {"building": "yes"})
    build_map(extract.write(tmp_path / "other.osm"), tmp_path / "tower")
    with pytest.raises(InputError, match="another map"):
        PlaceBatches(tmp_path, ["tower/one"], inputs(), CPU)


def test_prefetch_keeps_order_and_passes_errors_on():
    made = list(prefetch(lambda i: SimpleNamespace(value=i * 10), [1, 2, 3]))
    assert [m.value for m in made] == [10, 20, 30]
    assert list(prefetch(lambda i: i, [])) == []
    with pytest.raises(ZeroDivisionError):
        list(prefetch(lambda i: 1 // i, [1, 0, 2]))
