"""The drawn map against a naive look at every pixel."""

import itertools

import numpy as np
import pytest
import shapely

from data.osm.raster import MARGIN, draw_map
from utils.classes import BARE, BARE_RGB, CLASSES, INDEX
from utils.georeference import Georeference

GEO = Georeference((100, -50, 160, -10), 0.5)  # 120 × 80 pixels
EVERYTHING = shapely.box(*GEO.bounds)
NO_TREES = np.zeros((0, 4))
RGB = {c.name: c.rgb for c in CLASSES}
CASING = {c.name: c.casing_rgb for c in CLASSES}
ROAD = shapely.box(90, -33.92, 170, -26.08)  # its casing fills the pixels at y = -34.25 and -25.75 and a third of the next


def draw(surfaces=(), buildings=(), trees=NO_TREES, geo=GEO, raised=False):
    """Draws surfaces given as (geometry, class name) or (geometry, class name, level)."""
    rows = [(*surface, 0)[:3] for surface in surfaces]
    classes = np.array([INDEX[name] for _, name, _ in rows], np.uint8)
    levels = np.array([level for *_, level in rows], np.int8)
    return draw_map(geo, objects(g for g, *_ in rows), classes, levels, objects(buildings), trees, raised)


def objects(geometries) -> np.ndarray:
    return np.array([*geometries, None], dtype=object)[:-1]


def pixel(raster, x, y):
    """The raster's value at a place in metres."""
    value = raster[int((-10 - y) / 0.5), int((x - 100) / 0.5)]
    return tuple(value.tolist()) if raster.ndim == 3 else int(value)


def pixel_centres():
    column, row = np.meshgrid(np.arange(GEO.width), np.arange(GEO.height))
    return np.stack([100 + (column + 0.5) * 0.5, -10 - (row + 0.5) * 0.5], axis=-1)


def inside_and_decided(polygon, margin_m):
    """Whether pixel centres lie in a polygon, and whether they lie farther than the margin from its edge; both (80, 120)."""
    centres = shapely.points(pixel_centres())
    return shapely.contains(polygon, centres), shapely.distance(polygon.boundary, centres) > margin_m


def town(rng, count=60):
    """Overlapping surfaces of all classes on three levels, buildings and trees, in and around the frame."""
    at = rng.uniform((90, -60), (170, 0), (count, 2))
    lines = [shapely.LineString([p, p + rng.normal(0, 25, 2)]).buffer(w) for p, w in zip(at, rng.uniform(1, 4, count), strict=True)]
    surfaces = [(g, CLASSES[rng.integers(25)].name, int(rng.choice(3, p=[0.6, 0.3, 0.1]))) for g in lines]
    pair = shapely.MultiPolygon([shapely.box(103.3, -47.1, 111.2, -40.4), shapely.box(140.7, -15.2, 149.6, -11.9)])
    buildings = [shapely.Point(p).buffer(rng.uniform(1, 5), 2) for p in rng.uniform((95, -55), (165, -5), (12, 2))]
    trees = np.column_stack([rng.uniform((95, -55), (165, -5), (20, 2)), np.full(20, 9.0), rng.uniform(2, 9, 20)])
    return [*surfaces, (pair, "forest", 0)], buildings, trees


def test_frame():
    assert (GEO.width, GEO.height) == (120, 80)
    assert GEO.to_pixels([(100, -10), (160, -50), (100.25, -10.25)]).tolist() == [[0, 0], [120, 80], [0.5, 0.5]]
    odd = Georeference((0, 0, 10.2, 5.1), 0.5)
    assert (odd.width, odd.height) == (21, 11)


def test_nothing_to_draw():
    for surfaces in ([], [(shapely.Polygon(), "water")], [(shapely.MultiPolygon(), "roads_primary", 1)]):
        colours, ground = draw(surfaces)
        assert (colours == BARE_RGB).all() and (ground == BARE).all()
        assert colours.shape == (80, 120, 3) and ground.shape == (80, 120) and colours.dtype == ground.dtype == np.uint8


def test_no_two_colours_are_alike():
    for a, b in itertools.combinations([*RGB.values(), BARE_RGB], 2):
        assert np.linalg.norm(np.subtract(a, b)) > 12


