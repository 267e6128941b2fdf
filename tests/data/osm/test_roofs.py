"""Roofs against closed forms, and against a naive look at the surface above single points."""

import math

import numpy as np
import osmium
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.affinity import rotate, translate

from data.osm.heights import building_extent
from data.osm.roofs import (
    CONE,
    DOME,
    DOME_BANDS,
    FLAT,
    GABLED,
    GAMBREL,
    HALF_HIPPED,
    HIPPED,
    MANSARD,
    PYRAMIDAL,
    ROUND,
    SALTBOX,
    SKILLION,
    bears,
    build_roof,
    default_roof_height_m,
    roof_height_of_angle_m,
)
from utils.projection import Projection

LENGTH, WIDTH, EAVES, TOP = 20.0, 12.0, 7.0, 12.0
RISE = TOP - EAVES
RECTANGLE = shapely.box(0, 0, LENGTH, WIDTH)
L_SHAPE = shapely.Polygon([(0, 0), (30, 0), (30, 10), (12, 10), (12, 25), (0, 25)])
COURTYARD = shapely.box(0, 0, 40, 30).difference(shapely.box(12, 9, 25, 20))
CIRCLE = shapely.Point(50, 20).buffer(10, 64)
PLANAR, POINTED = (GABLED, HIPPED, SKILLION, HALF_HIPPED, GAMBREL, MANSARD, SALTBOX, ROUND), (PYRAMIDAL, DOME, CONE)
SHAPES = (*PLANAR, *POINTED)


def placed(geometry, angle_deg=25, x=3000, y=-5000):
    """Rotated about the origin, then moved."""
    return translate(rotate(geometry, angle_deg, (0, 0)), x, y)


def cross(triangles):
    """Normals (t, 3), as long as twice the area."""
    return np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])


def surface_area(roof):
    return np.linalg.norm(cross(roof.triangles), axis=1).sum() / 2


def volume(roof, floor=EAVES):
    return (cross(roof.triangles)[:, 2] / 2 * (roof.triangles[:, :, 2].mean(1) - floor)).sum()


