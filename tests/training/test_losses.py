"""Losses against naive loops. The published numbers are in tests/parity/test_published_losses.py."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from config.learning_settings import InfoNCESettings, TripletSettings
from training.losses import InfoNCE, Triplet, cosine_similarity, negatives, same_places


def infonce(query, reference, temperature, ignore=None):
    """Of embeddings of the same places."""
    loss = InfoNCE(InfoNCESettings("infonce", temperature=temperature))
    return loss(cosine_similarity(query, reference), torch.arange(len(query)), ignore)


def triplet(query, reference, margin, ignore=None):
    loss = Triplet(TripletSettings("triplet", margin=margin))
    return loss(cosine_similarity(query, reference), torch.arange(len(query)), ignore)


def unit(v):
    return v / np.linalg.norm(v)


def naive_infonce(query, reference, temperature, ignore):
    """Mean negative log-probability of the own place, averaged over both directions."""
    q, r = ([unit(v) for v in e.double().numpy()] for e in (query, reference))
    n, total = len(q), 0.0
    for i in range(n):
        for logits in ([q[i] @ r[j] / temperature if j == i or not ignore[i][j] else None for j in range(n)],
                       [q[j] @ r[i] / temperature if j == i or not ignore[j][i] else None for j in range(n)]):  # fmt: skip
            total += math.log(sum(math.exp(v) for v in logits if v is not None)) - logits[i]
    return total / (2 * n)


def naive_triplet(query, reference, margin, ignore):
    q, r = ([unit(v) for v in e.double().numpy()] for e in (query, reference))
    n, terms = len(q), ([], [])
    for i in range(n):
        own = np.linalg.norm(q[i] - r[i])
        for j in range(n):
            if j != i and not ignore[i][j]:
                terms[0].append(math.log1p(math.exp(own - np.linalg.norm(q[i] - r[j]) + margin)))
            if j != i and not ignore[j][i]:
                terms[1].append(math.log1p(math.exp(own - np.linalg.norm(q[j] - r[i]) + margin)))
    return (np.mean(terms[0]) + np.mean(terms[1])) / 2


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(9, 6, generator=generator)
    return 3 * (reference + torch.randn(9, 6, generator=generator)), reference


@pytest.fixture(params=[None, 0.3, 0.8])
def ignore(request):
    """No mask, or a random one. It is not symmetric, and parts of its diagonal are set, which must not matter."""
    return None if request.param is None else torch.rand(9, 9, generator=torch.Generator().manual_seed(1)) < request.param


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_infonce_against_a_loop(pair, ignore, temperature):
    mask = torch.zeros(9, 9, dtype=torch.bool) if ignore is None else ignore
    assert infonce(*pair, temperature, ignore).item() == pytest.approx(naive_infonce(*pair, temperature, mask.tolist()), rel=1e-5)


@pytest.mark.parametrize("margin", [0.0, 0.1, 1.0])
def test_triplet_against_a_loop(pair, ignore, margin):
    mask = torch.zeros(9, 9, dtype=torch.bool) if ignore is None else ignore
    assert triplet(*pair, margin, ignore).item() == pytest.approx(naive_triplet(*pair, margin, mask.tolist()), rel=1e-5)


@pytest.mark.parametrize(("loss", "setting"), [(infonce, 0.1), (triplet, 0.1)])
@pytest.mark.parametrize("same", [0, 5, 9])
def test_finite_where_places_are_ignored(pair, loss, setting, same):
    """Also if the whole batch is one place."""
    query, reference = (v.requires_grad_() for v in pair)
    ignore = torch.zeros(9, 9, dtype=torch.bool)
    ignore[:same, :same] = True
    value = loss(query, reference, setting, ignore)
    value.backward()
    assert value.isfinite() and query.grad.isfinite().all() and reference.grad.isfinite().all()
    if same == 9:
        assert value == 0 and not query.grad.any() and not reference.grad.any()


@pytest.mark.parametrize(("loss", "setting"), [(infonce, 0.07), (triplet, 0.1)])
def test_finite_gradients_at_perfect_and_at_zero_embeddings(loss, setting):
    for value in (torch.eye(4), torch.zeros(4, 4), torch.ones(4, 4)):
        query, reference = value.clone().requires_grad_(), value.clone().requires_grad_()
        loss(query, reference, setting).backward()
        assert query.grad.isfinite().all() and reference.grad.isfinite().all()


@pytest.mark.parametrize(("loss", "setting"), [(infonce, 0.07), (triplet, 0.1)])
def test_computed_in_float32(pair, loss, setting):
    rough = [v.bfloat16() for v in pair]
    value = loss(*rough, setting)
    assert value.dtype == torch.float32 and value == loss(*(v.float() for v in rough), setting)


def naive_rectangular(similarity, positive, ignore, term):
    """Means over both directions of term(own, others): of the queries' rows, and of the columns of their own references."""
    queries, terms = range(len(positive)), ([], [])
    for i in queries:
        others = [similarity[i][j] for j in range(len(similarity[i])) if j != positive[i] and not ignore[i][j]]
        terms[0].append(term(similarity[i][positive[i]], others))
        others = [similarity[k][positive[i]] for k in queries if positive[k] != positive[i] and not ignore[k][positive[i]]]
        terms[1].append(term(similarity[i][positive[i]], others))
    return terms


