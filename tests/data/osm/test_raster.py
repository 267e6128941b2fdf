"""The drawn map against a naive look at every pixel."""

import numpy as np
import pytest
import shapely

from data.georeference import Georeference
from data.osm.classes import BARE, BARE_RGB, CLASSES, INDEX
from data.osm.raster import draw_map

GEO = Georeference((100, -50, 160, -10), 0.5)
NO_TREES = np.zeros((0, 4))


def draw(ground=(), buildings=(), trees=NO_TREES):
    polygons = np.array([p for p, _ in ground], dtype=object)
    classes = np.array([INDEX[name] for _, name in ground], np.uint8)
    return draw_map(GEO, polygons, classes, np.array(buildings, dtype=object), trees)


def pixel_centres():
    column, row = np.meshgrid(np.arange(GEO.width), np.arange(GEO.height))
    return np.stack([100 + (column + 0.5) * 0.5, -10 - (row + 0.5) * 0.5], axis=-1)


def test_frame():
    assert (GEO.width, GEO.height) == (120, 80)
    assert GEO.to_pixels([(100, -10), (160, -50), (100.25, -10.25)]).tolist() == [[0, 0], [120, 80], [0.5, 0.5]]
    odd = Georeference((0, 0, 10.2, 5.1), 0.5)
    assert (odd.width, odd.height) == (21, 11)


def test_north_is_up_and_east_is_right():
    _, classes = draw([(shapely.box(150, -20, 158, -12), "water")])
    rows, columns = np.nonzero(classes == INDEX["water"])
    assert rows.min() in (3, 4) and rows.max() in (19, 20)
    assert columns.min() in (99, 100) and columns.max() in (115, 116)


@pytest.mark.parametrize("kind", ["ground", "building"])
def test_pixels_inside_a_polygon_with_a_hole(kind):
    polygon = shapely.Polygon([(105, -45), (150, -40), (155, -15), (120, -12)], [[(120, -35), (140, -33), (130, -20)]])
    colours, classes = draw([(polygon, "forest")]) if kind == "ground" else draw(buildings=[polygon])
    semantic = INDEX["forest" if kind == "ground" else "buildings"]
    decided = np.array([[polygon.boundary.distance(shapely.Point(p)) > 1.1 for p in row] for row in pixel_centres()])
    inside = np.array([[polygon.contains(shapely.Point(p)) for p in row] for row in pixel_centres()])
    assert decided.mean() > 0.8 and inside[decided].any()
    assert np.array_equal(classes[decided] == semantic, inside[decided])
    assert (classes[~inside & decided] == BARE).all()
    assert (colours[inside & decided] == CLASSES[semantic].rgb).all()
    assert (colours[~inside & decided] == BARE_RGB).all()


def test_edges_are_not_shifted():
    """The drawn area's centre of mass is the polygon's, to a tenth of a pixel (a round one: upright edges snap to pixels)."""
    colours, classes = draw([(shapely.Point(130.1, -30.2).buffer(12, 64), "water")])
    for weight in (np.abs(colours.astype(float) - BARE_RGB).sum(2), classes == INDEX["water"]):
        centre = (pixel_centres() * weight[..., None]).sum((0, 1)) / weight.sum()
        assert np.allclose(centre, (130.1, -30.2), atol=0.05)


def test_upper_layers_are_drawn_over_lower_ones_and_buildings_over_all():
    everything = shapely.box(100, -50, 160, -10)
    ground = [(everything, "roads_primary"), (everything, "vegetation"), (everything, "water")]
    colours, classes = draw(ground, [shapely.box(120, -40, 140, -20)], np.array([[130.0, -30, 10, 8]]))
    assert classes[2, 2] == INDEX["roads_primary"] and (colours[2, 2] == CLASSES[INDEX["roads_primary"]].rgb).all()
    assert classes[40, 60] == INDEX["buildings"] and (colours[40, 60] == CLASSES[INDEX["buildings"]].rgb).all()


def test_trees_are_drawn_but_cover_no_class():
    colours, classes = draw(trees=np.array([[130.0, -30.0, 10.0, 8.0]]))
    assert (classes == BARE).all()
    changed = (colours != BARE_RGB).any(2)
    distance = np.hypot(*(pixel_centres() - (130, -30)).transpose(2, 0, 1))
    assert changed[distance < 3].all() and not changed[distance > 5].any()


def test_nothing_to_draw():
    colours, classes = draw()
    assert (colours == BARE_RGB).all() and (classes == BARE).all()
    assert colours.shape == (80, 120, 3) and colours.dtype == classes.dtype == np.uint8