def height_at(roof, xy):
    """Height of the roof above a point: of the triangle in which, in plan, the point lies deepest."""
    a, b, c = (roof.triangles[:, i] for i in range(3))

    def area(p, q, r):
        return (q[:, 0] - p[:, 0]) * (r[:, 1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (r[:, 0] - p[:, 0])

    point = np.broadcast_to(xy, a[:, :2].shape)
    weights = np.stack([area(b, c, point), area(c, a, point), area(a, b, point)]) / area(a, b, c)
    best = weights.min(0).argmax()
    assert weights[:, best].min() > -1e-3, "no roof above this point"
    return weights[:, best] @ roof.triangles[best, :, 2]


def points_inside(polygon, count=40):
    x0, y0, x1, y1 = polygon.bounds
    xy = np.random.default_rng(0).uniform((x0, y0), (x1, y1), (20 * count, 2))
    return xy[shapely.contains_xy(polygon, *xy.T)][:count]


def assert_sound(roof, polygon, eaves=EAVES, top=TOP):
    """What holds for every roof."""
    assert np.isfinite(roof.triangles).all() and all(np.isfinite(ring).all() for ring in roof.wall_tops)
    plan = cross(roof.triangles)[:, 2] / 2
    assert (plan > 0).all()
    assert plan.sum() == pytest.approx(polygon.area, rel=1e-6, abs=1e-5)
    # On a grid: without one GEOS now and then loses a piece of a union.
    uncovered = polygon.difference(shapely.union_all(shapely.polygons(roof.triangles[:, :, :2]), grid_size=1e-6).buffer(1e-4))
    assert uncovered.area < 1e-4
    z = roof.triangles[:, :, 2]
    assert z.min() == pytest.approx(eaves, abs=1e-5) and z.max() == pytest.approx(top, abs=1e-9)
    assert z.min() > eaves - 1e-9

    rings = [polygon.exterior, *polygon.interiors]
    assert len(roof.wall_tops) == len(rings)
    for i, (top_ring, ring) in enumerate(zip(roof.wall_tops, rings, strict=True)):
        assert np.array_equal(top_ring[0], top_ring[-1])
        assert shapely.LinearRing(top_ring[:, :2]).is_ccw == (i == 0)
        assert np.hypot(*np.diff(top_ring[:, :2], axis=0).T).min() > 1e-9  # no wall without width
        assert shapely.hausdorff_distance(shapely.LinearRing(top_ring[:, :2]), ring) < 1e-6
        assert shapely.LinearRing(top_ring[:, :2]).length == pytest.approx(ring.length, rel=1e-9)
        for share in (0, 0.3, 0.5):  # between its vertices a wall's edge is straight, and so must the roof above be
            for point in top_ring[:-1] + share * np.diff(top_ring, axis=0):
                assert height_at(roof, point[:2]) == pytest.approx(point[2], abs=1e-3 * (top - eaves))


@pytest.mark.parametrize("angle_deg", [0, 25, 90, 160])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("polygon", [RECTANGLE, L_SHAPE, COURTYARD, CIRCLE, shapely.reverse(COURTYARD)])
def test_roofs_are_sound(polygon, shape, angle_deg):
    polygon = placed(polygon, angle_deg)
    roof = build_roof(polygon, EAVES, TOP, shape)
    assert (roof is None) == (shape in POINTED and len(polygon.interiors) > 0) == (not bears(polygon, shape))
    if roof:
        assert_sound(roof, polygon)
    if shape == GABLED:
        assert_sound(build_roof(polygon, EAVES, TOP, shape, across=True), polygon)


def test_gabled_rectangle():
    along, across = (build_roof(placed(RECTANGLE), EAVES, TOP, GABLED, across) for across in (False, True))
    assert volume(along) == pytest.approx(LENGTH * WIDTH * RISE / 2) == pytest.approx(volume(across))
    assert surface_area(along) == pytest.approx(2 * LENGTH * math.hypot(WIDTH / 2, RISE))
    assert surface_area(across) == pytest.approx(2 * WIDTH * math.hypot(LENGTH / 2, RISE))
    long_axis = (math.cos(math.radians(25)), math.sin(math.radians(25)), 0)
    assert np.allclose(cross(along.triangles) @ long_axis, 0, atol=1e-6)  # neither slope faces along the ridge
    gables = {(round(z, 6)) for z in along.wall_tops[0][:, 2]}
    assert gables == {EAVES, TOP} and len(along.wall_tops[0]) == 7  # four corners, two gables, and the first again


def test_hipped_rectangle():
    roof = build_roof(placed(RECTANGLE), EAVES, TOP, HIPPED)
    assert volume(roof) == pytest.approx(WIDTH**2 * RISE / 3 + (LENGTH - WIDTH) * WIDTH * RISE / 2)
    assert surface_area(roof) == pytest.approx(LENGTH * WIDTH * math.hypot(1, RISE / (WIDTH / 2)))
    assert np.allclose(roof.wall_tops[0][:, 2], EAVES)
    across = build_roof(placed(RECTANGLE), EAVES, TOP, HIPPED, across=True)
    assert np.array_equal(across.triangles, roof.triangles)
    mansards = [build_roof(placed(RECTANGLE), EAVES, TOP, MANSARD, across, direction) for across, direction in ((False, 80), (True, 0))]
    assert np.array_equal(mansards[0].triangles, mansards[1].triangles)


def section(shape, along_u=False, **options):
    """Heights above the eaves of a roof over the rectangle, as shares of its rise: across it from north to south, or along its ridge from
    the middle to the east."""
    roof = build_roof(RECTANGLE, EAVES, TOP, shape, **options)
    s = np.array([0, 1 / 12, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 3 / 4, 1])
    xy = np.column_stack([LENGTH / 2 * (1 + s), 0 * s + WIDTH / 2]) if along_u else np.column_stack([0 * s + LENGTH / 2, WIDTH * (1 - s)])
    return [round((height_at(roof, p.clip(1e-6, (LENGTH - 1e-6, WIDTH - 1e-6))) - EAVES) / RISE, 3) for p in xy]


def test_sections_of_roofs():
    """WIDTH is 12 m: the eighth places lie 0, 1, 2, 3, 4, 6, 9 and 12 m from the northern eaves."""
    assert section(SKILLION) == pytest.approx([1, 11 / 12, 5 / 6, 3 / 4, 2 / 3, 1 / 2, 1 / 4, 0], abs=1e-3)
    assert section(SKILLION, direction_deg=350) == pytest.approx([0, 1 / 12, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 3 / 4, 1], abs=1e-3)
    assert section(SKILLION, direction_deg=95) == pytest.approx([0.5] * 8, abs=1e-3)
    eastwards = section(SKILLION, along_u=True, direction_deg=95)
    assert eastwards == pytest.approx([1 / 2, 11 / 24, 5 / 12, 3 / 8, 1 / 3, 1 / 4, 1 / 8, 0], abs=1e-3)
    assert section(SALTBOX) == pytest.approx([2 / 3, 7 / 9, 8 / 9, 1, 8 / 9, 2 / 3, 1 / 3, 0], abs=1e-3)
    assert section(GAMBREL) == section(MANSARD) == pytest.approx([0, 1 / 3, 2 / 3, 3 / 4, 5 / 6, 1, 1 / 2 + 1 / 4, 0], abs=1e-3)
    assert section(HALF_HIPPED) == section(GABLED) == pytest.approx([0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 1, 1 / 2, 0], abs=1e-3)
    assert section(HALF_HIPPED, along_u=True)[-2:] == pytest.approx([11 / 12, 0.5], abs=1e-3)  # the hip begins 3 m from the gable
    assert section(MANSARD, along_u=True)[-2:] == pytest.approx([0.5 + 2.5 / 12, 0], abs=1e-3)
    assert section(GAMBREL, along_u=True) == section(GABLED, along_u=True) == section(ROUND, along_u=True) == pytest.approx([1] * 8)
    arc = [math.sqrt(1 - (1 - d / 6) ** 2) for d in (0, 1, 2, 3, 4, 6, 9, 12)]
    assert section(ROUND) == pytest.approx(arc, abs=0.06)


def test_the_direction_of_a_slope_wins_over_the_orientation_of_the_ridge():
    assert section(GABLED, across=True, direction_deg=180) == section(GABLED)
    assert section(GABLED, direction_deg=80) == section(GABLED, across=True) == pytest.approx([1] * 8)
    turned = build_roof(placed(RECTANGLE, 30), EAVES, TOP, SKILLION, direction_deg=185)  # the sides face 150°, 240°, 330° and 60°
    assert np.allclose(cross(turned.triangles)[:, :2] @ (math.cos(math.radians(30)), math.sin(math.radians(30))), 0, atol=1e-6)
    assert (cross(turned.triangles)[:, 1] < 0).all()


def test_heights_of_angles():
    """The rise over the run from the eaves to the ridge."""
    for shape, run in ((GABLED, 6), (HIPPED, 6), (PYRAMIDAL, 6), (SKILLION, 12), (SALTBOX, 9), (FLAT, 0)):
        assert roof_height_of_angle_m(RECTANGLE, shape, 45, False, math.nan) == pytest.approx(run)
    assert roof_height_of_angle_m(RECTANGLE, GABLED, 45, True, math.nan) == pytest.approx(10)
    assert roof_height_of_angle_m(RECTANGLE, SKILLION, 10, False, 90.0) == pytest.approx(20 * math.tan(math.radians(10)))
    assert roof_height_of_angle_m(shapely.Polygon(), GABLED, 45, False, math.nan) == 0


@pytest.mark.parametrize("shape", [PYRAMIDAL, CONE])
def test_pyramid(shape):
    roof = build_roof(placed(RECTANGLE), EAVES, TOP, shape)
    assert len(roof.triangles) == 4 and volume(roof) == pytest.approx(LENGTH * WIDTH * RISE / 3)
    slopes = LENGTH * math.hypot(WIDTH / 2, RISE) + WIDTH * math.hypot(LENGTH / 2, RISE)
    assert surface_area(roof) == pytest.approx(slopes)
    apex = placed(RECTANGLE).centroid
    assert height_at(roof, (apex.x, apex.y)) == pytest.approx(TOP)


def test_dome_approaches_half_an_ellipsoid():
    roof = build_roof(CIRCLE, EAVES, TOP, DOME)
    assert volume(roof) == pytest.approx(2 / 3 * math.pi * 10**2 * RISE, rel=0.03)
    angle = np.arange(DOME_BANDS + 1) * math.pi / 2 / DOME_BANDS
    radius, z = np.cos(angle), RISE * np.sin(angle)
    bands = sum((z[i + 1] - z[i]) / 3 * (radius[i] ** 2 + radius[i] * radius[i + 1] + radius[i + 1] ** 2) for i in range(DOME_BANDS))
    assert volume(roof) == pytest.approx(CIRCLE.area * bands)
    corners = (roof.triangles.reshape(-1, 3) - (50, 20, EAVES)) / (10, 10, RISE)
    assert np.allclose(np.linalg.norm(corners, axis=1), 1, atol=1e-6)


def test_half_ball_by_default():
    roof = build_roof(CIRCLE, EAVES, EAVES + default_roof_height_m(CIRCLE, DOME), DOME)
    assert np.allclose(np.linalg.norm(roof.triangles.reshape(-1, 3) - (50, 20, EAVES), axis=1), 10, atol=0.02)


@pytest.mark.parametrize("polygon", [RECTANGLE, L_SHAPE, COURTYARD])
@pytest.mark.parametrize("shape", [GABLED, HIPPED])
def test_ridged_roofs_rise_with_the_distance_from_the_rectangle(polygon, shape):
    x0, y0, x1, y1 = polygon.bounds
    long_sides = shapely.MultiLineString([[(x0, y0), (x1, y0)], [(x0, y1), (x1, y1)]])
    eaves = long_sides if shape == GABLED else shapely.box(x0, y0, x1, y1).exterior
    roof, eaves = build_roof(placed(polygon), EAVES, TOP, shape), placed(eaves)
    xy = points_inside(placed(polygon))
    distance = shapely.distance(shapely.points(xy), eaves)
    corners = roof.triangles.reshape(-1, 3)
    highest = shapely.distance(shapely.points(corners[:, :2]), eaves).max()
    assert highest <= min(x1 - x0, y1 - y0) / 2 + 1e-6
    assert np.allclose([height_at(roof, p) for p in xy], EAVES + RISE * distance / highest, atol=1e-6)


def test_l_shape_reaches_its_ridge_and_walls_rise_to_the_roof():
    roof = build_roof(L_SHAPE, EAVES, TOP, GABLED)
    z = {tuple(np.round(p[:2], 6)): p[2] for p in roof.wall_tops[0]}
    assert z[30, 0] == pytest.approx(EAVES) and z[0, 25] == pytest.approx(EAVES)
    assert [z[30, 10], z[12, 10]] == pytest.approx([EAVES + RISE * 10 / 12.5] * 2)
    assert [z[0, 12.5], z[12, 12.5]] == pytest.approx([TOP] * 2)


@st.composite
def polygons(draw):
    """Boxes joined and cut out of each other, turned by any angle: corners inwards and outwards, holes."""
    side = st.integers(1, 12)
    shape = shapely.box(0, 0, draw(side) + 4, draw(side) + 4)
    for i in range(draw(st.integers(0, 5))):
        x, y = draw(st.integers(0, 12)), draw(st.integers(0, 12))
        box = shapely.box(x, y, x + draw(side), y + draw(side))
        shape = shape.union(box) if i % 2 else shape.difference(box.buffer(-0.3))
    pieces = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"] or [RECTANGLE]
    skewed = shapely.transform(max(pieces, key=shapely.area), lambda xy: xy @ [[1, draw(st.sampled_from([0, 0, 0.3]))], [0, 1]])
    return placed(skewed, draw(st.floats(0, 360)), draw(st.integers(-3000, 3000)), 1000)


@given(polygons(), st.sampled_from(SHAPES), st.booleans(), st.floats(0, 300), st.floats(0.1, 50))
def test_roofs_over_random_outlines(polygon, shape, across, eaves, rise):
    roof = build_roof(polygon, eaves, eaves + rise, shape, across)
    assert roof or shape in POINTED
    if roof:
        assert_sound(roof, polygon, eaves, eaves + rise)


@given(st.lists(st.floats(0.3, 1), min_size=3, max_size=12), st.sampled_from([PYRAMIDAL, DOME, CONE]), st.floats(0, 360))
def test_pointed_roofs_stand_where_every_edge_sees_the_centroid(radii, shape, angle_deg):
    angle = np.arange(len(radii)) * 2 * np.pi / len(radii)
    star = shapely.Polygon(10 * np.array(radii)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]))
    polygon = placed(star, angle_deg)
    centre = polygon.centroid
    corners = polygon.exterior.coords
    areas = [shapely.LinearRing([a, b, centre.coords[0]]) for a, b in zip(corners[:-1], corners[1:], strict=True)]
    clear = [math.copysign(shapely.Polygon(t).area, 1 if t.is_ccw else -1) for t in areas]
    roof = build_roof(polygon, EAVES, TOP, shape)
    if min(clear) > 1e-4:
        assert_sound(roof, polygon)
        assert all((ring[:, 2] == EAVES).all() for ring in roof.wall_tops)
    elif min(clear) < -1e-4:
        assert roof is None


