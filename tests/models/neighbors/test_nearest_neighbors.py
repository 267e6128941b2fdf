"""Nearest neighbours against a loop."""

import numpy as np
import pytest
import torch

from models.neighbors import nearest_neighbors


def rank(distances, k):
    return sorted(range(len(distances)), key=lambda j: (distances[j], j))[:k]


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 7, 30])
def test_coordinates_are_exact_with_ties(make_cloud, naive_distances, dims, k):
    cloud, queries = make_cloud(dims), make_cloud(dims, seed=1)[:, :10]
    index = nearest_neighbors(cloud, k, queries)
    assert index.shape == (2, 10, k) and index.dtype == torch.int64
    for b in range(2):
        assert index[b].tolist() == [rank(naive_distances(cloud[b], q), k) for q in queries[b]]


def test_coordinates_are_exact_to_the_last_bit():
    """With so many points, float32 rounds thousands of distances to equal numbers, or to another order."""
    cloud = torch.rand(1, 20_000, 3, generator=torch.Generator().manual_seed(0))
    x, y, z = np.square(cloud[0].numpy() - cloud[0, 0].numpy()).T
    assert nearest_neighbors(cloud, 20_000, cloud[:, :1])[0, 0].tolist() == np.argsort(x + y + z, kind="stable").tolist()


@pytest.mark.parametrize("dims", [4, 64, 200])
def test_features_are_exact_with_ties(make_cloud, dims):
    """The exact distances, rounded to float32: float64 holds squares of float32 coordinates almost without loss."""
    cloud, queries = make_cloud(dims), make_cloud(dims, seed=1)[:, :10]
    index = nearest_neighbors(cloud, 20, queries)
    for b in range(2):
        points = cloud[b].double().numpy()
        assert index[b].tolist() == [rank(((points - q) ** 2).sum(1).astype(np.float32), 20) for q in queries[b].double().numpy()]


@pytest.mark.parametrize("dims", [3, 64])
def test_points_are_their_own_queries(make_cloud, dims):
    cloud = make_cloud(dims)
    index = nearest_neighbors(cloud, 9)
    assert torch.equal(index, nearest_neighbors(cloud, 9, cloud))
    first = [[next(j for j in range(30) if torch.equal(c[j], p)) for p in c] for c in cloud]
    assert index[..., 0].tolist() == first  # themselves, or the first coincident point


@pytest.mark.parametrize("dims", [3, 64])
def test_chunks_change_nothing(make_cloud, tiny_chunks, monkeypatch, dims):
    cloud = make_cloud(dims)
    chunked = nearest_neighbors(cloud, 9)
    monkeypatch.undo()
    assert torch.equal(chunked, nearest_neighbors(cloud, 9))


@pytest.mark.parametrize(("chunk", "shapes"), [
    (1, [(1, 1, 9)] * 20), (20, [(1, 2, 9)] * 10), (45, [(1, 5, 9)] * 4), (89, [(1, 9, 9), (1, 1, 9)] * 2), (180, [(2, 10, 9)]),
])  # fmt: skip
def test_no_more_distances_at_a_time_than_stated(monkeypatch, chunk, shapes):
    seen, topk = [], torch.Tensor.topk
    monkeypatch.setattr("models.neighbors.CHUNK", chunk)
    monkeypatch.setattr(torch.Tensor, "topk", lambda x, *a, **k: seen.append(tuple(x.shape)) or topk(x, *a, **k))
    nearest_neighbors(torch.randn(2, 9, 3), 2, torch.randn(2, 10, 3))
    assert seen == shapes


def test_many_equal_distances_keep_the_order_of_their_indices():
    """Indices with many bits, and distances that differ by one step of float32."""
    step = np.nextafter(np.float32(1), np.float32(2))
    square = torch.tensor([1.0, float(step)]).repeat(30_000).view(1, -1, 1)
    order = nearest_neighbors(square, 60_000, torch.zeros(1, 1, 1))[0, 0]
    assert torch.equal(order, torch.arange(60_000).view(-1, 2).T.flatten())


def test_the_smallest_distances_are_above_zero():
    cloud = torch.tensor([1e-19, 0, 3e-23, 0, -1e-19, 1]).view(1, 6, 1)
    assert nearest_neighbors(cloud, 6, torch.zeros(1, 1, 1))[0, 0].tolist() == [1, 3, 2, 0, 4, 5]


@pytest.mark.parametrize("dims", [3, 16])
def test_autocast_changes_nothing(dims):
    cloud = torch.rand(2, 200, dims, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        rough = nearest_neighbors(cloud, 8)
    assert torch.equal(rough, nearest_neighbors(cloud, 8))


@pytest.mark.parametrize("dims", [3, 16])
def test_neighbors_need_no_gradient_and_do_not_mix_samples(dims):
    cloud = torch.randn(2, 9, dims, requires_grad=True)
    index = nearest_neighbors(cloud, 3)
    assert torch.equal(index[1], nearest_neighbors(cloud[1:], 3)[0]) and index.max() < 9


@pytest.mark.parametrize("dims", [3, 16])
def test_no_clouds_and_no_queries(dims):
    assert nearest_neighbors(torch.randn(0, 9, dims), 3).shape == (0, 9, 3)
    assert nearest_neighbors(torch.randn(2, 9, dims), 3, torch.randn(2, 0, dims)).shape == (2, 0, 3)


@pytest.mark.parametrize(("points", "k", "message"), [
    (4, 5, r"k is 5, it takes 1 to the number of points \(4\)"), (4, 0, "k is 0, it takes 1 to"), (0, 1, "the cloud is empty"),
])  # fmt: skip
def test_bad_input(points, k, message):
    with pytest.raises(ValueError, match=message):
        nearest_neighbors(torch.randn(2, points, 3), k)


def test_nearest_point_of_a_pixel_as_published(parity):
    case = parity("g_projection")
    points = torch.from_numpy(case["pixels"]).transpose(1, 2)  # column, row
    row, column = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    pixels = torch.stack([column, row], -1).view(1, -1, 2).expand(2, -1, -1)
    assert nearest_neighbors(points, 1, pixels)[..., 0].tolist() == case["nearest_point_of_pixel"].tolist()
