"""Triangles of prisms and trees, and points sampled on them."""

import numpy as np
import pytest
import shapely

from data.osm.buildings import Prisms
from data.osm.mesh import (
    CROWN,
    CROWN_M,
    GROUND,
    ROOF,
    TREE_HEIGHT_M,
    TRUNK,
    WALL,
    Mesh,
    complete_trees,
    flat_mesh,
    prism_mesh,
    sample_surface,
    tree_mesh,
)

COURTYARD = shapely.box(0, 0, 40, 30).difference(shapely.box(10, 10, 30, 20))


def prisms(*polygons, bottom=2.0, top=12.0):
    n = len(polygons)
    return Prisms(np.array(polygons, dtype=object), np.arange(n), np.full(n, bottom), np.full(n, top), np.ones(n, bool))


def corners(mesh):
    return mesh.vertices[mesh.faces].astype(float)  # F,3,3


def cross(mesh):
    """Normal of each face, as long as twice its area."""
    a, b, c = corners(mesh).transpose(1, 0, 2)
    return np.cross(b - a, c - a)


def area(mesh, kind):
    return np.linalg.norm(cross(mesh), axis=1)[mesh.kind == kind].sum() / 2


@pytest.mark.parametrize("polygon", [COURTYARD, shapely.reverse(COURTYARD), shapely.orient_polygons(COURTYARD, exterior_cw=True)])
def test_box_with_a_courtyard(polygon):
    mesh = prism_mesh(prisms(polygon))
    assert area(mesh, WALL) == pytest.approx((2 * (40 + 30) + 2 * (20 + 10)) * 10)
    assert area(mesh, ROOF) == pytest.approx(40 * 30 - 20 * 10)
    assert set(mesh.kind) == {WALL, ROOF}
    z = corners(mesh)[..., 2]
    assert (z[mesh.kind == ROOF] == 12).all() and z.min() == 2
    normal, middle = cross(mesh), corners(mesh).mean(1)
    assert (normal[mesh.kind == ROOF][:, 2] > 0).all()
    walls = mesh.kind == WALL
    unit = normal[walls] / np.linalg.norm(normal[walls], axis=1, keepdims=True)
    assert np.allclose(unit[:, 2], 0)
    outside = shapely.points((middle[walls] + 0.1 * unit)[:, :2])
    inside = shapely.points((middle[walls] - 0.1 * unit)[:, :2])
    assert not shapely.covers(COURTYARD, outside).any()
    assert shapely.covers(COURTYARD, inside).all()