@pytest.mark.parametrize("kind", ["ground", "building"])
def test_every_pixel_is_right_to_half_a_pixel(kind):
    """An asymmetric shape: an L with slanting edges and a triangular hole."""
    shape = [(105.1, -45.3), (151.4, -45.3), (151.4, -36.2), (131.7, -33.1), (118.2, -33.1), (118.2, -12.4), (105.1, -14.9)]
    polygon = shapely.Polygon(shape, [[(108, -40), (118.3, -42), (110, -30)]])
    colours, ground = draw([(polygon, "forest")]) if kind == "ground" else draw(buildings=[polygon])
    name = "forest" if kind == "ground" else "buildings"
    inside, decided = inside_and_decided(polygon, 0.25)
    assert decided.mean() > 0.9 and np.array_equal((ground == INDEX[name])[decided], inside[decided])
    assert (ground[~inside & decided] == BARE).all()
    inside, decided = inside_and_decided(polygon, 0.75)
    assert (colours[inside & decided] == RGB[name]).all() and (colours[~inside & decided] == BARE_RGB).all()


def test_edges_are_not_shifted():
    """The drawn area's centre of mass is the polygon's, to a tenth of a pixel (a round one: upright edges snap to samples)."""
    colours, ground = draw([(shapely.Point(130.1, -30.2).buffer(12, 64), "water")])
    for weight in (np.abs(colours.astype(float) - BARE_RGB).sum(2), ground == INDEX["water"]):
        centre = (pixel_centres() * weight[..., None]).sum((0, 1)) / weight.sum()
        assert np.allclose(centre, (130.1, -30.2), atol=0.05)
        assert weight.sum() / weight.max() * 0.25 == pytest.approx(np.pi * 12**2, rel=0.02)


def test_upper_layers_cover_lower_ones_and_buildings_cover_the_ground():
    names = ["roads_primary", "vegetation", "water"]
    colours, ground = draw([(EVERYTHING, name) for name in names], [shapely.box(120, -40, 140, -20)])
    assert pixel(ground, 105, -15) == INDEX["roads_primary"] and pixel(colours, 105, -15) == RGB["roads_primary"]
    assert pixel(ground, 130, -30) == INDEX["buildings"] and pixel(colours, 130, -30) == RGB["buildings"]


def test_a_path_that_crosses_a_road_stays_visible():
    colours, ground = draw([(shapely.box(100, -34, 160, -26), "roads_primary"), (shapely.box(129, -50, 131, -10), "paths_footway")])
    assert pixel(colours, 130.2, -30.2) == RGB["paths_footway"] and pixel(ground, 130.2, -30.2) == INDEX["paths_footway"]


def test_roads_have_a_casing_outside_their_edge():
    """From the middle of a road outwards: road, 4/3 pixels of casing, land."""
    colours, ground = draw([(ROAD, "roads_secondary")])
    for y in (-30.2, -33.7, -26.3):
        assert pixel(colours, 130, y) == RGB["roads_secondary"]
    for y in (-34.25, -25.75):
        assert pixel(colours, 130, y) == CASING["roads_secondary"] and pixel(ground, 130, y) == BARE
    for y in (-35.25, -24.75):
        assert pixel(colours, 130, y) == BARE_RGB
    colours, _ = draw([(ROAD, "vegetation")])
    assert {tuple(c) for c in colours[:, 60].tolist()} == {BARE_RGB, RGB["vegetation"]}


def test_crossings_are_open():
    """Neither road's casing crosses the other, whatever their classes; the corners have one."""
    for other in ("roads_service", "roads_residential"):
        colours, _ = draw([(shapely.box(90, -34, 170, -26), "roads_residential"), (shapely.box(126, -60, 134, 0), other)])
        assert (colours[40, :] == RGB["roads_residential"])[:52].all() and (colours[40, :] == RGB["roads_residential"])[68:].all()
        assert (colours[34:46, 54:66] == RGB["roads_residential"]).all()
        assert (colours[:, 60] == RGB["roads_residential"])[33:47].all()
        assert (colours[:30, 60] == RGB[other]).all() and (colours[50:, 60] == RGB[other]).all()
        assert pixel(colours, 125.8, -25.8) in {CASING["roads_residential"], CASING[other]}


def test_a_casing_lies_over_the_areas_beside_the_road():
    colours, _ = draw([(EVERYTHING, "vegetation"), (ROAD, "roads_primary")])
    assert pixel(colours, 130, -34.25) == CASING["roads_primary"] and pixel(colours, 130, -35.25) == RGB["vegetation"]


