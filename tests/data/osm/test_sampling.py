"""Points on surfaces: uniform by area, and a feature's own."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from data.osm.mesh import Mesh, building_mesh, flat_triangles, tree_mesh
from data.osm.sampling import sample_surface
from data.osm.streams import stream_keys
from data.surfaces import GROUND, ROOF, UNDERSIDE, WALL
from tests.data.osm.scenes import holed, rngs
from tests.data.osm.test_mesh import COURTYARD, area, cross, trees, volumes
from utils.classes import INDEX


def ground(*polygons, seed=0, semantic=INDEX["water"]):
    triangles, owner = flat_triangles(np.array(polygons, object), 0.0)
    return Mesh.of(triangles, GROUND, semantic, stream_keys(seed, 4, np.arange(len(polygons)))[owner])


def uniform(values, high):
    """Whether values are uniform in [0, high): Kolmogorov-Smirnov, false alarm in one of a thousand (less for stratified points)."""
    share = np.sort(values) / high
    return np.abs(share - (np.arange(len(share)) + 0.5) / len(share)).max() < 1.95 / math.sqrt(len(share))


@settings(max_examples=60, deadline=None)
@given(rngs, st.floats(0.01, 2.0), st.integers(0, 2**63))
def test_every_feature_gets_its_area_times_density(rng, density, seed):
    """Give or take less than one point, on polygons with holes, buildings and trees alike."""
    polygons = [holed(rng, (100.0 * i, 0.0), rng.uniform(3, 40)) for i in range(3)]
    mesh = Mesh.join([building_mesh(volumes(*polygons, bottom=rng.choice([0.0, 5.0])), seed), ground(*polygons, seed=seed),
                      tree_mesh(*trees((500, 0, 8, 5), ids=[9]))])  # fmt: skip
    _, face = sample_surface(mesh, density)
    share = np.where(mesh.kind == UNDERSIDE, 0, np.linalg.norm(cross(mesh.triangles), axis=1) / 2)
    for key in np.unique(mesh.key):
        expected = density * share[mesh.key == key].sum()
        assert abs((mesh.key[face] == key).sum() - expected) < 1 + 1e-3
    assert (mesh.kind[face] != UNDERSIDE).all()


def test_counts_are_unbiased_over_many_features():
    """Each of 4,000 roofs of 2.6 m² gets 0.26 points on average at 0.1 points per m²."""
    for edge, density in ((1.6125, 0.1), (3.0, 0.2)):
        boxes = [shapely.box(10 * i, 0, 10 * i + edge, edge) for i in range(4000)]
        points, face = sample_surface(ground(*boxes), density)
        expected = edge * edge * density
        spread = math.sqrt((expected % 1) * (1 - expected % 1) / 4000)
        assert abs(len(points) / 4000 - expected) < 3.3 * spread


def test_small_faces_are_not_favoured():
    """The mean over many seeds of each face's points is its area × density."""
    mesh = building_mesh(volumes(shapely.Polygon([(0, 0), (9, 0), (9, 1), (2, 1.5), (0, 7)]), bottom=0.0, top=3.0), 0)
    counts = np.zeros(len(mesh))
    for seed in range(1500):
        mesh.key = np.full(len(mesh), stream_keys(seed, 1))
        _, face = sample_surface(mesh, 0.13)
        counts += np.bincount(face, minlength=len(mesh))
    expected = 1500 * 0.13 * np.linalg.norm(cross(mesh.triangles), axis=1) / 2
    assert (np.abs(counts - expected) < 4 * np.sqrt(expected) + 1).all()


def test_samples_lie_on_their_faces():
    mesh = Mesh.join([building_mesh(volumes(COURTYARD), 0), tree_mesh(*trees((60, 10, 9, 5)))])
    points, face = sample_surface(mesh, 3.0)
    assert points.dtype == np.float32
    a, b, c = mesh.triangles[face].astype(float).transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    unit = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    assert np.abs(((points - a) * unit).sum(1)).max() < 1e-4
    parts = [(np.cross(q - p, points - p) * unit).sum(1) for p, q in ((a, b), (b, c), (c, a))]
    assert np.min(parts) > -1e-3  # inside all three edges
    assert np.allclose(np.sum(parts, 0), np.linalg.norm(normal, axis=1), rtol=1e-3)


def test_the_ground_is_covered_evenly():
    points, _ = sample_surface(ground(shapely.box(0, 0, 10, 10)), 200.0)
    counts, *_ = np.histogram2d(points[:, 0], points[:, 1], bins=10, range=[(0, 10), (0, 10)])
    assert counts.sum() == 20_000
    assert ((counts - 200) ** 2 / 200).sum() < 149  # chi-square, 99 degrees of freedom: 0.1 % lie above


