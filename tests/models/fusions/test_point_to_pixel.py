"""Point-to-pixel fusion against a loop over pixels."""

import math

import pytest
import torch

from models.fusions.pixel_to_point import sample_at_points
from models.fusions.tile_pixels import sample_pixels, tile_pixels, upsample
from utils.frames import tile_grid


def naive(fusion, tile, features, points, cells, places, sampled):
    """The fusion pixel by pixel, with the same layers."""
    batch, channels, rows, columns = tile.shape
    joined = torch.zeros(batch, channels, rows, columns)
    for b in range(batch):
        for r in range(rows):
            for c in range(columns):
                distances = [math.dist(cells[r][c], places[b][p]) for p in range(points.shape[1])]
                p = distances.index(min(distances))
                offset = torch.tensor([places[b][p][i] - cells[r][c][i] for i in range(2)])
                resemblance = (sampled[b, p] * tile[b, :, r, c]).mean()[None]
                lifted = fusion.lift(torch.cat([offset, resemblance, features[b, p]])[None])
                joined[b, :, r, c] = fusion.join(torch.cat([lifted, tile[b, None, :, r, c]], 1))[0]
    return fusion.pool(joined)


@torch.no_grad()
@pytest.mark.parametrize("polar", [False, True])
def test_exact_geometry_against_a_loop(polar, make_fusion, make_inputs):
    fusion, ((_, tile), (_, features), points) = make_fusion("point_to_pixel", polar), make_inputs(polar)
    pixel_m = 152 / tile.shape[3]
    cells = (tile_grid(*tile.shape[2:], polar).double() / pixel_m).tolist()
    places = (points[..., :2].double() / pixel_m).tolist()
    expected = naive(fusion, tile, features, points, cells, places, sample_at_points(tile, points, polar))
    torch.testing.assert_close(fusion((None, tile), (None, features), points), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_published_geometry_against_a_loop(make_fusion, make_inputs):
    fusion, ((_, tile), (_, features), points) = make_fusion("3to2", rows=1), make_inputs(rows=1)
    large, places = upsample(tile, 4), tile_pixels(points, 4)
    cells = [[(c, r) for c in range(4)] for r in range(4)]
    expected = naive(fusion, large, features, points, cells, places.tolist(), sample_pixels(large, places))
    torch.testing.assert_close(fusion((None, tile), (None, features), points), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("polar", [False, True])
def test_a_point_at_a_pixels_place_is_its_own(polar, make_fusion, make_inputs):
    """Every pixel has a point at its centre, and many more points are elsewhere: each pixel gets its own, with offset zero."""
    fusion, ((_, tile), _, _) = make_fusion("point_to_pixel", polar), make_inputs(polar)
    at = tile_grid(*tile.shape[2:], polar).flatten(0, 1)
    points = torch.cat([torch.cat([at, torch.full_like(at, 300)]), torch.full((2 * len(at), 1), 7.0)], 1)[None].repeat(3, 1, 1)
    seen = []
    fusion.lift.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    features = torch.randn(3, len(points[0]), 6)
    fusion((None, tile), (None, features), points)
    assert (seen[0][..., :2] == 0).all() and torch.equal(seen[0][..., 3:], features[:, : len(at)])
    torch.testing.assert_close(seen[0][..., 2], tile.flatten(2).square().mean(1), rtol=1e-2, atol=1e-2)