def test_a_bridge_is_drawn_over_water_which_the_ground_keeps():
    river = shapely.box(120, -60, 140, 0)
    colours, ground = draw([(shapely.box(90, -34, 170, -26), "roads_primary", 1), (river, "water")])
    assert pixel(colours, 130, -30) == RGB["roads_primary"] and pixel(colours, 130, -20) == RGB["water"]
    inside, decided = inside_and_decided(river, 0.3)
    assert (ground[inside & decided] == INDEX["water"]).all() and (ground[~inside & decided] == BARE).all()


def test_a_bridge_of_any_class_covers_all_below_it():
    below = [(EVERYTHING, "roads_motorway"), (shapely.box(128, -50, 132, -10), "railways", 1)]
    colours, ground = draw([(shapely.box(90, -34, 170, -26), "paths_footway", 2), *below], [shapely.box(105, -45, 115, -15)])
    assert (colours[34:46] == RGB["paths_footway"]).all()
    assert pixel(ground, 110, -30) == INDEX["buildings"] and pixel(ground, 130, -30) == INDEX["roads_motorway"]


def test_a_raised_area_covers_the_roads_below_it():
    colours, _ = draw([(shapely.box(120, -60, 140, 0), "areas_pedestrian", 1), (ROAD, "roads_primary")])
    assert (colours[:, 42:78] == RGB["areas_pedestrian"]).all() and pixel(colours, 115, -30) == RGB["roads_primary"]


@pytest.mark.parametrize("level", [0, 1])
def test_a_bridge_has_a_casing_across_the_road_below(level):
    colours, _ = draw([(ROAD, "roads_primary", level), (shapely.box(126, -60, 134, 0), "roads_primary")])
    for y in (-34.25, -25.75):
        assert pixel(colours, 130, y) == (CASING if level else RGB)["roads_primary"]
    assert (colours[40] == RGB["roads_primary"]).all()  # along the bridge


def test_a_bridge_is_open_where_its_road_goes_on():
    """A road that goes over another one; its bridge's round ends lie on the road."""
    line = [(90, -30), (115, -30), (145, -30), (170, -30)]
    pieces = [shapely.LineString(pair).buffer(3.92) for pair in itertools.pairwise(line)]
    crossed = (shapely.box(128, -60, 132, 0), "roads_secondary")
    colours, _ = draw([*((piece, "roads_secondary", level) for piece, level in zip(pieces, (0, 1, 0), strict=True)), crossed])
    for row in (36, 40, 43):
        assert (colours[row] == RGB["roads_secondary"]).all()
    for x in (105, 113, 120, 130, 140):
        assert pixel(colours, x, -34.25) == CASING["roads_secondary"]


def test_buildings_have_an_outline_and_so_have_walls_that_they_share():
    colours, _ = draw(buildings=[shapely.box(110.25, -40, 130.25, -20), shapely.box(130.25, -40, 150.25, -20)])
    assert np.flatnonzero((colours[40] == CASING["buildings"]).all(1)).tolist() == [20, 60, 100]
    assert pixel(colours, 120, -30) == RGB["buildings"]


def test_no_seams_between_surfaces_that_meet():
    """Along a slanting common edge nothing of what lies beneath shines through."""
    west = shapely.Polygon([(90, 0), (123, 0), (137, -60), (90, -60)])
    east = shapely.Polygon([(170, 0), (123, 0), (137, -60), (170, -60)])
    colours, ground = draw([(west, "forest"), (east, "forest"), (EVERYTHING, "vegetation")])
    assert (colours == RGB["forest"]).all() and (ground == INDEX["forest"]).all()
    colours, ground = draw([(west, "railways"), (east, "water")])
    share = (colours - np.array(RGB["railways"], float)) / np.subtract(RGB["water"], RGB["railways"])
    assert (np.ptp(share, axis=2) < 0.02).all()  # a mixture of the two alone
    assert set(np.unique(ground)) == {INDEX["railways"], INDEX["water"]}


