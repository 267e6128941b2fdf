"""Interpolation between the three nearest points, against a loop."""

import pytest
import torch

from models.neighbors import three_nearest_interpolation


def naive(points, features, query, naive_distances):
    distances = [float(d) for d in naive_distances(points, query)]
    near = sorted(range(len(points)), key=lambda j: (distances[j], j))[:3]
    same = [j for j in near if distances[j] == 0]
    weights = {j: 1 / distances[j] for j in near} if not same else dict.fromkeys(same, 1.0)
    return sum(w * features[j] for j, w in weights.items()) / sum(weights.values())


@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_values_and_gradients(make_cloud, naive_distances, count):
    generator = torch.Generator().manual_seed(0)
    points, queries = make_cloud()[:, :count], torch.cat([make_cloud(seed=1)[:, :6], make_cloud()[:, :4]], 1)
    features = torch.randn(2, count, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    fast = three_nearest_interpolation(points, features, queries)
    slow = torch.stack(
        [torch.stack([naive(p, f, x, naive_distances) for x in q]) for p, f, q in zip(points, features, queries, strict=True)]
    )
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-6)  # weights are float32
    upstream = torch.randn(fast.shape, generator=generator, dtype=torch.float64)
    gradient, expected = (torch.autograd.grad((v * upstream).sum(), features)[0] for v in (fast, slow))
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-5)
    assert torch.autograd.gradcheck(lambda f: three_nearest_interpolation(points, f, queries), (features,))


def test_a_query_on_a_point_takes_its_feature():
    points = torch.tensor([[0.0, 0, 0], [1e-15, 0, 0], [5, 0, 0], [5, 0, 0], [7, 0, 0]])[None]
    features = torch.tensor([[0.1], [0.2], [0.3], [0.5], [9]])[None]
    out = three_nearest_interpolation(points, features, torch.tensor([[0.0, 0, 0], [1e-15, 0, 0], [5, 0, 0], [7, 0, 0]])[None])
    assert torch.equal(out[0, [0, 1, 3], 0], features[0, [0, 1, 4], 0])
    assert out[0, 2].item() == pytest.approx(0.4)


def test_no_distance_is_too_small_to_be_inverted():
    points = torch.tensor([[1e-20, 0, 0], [-1e-20, 0, 0], [9, 0, 0]])[None]
    out = three_nearest_interpolation(points, torch.tensor([[1.0], [3], [100]])[None], torch.zeros(1, 1, 3))
    assert out.item() == pytest.approx(2)


def test_gradients_flow_into_the_features_alone():
    points, features, queries = (torch.randn(2, 6, 3, requires_grad=True) for _ in range(3))
    three_nearest_interpolation(points, features, queries).sum().backward()
    assert points.grad is None and queries.grad is None and features.grad.sum() == pytest.approx(36, rel=1e-5)  # weights sum to one


def test_bfloat16_features_are_summed_in_float32():
    points, queries = torch.randn(1, 9, 3), torch.randn(1, 50, 3)
    features = torch.randn(1, 9, 8).bfloat16()
    out = three_nearest_interpolation(points, features, queries)
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, three_nearest_interpolation(points, features.float(), queries).bfloat16())


def test_an_empty_cloud_is_refused():
    with pytest.raises(ValueError, match="the cloud is empty"):
        three_nearest_interpolation(torch.randn(2, 0, 3), torch.randn(2, 0, 4), torch.randn(2, 5, 3))
