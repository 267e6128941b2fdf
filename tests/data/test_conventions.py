"""The convention that all modalities share. A tower due east of a place is on the right of a viewer who looks north, ahead of one who looks
east, on the left of one who looks south, and behind one who looks west: in the panorama, in both tiles and in the cloud."""

import numpy as np
import pytest
import torch

from data.areas.cloud_index import cloud_index
from data.batches.cutters import TileCutter, cut_clouds
from data.render.panorama import Conditions, Renderer
from utils.frames import tile_grid

# heading, share of the width at which panorama and polar tile show the tower, where it stands in metres right and ahead
CASES = [(0.0, 0.75, (50, 0)), (90.0, 0.5, (0, 50)), (180.0, 0.25, (-50, 0)), (270.0, 0.0, (0, -50)), (30.0, 0.5 + 60 / 360, (43.3, 25))]
CONDITIONS = Conditions(np.array([0.0, -0.6, 0.8]), 0.8, 1.0, 0.0, 0.0, 5)


def mean_column_share(mask):
    """Where a mask (H, W) lies along its width, 0 … 1, on the circle."""
    angle = 2 * np.pi * (np.arange(mask.shape[1]) + 0.5) / mask.shape[1]
    weight = mask.sum(0)
    return np.arctan2((weight * np.sin(angle)).sum(), (weight * np.cos(angle)).sum()) / (2 * np.pi) % 1


def apart(a, b):
    """Distance of two shares on the circle."""
    return abs((a - b + 0.5) % 1 - 0.5)


def tower_mask(tile, bare):
    return (np.abs(tile - bare).sum(0) > 0.1).astype(float)


@pytest.fixture(scope="module")
def renderer(tower_city):
    return Renderer(tower_city, 64)


@pytest.mark.parametrize(("heading", "share", "_"), CASES)
def test_panorama(renderer, heading, share, _):
    here = renderer.render(0.0, 0.0, heading, CONDITIONS)
    far = renderer.render(-450.0, 190.0, heading, CONDITIONS)  # the same sky, with a tower that is small and low
    above_horizon = (np.abs(here.astype(int) - far).sum(2) > 12)[:28]  # more than 12° up
    assert 20 < above_horizon.sum() < 0.25 * above_horizon.size
    assert apart(mean_column_share(above_horizon), share) < 0.01
    # 60 m high at 40 m: its top stands about 55° above the horizon.
    top = 90 - 180 * np.flatnonzero(above_horizon.any(1))[0] / 64
    assert top == pytest.approx(np.degrees(np.arctan2(57.5, 40)), abs=4)


@pytest.mark.parametrize(("heading", "share", "_"), CASES)
def test_polar_tile(tower_city, heading, share, _):
    tile = TileCutter(tower_city, 64, 128, True)(torch.zeros(1, 2, dtype=torch.float64), torch.tensor([heading]))[0].numpy()
    mask = tower_mask(tile, tile[:, -1:, :1])  # the bottom row is the place itself, on bare ground
    assert mask.sum() > 20
    assert apart(mean_column_share(mask), share) < 0.01
    rows = (mask.sum(1) * (np.arange(64) + 0.5)).sum() / mask.sum()
    assert (1 - rows / 64) * 76 == pytest.approx(50, abs=2)


@pytest.mark.parametrize(("heading", "_", "place"), CASES)
def test_cartesian_tile(tower_city, heading, _, place):
    tile = TileCutter(tower_city, 152, 152, False)(torch.zeros(1, 2, dtype=torch.float64), torch.tensor([heading]))[0].numpy()
    mask = tower_mask(tile, tile[:, 76:77, 76:77])
    row, column = ((mask * i).sum() / mask.sum() for i in np.mgrid[:152, :152] + 0.5)
    assert (column - 76, 76 - row) == pytest.approx(place, abs=1)  # one metre a pixel: right is right, ahead is up
    assert 400 < mask.sum() < 530  # 20 m × 20 m, with an outline and blurred edges
    grid = tile_grid(152, 152, False).numpy()
    assert (grid * mask[..., None]).sum((0, 1)) / mask.sum() == pytest.approx(place, abs=1)


@pytest.mark.parametrize(("heading", "_", "place"), CASES)
def test_cloud(tower_city, heading, _, place):
    index = cloud_index(tower_city, 0.0, 0.0, heading, 512)
    points = torch.from_numpy(np.array(tower_city.points))
    cloud = cut_clouds(points, torch.from_numpy(index)[None], torch.zeros(1, 2), torch.tensor([heading]))[0]
    assert cloud[:, :2].mean(0).tolist() == pytest.approx(place, abs=1.5)
    assert cloud[:, 2].min() >= 0 and cloud[:, 2].max() == pytest.approx(60, abs=0.5)