@pytest.mark.parametrize("masked", [False, True])
def test_rectangular_similarities_with_positives_anywhere(masked):
    """Five queries and nine references, two of which are the same place."""
    rng = np.random.default_rng(3)
    similarity, positive = rng.uniform(-1, 1, (5, 9)), np.array([7, 0, 3, 8, 3])
    ignore = rng.random((5, 9)) < 0.3 * masked
    arguments = torch.from_numpy(similarity).float(), torch.from_numpy(positive), torch.from_numpy(ignore)

    terms = naive_rectangular(similarity, positive, ignore, lambda own, others: math.log1p(sum(math.exp((v - own) / 0.2) for v in others)))
    assert InfoNCE(InfoNCESettings("infonce", temperature=0.2))(*arguments).item() == pytest.approx(np.mean(terms), rel=1e-5)

    def differences(own, others):
        return [math.log1p(math.exp(math.sqrt(2 - 2 * own) - math.sqrt(2 - 2 * v) + 0.1)) for v in others]

    expected = np.mean([np.mean(sum(direction, [])) for direction in naive_rectangular(similarity, positive, ignore, differences)])
    assert Triplet(TripletSettings("triplet", margin=0.1))(*arguments).item() == pytest.approx(expected, rel=1e-5)


def test_negatives_are_neither_own_nor_ignored():
    ignore = torch.tensor([[True, False, True], [False, False, True]])
    assert negatives(torch.zeros(2, 3), torch.tensor([0, 1]), ignore).tolist() == [[False, True, False], [True, False, False]]


def test_same_places_against_a_loop():
    rng = np.random.default_rng(0)
    position = rng.uniform(0, 20, (40, 2)) + [3e4, -2e4]  # a large city, far from its origin
    city = rng.integers(0, 2, 40)
    near = same_places(torch.from_numpy(position), torch.from_numpy(city), 5.0)
    expected = [[math.dist(position[i], position[j]) < 5 and bool(city[i] == city[j]) for j in range(40)] for i in range(40)]
    assert near.tolist() == expected and 0.05 < near.float().mean() < 0.5


def test_places_of_other_cities_are_never_the_same():
    position = torch.zeros(2, 2, dtype=torch.float64)
    assert same_places(position, torch.tensor([0, 1]), 5).tolist() == [[True, False], [False, True]]


def test_gradients_point_downhill(pair):
    for loss, setting in ((infonce, 0.2), (triplet, 0.1)):
        query = pair[0].clone().requires_grad_()
        before = loss(query, pair[1], setting)
        before.backward()
        with torch.no_grad():
            assert loss(query - 0.1 * functional.normalize(query.grad), pair[1], setting) < before
