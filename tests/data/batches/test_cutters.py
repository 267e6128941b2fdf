"""Heading-up tiles and clouds against naive loops. What the directions mean is in test_conventions.py."""

import math

import numpy as np
import pytest
import torch

from data.batches.cutters import TileCutter, cut_clouds
from utils.classes import BARE_RGB
from utils.frames import tile_grid, to_view, to_world
from utils.georeference import EXTENT_M

PLACES = [(0.0, 0.0, 0.0), (30.3, -40.7, 33.0), (-200.0, 120.0, 181.0), (390.0, 290.0, 275.5)]  # the last near a corner of the map


def naive_tile(city, x, y, heading_deg, height, width, polar):
    """Pixel by pixel: where it looks, and the bilinear mean of the four reduced pixels around; bare ground outside."""
    pixel_m = EXTENT_M / 2 / height if polar else EXTENT_M / height
    factor = max(1, int(pixel_m / city.georeference.metres_per_pixel))
    rows, columns = (n // factor for n in city.raster.shape[:2])
    blocks = np.asarray(city.raster)[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, 3)
    reduced, size = np.round(blocks.astype(float).mean((1, 3))), factor * city.georeference.metres_per_pixel
    x0, _, _, y1 = city.georeference.bounds
    a, out = math.radians(heading_deg), np.zeros((3, height, width))

    def colour(r, c):
        return reduced[r, c] if 0 <= r < rows and 0 <= c < columns else np.array(BARE_RGB, float)

    for i in range(height):
        for j in range(width):
            if polar:
                azimuth, radius = ((j + 0.5) / width - 0.5) * 2 * math.pi, (1 - (i + 0.5) / height) * EXTENT_M / 2
                right, ahead = radius * math.sin(azimuth), radius * math.cos(azimuth)
            else:
                right, ahead = ((j + 0.5) / width - 0.5) * EXTENT_M, (0.5 - (i + 0.5) / height) * EXTENT_M
            east, north = right * math.cos(a) + ahead * math.sin(a), ahead * math.cos(a) - right * math.sin(a)
            c, r = (x + east - x0) / size - 0.5, (y1 - y - north) / size - 0.5
            c0, r0 = math.floor(c), math.floor(r)
            u, v = c - c0, r - r0
            top = (1 - u) * colour(r0, c0) + u * colour(r0, c0 + 1)
            bottom = (1 - u) * colour(r0 + 1, c0) + u * colour(r0 + 1, c0 + 1)
            out[:, i, j] = ((1 - v) * top + v * bottom) / 255
    return out


def tensors(places):
    rows = torch.tensor(places, dtype=torch.float64)
    return rows[:, :2], rows[:, 2]


@pytest.mark.parametrize(("height", "width", "polar"), [(32, 32, False), (400, 400, False), (24, 48, True)])
def test_tiles_against_a_loop(small_city, height, width, polar):
    places = PLACES if height < 100 else PLACES[1:2]
    tiles = TileCutter(small_city, height, width, polar)(*tensors(places))
    assert tiles.shape == (len(places), 3, height, width) and tiles.dtype == torch.float32
    for tile, place in zip(tiles.numpy(), places, strict=True):
        assert np.abs(tile - naive_tile(small_city, *place, height, width, polar)).max() < 0.004  # a rounded grey level


@pytest.mark.parametrize("polar", [False, True])
def test_a_batch_equals_its_places_one_by_one(small_city, polar):
    cut = TileCutter(small_city, 32, 64 if polar else 32, polar)
    centre, heading = tensors(PLACES * 2)
    batch = cut(centre, heading)
    for i in range(len(centre)):
        assert torch.equal(batch[i], cut(centre[i : i + 1], heading[i : i + 1])[0])


def test_outside_the_map_is_bare_ground(small_city):
    tiles = TileCutter(small_city, 16, 16, False)(*tensors([(5000.0, 0.0, 10.0), (-5000.0, -5000.0, 0.0), (400.0, 0.0, 0.0)]))
    bare = torch.tensor(BARE_RGB)[:, None, None] / 255
    colour = (tiles - bare).abs()
    assert colour[:2].max() < 1e-3
    assert colour[2, :, :, 9:].max() < 1e-3 and colour[2, :, :, :7].max() > 0.01


def test_grids_in_words():
    grid = tile_grid(152, 152, False)
    assert grid.shape == (152, 152, 2)
    assert torch.allclose(grid[0, 0], torch.tensor([-75.5, 75.5])) and torch.allclose(grid[-1, -1], torch.tensor([75.5, -75.5]))
    polar = tile_grid(76, 360, True)
    radius = polar.norm(dim=-1)
    assert radius[0].min() == pytest.approx(75.5, abs=1e-3) and radius[-1].max() == pytest.approx(0.5, abs=1e-3)
    for column, direction in ((0, (0, -1)), (90, (-1, 0)), (180, (0, 1)), (270, (1, 0))):  # back, left, ahead, right
        assert torch.allclose(polar[0, column] / radius[0, column], torch.tensor(direction).float(), atol=0.01)


def test_view_and_world_are_inverse():
    rng = torch.Generator().manual_seed(0)
    world = 100 * torch.randn(5, 40, 2, generator=rng, dtype=torch.float64)
    heading = 360 * torch.rand(5, generator=rng, dtype=torch.float64)
    assert torch.allclose(to_world(to_view(world, heading)[:, None], heading)[:, 0], world)
    assert torch.allclose(to_view(to_world(world[:, None], heading)[:, 0], heading), world)


def test_clouds_against_a_loop(small_city):
    points = torch.from_numpy(np.array(small_city.points))
    index = torch.randint(len(points), (4, 50), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    centre, heading = tensors(PLACES)
    clouds = cut_clouds(points, index, centre, heading)
    assert clouds.dtype == torch.float32
    for b, (x, y, heading_deg) in enumerate(PLACES):
        a = math.radians(heading_deg)
        for p, i in enumerate(index[b].tolist()):
            east, north, up = (float(v) for v in points[i] - torch.tensor([x, y, 0]))
            expected = (east * math.cos(a) - north * math.sin(a), east * math.sin(a) + north * math.cos(a), up)
            assert clouds[b, p].tolist() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("polar", [False, True])
def test_a_batch_as_large_as_a_tile_is_high(small_city, polar):
    cut = TileCutter(small_city, 8, 16 if polar else 8, polar)
    centre = torch.zeros(8, 2, dtype=torch.float64) + torch.arange(8)[:, None] * 9
    heading = torch.arange(8) * 40.0
    batch = cut(centre, heading)
    for i in range(8):
        assert torch.equal(batch[i], cut(centre[i : i + 1], heading[i : i + 1])[0])


@pytest.mark.parametrize("polar", [False, True])
def test_a_tile_of_another_extent(small_city, polar):
    """A tile of twice the extent holds the smaller one: its middle, or its lower half of radii."""
    where = tensors([(10.0, 20.0, 33.0), (-90.0, 40.0, 250.0)])
    small = TileCutter(small_city, 64, 128 if polar else 64, polar)(*where)
    wide = TileCutter(small_city, 128, 128, polar, extent_m=304.0)(*where)
    middle = wide[:, :, 64:] if polar else wide[:, :, 32:96, 32:96]
    assert (middle - small).abs().mean() < 1e-5 and small.std() > 0.03
    assert torch.equal(tile_grid(8, 8, polar, 304.0), 2 * tile_grid(8, 8, polar))


def test_a_tile_far_wider_than_the_map(small_city):
    assert TileCutter(small_city, 8, 8, False, extent_m=1e6)(*tensors([(0.0, 0.0, 0.0)])).shape == (1, 3, 8, 8)
