"""Pooling of feature maps by the mean, against naive loops."""

import pytest
import torch

from config.pooling_settings import SectorSettings
from models.poolings import WIDTH, MapMean


def map_mean(rows, columns, sectors):
    torch.manual_seed(0)
    pool = MapMean(SectorSettings("mean", sectors), 5, rows, columns).eval()
    if sectors > 1:
        pool.reduce[1].running_mean.normal_()
        pool.reduce[1].running_var.uniform_(0.5, 2)
    return pool


@torch.no_grad()
@pytest.mark.parametrize(("rows", "columns", "sectors"), [(2, 8, 4), (1, 6, 3), (3, 4, 4), (2, 4, 2)])
def test_sectors_against_a_loop(rows, columns, sectors):
    pool = map_mean(rows, columns, sectors)
    features = torch.randn(3, 5, rows, columns)
    reduced, wide = pool.reduce(features), columns // sectors
    assert pool.width == WIDTH * rows * sectors
    for b in range(3):
        expected = torch.zeros(WIDTH, rows, sectors)
        for c in range(WIDTH):
            for r in range(rows):
                for s in range(sectors):
                    expected[c, r, s] = sum(reduced[b, c, r, s * wide + i] for i in range(wide)) / wide
        torch.testing.assert_close(pool(features)[b], expected.flatten(), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_sectors_tell_directions_apart_and_the_global_mean_does_not():
    features = torch.rand(2, 5, 2, 8)
    turned = features.roll(4, dims=3)
    plain, sectors = map_mean(2, 8, 1), map_mean(2, 8, 4)
    torch.testing.assert_close(plain(turned), plain(features))
    torch.testing.assert_close(plain(features)[0], features[0].flatten(1).mean(1))
    assert (sectors(turned) - sectors(features)).abs().max() > 1e-3
