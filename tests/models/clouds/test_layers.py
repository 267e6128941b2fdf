"""Thinning and neighbourhoods, against loops over the formulas of the papers."""

import pytest
import torch

from models.clouds.layers import FarthestSampling, PointNorm, SetAbstraction
from models.neighbors import farthest_points


@pytest.fixture
def cloud():
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(2, 15, n, generator=generator, dtype=torch.float64) for n in (3, 4))


@pytest.mark.parametrize("radius", [None, 0.4])
@pytest.mark.parametrize("width", [4, 0])
def test_set_abstraction(cloud, trained, radius, width):
    """PointNet++: of each sampled point, the maximum over its neighbours j of an MLP of [x_j − x_i, f_j]."""
    torch.manual_seed(0)
    positions, features = cloud
    features = features[..., :width]
    layer = trained(SetAbstraction(3, 4, width, [6, 5], radius))
    with torch.no_grad():
        kept, centres, output = layer(positions, features)
        assert torch.equal(kept, farthest_points(positions, 5)) and output.shape == (2, 5, 5)
        weight = layer.offset.weight if width == 0 else torch.cat([layer.offset.weight, layer.feature.weight], 1)
        for b in range(2):
            for q, i in enumerate(kept[b].tolist()):
                distance = [float((positions[b, j] - positions[b, i]).norm()) for j in range(15)]
                if radius is None:
                    near = sorted(range(15), key=distance.__getitem__)[:4]
                else:
                    near = [j for j in range(15) if distance[j] <= radius][:4]
                edges = torch.stack([weight @ torch.cat([positions[b, j] - positions[b, i], features[b, j]]) for j in near])
                torch.testing.assert_close(output[b, q], layer.rest(edges).amax(0))
                assert torch.equal(centres[b, q], positions[b, i])


def test_sampling_begins_where_it_is_told(cloud):
    positions, _ = cloud
    sample = FarthestSampling(4)
    assert torch.equal(sample(positions), farthest_points(positions, 3, 0))
    sample.start = torch.tensor([7, 2])
    assert torch.equal(sample(positions), farthest_points(positions, 3, sample.start))
    assert FarthestSampling(40)(positions).shape == (2, 1), "a point is always left"


def test_norms_are_over_points_and_edges_alike():
    torch.manual_seed(0)
    norm, x = PointNorm(5), torch.randn(2, 3, 4, 5) * 3 + 1
    flat = norm(x).view(-1, 5)
    torch.testing.assert_close(flat.mean(0), torch.zeros(5), atol=1e-6, rtol=0)
    torch.testing.assert_close(flat.std(0, correction=0), torch.ones(5), atol=1e-4, rtol=0)
