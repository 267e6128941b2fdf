"""Random numbers by identity, against SplitMix64 in Python's own integers."""

import numpy as np
import pytest

from data.osm.streams import stream_keys, uniforms

GOLDEN, MASK = 0x9E3779B97F4A7C15, 2**64 - 1


def mix(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def key_of(seed, *identity):
    key = seed & MASK
    for part in identity:
        key = mix((key + GOLDEN + part) & MASK)
    return key


def uniform_of(key, index):
    return (mix((key + (index + 1) * GOLDEN) & MASK) >> 11) / 2**53


def test_the_generator_is_splitmix64():
    """First outputs for seed 1234567 of the reference implementation (https://prng.di.unimi.it/splitmix64.c)."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    drawn = uniforms(np.uint64(1234567), np.arange(3))
    assert drawn.tolist() == [(v >> 11) / 2**53 for v in expected]


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**64 - 1])
def test_against_a_loop(seed):
    rng = np.random.default_rng(1)
    kinds, ids = rng.integers(0, 9, 50), rng.integers(-(2**62), 2**62, 50)
    keys = stream_keys(seed, 7, kinds, ids)
    assert keys.dtype == np.uint64
    assert keys.tolist() == [key_of(seed, 7, int(k), int(i)) for k, i in zip(kinds, ids, strict=True)]
    index = rng.integers(0, 2**41, 50)
    assert uniforms(keys, index).tolist() == [uniform_of(int(k), int(i)) for k, i in zip(keys, index, strict=True)]


def test_one_identity_one_key():
    assert stream_keys(3, 1, 2).shape == ()
    assert stream_keys(3, 1, np.array([5, 6, 5])).tolist() == [key_of(3, 1, 5), key_of(3, 1, 6), key_of(3, 1, 5)]
    unlike = {int(stream_keys(*parts)) for parts in ((0, 1, 2), (0, 2, 1), (1, 1, 2), (0, 1, -2), (0, 1), (0, 1, 2, 0))}
    assert len(unlike) == 6


def test_neighbouring_things_and_numbers_are_independent():
    table = uniforms(stream_keys(0, 1, np.arange(400))[:, None], np.arange(400))  # things × numbers
    assert table.min() >= 0 and table.max() < 1
    values = np.sort(table.ravel())
    assert np.abs(values - np.arange(len(values)) / len(values)).max() < 1.95 / 400  # Kolmogorov-Smirnov, 0.1 %
    for a, b in ((table[1:], table[:-1]), (table[:, 1:], table[:, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / 400