@pytest.mark.parametrize("shape", [PYRAMIDAL, DOME, CONE])
def test_no_pointed_roof_over_holes_and_hidden_edges(shape):
    horseshoe = shapely.box(0, 0, 20, 20).difference(shapely.box(5, 5, 15, 20))
    assert build_roof(COURTYARD, EAVES, TOP, shape) is None and build_roof(horseshoe, EAVES, TOP, shape) is None


@given(st.floats(0, 360), st.floats(-3000, 3000), st.sampled_from([L_SHAPE, COURTYARD, RECTANGLE]), st.sampled_from(SHAPES),
       st.sampled_from([10, 100, 190, 280]))  # fmt: skip
def test_a_roof_turns_and_moves_with_its_outline(angle_deg, shift, polygon, shape, direction_deg):
    still = build_roof(polygon, EAVES, TOP, shape, direction_deg=direction_deg)
    moved = build_roof(placed(polygon, angle_deg, shift, -shift), EAVES, TOP, shape, direction_deg=direction_deg - angle_deg)
    assert (still is None) == (moved is None)
    if still:
        xy = points_inside(polygon, 10)
        moved_xy = shapely.get_coordinates(placed(shapely.MultiPoint(xy), angle_deg, shift, -shift))
        assert np.allclose([height_at(still, p) for p in xy], [height_at(moved, p) for p in moved_xy], atol=1e-6)


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=3, max_size=5), st.sampled_from([1e-9, 1e-6, 1e-4, 1e-3, 1e-2, 1]),
       st.sampled_from([1e-6, 1e-3, 1, 100]), st.sampled_from(SHAPES))  # fmt: skip
