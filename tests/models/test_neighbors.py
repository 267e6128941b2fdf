"""Neighbours and the maximum over them, against naive loops."""

import pytest
import torch

from models.neighbors import nearest_neighbors, neighbor_max


def naive_max(features, index):
    rows = [[torch.stack([features[b, j] for j in row]).amax(0) for row in index[b].tolist()] for b in range(len(features))]
    return torch.stack([torch.stack(r) for r in rows])


@pytest.mark.parametrize(("points", "dims", "k"), [(40, 3, 1), (40, 3, 7), (33, 16, 33), (2, 3, 2), (1, 2, 1)])
def test_nearest_neighbors(points, dims, k):
    cloud = torch.randn(3, points, dims, generator=torch.Generator().manual_seed(0))
    index = nearest_neighbors(cloud, k)
    assert index.shape == (3, points, k) and index.dtype == torch.int64
    for b in range(3):
        for i in range(points):
            distance = (cloud[b].double() - cloud[b, i].double()).norm(dim=1)
            expected = sorted(range(points), key=lambda j, d=distance: float(d[j]))[:k]
            assert index[b, i].tolist() == expected
            assert expected[0] == i


def test_repeated_points_are_neighbors_of_each_other():
    cloud = torch.tensor([[[0.0, 0, 0], [5, 0, 0], [0, 0, 0], [5, 0, 0], [0, 0, 9]]])
    near = nearest_neighbors(cloud, 2).sort(-1).values
    assert near[0, :4].tolist() == [[0, 2], [1, 3], [0, 2], [1, 3]]


def test_neighbors_need_no_gradient_and_do_not_mix_samples():
    cloud = torch.randn(2, 9, 3, requires_grad=True)
    index = nearest_neighbors(cloud, 3)
    assert torch.equal(index[1], nearest_neighbors(cloud[1:], 3)[0]) and index.max() < 9


def test_distances_are_computed_in_float32_under_autocast():
    cloud = torch.rand(2, 200, 3, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        rough = nearest_neighbors(cloud, 8)
    assert torch.equal(rough, nearest_neighbors(cloud, 8))


@pytest.mark.parametrize("k", [1, 2, 6])
def test_neighbor_max_values_and_gradients(k):
    generator = torch.Generator().manual_seed(k)
    features = torch.randn(3, 10, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    index = torch.randint(0, 10, (3, 10, k), generator=generator)
    upstream = torch.randn(3, 10, 4, generator=generator, dtype=torch.float64)
    fast, slow = neighbor_max(features, index), naive_max(features, index)
    assert torch.equal(fast, slow)
    gradient, expected = (torch.autograd.grad((v * upstream).sum(), features)[0] for v in (fast, slow))
    torch.testing.assert_close(gradient, expected)
    assert torch.autograd.gradcheck(lambda f: neighbor_max(f, index), (features,))


def test_ties_go_to_the_first_neighbor():
    features = torch.zeros(1, 3, 2, requires_grad=True)
    neighbor_max(features, torch.tensor([[[2, 0, 1], [1, 2, 0], [2, 1, 0]]])).sum().backward()
    assert features.grad[0, :, 0].tolist() == [0, 1, 2]


def test_neighbor_max_keeps_bfloat16():
    features = torch.randn(1, 6, 3).bfloat16().requires_grad_()
    pooled = neighbor_max(features, torch.arange(6).view(1, 6, 1))
    assert pooled.dtype == torch.bfloat16 and torch.equal(pooled, features)
    pooled.sum().backward()
    assert torch.equal(features.grad, torch.ones_like(features))
