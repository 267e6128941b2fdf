"""PointNeXt: the factorised set abstraction is the textbook one, on fixed samples, in balls."""

import pytest
import torch

from config.schema import CloudConfig
from models.clouds.pointnext import BallMax, InvertedResidual, PointNeXt
from models.neighbors import ball_query


def norm(layer, x):
    return (x - layer.running_mean) / (layer.running_var + layer.eps).sqrt() * layer.weight + layer.bias


@pytest.fixture
def cloud():
    generator = torch.Generator().manual_seed(2)
    return torch.rand(2, 14, 3, generator=generator).double(), torch.randn(2, 14, 5, generator=generator).double()


@torch.no_grad()
@pytest.mark.parametrize("count", [14, 6])
def test_ball_max_is_the_maximum_over_explicit_edges(cloud, count, trained):
    torch.manual_seed(0)
    positions, x = cloud
    layer = trained(BallMax(5, 6, 0.4, 4))
    output = layer(positions, x, count)
    assert output.shape == (2, count, 6)
    w = torch.cat([layer.offset.weight, layer.feature.weight], dim=1)
    full = 0
    for b in range(2):
        for i in range(count):
            ball = [j for j in range(14) if (positions[b, j] - positions[b, i]).norm() <= 0.4]
            full += len(ball) > 4
            edges = torch.stack([w @ torch.cat([(positions[b, j] - positions[b, i]) / 0.4, x[b, j]]) for j in ball[:4]])
            torch.testing.assert_close(output[b, i], norm(layer.norm, edges).relu().amax(0))
    assert 0 < full < 2 * count


@torch.no_grad()
def test_inverted_residual_is_the_formula(cloud, trained):
    torch.manual_seed(0)
    positions, x = cloud
    block = trained(InvertedResidual(5, 0.4, 4))
    wide = norm(block.widen[1], block.neighbors(positions, x, 14) @ block.widen[0].weight.T).relu()
    assert wide.shape == (2, 14, 20)
    torch.testing.assert_close(block(positions, x), (x + norm(block.narrow[1], wide @ block.narrow[0].weight.T)).relu())


@torch.no_grad()
def test_levels_keep_the_first_points_in_balls_that_grow(cloud, monkeypatch):
    searches = []

    def search(points, queries, radius, k):
        searches.append((points.shape[1], queries.shape[1], round(radius, 6), k))
        return ball_query(points, queries, radius, k)

    monkeypatch.setattr("models.clouds.pointnext.ball_query", search)
    config = CloudConfig(encoder="pointnext", points=14, neighbors=5, radius=0.1, strides=[2, 4], widths=[4, 6, 8], features=7)
    features, kept = PointNeXt(config, 5).double().eval()(*cloud)
    assert searches == [(14, 7, 0.1, 5), (7, 7, 0.2, 5), (7, 1, 0.2, 5), (1, 1, 0.4, 1)]
    assert features.shape == (2, 1, 7) and kept.tolist() == [[0], [0]]


@torch.no_grad()
def test_offsets_are_exact_under_autocast():
    """Two neighbours far from the middle, 10 cm apart: mapped in bfloat16 they would coincide."""
    torch.manual_seed(0)
    layer = BallMax(2, 16, 0.05, 1).eval()
    positions, x = torch.tensor([[[0.9, 0.9, 0], [0.9 + 0.1 / 76, 0.9, 0]]]), torch.zeros(1, 2, 2)
    exact = layer(positions, x, 2)
    with torch.autocast("cpu", torch.bfloat16):
        rough = layer(positions, x, 2)
    assert exact[0, 1].any()
    torch.testing.assert_close(rough.float(), exact, atol=1e-5, rtol=1e-2)
