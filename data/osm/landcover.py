"""The ground as a planar partition: every spot belongs to at most one semantic class, the one drawn on top."""

import numpy as np
import shapely

from data.osm.overlay import overlay, union_of
from utils.classes import CLASSES

LAYER = np.array([c.layer for c in CLASSES])


def land_cover(cell: shapely.Polygon, surfaces: np.ndarray, classes: np.ndarray, footprints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits a cell of the ground, or of the decks of bridges at one level, into disjoint polygons.

    Args:
        cell: an upright rectangle.
        surfaces, classes: polygons and their classes, in a fixed order; only what lies in the cell counts.
        footprints: polygons of the buildings that stand on the ground; the ground under them belongs to no class.

    Returns:
        polygons (object array) and their classes (uint8), in a fixed order.
    """
    covered = union_of(overlay(shapely.intersection, footprints, cell))
    pieces, piece_classes = [np.array([], object)], []
    for semantic in sorted(np.unique(classes), key=lambda c: -LAYER[c]):  # from the top layer down
        union = union_of(overlay(shapely.intersection, surfaces[classes == semantic], cell))
        parts = shapely.get_parts(overlay(shapely.difference, union, covered))
        covered = overlay(shapely.union, covered, union)
        pieces.append(parts[(shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & (shapely.area(parts) > 1e-3)])
        piece_classes += [semantic] * len(pieces[-1])
    return np.concatenate(pieces), np.array(piece_classes, np.uint8)
