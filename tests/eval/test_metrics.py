"""Retrieval metrics against naive loops, and against the known metrics of published embeddings."""

import numpy as np
import pytest
import torch

from eval import metrics
from eval.embeddings import read_embeddings
from eval.metrics import metrics_table, rank_references, retrieval_metrics
from utils.errors import InputError
from utils.projection import great_circle_m


def embeddings(n, dims=8, noise=1.5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    reference = torch.randn(n, dims, generator=generator)
    return (reference + noise * torch.randn(n, dims, generator=generator)) * 3, reference


def cosine(a, b):
    return float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize(("n", "block"), [(1, 2048), (7, 3), (60, 7), (60, 60), (61, 20)])
def test_ranks_against_a_loop(monkeypatch, n, block):
    monkeypatch.setattr(metrics, "BLOCK", block)
    query, reference = embeddings(n)
    rank, nearest = rank_references(query, reference)
    q, r = query.double().numpy(), reference.double().numpy()
    for i in range(n):
        similarity = [cosine(q[i], r[j]) for j in range(n)]
        assert rank[i] == sum(similarity[j] >= similarity[i] for j in range(n) if j != i)
        assert nearest[i] == max(range(n), key=similarity.__getitem__)


@pytest.mark.parametrize(("n", "top_percent"), [(250, 2), (50, 1), (99, 1), (199, 1), (200, 2), (1, 1)])
def test_metrics_against_a_loop(n, top_percent):
    query, reference = embeddings(n)
    xy = np.random.default_rng(0).uniform(0, 100, (n, 2))
    found = retrieval_metrics(query, reference, xy)
    rank, nearest = rank_references(query, reference)
    errors = sorted(float(np.hypot(*(xy[a] - xy[i]))) for i, a in enumerate(nearest))
    expected = {"queries": n, "references": n}
    for name, k in (("recall@1", 1), ("recall@5", 5), ("recall@10", 10), ("recall@1%", top_percent)):
        expected[name] = 100 * sum(r < k for r in rank) / n
    for metres in (10, 25, 50):
        expected[f"within_{metres}m"] = 100 * sum(e <= metres for e in errors) / n
    expected["mean_error_m"] = sum(errors) / n
    expected["median_error_m"] = (errors[(n - 1) // 2] + errors[n // 2]) / 2
    assert list(found) == list(expected)
    assert found == pytest.approx(expected)


def test_without_positions_there_are_no_metres():
    assert list(retrieval_metrics(*embeddings(20))) == ["queries", "references", "recall@1", "recall@5", "recall@10", "recall@1%"]


def test_perfect_and_reversed_embeddings():
    reference = torch.eye(200)
    assert retrieval_metrics(reference, reference)["recall@1"] == 100
    assert retrieval_metrics(-reference, reference)["recall@1%"] == 0


@pytest.mark.parametrize("n", [130, 2049])
@pytest.mark.parametrize("value", [1.0, 0.0, -0.3])
def test_constant_embeddings_are_not_right(n, value):
    constant = torch.full((n, 6), value)
    result = retrieval_metrics(constant, constant)
    assert result["recall@1"] == result["recall@5"] == result["recall@10"] == 0


def test_ties_count_against_the_query():
    query = torch.tensor([[1.0, 0], [1, 0], [0, 1]])
    assert rank_references(query, query)[0].tolist() == [1, 1, 0]


def test_length_of_an_embedding_does_not_matter():
    query, reference = embeddings(40)
    scale = torch.rand(40, 1) * 1000 + 1e-2
    assert retrieval_metrics(query * scale, reference / scale) == retrieval_metrics(query, reference)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("which", [0, 1])
def test_embeddings_that_are_not_finite_are_refused(value, which):
    pair = embeddings(9)
    pair[which][4, 2] = pair[which][7, 0] = value
    with pytest.raises(InputError, match=rf"{('query', 'reference')[which]} embedding 4 is not finite \(2 such rows\)"):
        retrieval_metrics(*pair)


def test_table():
    rows = {name: retrieval_metrics(*embeddings(n), np.zeros((n, 2))) for name, n in (("a/b", 1200), ("longer/name", 9))}
    head, line, first, second = metrics_table(rows).splitlines()
    assert head.split() == "area places R@1 R@5 R@10 R@1% ≤ 10m ≤ 25m ≤ 50m mean m median m".split()
    assert first.split()[:3] == ["a/b", "1,200", f"{rows['a/b']['recall@1']:.1f}"] and second.split()[:2] == ["longer/name", "9"]
    assert len(head) == len(line) == len(first) == len(second)


def test_published_ranks(shared_data):
    """Ranks of the true reference as the published evaluation computes them, for random embeddings."""
    reference = np.random.RandomState(301).standard_normal((200, 16))
    query = reference + 0.9 * np.random.RandomState(302).standard_normal((200, 16))
    outputs = np.load(shared_data.parent / "parity/f_get_recall/outputs.npz")
    assert rank_references(torch.from_numpy(query), torch.from_numpy(reference))[0].tolist() == outputs["A_rank_of_true"].tolist()


@pytest.mark.parametrize(
    ("file", "known"),
    [
        ("2d/MES_hudsonriver5k", (34.20, 61.86, 71.34, 87.48)),
        ("2dsafapolar/MES_hudsonriver5k", (38.48, 64.18, 72.42, 88.82)),
        ("dgcnn2to3/MES_hudsonriver5k", (47.54, 72.52, 79.98, 91.88)),
        ("2d/MES_unionsquare5k", (42.14, 71.90, 81.44, 94.40)),
        ("2dsafapolar/MES_unionsquare5k", (47.38, 76.22, 84.82, 96.22)),
        ("dgcnn2to3/MES_unionsquare5k", (63.68, 87.82, 92.82, 98.58)),
    ],
)
def test_published_embeddings(shared_data, file, known):
    """To the digit; with 5,000 places the best 1 % are the best 50."""
    places = read_embeddings(shared_data / f"published-embeddings/{file}.mat")
    assert places.query.shape == (5000, 16) and places.metric == "euclidean"
    result = retrieval_metrics(places.query, places.reference, metric=places.metric)
    assert [round(result[f"recall@{k}"], 6) for k in ("1", "5", "10", "1%")] == list(known)


@pytest.mark.parametrize("n", [7, 60])
def test_euclidean_ranks_against_a_loop(n):
    query, reference = embeddings(n)
    reference[1] = reference[0]  # ties count against the query
    rank, nearest = rank_references(query, reference, "euclidean")
    for i in range(n):
        distance = np.linalg.norm(query[i].double().numpy() - reference.double().numpy(), axis=1)
        assert rank[i] == sum(distance[j] <= distance[i] for j in range(n) if j != i)
        assert distance[nearest[i]] == distance.min()


def test_metres_are_measured_within_a_city():
    """Four places in each of two cities, at the same local coordinates; queries find themselves, a neighbour, or the other city."""
    xy = np.tile([[0.0, 0.0], [8.0, 0.0], [30.0, 0.0], [0.0, 40.0]], (2, 1))
    city = np.repeat([3, 5], 4)
    lat_lon = np.concatenate([np.full((4, 2), (40.74, -73.98)), np.full((4, 2), (40.44, -79.97))])
    found = np.array([0, 0, 6, 7, 4, 4, 2, 3])
    query = torch.eye(8)[torch.from_numpy(found)]
    metrics = retrieval_metrics(query, torch.eye(8), xy, city=city, lat_lon=lat_lon)
    assert metrics["within_10m"] == metrics["within_50m"] == 50
    assert metrics["mean_error_m"] == pytest.approx((8 + 8 + 4 * great_circle_m(*lat_lon[0], *lat_lon[7])) / 8)
    overlapping = retrieval_metrics(query, torch.eye(8), xy, city=city, lat_lon=np.tile([(40.74, -73.98)], (8, 1)))
    assert overlapping["within_50m"] == 50 and overlapping["mean_error_m"] == pytest.approx((8 + 8 + 4 * 50) / 8)
    one = retrieval_metrics(query, torch.eye(8), xy, city=np.zeros(8, int), lat_lon=lat_lon)
    assert one == retrieval_metrics(query, torch.eye(8), xy) and one["within_10m"] == 100
