"""The drawn map: north-up rasters of colours and of semantic classes."""

import cv2
import numpy as np
import shapely

from data.osm.overlay import overlay, union_of
from utils.classes import BARE, BARE_RGB, CLASSES, INDEX
from utils.georeference import Georeference

# Everything is drawn as whole samples, FINE × FINE to a pixel, and averaged at the end. Blending edge by edge instead would let the
# ground shine through where surfaces meet, and its rounding would depend on their order. Odd, so that a pixel has a central sample.
FINE = 3
LAND = len(CLASSES)  # a sample is its class or LAND, plus CASING on the line around it, plus CROWN under a tree
CASING, CROWN = 32, 64
CROWN_RGB, CROWN_OPACITY = np.array((120, 180, 100)), 0.3
ROAD_CASING, OUTLINE = 7, 2  # thickness for cv2, which makes 9 and 3 samples of it; the inner 5 of a casing are filled over
EDGE_PIXELS = 8  # longest edge handed to cv2
MARGIN = 12  # pixels; farther than this from the frame's edge, the map is the same to the last bit in every frame
LAYERS = np.array([c.layer for c in CLASSES])
CASED = np.array([c.casing_rgb is not None for c in CLASSES])


def draw_map(geo: Georeference, surfaces: np.ndarray, classes: np.ndarray, levels: np.ndarray, buildings: np.ndarray,
             trees: np.ndarray, raised: np.ndarray | bool = False) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Draws the map. What is drawn does not depend on the order of surfaces, of buildings or of trees.

    Args:
        geo: frame of the rasters.
        surfaces: (n,) polygons and multipolygons in metres; they may overlap, and reach beyond the frame (a surface that was cut
            there would have a casing along the cut).
        classes: (n,) uint8 semantic class of each.
        levels: (n,) int8: 0 on the ground, and for a bridge more than what it crosses.
        buildings: (m,) polygons of everything built.
        trees: (t, 4) x, y, height, crown diameter, metres.
        raised: (m,) bool, or one for all: buildings so high above the ground that one passes below them, as below the slab over a
            filling station. They cover areas, but no roads, and no class of the ground.

    Returns:
        colours (H, W, 3) uint8 RGB, and classes (H, W) uint8 of what covers each pixel's centre below all bridges, `BARE` where
        nothing does.
    """
    canvas = np.full((geo.height * FINE, geo.width * FINE), LAND, np.uint8)
    order = np.lexsort((LAYERS[classes], levels))
    surfaces, classes, levels = surfaces[order], classes[order], levels[order]
    edges = _short_edges(geo, surfaces)
    contours, casings = _contours(geo, edges), _contours(geo, _casings(edges, surfaces, classes, levels))
    footprints = _contours(geo, _short_edges(geo, buildings))
    up = np.broadcast_to(raised, len(buildings))
    standing, above = ([footprints[i] for i in np.flatnonzero(which)] for which in (~up, up))
    above_casings = LAYERS[classes] >= LAYERS[CASED].min()

    def fill(which: np.ndarray) -> None:
        for i in np.flatnonzero(which):
            cv2.fillPoly(canvas, contours[i], int(classes[i]))

    def paint(level: int, slabs=()) -> None:
        """All casings of a level come before its roads: crossings are open."""
        fill((levels == level) & ~above_casings)
        build(slabs)
        for i in np.flatnonzero((levels == level) & CASED[classes]):
            cv2.polylines(canvas, casings[i], False, int(classes[i]) | CASING, ROAD_CASING)
        fill((levels == level) & above_casings)

    def build(footprints) -> None:
        for rings in footprints:
            cv2.fillPoly(canvas, rings, INDEX["buildings"])

    fill(levels == 0)
    build(standing)
    ground = canvas[FINE // 2 :: FINE, FINE // 2 :: FINE].copy()
    ground[ground == LAND] = BARE
    paint(0, above)
    canvas |= _crowns(geo, trees)
    build(standing)
    for rings in footprints:
        cv2.polylines(canvas, rings, False, INDEX["buildings"] | CASING, OUTLINE)
    for level in np.unique(levels[levels > 0]):  # over the buildings, too: those under a bridge are its towers and anchorages
        paint(level)
    size = geo.width, geo.height
    channels = [cv2.resize(cv2.LUT(canvas, lut), size, interpolation=cv2.INTER_AREA) for lut in _palette().T.copy()]
    return cv2.merge(channels), ground


def _palette() -> np.ndarray:
    """(256, 3) uint8: the colour of each sample."""
    palette = np.zeros((256, 3))
    palette[: LAND + 1] = [*(c.rgb for c in CLASSES), BARE_RGB]
    palette[CASING : CASING + LAND] = [c.casing_rgb or c.rgb for c in CLASSES]
    palette[CROWN : 2 * CROWN] = (1 - CROWN_OPACITY) * palette[:CROWN] + CROWN_OPACITY * CROWN_RGB
    return palette.round().astype(np.uint8)


def _short_edges(geo: Georeference, polygons: np.ndarray) -> np.ndarray:
    """(n,) the rings of polygons. An edge that leaves the canvas gets a slightly different slope from cv2: this stays in the margin."""
    return shapely.segmentize(shapely.boundary(polygons), EDGE_PIXELS * geo.metres_per_pixel)


def _casings(edges: np.ndarray, surfaces: np.ndarray, classes: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """(n,) the line that each surface's casing follows: its edge, without the ends of a bridge, where the road goes on below it.

    The bridge leaves one piece of a road that goes on, and two of a road that it crosses.
    """
    lines = edges.copy()
    lines[~CASED[classes]] = None
    lower, bridges = np.flatnonzero(CASED[classes]), np.flatnonzero(CASED[classes] & (levels > 0))
    if len(bridges):
        bridge, road = shapely.STRtree(surfaces[lower]).query(surfaces[bridges], "intersects")
        bridge, road = bridges[bridge], lower[road]
        rest = overlay(shapely.difference, surfaces[road], surfaces[bridge])
        goes_on = (levels[road] < levels[bridge]) & (shapely.get_num_geometries(rest) <= shapely.get_num_geometries(surfaces[road]))
        for i in np.unique(bridge[goes_on]):
            lines[i] = overlay(shapely.difference, lines[i], union_of(surfaces[road[goes_on & (bridge == i)]]))
    return lines


def _crowns(geo: Georeference, trees: np.ndarray) -> np.ndarray:
    """(H × FINE, W × FINE) uint8: CROWN under the trees."""
    crowns = np.zeros((geo.height * FINE, geo.width * FINE), np.uint8)
    radii = np.round(trees[:, 3] / 2 / geo.metres_per_pixel * FINE).astype(int)
    for centre, radius in zip(_samples(geo, trees[:, :2]).tolist(), radii.tolist(), strict=True):
        cv2.circle(crowns, centre, radius, CROWN, -1)
    return crowns


def _contours(geo: Georeference, lines: np.ndarray) -> list[list[np.ndarray]]:
    """The pieces of each line as cv2 contours. All rings of a polygon filled together leave its holes open (even-odd rule)."""
    parts, owner = shapely.get_parts(lines, return_index=True)
    xy, part = shapely.get_coordinates(parts, return_index=True)
    contours = np.split(_samples(geo, xy), np.searchsorted(part, np.arange(1, len(parts))))
    first = np.searchsorted(owner, np.arange(len(lines) + 1))
    return [contours[i:j] for i, j in zip(first[:-1], first[1:], strict=True)]


def _samples(geo: Georeference, xy: np.ndarray) -> np.ndarray:
    """Metres (n, 2) to the nearest sample (column, row)."""
    # What lies on a border between samples must fall to the same side in every frame.
    return np.floor(geo.to_pixels(xy) * FINE + 1e-6).astype(np.int32)
