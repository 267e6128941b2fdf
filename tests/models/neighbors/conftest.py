"""Clouds that are difficult because of rounding and ties, and the published numbers."""

import numpy as np
import pytest
import torch


def _grid(rng, dims):
    """More points than grid cells: all distances have ties, and points coincide."""
    return rng.integers(0, 3, (2, 30, dims))


CLOUDS = {
    "random": lambda rng, dims: rng.standard_normal((2, 30, dims)),
    "grid": _grid,
    "grid far away": lambda rng, dims: _grid(rng, dims) + 100_000,
    "fine grid far away": lambda rng, dims: _grid(rng, dims) / 64 - 20_000,
    "far away": lambda rng, dims: rng.uniform(0, 1, (2, 30, dims)) + [4e5] * dims,
    "coincident": lambda rng, dims: np.repeat(rng.standard_normal((2, 6, dims)), 5, axis=1)[:, rng.permutation(30)],
    "all in one place": lambda rng, dims: np.full((2, 30, dims), 0.1),
}


@pytest.fixture(params=[*CLOUDS])
def make_cloud(request):
    """(2, 30, dims) float32, of each kind."""
    return lambda dims=3, seed=0: torch.from_numpy(CLOUDS[request.param](np.random.default_rng(seed), dims).astype(np.float32))


@pytest.fixture
def tiny_chunks(monkeypatch):
    """Two queries at a time of clouds of 30 points."""
    monkeypatch.setattr("models.neighbors.CHUNK", 60)


@pytest.fixture(scope="session")
def parity(shared_data):
    """Arrays of a case of the published system, by the names of the case and the file."""
    return lambda case, file="outputs": dict(np.load(shared_data.parent / "parity" / case / f"{file}.npz"))


@pytest.fixture(scope="session")
def naive_distances():
    """Squared distances of a query (D,) from points (P, D): a loop in numpy's float32, the axes in order."""

    def loop(points, query):
        distances = []
        for point in points.numpy():
            total = np.float32(0)
            for a, b in zip(point, query.numpy(), strict=True):
                total += (b - a) * (b - a)
            distances.append(total)
        return distances

    return loop
