"""Land cover: a partition in which the upper layer wins."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings

from data.osm.landcover import land_cover
from tests.data.osm.scenes import holed, rngs
from utils.classes import CLASSES, INDEX

CELL = shapely.box(0, 0, 200, 150)
NONE = np.array([], object)
GROUND_CLASSES = [i for i in range(25) if i != INDEX["buildings"]]


def union(pieces):
    """On a grid of a micrometre, because in floating point GEOS sometimes loses one of several polygons that only touch."""
    return shapely.union_all(pieces, grid_size=2.0**-20)


def random_scene(rng, surfaces=8, footprints=3):
    shapes = np.array([holed(rng, rng.uniform((-20, -20), (220, 170)), rng.uniform(10, 80)) for _ in range(surfaces)], object)
    classes = rng.choice(GROUND_CLASSES, surfaces).astype(np.uint8)
    standing = np.array([holed(rng, rng.uniform((0, 0), (200, 150)), rng.uniform(5, 30)) for _ in range(footprints)], object)
    return shapes, classes, standing


@settings(max_examples=60, deadline=None)
@given(rngs)
def test_random_polygons_become_a_partition_in_which_the_upper_layer_wins(rng):
    shapes, classes, standing = random_scene(rng)
    pieces, piece_classes = land_cover(CELL, shapes, classes, standing)
    assert (shapely.get_type_id(pieces) == shapely.GeometryType.POLYGON).all() and len(pieces) == len(piece_classes)
    open_ground = CELL.difference(shapely.unary_union(standing))
    # Disjoint, and nothing lost but specks: areas add up to what the surfaces cover together.
    assert shapely.area(pieces).sum() == pytest.approx(union(pieces).area, abs=1e-3)
    assert union(pieces).symmetric_difference(shapely.unary_union(shapes).intersection(open_ground)).area < 0.02
    # Class by class, against its own surfaces without those of all layers above.
    for semantic in np.unique(classes):
        higher = shapely.unary_union(shapes[[CLASSES[c].layer > CLASSES[semantic].layer for c in classes]])
        expected = shapely.unary_union(shapes[classes == semantic]).intersection(open_ground).difference(higher)
        assert union(pieces[piece_classes == semantic]).symmetric_difference(expected).area < 0.02
    # Against a naive look at random spots.
    for spot in shapely.points(rng.uniform((0, 0), (200, 150), (20, 2))):
        if min(shapely.distance(spot, shapely.boundary([*shapes, *standing]))) < 0.01:
            continue
        above = [] if shapely.contains(standing, spot).any() else classes[shapely.contains(shapes, spot)].tolist()
        expected = [max(above, key=lambda c: CLASSES[c].layer)] if above else []
        assert piece_classes[shapely.contains(pieces, spot)].tolist() == expected


@settings(max_examples=30, deadline=None)
@given(rngs)
def test_cells_beside_each_other_share_nothing_and_leave_nothing_out(rng):
    shapes, classes, standing = random_scene(rng)
    halves = [land_cover(shapely.box(x, 0, x + 100, 150), shapes, classes, standing) for x in (0, 100)]
    whole = land_cover(CELL, shapes, classes, standing)
    for semantic in np.unique(classes):
        joined = shapely.unary_union(np.concatenate([pieces[of == semantic] for pieces, of in halves]))
        assert joined.symmetric_difference(shapely.unary_union(whole[0][whole[1] == semantic])).area < 0.02


def test_every_class_covers_those_of_lower_layers():
    order = sorted(GROUND_CLASSES, key=lambda c: CLASSES[c].layer)
    stack = np.array([shapely.box(0, 0, 200 - 5 * i, 150) for i in range(len(order))], object)
    for turn in (1, -1):
        pieces, classes = land_cover(CELL, stack[::turn], np.array(order, np.uint8)[::turn], NONE)
        found = {int(c): p.bounds for p, c in zip(pieces, classes, strict=True)}
        expected = {c: (200 - 5 * (i + 1), 0, 200 - 5 * i, 150) for i, c in enumerate(order[:-1])}
        assert found == {**expected, order[-1]: (0, 0, 200 - 5 * (len(order) - 1), 150)}


def test_what_only_touches_the_cell_is_not_in_it():
    beside = np.array([shapely.box(200, 0, 250, 150), shapely.box(-10, -10, 0, 0)], object)
    pieces, classes = land_cover(CELL, beside, np.array([INDEX["water"], INDEX["forest"]], np.uint8), NONE)
    assert len(pieces) == len(classes) == 0


def test_a_cell_without_surfaces():
    for standing in (NONE, np.array([CELL], object)):
        pieces, classes = land_cover(CELL, NONE, np.zeros(0, np.uint8), standing)
        assert len(pieces) == len(classes) == 0 and classes.dtype == np.uint8


def test_a_courtyard_keeps_its_ground():
    house = shapely.box(20, 20, 80, 80).difference(shapely.box(40, 40, 60, 60))
    pieces, _ = land_cover(CELL, np.array([CELL], object), np.array([INDEX["vegetation"]], np.uint8), np.array([house], object))
    assert shapely.area(pieces).tolist() == pytest.approx([200 * 150 - 3600, 400])
