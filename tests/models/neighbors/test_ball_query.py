"""Ball query against a loop."""

import math

import numpy as np
import pytest
import torch

from models.neighbors import ball_query


def naive(distances, radius, k):
    limit = np.float32(radius) * np.float32(radius)
    inside = [j for j, d in enumerate(distances) if d <= limit][:k] or [distances.index(min(distances))]
    return inside + [inside[0]] * (k - len(inside))


@pytest.mark.parametrize("radius", [0, 0.3, 1, math.sqrt(2), 1000])
@pytest.mark.parametrize("k", [1, 6, 30])
def test_balls(make_cloud, naive_distances, radius, k):
    cloud, queries = make_cloud(), make_cloud(seed=1)[:, :10]
    index = ball_query(cloud, queries, radius, k)
    assert index.shape == (2, 10, k) and index.dtype == torch.int64
    for b in range(2):
        assert index[b].tolist() == [naive(naive_distances(cloud[b], q), radius, k) for q in queries[b]]


def test_fewer_points_are_filled_up_with_the_first():
    cloud = torch.tensor([[9.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 5], [0, 0, 0]])[None]
    queries = torch.tensor([[0.0, 0, 0], [0, 0, 4], [20, 0, 0]])[None]
    assert ball_query(cloud, queries, 1, 4)[0].tolist() == [[1, 2, 4, 1], [3, 3, 3, 3], [0, 0, 0, 0]]


@pytest.mark.parametrize("radius", [0.1, 0.2, 0.4, 0.7])
def test_a_point_on_the_sphere_is_inside(radius):
    cloud = torch.tensor([5.0, radius, np.nextafter(np.float32(radius), np.float32(1)), -radius]).view(1, 4, 1)
    assert ball_query(cloud, torch.zeros(1, 1, 1), radius, 3)[0, 0].tolist() in ([1, 3, 1], [1, 2, 3])  # the next may round to it
    assert ball_query(cloud, torch.zeros(1, 1, 1), radius * 1.01, 3)[0, 0].tolist() == [1, 2, 3]


def test_chunks_and_autocast_change_nothing(make_cloud, tiny_chunks, monkeypatch):
    cloud = make_cloud().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        chunked = ball_query(cloud, cloud, 1, 5)
    monkeypatch.undo()
    assert torch.equal(chunked, ball_query(cloud, cloud, 1, 5)) and not chunked.requires_grad


@pytest.mark.parametrize(("points", "radius", "k", "message"), [
    (4, 1, 5, "k is 5, it takes 1 to the number of points"), (0, 1, 1, "the cloud is empty"),
    (4, -1, 2, "radius is -1, it takes"), (4, math.nan, 2, "radius is nan"),
])  # fmt: skip
def test_bad_input(points, radius, k, message):
    cloud = torch.randn(2, points, 3)
    with pytest.raises(ValueError, match=message):
        ball_query(cloud, cloud, radius, k)