def test_crowns_tint_the_ground_but_cover_no_class_no_building_and_no_bridge():
    tree = np.array([[130.0, -30.0, 10.0, 8.0]])
    colours, ground = draw(trees=tree)
    distance = np.hypot(*(pixel_centres() - (130, -30)).transpose(2, 0, 1))
    changed = (colours != BARE_RGB).any(2)
    assert (ground == BARE).all() and changed[distance < 3.5].all() and not changed[distance > 4.5].any()
    on_land, on_road = pixel(colours, 130, -30), pixel(draw([(EVERYTHING, "roads_primary")], trees=tree)[0], 130, -30)
    assert on_land != on_road != RGB["roads_primary"]
    assert pixel(draw(buildings=[EVERYTHING], trees=tree)[0], 130, -30) == RGB["buildings"]
    assert pixel(draw([(EVERYTHING, "roads_primary", 1)], trees=tree)[0], 130, -30) == RGB["roads_primary"]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_inputs_is_of_no_consequence(seed):
    rng = np.random.default_rng(seed)
    surfaces, buildings, trees = town(rng)
    expected = draw(surfaces, buildings, trees)
    shuffled = [[things[i] for i in rng.permutation(len(things))] for things in (surfaces, buildings)]
    for a, b in zip(draw(*shuffled, rng.permutation(trees)), expected, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("seed", range(5))
def test_a_window_is_a_crop_of_the_map(seed):
    """To the last bit inside the margin, though drawn from only what touches it; near its frame, to a sample here and there."""
    surfaces, buildings, trees = town(np.random.default_rng(seed))
    for (r0, r1, c0, c1), margin in itertools.product([(16, 71, 23, 102), (13, 60, 41, 90)], [0, MARGIN]):
        window = Georeference((100 + (c0 - margin) / 2, -10 - (r1 + margin) / 2, 100 + (c1 + margin) / 2, -10 - (r0 - margin) / 2), 0.5)
        larger = Georeference((80, -80, 190, 30), 0.5)
        near = [s for s in surfaces if s[0].intersects(shapely.box(*window.bounds))]
        for crop, whole in zip(draw(near, buildings, trees, window), draw(surfaces, buildings, trees, larger), strict=True):
            crop = crop[margin : margin + r1 - r0, margin : margin + c1 - c0]
            differs = crop != whole[80 + r0 : 80 + r1, 40 + c0 : 40 + c1]
            assert differs.mean() < (0 if margin else 0.03) or not differs.any()


def test_edges_on_the_border_of_a_sample_fall_to_the_same_side_in_every_frame():
    step, squares = 0.45 / 3, [(7 * i, 11 * j) for i in range(14) for j in range(9)]
    surfaces = [(shapely.box(x * step, -y * step, (x + 4) * step, -(y + 5) * step), "water") for x, y in squares]
    frames = [(i * 0.45, -16.2, 16.2, j * 0.45) for i, j in itertools.product(range(-36, 1, 3), range(0, 37, 3))]
    drawn = [draw(surfaces, geo=Georeference(frame, 0.45))[0][-36:, -36:] for frame in frames]
    assert all(np.array_equal(drawn[0], other) for other in drawn)


def test_surfaces_may_reach_far_beyond_the_frame():
    far = 50_000
    near = [(shapely.box(60, -90, 130, 30), "water"), (shapely.box(60, -34, 200, -26), "roads_primary")]
    vast = [(shapely.box(100 - far, -50 - far, 130, -10 + far), "water"), (shapely.box(100 - far, -34, 160 + far, -26), "roads_primary")]
    for a, b in zip(draw(near), draw(vast), strict=True):
        assert np.array_equal(a, b)
    slanting = shapely.Polygon([(130 - far, -30 - far), (130 + far, -30 + far), (130 + far, -30 - far)])  # south-east of a diagonal
    _, ground = draw([(slanting, "water")])
    inside, decided = inside_and_decided(slanting, 0.3)
    assert np.array_equal((ground == INDEX["water"])[decided], inside[decided])


def test_a_raised_building_leaves_roads_and_the_ground_open():
    """It covers areas like any other, and its outline is drawn; a building that stands is drawn over the road."""
    slab, house, park = shapely.box(110, -40, 120, -20), shapely.box(140, -40, 150, -20), shapely.box(100, -50, 160, -10)
    raster, ground = draw([(ROAD, "roads_primary"), (park, "vegetation")], [slab, house], raised=np.array([True, False]))
    assert pixel(raster, 115, -30) == RGB["roads_primary"] and pixel(raster, 145, -30) == RGB["buildings"]
    assert pixel(raster, 115, -22) == pixel(raster, 145, -22) == RGB["buildings"]
    assert pixel(ground, 115, -30) == INDEX["roads_primary"] and pixel(ground, 115, -22) == INDEX["vegetation"]
    assert pixel(ground, 145, -30) == pixel(ground, 145, -22) == INDEX["buildings"]
    assert pixel(raster, 110.25, -22) not in (RGB["buildings"], RGB["vegetation"])
    assert np.array_equal(draw([(park, "vegetation")], [house])[0], draw([(park, "vegetation")], [house], raised=True)[0])
