"""The graph of a city: buildings and pieces of streets, joined where they are next to each other."""

import numpy as np
import shapely
from scipy.sparse import csr_array

from data.city import CityGraph
from data.osm.buildings import Volumes
from data.osm.overlay import union_of
from data.osm.street_pieces import Pieces, cut_streets
from data.surfaces import DECK_M_PER_LEVEL
from utils.classes import INDEX

GAP_M = 3.0  # buildings so near to each other are neighbours: a shared wall is often drawn twice, a little apart
FRONT_M = 30.0  # a building farther than this from every street stands at none
BESIDE_M = 5.0  # a building stands at the nearest piece, and at all that are at most so much farther: corners, long fronts


def build_graph(volumes: Volumes, lines: np.ndarray, records: np.ndarray, bounds) -> CityGraph:
    """The graph of a map: first its buildings by id, then the pieces of its streets.

    Args:
        volumes: of the whole map.
        lines, records: streets (store.WAY), by id.
        bounds: x0, y0, x1, y1 of the map; pieces whose middle lies outside are left out.
    """
    ids, first, building, count = np.unique(volumes.building, return_index=True, return_inverse=True, return_counts=True)
    footprints = volumes.polygons[first]
    of_building = np.split(volumes.polygons[np.argsort(building, kind="stable")], np.cumsum(count)[:-1])
    for i in np.flatnonzero(count > 1):
        footprints[i] = union_of(of_building[i])
    top_m = np.zeros(len(ids))
    np.maximum.at(top_m, building, volumes.top_m)

    pieces = cut_streets(lines, records["level"])
    records = records[pieces.line]
    step = pieces.bits[:, 1] - pieces.bits[:, 0]
    metres = np.hypot(*step.T)
    length_m = _sums(pieces.piece, metres[:, None])[:, 0]
    middle = _sums(pieces.piece, pieces.bits.mean(1) * metres[:, None]) / length_m[:, None]
    # The angle doubled is the same from either end, and a mean of it has a meaning; the mean is short where the piece bends.
    east, north = (step / metres[:, None]).T
    doubled = np.column_stack([2 * east * north, north**2 - east**2])
    direction = _sums(pieces.piece, doubled * metres[:, None]) / length_m[:, None]

    inside = ((middle > bounds[:2]) & (middle < bounds[2:])).all(1)
    keep = np.concatenate([np.ones(len(ids), bool), inside])
    edges = _edges(footprints, pieces, records["level"] == 0)
    edges = (np.cumsum(keep) - 1)[edges[:, keep[edges].all(0)]]
    none = np.zeros(len(ids))
    return CityGraph(
        xy=np.concatenate([shapely.get_coordinates(shapely.centroid(footprints)), middle])[keep],
        classes=np.concatenate([none + INDEX["buildings"], records["semantic"]]).astype(np.uint8)[keep],
        area_m2=np.concatenate([shapely.area(footprints), length_m * records["width_m"]]).astype(np.float32)[keep],
        height_m=np.concatenate([top_m, records["level"] * DECK_M_PER_LEVEL]).astype(np.float32)[keep],
        length_m=np.concatenate([none, length_m]).astype(np.float32)[keep],
        direction=np.concatenate([none[:, None].repeat(2, 1), direction]).astype(np.float32)[keep],
        edges=edges.astype(np.int32),
    )


def _edges(footprints: np.ndarray, pieces: Pieces, on_ground: np.ndarray) -> np.ndarray:
    """Pairs of neighbours, both ways, (2, E) in ascending order; pieces are counted on after the buildings."""
    n, s = len(footprints), len(pieces.line)
    beside = shapely.STRtree(footprints).query(footprints, "dwithin", GAP_M)

    below = on_ground[pieces.piece]  # nothing stands at a bridge
    bits, piece = shapely.linestrings(pieces.bits[below]), pieces.piece[below]
    building, bit = shapely.STRtree(bits).query(footprints, "dwithin", FRONT_M)
    distance = shapely.distance(footprints[building], bits[bit])
    nearest = np.full(n, np.inf)
    np.minimum.at(nearest, building, distance)
    front = distance <= nearest[building] + BESIDE_M

    ends = csr_array((np.ones(2 * s), (np.arange(s).repeat(2), pieces.joints.ravel())), (s, pieces.joints.max(initial=0) + 1))
    meeting = np.stack((ends @ ends.T).nonzero())

    pairs = np.concatenate([beside, np.stack([building, n + piece[bit]])[:, front], n + meeting], axis=1)
    pairs = pairs[:, pairs[0] != pairs[1]]
    return np.unique(np.concatenate([pairs, pairs[::-1]], axis=1), axis=1)


def _sums(group: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums of values (T, k) by group (T,): (groups, k)."""
    return np.column_stack([np.bincount(group, column) for column in values.T])
