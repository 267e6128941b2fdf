"""Poolings of tokens, which serve maps and points, against naive loops."""

import math

import pytest
import torch

from config.pooling_settings import MAP_POOLINGS, POINT_POOLINGS
from models.poolings import CLUSTERS, GeM, MaxMean, Mean, NetVLAD

CLASSES = [Mean, MaxMean, GeM, NetVLAD]
BATCH, TOKENS, CHANNELS = 3, 8, 5


@pytest.fixture
def tokens():
    return torch.randn(BATCH, TOKENS, CHANNELS, generator=torch.Generator().manual_seed(0))


def make(cls):
    torch.manual_seed(1)
    return cls(None, CHANNELS)


def softmax(values):
    powers = [math.exp(v) for v in values]
    return [p / sum(powers) for p in powers]


def naive_gem(pool, x):
    p = pool.p.item()
    return [(sum(max(x[n][c].item(), 1e-6) ** p for n in range(TOKENS)) / TOKENS) ** (1 / p) for c in range(CHANNELS)]


def naive_netvlad(pool, x):
    vlad = torch.zeros(CLUSTERS, CHANNELS, dtype=torch.double)
    for row in x.double():
        row = row / row.square().sum().sqrt()
        scores = softmax([float(w @ row + b) for w, b in zip(pool.assign.weight.double(), pool.assign.bias.double(), strict=True)])
        for k in range(CLUSTERS):
            vlad[k] += scores[k] * (row - pool.centers[k].double())
    for k in range(CLUSTERS):
        vlad[k] /= vlad[k].square().sum().sqrt()
    return (vlad / vlad.square().sum().sqrt()).flatten().tolist()


def naive_mean(pool, x):
    return [sum(x[:, c].tolist()) / TOKENS for c in range(CHANNELS)]


def naive_max_mean(pool, x):
    return [max(x[:, c].tolist()) for c in range(CHANNELS)] + naive_mean(pool, x)


@torch.no_grad()
@pytest.mark.parametrize(
    ("cls", "naive"),
    [(Mean, naive_mean), (MaxMean, naive_max_mean), (GeM, naive_gem), (NetVLAD, naive_netvlad)],
)
def test_against_a_loop(cls, naive, tokens):
    pool = make(cls)
    pooled = pool(tokens, None)
    assert pooled.shape == (BATCH, pool.width)
    for b in range(BATCH):
        torch.testing.assert_close(pooled[b], torch.tensor(naive(pool, tokens[b])).float(), rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("cls", CLASSES)
def test_maps_and_points_alike_in_any_order(cls, tokens):
    pool = make(cls)
    features = tokens.transpose(1, 2).unflatten(2, (2, 4))  # B,C,2,4
    torch.testing.assert_close(pool(features), pool(tokens, torch.zeros(BATCH, TOKENS, 3)))
    torch.testing.assert_close(pool(tokens[:, torch.randperm(TOKENS)]), pool(tokens), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("p", [1.0, 8.0, 40.0])
def test_gem_is_finite_for_dead_and_for_large_channels(p):
    pool = make(GeM)
    pool.p.data.fill_(p)
    tokens = torch.zeros(BATCH, TOKENS, CHANNELS)
    tokens[:, 0, 0], tokens[:, :, 1] = 300.0, 300.0
    tokens.requires_grad_()
    pooled = pool(tokens)
    pooled.sum().backward()
    torch.testing.assert_close(pooled[:, 1], torch.full((BATCH,), 300.0))
    assert pooled.isfinite().all() and tokens.grad.isfinite().all() and pool.p.grad.isfinite()


def test_gem_lies_between_mean_and_maximum(tokens):
    pool, positive = make(GeM), tokens.abs() + 0.1
    with torch.no_grad():
        pool.p.fill_(1)
        torch.testing.assert_close(pool(positive), positive.mean(1))
        pool.p.fill_(60)
        torch.testing.assert_close(pool(positive), positive.amax(1), rtol=0.05, atol=0)


def test_netvlad_begins_by_assigning_to_the_nearest_center():
    pool = make(NetVLAD)
    scores = pool.assign(torch.nn.functional.normalize(pool.centers, dim=1))
    assert scores.argmax(1).tolist() == list(range(CLUSTERS))


@pytest.mark.parametrize("cls", CLASSES)
def test_mixed_precision_stays_finite(cls, tokens):
    with torch.autocast("cpu", torch.bfloat16):
        pooled = make(cls)(tokens.bfloat16())
    assert pooled.isfinite().all()


def test_maps_and_points_share_classes():
    for name in ("gem", "netvlad"):
        assert MAP_POOLINGS[name].path == POINT_POOLINGS[name].path
