"""The ground as a planar partition: every spot belongs to at most one semantic class, the one drawn on top."""

import numpy as np
import shapely

from data.osm.classes import CLASSES, INDEX
from data.osm.extract import Features
from utils.progress import progress

EDGE_GAP_M = 250.0  # a shore that ends nearer than this to the extract's edge goes on to it
CELL_M = 250.0  # overlays are done cell by cell: their cost grows faster than the number of polygons


def land_cover(features: Features, footprints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits the ground into disjoint polygons.

    Args:
        features: the extract.
        footprints: polygons of the buildings that stand on the ground; the ground under them belongs to no class.

    Returns:
        polygons (object array) and their classes (uint8), clipped to the extract's bounds, in a fixed order.
    """
    surfaces, classes = _as_polygons(features)
    order = np.argsort([-CLASSES[c].layer for c in classes], kind="stable")
    surfaces, classes = surfaces[order], classes[order]
    surface_tree, building_tree = shapely.STRtree(surfaces), shapely.STRtree(footprints)
    pieces, piece_classes = [], []
    for cell in progress(_cells(features.bounds), desc="land cover", unit=" cells"):
        hits = np.sort(surface_tree.query(cell, "intersects"))
        covered = shapely.unary_union(footprints[building_tree.query(cell, "intersects")])
        for semantic in dict.fromkeys(classes[hits]):  # from the top layer down
            union = shapely.unary_union(shapely.intersection(surfaces[hits[classes[hits] == semantic]], cell))
            visible = shapely.difference(union, covered)
            covered = shapely.union(covered, union)
            polygons = [p for p in shapely.get_parts(visible) if p.geom_type == "Polygon" and p.area > 1e-3]
            pieces += polygons
            piece_classes += [semantic] * len(polygons)
    return np.array(pieces, dtype=object), np.array(piece_classes, np.uint8)


def _as_polygons(features: Features) -> tuple[np.ndarray, np.ndarray]:
    """Areas, ways widened to surfaces, and the sea, with their classes."""
    default = np.array([c.width_m for c in CLASSES])[features.way_classes]
    widths = np.where(features.way_widths_m > 0, features.way_widths_m, default)
    roads = shapely.buffer(features.ways, widths / 2, quad_segs=3)
    sea = water_from_coastlines(features.coastlines, features.bounds)
    surfaces = np.concatenate([features.surfaces, roads, sea])
    classes = np.concatenate([features.surface_classes, features.way_classes, np.full(len(sea), INDEX["water"], np.uint8)])
    return surfaces, classes


def water_from_coastlines(coastlines: np.ndarray, bounds: tuple[float, float, float, float]) -> np.ndarray:
    """Closes coastlines against the extract's edge.

    The lines cut the extract into faces. A face is water where the coastlines have it on their right
    (https://wiki.openstreetmap.org/wiki/Tag:natural=coastline: land on the left, water on the right).
    A shore with a gap bounds no face, has the same face on both sides, and so says nothing about it.

    Args:
        coastlines: lines in metres; pieces of one shore share end points.
        bounds: x0, y0, x1, y1.

    Returns:
        object array of polygons; empty where there is no coastline.
    """
    box = shapely.box(*bounds)
    lines = shapely.intersection(coastlines, box)
    lines = lines[~shapely.is_empty(lines)]
    if not len(lines):
        return np.array([], dtype=object)
    edges = shapely.unary_union([*lines, *_bridges_to_edge(lines, box), box.exterior])
    faces = shapely.get_parts(shapely.polygonize(list(shapely.get_parts(edges))))
    # Points a hand's breadth to either side of every segment's middle: metres of shore for and against water in each face.
    votes, votes_cast = np.zeros(len(faces)), np.zeros(len(faces))
    tree = shapely.STRtree(faces)
    for line in shapely.get_parts(lines):
        xy = shapely.get_coordinates(line)
        middle, step = (xy[1:] + xy[:-1]) / 2, np.diff(xy, axis=0)
        length = np.hypot(*step.T)
        normal = np.column_stack([step[:, 1], -step[:, 0]]) / np.maximum(length, 1e-9)[:, None]
        for side, sign in ((0.05, 1), (-0.05, -1)):
            point, face = tree.query(shapely.points(middle + side * normal), "within")
            np.add.at(votes, face, sign * length[point])
            np.add.at(votes_cast, face, length[point])
    return faces[votes > 0.5 * votes_cast]


def _bridges_to_edge(lines: np.ndarray, box: shapely.Polygon) -> list[shapely.LineString]:
    """Joins a shore's loose ends to the extract's edge: extracts are cut at nodes, so a shore ends a little inside."""
    loose = shapely.boundary(shapely.line_merge(shapely.unary_union(lines)))
    ends = [end for end in shapely.get_parts(loose) if 0 < end.distance(box.exterior) < EDGE_GAP_M]
    return [shapely.shortest_line(end, box.exterior) for end in ends]


def _cells(bounds) -> list[shapely.Polygon]:
    x0, y0, x1, y1 = bounds
    xs, ys = np.arange(x0, x1, CELL_M), np.arange(y0, y1, CELL_M)
    return [shapely.box(x, y, min(x + CELL_M, x1), min(y + CELL_M, y1)) for y in ys for x in xs]