def test_walls_are_covered_evenly_along_and_up():
    mesh = building_mesh(volumes(shapely.box(0, 0, 50, 20), bottom=0.0, top=30.0), 0)
    points, face = sample_surface(mesh, 2.0)
    wall = (mesh.kind[face] == WALL) & (points[:, 1] == 0)  # 50 m × 30 m
    assert abs(wall.sum() - 3000) < 5
    assert uniform(points[wall, 0], 50) and uniform(points[wall, 2], 30)
    counts, *_ = np.histogram2d(points[wall, 0], points[wall, 2], bins=(10, 6), range=[(0, 50), (0, 30)])
    assert ((counts - 50) ** 2 / 50).sum() < 99  # chi-square, 59 degrees of freedom: 0.1 % lie above
    roof = mesh.kind[face] == ROOF
    assert abs(roof.sum() - 2000) < 5 and uniform(points[roof, 0], 50) and uniform(points[roof, 1], 20)


def test_a_features_points_are_its_own():
    """The same whether others stand before or behind it in the mesh, or none at all."""
    polygons = [COURTYARD, shapely.box(100, 0, 117, 9), shapely.box(300, 0, 301, 1), shapely.box(500, 0, 517.3, 9.7)]
    everything = building_mesh(volumes(*polygons, ids=[5, 6, 7, 8]), 0)
    points, face = sample_surface(everything, 0.7)
    for i, polygon in enumerate(polygons):
        alone = building_mesh(volumes(polygon, ids=[5 + i]), 0)
        mine = everything.key[face] == alone.key[0]
        assert np.array_equal(points[mine], sample_surface(alone, 0.7)[0])
    without, _ = sample_surface(everything[everything.key != alone.key[0]], 0.7)
    assert np.array_equal(without, points[everything.key[face] != alone.key[0]])


def test_the_seed_decides():
    first, again, other = (sample_surface(building_mesh(volumes(COURTYARD), seed), 1.0)[0] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not len({tuple(p) for p in first.tolist()} & {tuple(p) for p in other.tolist()})


def test_every_number_is_used_once():
    """Neighbours in the order of drawing tell nothing of each other's place in a triangle."""
    points, _ = sample_surface(Mesh.of(np.array([[(0, 0, 0), (1, 0, 0), (0, 1, 0)]]), GROUND, 0, np.uint64(77)), 20_000.0)
    u, v = points[:, 0].astype(float), points[:, 1].astype(float)
    assert len(points) == 10_000
    for a, b in ((u, u), (v, v), (u, v), (v, u)):
        assert abs(np.corrcoef(a[:-1], b[1:])[0, 1]) < 4 / 100


def test_the_smallest_features_keep_to_themselves():
    """Of a few units of area each: points at the very start of one do not fall to the one before it."""
    n, side = 2000, 2.0**-9
    corners = np.array([(0, 0, 0), (side, 0, 0), (0, side, 0)])  # 2 units
    mesh = Mesh.of(np.broadcast_to(corners, (n, 3, 3)), GROUND, 0, stream_keys(0, np.arange(n)))
    _, face = sample_surface(mesh, 2.0**19)
    assert face.tolist() == list(range(n))


def test_alike_features_get_unlike_points():
    boxes = [shapely.box(10 * i, 0, 10 * i + 5, 5) for i in range(200)]
    points, face = sample_surface(ground(*boxes), 1.0)
    offsets = points[:, 0] % 10
    assert len(np.unique(np.round(offsets, 4))) > 0.9 * len(offsets)


def test_points_of_a_feature_are_spread_over_it():
    """Stratified: no piece of the surface is left out."""
    mesh = building_mesh(volumes(COURTYARD), 0)
    _, face = sample_surface(mesh, 0.7)
    share = np.where(mesh.kind == UNDERSIDE, 0, 0.7 * np.linalg.norm(cross(mesh.triangles), axis=1) / 2)
    assert np.abs(np.bincount(face, minlength=len(share)) - share).max() < 2


def test_trunks_and_crowns_are_sampled_as_vegetation():
    mesh = tree_mesh(*trees(*[(20 * i, 0, 9, 5) for i in range(40)]))
    points, face = sample_surface(mesh, 1.0)
    assert set(mesh.semantic[face]) == {INDEX["vegetation"]}
    for kind in np.unique(mesh.kind):
        assert (mesh.kind[face] == kind).sum() == pytest.approx(area(mesh, kind), rel=0.1)


def test_nothing_to_sample():
    points, face = sample_surface(tree_mesh(*trees()), 1.0)
    assert points.shape == (0, 3) and face.shape == (0,)
    hidden = building_mesh(volumes(COURTYARD), 0)
    points, face = sample_surface(hidden[hidden.kind == UNDERSIDE], 1.0)
    assert points.shape == (0, 3) and face.shape == (0,)