def test_every_face_knows_its_building():
    boxes = [shapely.box(100 * i, 0, 100 * i + 10, 10) for i in range(3)]
    mesh = prism_mesh(prisms(*boxes))
    assert (mesh.owner == corners(mesh)[..., 0].mean(1) // 100).all()


def test_joined_meshes_keep_their_triangles():
    parts = [prism_mesh(prisms(COURTYARD)), tree_mesh(np.array([[5.0, 60, 8, 4]])), flat_mesh(np.array([COURTYARD]), np.zeros(1), GROUND)]
    joined = Mesh.join(parts)
    assert np.array_equal(corners(joined), np.concatenate([corners(p) for p in parts]))
    assert np.array_equal(joined.kind, np.concatenate([p.kind for p in parts]))
    assert joined.faces.dtype == np.int32 and joined.vertices.dtype == np.float32


def test_flat_polygons_face_up_and_fill_their_area():
    polygons = np.array([COURTYARD, shapely.Point(100, 100).buffer(20), shapely.box(-9, -9, -8, -8)], dtype=object)
    mesh = flat_mesh(polygons, np.array([1.0, 2.0, 3.0]), GROUND)
    assert (cross(mesh)[:, 2] > 0).all()
    for i, polygon in enumerate(polygons):
        mine = mesh.owner == i
        assert cross(mesh)[mine, 2].sum() / 2 == pytest.approx(polygon.area, rel=1e-4)
        assert (corners(mesh)[mine][..., 2] == i + 1).all()
        assert all(polygon.buffer(1e-3).covers(shapely.Polygon(t[:, :2])) for t in corners(mesh)[mine])


def test_tree():
    mesh = tree_mesh(np.array([[100.0, 50.0, 10.0, 6.0]]))
    crown, trunk = corners(mesh)[mesh.kind == CROWN], corners(mesh)[mesh.kind == TRUNK]
    assert crown[..., 2].max() == pytest.approx(10)
    assert np.ptp(crown[..., 0]) == pytest.approx(6) and np.ptp(crown[..., 1]) == pytest.approx(6)
    assert trunk[..., 2].min() == 0
    assert trunk[..., 2].max() >= crown[..., 2].min()  # they touch
    assert np.allclose(crown.mean((0, 1))[:2], (100, 50), atol=1e-4)
    for part in (CROWN, TRUNK):
        middle = corners(mesh)[mesh.kind == part].mean(1)
        axis = np.column_stack([np.full((len(middle), 2), (100.0, 50.0)), np.full(len(middle), middle[:, 2].mean())])
        assert ((cross(mesh)[mesh.kind == part] * (middle - axis)).sum(1) > 0).all()


def test_trees_that_state_nothing_are_completed():
    stated = np.array([[0.0, 0, 20, 5]] * 3 + [[0.0, 0, 0, 0]] * 500)
    trees = complete_trees(stated, np.random.default_rng(0))
    assert np.array_equal(trees[:3], stated[:3])
    assert (trees[3:, 2] >= TREE_HEIGHT_M[0]).all() and (trees[3:, 2] <= TREE_HEIGHT_M[1]).all() and np.ptp(trees[3:, 2]) > 4
    assert (trees[3:, 3] >= CROWN_M[0]).all() and (trees[3:, 3] <= CROWN_M[1]).all()
    assert np.array_equal(stated[3:], np.zeros((500, 4)))
    assert complete_trees(np.array([[0.0, 0, 2, 30]]), np.random.default_rng(0))[0, 3] == 3  # no crown of 30 m on a bush


def test_samples_are_as_many_as_area_times_density():
    mesh = prism_mesh(prisms(COURTYARD, shapely.box(100, 0, 117, 9)))
    total = np.linalg.norm(cross(mesh), axis=1).sum() / 2
    points, face = sample_surface(mesh, 0.7, np.random.default_rng(0))
    assert len(points) == len(face) == round(0.7 * total)
    # Stratified: each face gets its share, give or take the pieces that its two ends cut.
    share = 0.7 * np.linalg.norm(cross(mesh), axis=1) / 2
    assert np.abs(np.bincount(face, minlength=len(share)) - share).max() < 2


def test_samples_lie_on_their_faces():
    mesh = Mesh.join([prism_mesh(prisms(COURTYARD)), tree_mesh(np.array([[60.0, 10, 9, 5]]))])
    points, face = sample_surface(mesh, 3.0, np.random.default_rng(0))
    assert points.dtype == np.float32
    a, b, c = corners(mesh)[face].transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    unit = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    assert np.abs(((points - a) * unit).sum(1)).max() < 1e-4
    parts = [(np.cross(q - p, points - p) * unit).sum(1) for p, q in ((a, b), (b, c), (c, a))]
    assert np.min(parts) > -1e-3  # inside all three edges
    assert np.allclose(np.sum(parts, 0), np.linalg.norm(normal, axis=1), rtol=1e-3)


def test_samples_are_uniform():
    square = flat_mesh(np.array([shapely.box(0, 0, 10, 10)]), np.zeros(1), GROUND)
    points, _ = sample_surface(square, 200.0, np.random.default_rng(0))
    counts, *_ = np.histogram2d(points[:, 0], points[:, 1], bins=10, range=[(0, 10), (0, 10)])
    assert counts.sum() == 20_000
    assert ((counts - 200) ** 2 / 200).sum() < 149  # chi-square, 99 degrees of freedom: 0.1 % lie above


def test_seed_decides_the_samples():
    mesh = prism_mesh(prisms(COURTYARD))
    first, again, other = (sample_surface(mesh, 1.0, np.random.default_rng(seed))[0] for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_nothing_to_sample():
    empty = tree_mesh(np.zeros((0, 4)))
    points, face = sample_surface(empty, 1.0, np.random.default_rng(0))
    assert points.shape == (0, 3) and face.shape == (0,)