def test_slivers_have_a_roof_or_none(corners, thickness, length, shape):
    polygon = shapely.Polygon(np.array(corners) * (length, thickness))
    for outline in shapely.get_parts(shapely.make_valid(placed(polygon), method="structure", keep_collapsed=False)):
        roof = build_roof(outline, EAVES, TOP, shape)
        assert 0 <= default_roof_height_m(outline, shape) <= 200
        if roof:
            assert len(roof.triangles) and np.isfinite(roof.triangles).all() and (np.isfinite(np.concatenate(roof.wall_tops))).all()
            z = np.concatenate([roof.triangles[..., 2].ravel(), *(ring[:, 2] for ring in roof.wall_tops)])
            assert z.min() >= EAVES and z.max() <= TOP + 1e-9
            assert (cross(roof.triangles)[:, 2] > 0).all()


@given(st.floats(-14, -1), st.sampled_from([-1, 0, 1]), st.floats(0, 360), st.sampled_from(PLANAR))
def test_corners_that_almost_lie_on_a_fold(exponent, sign, angle_deg, shape):
    """Nearly square, where the hips nearly meet, with corners near the ridge."""
    off = sign * 10**exponent
    outline = shapely.Polygon([(0, 0), (5 + off, 0), (10 + off, 0), (10 + off, 5 - off), (10 + off, 10), (5, 10), (0, 10), (0, 5 + off)])
    assert_sound(build_roof(placed(outline, angle_deg), EAVES, TOP, shape), placed(outline, angle_deg))


