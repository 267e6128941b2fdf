"""The drawn map: north-up rasters of colours and of semantic classes."""

import cv2
import numpy as np
import shapely

from data.georeference import Georeference
from data.osm.classes import BARE, BARE_RGB, CLASSES, INDEX

SHIFT = 6  # cv2 takes coordinates in 1/64 pixel
OUTLINE_RGB = (150, 132, 118)


def draw_map(geo: Georeference, ground: np.ndarray, ground_classes: np.ndarray, buildings: np.ndarray,
             trees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Draws the map.

    Args:
        geo: frame of the rasters.
        ground, ground_classes: disjoint polygons of the ground and their classes.
        buildings: polygons of everything built.
        trees: (n, 4) x, y, height, crown diameter.

    Returns:
        colours (H, W, 3) uint8 RGB, and classes (H, W) uint8 with `BARE` where no class is.
    """
    colours = np.empty((geo.height, geo.width, 3), np.uint8)
    colours[:] = BARE_RGB
    classes = np.full((geo.height, geo.width), BARE, np.uint8)
    layers = np.array([c.layer for c in CLASSES])
    for semantic in sorted(np.unique(ground_classes), key=lambda c: layers[c]):
        for rings in _rings(geo, ground[ground_classes == semantic]):
            cv2.fillPoly(colours, rings, CLASSES[semantic].rgb, cv2.LINE_AA, SHIFT)
            cv2.fillPoly(classes, rings, int(semantic), cv2.LINE_8, SHIFT)
    for x, y, _, crown in trees:
        radius = int(crown / 2 / geo.metres_per_pixel * 2**SHIFT)
        cv2.circle(colours, _fixed_point(geo, (x, y)).tolist(), radius, (176, 214, 160), -1, cv2.LINE_AA, SHIFT)
    for rings in _rings(geo, buildings):
        cv2.fillPoly(colours, rings, CLASSES[INDEX["buildings"]].rgb, cv2.LINE_AA, SHIFT)
        cv2.polylines(colours, rings, True, OUTLINE_RGB, 1, cv2.LINE_AA, SHIFT)
        cv2.fillPoly(classes, rings, INDEX["buildings"], cv2.LINE_8, SHIFT)
    return colours, classes


def _rings(geo: Georeference, polygons: np.ndarray):
    """Per polygon its rings as cv2 contours: filled together they leave the holes open (even-odd rule)."""
    for polygon in polygons:
        yield [_fixed_point(geo, shapely.get_coordinates(ring)) for ring in (polygon.exterior, *polygon.interiors)]


def _fixed_point(geo: Georeference, xy) -> np.ndarray:
    """Metres as cv2's fixed-point coordinates, in which a pixel's centre is a whole number."""
    return np.round(geo.to_pixels(xy) * 2**SHIFT - 2 ** (SHIFT - 1)).astype(np.int32)
