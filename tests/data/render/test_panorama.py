"""Rendered panoramas: geometry, conditions, and cameras that would stand inside a building. Directions are in test_conventions.py."""

import numpy as np
import pytest

from data.render.panorama import CAMERA_HEIGHT_M, Conditions, Renderer
from utils.classes import INDEX

CONDITIONS = Conditions(np.array([0.0, -0.6, 0.8]), 0.8, 1.0, 0.0, 0.0, 5)


@pytest.fixture(scope="module")
def renderer(small_city):
    return Renderer(small_city, 32)


def test_shape_and_variety(renderer):
    image = renderer.render(0.0, 0.0, 0.0, CONDITIONS)
    assert image.shape == (32, 64, 3) and image.dtype == np.uint8
    assert image.std() > 15
    assert (image[0].astype(int)[:, 2] > image[0].astype(int)[:, 0]).mean() > 0.5  # the sky is blue, at least here and there


def test_heading_rolls_the_columns(renderer):
    north, east = (renderer.render(0.0, 0.0, heading, CONDITIONS).astype(int) for heading in (0.0, 90.0))
    assert np.abs(np.roll(north, -16, axis=1) - east).mean() < 2
    assert np.abs(north - east).mean() > 5


def test_same_place_same_picture(renderer):
    first, again = (renderer.render(-80.0, 30.0, 12.0, CONDITIONS) for _ in range(2))
    assert np.array_equal(first, again)


def test_ground_appears_where_it_lies(tower_city):
    """Bare ground and sky meet in the middle; the roof edge of the tower stands at its elevation."""
    image = Renderer(tower_city, 64).render(0.0, 0.0, 90.0, CONDITIONS).astype(int)
    column = image[:, 64]  # straight at the tower: 60 m high, its wall 40 m away
    edge = np.abs(np.diff(column[:28], axis=0)).sum(1).argmax() + 1
    assert 90 - edge * 180 / 64 == pytest.approx(np.degrees(np.arctan2(60 - CAMERA_HEIGHT_M, 40)), abs=3)
    behind = image[:, 0]
    assert np.abs(np.diff(behind[24:40], axis=0)).sum(1).argmax() + 25 == 32


def test_sun_lights_the_side_that_faces_it(tower_city):
    renderer = Renderer(tower_city, 64)
    bright = {}
    for name, sun in (("west", (-0.8, 0.0, 0.6)), ("east", (0.8, 0.0, 0.6))):  # the wall that we see faces west
        image = renderer.render(0.0, 0.0, 90.0, Conditions(np.array(sun), 1.0, 1.0, 0.0, 0.0, 5))
        bright[name] = image[16:30, 60:68].mean()
    assert bright["west"] > 1.2 * bright["east"]


def test_the_tower_throws_a_shadow(tower_city):
    renderer = Renderer(tower_city, 64)
    at = {}
    for name, sun in (("shadow", (0.6, 0.0, 0.8)), ("light", (-0.6, 0.0, 0.8))):  # 60 m high: its shadow reaches 45 m
        image = renderer.render(10.0, 0.0, 90.0, Conditions(np.array(sun), 1.0, 1.0, 0.0, 0.0, 5))
        at[name] = image[42:50, 62:66].mean()  # the ground ahead
    assert at["light"] > 1.2 * at["shadow"]


def test_conditions_come_from_id_and_seed_alone():
    def same(a, b):
        return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))

    first = Conditions.draw("a", 0)
    assert same(first, Conditions.draw("a", 0))
    assert not same(first, Conditions.draw("b", 0)) and not same(first, Conditions.draw("a", 1))
    many = [Conditions.draw(str(i), 0) for i in range(200)]
    assert np.allclose([np.linalg.norm(c.sun) for c in many], 1)
    assert all(0.3 < c.sun[2] < 0.95 and 0 <= c.season <= 1 and 0 <= c.sunlight <= 1 for c in many)
    assert np.ptp([np.arctan2(c.sun[0], c.sun[1]) for c in many]) > 6


def test_a_camera_inside_a_building_moves_to_the_nearest_spot_outside(tower_city):
    renderer = Renderer(tower_city, 8)
    assert renderer.free_spot(0.0, 0.0) == (0.0, 0.0)
    x, y = renderer.free_spot(43.0, 1.0)  # 3 m inside the west wall
    assert 38 < x < 40.2 and abs(y - 1) < 1
    assert renderer.free_spot(50.0, 0.0, reach_m=5.0) == (50.0, 0.0)  # nothing free so near
    assert renderer.free_spot(9000.0, 0.0) == (9000.0, 0.0)  # not on the map


def test_free_spots_are_free_and_nearest(renderer, small_city):
    free = np.argwhere(np.asarray(small_city.ground) != INDEX["buildings"])[:, ::-1] + 0.5
    for x, y in np.random.default_rng(0).uniform((-390, -290), (390, 290), (60, 2)):
        start, spot = small_city.georeference.to_pixels([(x, y), renderer.free_spot(x, y)])
        column, row = spot.astype(int)
        assert small_city.ground[row, column] != INDEX["buildings"]
        assert np.hypot(*(spot - start)) < np.hypot(*(free - start).T).min() + 1.5  # pixels
