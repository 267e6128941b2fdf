"""Water: coastlines and relations of rivers that an extract has cut, closed against the map's edge, and the islands in it."""

from dataclasses import dataclass

import numpy as np
import shapely

from data.osm.overlay import overlay, union_of

EDGE_GAP_M = 250.0  # a shore that ends nearer than this to the map's edge goes on to it
DRY_SHARE = 0.02  # of the buildings beside a shore at most this share may stand in the water (piers, boathouses)
SURROUNDED = 0.99  # an island lies in water that has at least this share of it within its outer shore


@dataclass
class ClippedShore:
    """What an extract holds of the lines of a water relation; which side of them is water is not known."""

    osm_id: int
    lines: np.ndarray  # of shapely lines in metres


@dataclass
class _Faces:
    """What lines cut the map into, and for every segment of a line the face on its right and on its left (−1: none)."""

    polygons: np.ndarray
    right: np.ndarray
    left: np.ndarray
    length_m: np.ndarray


def coastal_water(coastlines: np.ndarray, bounds: tuple[float, float, float, float]) -> np.ndarray:
    """Closes coastlines against the map's edge.

    The lines cut the map into faces. A face is water where the coastlines have it on their right
    (https://wiki.openstreetmap.org/wiki/Tag:natural=coastline: land on the left, water on the right).
    A shore with a gap bounds no face, has the same face on both sides, and so says nothing about it.

    Args:
        coastlines: lines in metres; pieces of one shore share end points.
        bounds: x0, y0, x1, y1.

    Returns:
        object array of polygons; empty where there is no coastline.
    """
    faces = _faces(coastlines, bounds)
    votes, votes_cast = np.zeros(len(faces.polygons)), np.zeros(len(faces.polygons))
    for side, sign in ((faces.right, 1), (faces.left, -1)):
        seen = side >= 0
        np.add.at(votes, side[seen], sign * faces.length_m[seen])
        np.add.at(votes_cast, side[seen], faces.length_m[seen])
    return faces.polygons[votes > 0.5 * votes_cast]


def water_of_relations(shores: list[ClippedShore], bounds, built: np.ndarray) -> tuple[np.ndarray, int]:
    """Closes clipped relations against the map's edge.

    A relation's lines have water on one side and land on the other, so faces alternate across them. Land is the half where the
    buildings stand.

    Args:
        bounds: x0, y0, x1, y1.
        built: (n, 2) a point of each building, metres.

    Returns:
        object array of polygons, and how many relations remained undecided: their lines end inside the map, or buildings stand
        in both halves or none.
    """
    water, undecided = [np.array([], dtype=object)], 0
    for shore in shores:
        faces = _faces(shore.lines, bounds)
        half = _alternate(faces)
        if half is None:
            undecided += 1
            continue
        trees = (shapely.STRtree(faces.polygons[half == side]) for side in (0, 1))
        standing = [len(np.unique(tree.query(shapely.points(built), "within")[0])) for tree in trees]
        if min(standing) > DRY_SHARE * max(standing) or not max(standing):
            undecided += 1
            continue
        water.append(faces.polygons[half == int(np.argmin(standing))])
    return np.concatenate(water), undecided


def islands_of_coastlines(coastlines: np.ndarray) -> np.ndarray:
    """Object array of the polygons that coastlines (lines in metres) close around with land inside, which is on their left."""
    rings = shapely.get_parts(shapely.line_merge(shapely.multilinestrings(coastlines), directed=True))
    return np.array([shapely.Polygon(ring) for ring in rings if ring.is_ring and shapely.is_ccw(ring)], dtype=object)


def keep_dry(water: np.ndarray, islands: np.ndarray) -> np.ndarray:
    """Cuts islands out of the water around them, also where no inner member of the water does.

    Water that does not surround an island stays as it is: a lake on it, a river that only touches it.

    Args:
        water, islands: polygons and multipolygons in metres.

    Returns:
        the water that is left, in the order of `water`; empty polygons where nothing is.
    """
    water = water.copy()
    parts, owner = shapely.get_parts(water, return_index=True)
    filled = shapely.polygons(shapely.get_exterior_ring(parts))
    island, around = shapely.STRtree(filled).query(islands, "intersects")
    inside = shapely.area(overlay(shapely.intersection, islands[island], filled[around])) > SURROUNDED * shapely.area(islands[island])
    lake, island = np.unique(np.column_stack([owner[around[inside]], island[inside]]), axis=0).T
    lakes, first = np.unique(lake, return_index=True)
    for i, within in zip(lakes, np.split(island, first[1:]), strict=False):
        water[i] = overlay(shapely.difference, water[i], union_of(islands[within]))
    return water


def _faces(lines: np.ndarray, bounds) -> _Faces:
    box = shapely.box(*bounds)
    lines = shapely.intersection(lines, box)
    lines = lines[shapely.length(lines) > 0]
    if not len(lines):
        return _Faces(np.array([], dtype=object), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    edges = shapely.unary_union([*lines, *_bridges_to_edge(lines, box), box.exterior])
    polygons = shapely.get_parts(shapely.polygonize(list(shapely.get_parts(edges))))
    polygons = polygons[np.lexsort(shapely.bounds(polygons).T)]  # whatever the order of the lines
    # Points a hand's breadth to either side of every segment's middle.
    tree, sides, lengths = shapely.STRtree(polygons), [], []
    for line in shapely.get_parts(lines):
        xy = shapely.get_coordinates(line)
        middle, step = (xy[1:] + xy[:-1]) / 2, np.diff(xy, axis=0)
        length = np.hypot(*step.T)
        normal = np.column_stack([step[:, 1], -step[:, 0]]) / np.maximum(length, 1e-9)[:, None]
        side = np.full((2, len(length)), -1)
        for row, offset in enumerate((0.05, -0.05)):
            point, face = tree.query(shapely.points(middle + offset * normal), "within")
            side[row, point] = face
        sides.append(side)
        lengths.append(length)
    right, left = np.concatenate(sides, axis=1)
    return _Faces(polygons, right, left, np.concatenate(lengths))


def _bridges_to_edge(lines: np.ndarray, box: shapely.Polygon) -> list[shapely.LineString]:
    """Joins a shore's loose ends to the map's edge: extracts are cut at nodes, so a shore ends a little inside."""
    loose = shapely.boundary(shapely.line_merge(shapely.unary_union(lines)))
    ends = [end for end in shapely.get_parts(loose) if 0 < end.distance(box.exterior) < EDGE_GAP_M]
    return [shapely.shortest_line(end, box.exterior) for end in ends]


def _alternate(faces: _Faces) -> np.ndarray | None:
    """0 or 1 for each face, unequal across every line; None where the lines do not allow it, as around a loose end."""
    across = (faces.right >= 0) & (faces.left >= 0) & (faces.length_m > 0.2)
    pairs = np.unique(np.column_stack([faces.right[across], faces.left[across]]), axis=0)
    if not len(pairs) or (pairs[:, 0] == pairs[:, 1]).any():
        return None
    half = np.full(len(faces.polygons), -1)
    half[0] = 0
    for _ in half:  # one step farther each time; lines that reach the map's edge join all faces
        before = half.copy()
        for this, other in ((0, 1), (1, 0)):
            known = half[pairs]
            spread = (known[:, this] >= 0) & (known[:, other] < 0)
            half[pairs[spread, other]] = 1 - known[spread, this]
        if (half == before).all():
            break
    return half if (half >= 0).all() and (half[pairs[:, 0]] != half[pairs[:, 1]]).all() else None
