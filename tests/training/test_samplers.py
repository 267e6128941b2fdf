"""Batches of places: each place once, nearby places together, cities apart."""

import numpy as np
import pytest

from config.components import Settings
from config.learning_settings import ClumpsSettings
from training.samplers import Clumps, Shuffled, _nearest


def sampler_of(xy, group, batch, clump, seed=0):
    """Clumps of one place have no effect."""
    if clump == 1:
        return Shuffled(Settings("shuffled"), xy, group, batch, seed)
    return Clumps(ClumpsSettings("clumps", clump), xy, group, batch, seed)


def places(n=200, groups=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 2000, (n, 2)), np.sort(rng.integers(0, groups, n))


@pytest.mark.parametrize(("n", "batch", "clump"), [(200, 16, 1), (200, 16, 4), (200, 15, 4), (33, 32, 3), (64, 64, 64), (2, 2, 2)])
def test_every_place_at_most_once_an_epoch(n, batch, clump):
    sampler = sampler_of(*places(n, groups=1), batch, clump, seed=0)
    for epoch in range(3):
        batches = sampler.epoch(epoch)
        assert len(batches) == len(sampler) == n // batch
        assert all(b.shape == (batch,) for b in batches)
        taken = np.concatenate(batches)
        assert len(set(taken.tolist())) == len(taken) and 0 <= taken.min() and taken.max() < n


def test_over_the_epochs_every_place_is_taken():
    sampler = sampler_of(*places(50), 16, 4, seed=0)
    taken = np.concatenate([np.concatenate(sampler.epoch(e)) for e in range(20)])
    assert set(taken.tolist()) == set(range(50))


def test_fewer_places_than_a_batch():
    sampler = sampler_of(*places(7, groups=1), 8, 2, seed=0)
    assert len(sampler) == 0 and sampler.epoch(0) == []


@pytest.mark.parametrize("clump", [1, 4])
def test_seed_and_epoch_decide_the_batches(clump):
    def epoch(seed, number):
        return np.stack(sampler_of(*places(), 16, clump, seed).epoch(number))

    assert np.array_equal(epoch(3, 5), epoch(3, 5))
    sampler = sampler_of(*places(), 16, clump, 3)
    sampler.epoch(0)
    assert np.array_equal(np.stack(sampler.epoch(5)), epoch(3, 5))  # independent of earlier epochs
    assert not np.array_equal(epoch(3, 5), epoch(3, 6)) and not np.array_equal(epoch(3, 5), epoch(4, 5))


def nearest_in_batch(batches, xy):
    """Mean distance to the nearest other place of the same batch."""
    distances = [np.linalg.norm(xy[b][:, None] - xy[b][None], axis=2) + 1e9 * np.eye(len(b)) for b in batches]
    return np.mean([d.min(1) for d in distances])


def test_clumps_are_near_places():
    xy, group = places(800, groups=1)
    apart, near = (nearest_in_batch(sampler_of(xy, group, 32, clump, 0).epoch(0), xy) for clump in (1, 4))
    assert near < apart / 2


def test_a_clump_is_a_place_and_its_nearest_free_neighbors():
    xy, group = np.column_stack([np.array([0, 1, 3, 7, 15, 31.0]), np.zeros(6)]), np.zeros(6, int)
    clumps = sampler_of(xy, group, 2, 3, 0)._clumps(np.array([2, 5, 0, 1, 3, 4]))
    assert [c.tolist() for c in clumps] == [[2, 1, 0], [5, 4, 3]]


def test_clumps_stay_within_their_group():
    """Two cities whose local coordinates coincide."""
    xy = np.tile(np.random.default_rng(0).uniform(0, 500, (60, 2)), (2, 1))
    group = np.repeat([0, 1], 60)
    sampler = sampler_of(xy, group, 8, 4, 0)
    for epoch in range(3):
        assert all(len(set(group[c])) == 1 for c in sampler._clumps(np.random.default_rng(epoch).permutation(120)))


def test_a_city_at_the_same_coordinates_takes_no_room_among_the_neighbors():
    """Two cities with the same coordinates and groups of 24 places: every clump is full, and within one group of one city."""
    rng = np.random.default_rng(0)
    xy = np.tile(np.repeat(rng.uniform(0, 9000, (5, 2)), 24, 0) + rng.uniform(0, 9, (120, 2)), (2, 1))
    group = np.repeat([0, 1], 120)
    assert (group[_nearest(xy, group, 32)] == group[:, None]).all()
    clumps = sampler_of(xy, group, 8, 8, 0)._clumps(rng.permutation(240))
    assert len(clumps) == 30 and all(len(clump) == 8 and len(set(np.arange(240)[clump] // 24)) == 1 for clump in clumps)


@pytest.mark.parametrize(("n", "count"), [(30, 5), (1200, 12), (4, 3), (2, 8)])
def test_nearest_against_brute_force(n, count):
    xy, group = places(n, groups=1)
    found = _nearest(xy, group, count)
    for i in range(0, n, 1 + n // 60):
        order = [j for j in np.argsort(np.linalg.norm(xy - xy[i], axis=1), kind="stable") if j != i]
        assert found[i].tolist() == order[:count]


def test_nearest_of_places_on_one_spot():
    """No place is its own neighbour, even if more places than requested are at its position. A single place has none."""
    found = _nearest(np.zeros((40, 2)), np.zeros(40, int), 8)
    assert found.shape == (40, 8) and (found != np.arange(40)[:, None]).all()
    assert all(len(set(row)) == 8 for row in found.tolist())
    assert _nearest(np.zeros((1, 2)), np.zeros(1, int), 8).shape == (1, 0)


def test_a_small_city_is_not_filled_up_with_places_of_another():
    xy, group = np.random.default_rng(0).random((20, 2)) * 100, np.repeat([0, 1], [17, 3])
    clumps = sampler_of(xy, group, 4, 4, 0)._clumps(np.arange(19, -1, -1))
    assert all(len(set(group[c])) == 1 for c in clumps) and sorted(np.concatenate(clumps)) == list(range(20))


def test_clumps_of_one_are_uniformly_random():
    xy, group = places()
    ones = Clumps(ClumpsSettings("clumps", 1), xy, group, 16, 0).epoch(2)
    assert sorted(np.concatenate(ones).tolist()) == sorted(set(np.concatenate(ones).tolist()))