@pytest.mark.parametrize("shape", PLANAR)
def test_holes_that_touch_the_outline(shape):
    slanted = [(0, 0), (30, 10), (26, 22), (-4, 12)]
    for hole in ([(15, 5), (14, 10), (10, 8)], [(0, 0), (14, 10), (10, 8)], [(28, 16), (14, 10), (11, 17)]):  # an edge, a corner, two edges
        for outline in shapely.get_parts(shapely.Polygon(slanted).difference(shapely.Polygon(hole))):
            assert_sound(build_roof(outline, EAVES, TOP, shape), outline)


def test_repeated_points_do_no_harm():
    corners = [(0, 0), (0, 0), (20, 0), (20, 12), (20, 12), (10, 12), (0, 12), (0, 6), (0, 0), (0, 0)]
    for shape in SHAPES:
        assert_sound(build_roof(shapely.Polygon(corners), EAVES, TOP, shape), RECTANGLE)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_roof(shape):
    assert build_roof(RECTANGLE, EAVES, TOP, FLAT) is None
    assert build_roof(RECTANGLE, EAVES, EAVES, shape) is None and build_roof(RECTANGLE, TOP, EAVES, shape) is None
    assert build_roof(RECTANGLE, EAVES, math.nan, shape) is None
    chevron = shapely.Polygon([(0, 0), (1, 1), (2, 0), (1, 1 - 1e-8)])
    assert build_roof(chevron, EAVES, TOP, shape) is None
    for polygon in (shapely.Polygon(), shapely.box(0, 0, 20, 1e-4)):
        assert build_roof(polygon, EAVES, TOP, shape) is None and default_roof_height_m(polygon, shape) == 0


