"""Procedural appearance: hashes and noise that behave, and colours in range."""

import numpy as np
import pytest

from data.render.materials import GROUND_PALETTE, ground_colour, hash01, noise, tree_colour, wall_colour
from utils.classes import BARE, INDEX


def test_hash_is_uniform_and_depends_on_every_number():
    values = np.array([hash01(a, b, 7) for a in range(-20, 20) for b in range(50)])
    assert values.min() >= 0 and values.max() < 1
    counts = np.histogram(values, 20, (0, 1))[0]
    assert ((counts - 100) ** 2 / 100).sum() < 43.8  # chi-square, 19 degrees of freedom: 0.1 % lie above
    assert len({hash01(1, 2, 3), hash01(2, 1, 3), hash01(3, 2, 1), hash01(1, 2, 4), hash01(-1, 2, 3)}) == 5
    assert hash01(5, 6, 7) == hash01(5, 6, 7)


def test_noise_is_smooth_and_meets_the_hash_at_whole_numbers():
    assert noise(3.0, -4.0, 9) == hash01(3, -4, 9)
    line = np.array([noise(x, 0.3, 1) for x in np.arange(-5, 5, 0.01)])
    assert np.abs(np.diff(line)).max() < 0.03 and np.ptp(line) > 0.3
    assert line.min() >= 0 and line.max() <= 1


@pytest.mark.parametrize("footprint_m", [0.01, 1.0, 100.0])
def test_colours_stay_in_range(footprint_m):
    rng, rgb = np.random.default_rng(0), np.zeros(3)
    for x, y, z in rng.uniform((-500, -500, 0), (500, 500, 60), (100, 3)):
        owner = int(rng.integers(1000))
        wall_colour(x, z, owner, footprint_m, 1.0, rgb)
        assert (rgb >= 0).all() and (rgb < 1.3).all()
        ground_colour(x, y, int(rng.integers(25)), 1.0, footprint_m, rgb)
        assert (rgb >= 0).all() and (rgb < 1.3).all()
        tree_colour(x, y, z, owner, 1.0, rgb)
        assert (rgb >= 0).all() and rgb[1] > rgb[2]


def test_ground_by_class():
    assert GROUND_PALETTE.shape == (256, 3)
    green, blue = GROUND_PALETTE[INDEX["vegetation"]], GROUND_PALETTE[INDEX["water"]]
    assert green.argmax() == 1 and blue.argmax() == 2
    assert not np.array_equal(GROUND_PALETTE[BARE], GROUND_PALETTE[INDEX["roads_primary"]])


def test_facades_of_two_buildings_differ():
    colours = np.zeros((40, 3))
    for owner in range(40):
        wall_colour(0.05, 8.0, owner, 50.0, 0.5, colours[owner])
    assert len(np.unique(colours.round(3), axis=0)) > 30
