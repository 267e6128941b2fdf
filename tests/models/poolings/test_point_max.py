"""Pooling by direction, against a naive loop."""

import math

import pytest
import torch

from config.pooling_settings import SectorSettings
from models.poolings import PointMax


def sector_max(sectors):
    return PointMax(SectorSettings("max", sectors), 3)


def naive(features, cloud, sectors):
    pooled = torch.zeros(len(features), sectors, features.shape[2])
    for b in range(len(features)):
        for s in range(sectors):
            rows = []
            for point, row in zip(cloud[b], features[b], strict=True):
                degrees = (math.degrees(math.atan2(point[0], point[1])) + 180) % 360  # clockwise from straight behind
                if int(degrees // (360 / sectors)) == s:
                    rows.append(row)
            if rows:
                pooled[b, s] = torch.stack(rows).amax(0)
    return pooled.flatten(1)


@pytest.mark.parametrize("sectors", [1, 2, 3, 8])
@pytest.mark.parametrize("points", [1, 4, 50])
def test_against_a_loop(sectors, points):
    generator = torch.Generator().manual_seed(sectors)
    features = torch.randn(4, points, 3, generator=generator) - 2  # mostly negative: empty sectors must not win over them
    cloud = torch.randn(4, points, 3, generator=generator)
    assert torch.equal(sector_max(sectors)(features, cloud), naive(features, cloud, sectors))


@pytest.mark.parametrize(
    ("right", "ahead", "sector"),
    [(-1, -9, 0), (-9, -1, 1), (-9, 1, 2), (-1, 9, 3), (1, 9, 4), (9, 1, 5), (9, -1, 6), (1, -9, 7), (0.0, -1.0, 7), (-0.0, -1.0, 0)],
)
def test_sectors_lie_as_in_a_panorama(right, ahead, sector):
    """From straight behind over left to ahead, in the middle, and further over right."""
    pooled = sector_max(8)(torch.full((1, 1, 2), 5.0), torch.tensor([[[right, ahead, 3.0]]])).view(8, 2)
    assert pooled.nonzero()[:, 0].tolist() == [sector, sector] and pooled[sector].tolist() == [5, 5]


def test_empty_sectors_are_zero_and_gradients_reach_the_winners_alone():
    features = torch.tensor([[[-3.0], [-1.0], [-2.0]]], requires_grad=True)
    cloud = torch.tensor([[[1.0, 1, 0], [2, 1, 0], [-1, 1, 0]]])
    pooled = sector_max(4)(features, cloud)
    assert pooled.tolist() == [[0, -2, -1, 0]]
    pooled.sum().backward()
    assert features.grad.flatten().tolist() == [0, 1, 1]


def test_empty_sectors_in_bfloat16():
    pooled = sector_max(4)(torch.full((1, 1, 1), -7.0, dtype=torch.bfloat16), torch.tensor([[[1.0, 1, 0]]]))
    assert pooled.dtype == torch.bfloat16 and pooled.tolist() == [[0, 0, -7, 0]]
