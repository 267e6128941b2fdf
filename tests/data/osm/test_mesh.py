"""Triangles of buildings, trees, the ground and bridges."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from data.osm.buildings import GROUND_M, Volumes
from data.osm.heights import BY_HEIGHT
from data.osm.mesh import (
    CROWN_M,
    DECK_THICKNESS_M,
    TREE_HEIGHT_M,
    Mesh,
    building_mesh,
    complete_trees,
    deck_sides,
    flat_triangles,
    tree_mesh,
)
from data.osm.roofs import CONE, FLAT, GABLED, PYRAMIDAL
from data.osm.sampling import sample_surface
from data.osm.store import TREE
from data.osm.streams import uniforms
from data.surfaces import CROWN, GROUND, ROOF, TRUNK, UNDERSIDE, WALL
from tests.data.osm.scenes import holed, holed_polygons, rngs
from utils.classes import INDEX

COURTYARD = shapely.box(0, 0, 40, 30).difference(shapely.box(10, 10, 30, 20))


def volumes(*polygons, bottom=2.0, eaves=None, top=12.0, roof=FLAT, ids=None):
    n = len(polygons)
    eaves, ids = top if eaves is None else eaves, np.arange(n) if ids is None else np.array(ids)
    return Volumes(np.array(polygons, dtype=object), ids, np.full(n, bottom), np.full(n, eaves), np.full(n, top),
                   np.full(n, roof, np.uint8), np.zeros(n, bool), np.full(n, np.nan), np.full(n, BY_HEIGHT), np.zeros(n, bool), ids,
                   np.zeros(n, bool))  # fmt: skip


def cross(triangles):
    """Normal of each triangle, as long as twice its area."""
    a, b, c = np.asarray(triangles, np.float64).transpose(1, 0, 2)
    return np.cross(b - a, c - a)


def area(mesh, kind):
    return np.linalg.norm(cross(mesh.triangles), axis=1)[mesh.kind == kind].sum() / 2


def trees(*sizes, ids=None):
    """Trees (x, y, height, crown diameter) and their keys."""
    return np.array(sizes, float).reshape(-1, 4), np.arange(len(sizes), dtype=np.uint64) if ids is None else np.array(ids, np.uint64)


@pytest.mark.parametrize("polygon", [COURTYARD, shapely.reverse(COURTYARD), shapely.orient_polygons(COURTYARD, exterior_cw=True)])
def test_a_building_with_a_courtyard(polygon):
    mesh = building_mesh(volumes(polygon), 0)
    assert area(mesh, WALL) == pytest.approx((2 * (40 + 30) + 2 * (20 + 10)) * 10)
    assert area(mesh, ROOF) == area(mesh, UNDERSIDE) == pytest.approx(40 * 30 - 20 * 10)
    assert set(mesh.kind) == {WALL, ROOF, UNDERSIDE} and set(mesh.semantic) == {INDEX["buildings"]}
    z = mesh.triangles[..., 2]
    assert (z[mesh.kind == ROOF] == 12).all() and (z[mesh.kind == UNDERSIDE] == 2).all()
    assert z[mesh.kind == WALL].min() == 2 and z[mesh.kind == WALL].max() == 12
    normal, middle = cross(mesh.triangles), mesh.triangles.mean(1)
    assert (normal[mesh.kind == ROOF][:, 2] > 0).all() and (normal[mesh.kind == UNDERSIDE][:, 2] < 0).all()
    walls = mesh.kind == WALL
    unit = normal[walls] / np.linalg.norm(normal[walls], axis=1, keepdims=True)
    assert np.allclose(unit[:, 2], 0)
    outside = shapely.points((middle[walls] + 0.1 * unit)[:, :2])
    inside = shapely.points((middle[walls] - 0.1 * unit)[:, :2])
    assert not shapely.covers(COURTYARD, outside).any() and shapely.covers(COURTYARD, inside).all()
    in_court = shapely.covers(shapely.box(9, 9, 31, 21), shapely.points(middle[walls][:, :2]))
    assert np.linalg.norm(normal[walls], axis=1)[in_court].sum() / 2 == pytest.approx(600)  # walls that face into the courtyard


def test_undersides_only_where_something_is_raised():
    for bottom in (0.0, GROUND_M - 0.01):
        assert set(building_mesh(volumes(COURTYARD, bottom=bottom), 0).kind) == {WALL, ROOF}
    assert UNDERSIDE in building_mesh(volumes(COURTYARD, bottom=GROUND_M), 0).kind


def test_a_surface_without_gaps():
    """Every edge of a raised building belongs to two triangles that run along it in opposite directions."""
    mesh = building_mesh(volumes(COURTYARD), 0)
    corners = [[tuple(p) for p in t] for t in mesh.triangles.tolist()]
    edges = [(t[i], t[(i + 1) % 3]) for t in corners for i in range(3)]
    assert len(set(edges)) == len(edges) and {(b, a) for a, b in edges} == set(edges)


@settings(max_examples=60, deadline=None)
@given(rngs, st.floats(0, 30), st.floats(0.5, 50))
def test_random_polygons_with_holes_keep_their_area(rng, bottom, height):
    polygons = [holed(rng, (100.0 * i, -50.0)) for i in range(3)]
    mesh = building_mesh(volumes(*polygons, bottom=bottom, top=bottom + height), 0)
    order = list(dict.fromkeys(mesh.key.tolist()))
    alone = [building_mesh(volumes(p, bottom=bottom, top=bottom + height, ids=[i]), 0) for i, p in enumerate(polygons)]
    assert sorted(order) == sorted(m.key[0] for m in alone) and len(order) == 3
    for polygon, one in zip(polygons, alone, strict=True):
        mine = mesh[mesh.key == one.key[0]]
        assert area(mine, ROOF) == pytest.approx(polygon.area, rel=1e-4)
        assert area(mine, WALL) == pytest.approx(polygon.length * height, rel=1e-4)
        assert area(mine, UNDERSIDE) == pytest.approx(polygon.area if bottom >= GROUND_M else 0, rel=1e-4)
        assert np.array_equal(mine.triangles, one.triangles)  # whatever stands beside it


def test_a_features_triangles_follow_each_other():
    boxes = [shapely.box(100 * i, 0, 100 * i + 10, 10) for i in range(5)]
    mesh = building_mesh(volumes(*boxes, ids=[7, 3, 7, 1, 3]), 0)
    runs = 1 + (mesh.key[1:] != mesh.key[:-1]).sum()
    assert runs == len(np.unique(mesh.key)) == 3
    x = mesh.triangles[..., 0].mean(1) // 100
    assert {frozenset(x[mesh.key == k].tolist()) for k in np.unique(mesh.key)} == {frozenset({0, 2}), frozenset({1, 4}), frozenset({3})}


def test_the_seed_is_in_the_keys():
    first, other = building_mesh(volumes(COURTYARD), 0), building_mesh(volumes(COURTYARD), 1)
    assert first.key[0] != other.key[0] and np.array_equal(first.triangles, other.triangles)


@pytest.mark.parametrize("shape", [GABLED, PYRAMIDAL, CONE])
def test_shaped_roofs_stand_on_their_walls(shape):
    house = shapely.box(0, 0, 20, 10)
    mesh = building_mesh(volumes(house, bottom=0.0, eaves=6.0, top=10.0, roof=shape), 0)
    roof, walls = mesh.triangles[mesh.kind == ROOF], mesh.triangles[mesh.kind == WALL]
    assert (cross(roof)[:, 2] > 0).all() and cross(roof)[:, 2].sum() / 2 == pytest.approx(200, rel=1e-5)
    assert roof[..., 2].min() == 6 and roof[..., 2].max() == pytest.approx(10)
    gables = 2 * 10 * 4 / 2 if shape == GABLED else 0
    assert area(mesh, WALL) == pytest.approx(60 * 6 + gables, rel=1e-5)
    assert walls[..., 2].min() == 0
    middle = walls.mean(1)
    assert ((middle[:, :2] - (10, 5)) * cross(walls)[:, :2]).sum(1).min() > 0  # outwards


def test_a_roof_that_cannot_be_built_is_flat():
    mesh = building_mesh(volumes(COURTYARD, bottom=0.0, eaves=6.0, top=12.0, roof=PYRAMIDAL), 0)  # no apex over a courtyard
    assert (mesh.triangles[mesh.kind == ROOF][..., 2] == 12).all()
    assert area(mesh, ROOF) == pytest.approx(1000) and area(mesh, WALL) == pytest.approx(200 * 12)


def test_joined_meshes_keep_their_triangles():
    parts = [building_mesh(volumes(COURTYARD), 0), tree_mesh(*trees((5, 60, 8, 4))),
             Mesh.of(flat_triangles(np.array([COURTYARD]), 0.0)[0], GROUND, INDEX["water"], np.uint64(5))]  # fmt: skip
    joined = Mesh.join(parts)
    for name in ("triangles", "kind", "semantic", "key"):
        assert np.array_equal(getattr(joined, name), np.concatenate([getattr(p, name) for p in parts]))
    assert len(joined) == sum(map(len, parts)) and joined.triangles.dtype == np.float32
    assert np.array_equal(joined[[3, 1]].triangles, joined.triangles[[3, 1]])


@settings(max_examples=60, deadline=None)
@given(holed_polygons)
def test_flat_polygons_face_up_and_fill_their_area(polygon):
    polygons = np.array([polygon, shapely.box(-9, -9, -8, -8), shapely.reverse(polygon)], dtype=object)
    triangles, owner = flat_triangles(polygons, np.array([1.0, 2.0, 3.0]))
    assert (cross(triangles)[:, 2] > 0).all()
    for i, shape in enumerate(polygons):
        mine = triangles[owner == i]
        assert cross(mine)[:, 2].sum() / 2 == pytest.approx(shape.area, rel=1e-9)
        assert (mine[..., 2] == i + 1).all()
        assert shape.buffer(1e-6).covers(shapely.polygons(mine[..., :2])).all()


def test_decks_have_sides_but_not_where_blocks_meet():
    cell = shapely.box(0, 0, 100, 100)
    deck = shapely.box(20, 40, 100, 50)  # goes on in the next block
    sides = deck_sides(np.array([deck], object), cell, 10.0)
    assert set(sides.kind) == {UNDERSIDE} and area(sides, UNDERSIDE) == pytest.approx((80 + 80 + 10) * DECK_THICKNESS_M)
    assert sides.triangles[..., 2].max() == 10 and sides.triangles[..., 2].min() == pytest.approx(10 - DECK_THICKNESS_M)
    joined = deck_sides(np.array([deck, shapely.box(20, 50, 100, 60)], object), cell, 10.0)
    assert area(joined, UNDERSIDE) == pytest.approx((80 + 80 + 20) * DECK_THICKNESS_M)  # nothing between lanes
    assert len(deck_sides(np.array([], object), cell, 5.0)) == 0 == len(deck_sides(np.array([cell], object), cell, 5.0))


def test_a_tree():
    mesh = tree_mesh(*trees((100, 50, 10, 6)))
    crown, trunk = mesh.triangles[mesh.kind == CROWN], mesh.triangles[mesh.kind == TRUNK]
    assert set(mesh.semantic) == {INDEX["vegetation"]} and len(set(mesh.key.tolist())) == 1
    assert crown[..., 2].max() == pytest.approx(10)
    assert np.ptp(crown[..., 0]) == pytest.approx(6) and np.ptp(crown[..., 1]) == pytest.approx(6)
    assert trunk[..., 2].min() == 0
    assert trunk[..., 2].max() >= crown[..., 2].min() >= 2.9  # they touch, above head height
    assert np.ptp(trunk[..., 0]) == pytest.approx(0.4, abs=1e-4)
    assert np.allclose(crown.mean((0, 1))[:2], (100, 50), atol=1e-4)
    for kind in (CROWN, TRUNK):
        middle = mesh.triangles[mesh.kind == kind].mean(1)
        axis = np.column_stack([np.full((len(middle), 2), (100.0, 50.0)), np.full(len(middle), middle[:, 2].mean())])
        assert ((cross(mesh.triangles)[mesh.kind == kind] * (middle - axis)).sum(1) > 0).all()


def test_trees_stand_each_in_its_place():
    sizes = [(0, 0, 5, 3), (50, 0, 10, 6), (0, 80, 20, 4)]
    both = tree_mesh(*trees(*sizes))
    for i, size in enumerate(sizes):
        mine = both[both.key == i]
        assert np.array_equal(mine.triangles, tree_mesh(*trees(size)).triangles)
        assert np.allclose(mine.triangles.reshape(-1, 3).max(0), (size[0] + size[3] / 2, size[1] + size[3] / 2, size[2]), atol=1e-4)
    assert (np.diff(both.key.astype(int)) >= 0).all()  # a tree's triangles follow each other


def records(n, **fields):
    rows = np.zeros(n, TREE)
    rows["id"] = np.arange(n)
    for name, value in fields.items():
        rows[name] = value
    return rows


def test_trees_that_state_nothing_are_completed():
    spots = shapely.points(np.arange(500.0), np.arange(500.0) * 2)
    made, _ = complete_trees(spots, records(500), 0)
    assert np.array_equal(made[:, :2], shapely.get_coordinates(spots))
    for column, (low, high) in ((2, TREE_HEIGHT_M), (3, CROWN_M)):
        share = np.sort((made[:, column] - low) / (high - low))
        assert share.min() >= 0 and share.max() < 1
        assert np.abs(share - np.arange(500) / 500).max() < 1.95 / 500**0.5  # uniform: Kolmogorov-Smirnov, 0.1 %
    assert abs(np.corrcoef(made[:, 2], made[:, 3])[0, 1]) < 0.15
    stated, _ = complete_trees(spots[:3], records(3, height_m=20.0, crown_m=5.0), 0)
    assert (stated[:, 2:] == (20, 5)).all()
    half, _ = complete_trees(spots[:3], records(3, height_m=20.0), 0)
    assert (half[:, 2] == 20).all() and np.array_equal(half[:, 3], made[:3, 3])
    bush, _ = complete_trees(spots[:1], records(1, height_m=2.0, crown_m=30.0), 0)
    assert bush[0, 3] == 3  # no crown of 30 m on a bush


def test_a_trees_size_says_nothing_of_where_its_points_lie():
    made, key = complete_trees(shapely.points(np.arange(50.0), np.zeros(50)), records(50), 0)
    for column, (low, high) in ((2, TREE_HEIGHT_M), (3, CROWN_M)):
        share = (made[:, column] - low) / (high - low)
        assert np.abs(uniforms(key[:, None], np.arange(2000)) - share[:, None]).min() > 1e-9  # other numbers than sampling uses


def test_what_a_tree_lacks_belongs_to_the_tree():
    spots = shapely.points(np.arange(50.0), np.zeros(50))
    made, key = complete_trees(spots, records(50), 0)
    some, some_key = complete_trees(spots[::7], records(50)[::7], 0)
    assert np.array_equal(some, made[::7]) and np.array_equal(some_key, key[::7])
    other, other_key = complete_trees(spots, records(50), 1)
    assert (other[:, 2:] != made[:, 2:]).all() and (other_key != key).all()
    row, row_key = complete_trees(spots, records(50, id=5, index=np.arange(50)), 0)
    assert len(np.unique(row[:, 2])) == len(np.unique(row_key)) == 50  # trees of a row differ


def test_the_smallest_tree_stays_above_the_ground():
    assert tree_mesh(*trees((0, 0, 0.4, 0.5))).triangles[..., 2].min() >= 0


def test_what_a_part_stands_on_is_closed_but_bears_no_points():
    below = volumes(shapely.box(0, 0, 20, 10), bottom=0.0, top=6.0)
    below.covered[:] = True
    mesh = building_mesh(below, 0)
    top = (mesh.triangles[..., 2] == 6).all(1)
    assert set(mesh.kind[top]) == {UNDERSIDE} and (cross(mesh.triangles)[top, 2] > 0).all() and area(mesh, UNDERSIDE) == pytest.approx(200)
    assert not (sample_surface(mesh, 1.0)[0][:, 2] == 6).any()
