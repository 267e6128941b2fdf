"""Gathered rows and the maximum over neighbours, against naive loops."""

import pytest
import torch

from models.neighbors import gather_rows, neighbor_max


@pytest.mark.parametrize("shape", [(), (4,), (4, 3), (2, 3, 2), (0,)])
def test_gathered_rows_and_gradients(shape):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(3, 5, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    index = torch.randint(0, 5, (3, *shape), generator=generator)
    rows = gather_rows(features, index)
    assert rows.shape == (3, *shape, 2)
    for b in range(3):
        expected = [features[b, j].tolist() for j in index[b].flatten().tolist()]
        assert rows[b].reshape(-1, 2).tolist() == expected
    assert torch.autograd.gradcheck(lambda f: gather_rows(f, index), (features,))


def naive_max(features, index):
    rows = [[torch.stack([features[b, j] for j in row]).amax(0) for row in index[b].tolist()] for b in range(len(features))]
    return torch.stack([torch.stack(r) for r in rows])


@pytest.mark.parametrize("queries", [10, 4])
@pytest.mark.parametrize("k", [1, 2, 6])
def test_neighbor_max_values_and_gradients(k, queries):
    generator = torch.Generator().manual_seed(k)
    features = torch.randn(3, 10, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    index = torch.randint(0, 10, (3, queries, k), generator=generator)
    upstream = torch.randn(3, queries, 4, generator=generator, dtype=torch.float64)
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