def test_default_heights():
    rectangle = placed(RECTANGLE)
    for shape in set(SHAPES) - {DOME, ROUND}:
        assert default_roof_height_m(rectangle, shape) == pytest.approx(WIDTH / 2 * math.tan(math.radians(35)))
    assert default_roof_height_m(rectangle, DOME) == default_roof_height_m(rectangle, ROUND) == pytest.approx(WIDTH / 2)
    assert default_roof_height_m(rectangle, FLAT) == 0


@pytest.fixture(scope="module")
def real_outlines(shared_data):
    """Polygon and extent of every building and part of a city, in metres."""
    path, projection, factory = str(shared_data / "osm/lower-manhattan.osm.pbf"), Projection(40.71, -74.0), osmium.geom.WKBFactory()
    outlines = []
    for area in osmium.FileProcessor(path).with_areas().with_filter(osmium.filter.KeyFilter("building", "building:part")):
        if area.is_area() and area.num_rings()[0]:
            geometry = shapely.transform(
                shapely.from_wkb(factory.create_multipolygon(area)), lambda c: np.column_stack(projection.forward(c[:, 1], c[:, 0]))
            )
            outlines += [(polygon, building_extent(dict(area.tags))) for polygon in shapely.get_parts(geometry) if polygon.is_valid]
    return outlines


def test_real_roofs(real_outlines):
    built, asked = np.zeros(12, int), np.zeros(12, int)
    for polygon, extent in real_outlines:
        if extent.roof_shape != FLAT:
            asked[extent.roof_shape] += 1
            rise = extent.roof_height_m if extent.roof_height_m > 0 else default_roof_height_m(polygon, extent.roof_shape)
            top = extent.bottom_m + rise + 5
            roof = build_roof(polygon, top - rise, top, extent.roof_shape, extent.across)
            if roof:
                built[extent.roof_shape] += 1
                assert_sound(roof, polygon, top - rise, top)
    assert asked.sum() > 200 and (built[list(PLANAR)] == asked[list(PLANAR)]).all() and built.sum() > 0.95 * asked.sum()


def test_every_real_outline_bears_every_roof_of_planes(real_outlines):
    for i, (polygon, _) in enumerate(real_outlines[::11]):
        roof = build_roof(polygon, EAVES, TOP, PLANAR[i % len(PLANAR)])
        plan = cross(roof.triangles)[:, 2] / 2
        assert (plan > 0).all() and plan.sum() == pytest.approx(polygon.area, rel=1e-5)  # a few are cut on a grid of a millimetre
        assert roof.triangles[..., 2].max() == pytest.approx(TOP)
