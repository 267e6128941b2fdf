"""Ways widened to surfaces: flat at their ends, without notches where they meet."""

import numpy as np
import shapely

from data.osm.overlay import GRID_M
from utils.classes import CLASSES

LAYER = np.array([c.layer for c in CLASSES])
LAP_M = 0.005  # ends reach so much farther: surfaces that only touched could part by a rounding error
NOTCH_M = 0.1  # narrower notches stay open: no map shows them
QUAD_SEGS = 3  # corners of a quarter circle
ARC = np.linspace(-0.5, 0.5, 2 * QUAD_SEGS + 1)


def widened(lines: np.ndarray, records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The surfaces of ways.

    A way is a band with flat ends, so steps may be wider than they are long, and dead ends do not bulge. Where one way goes on as another,
    or meets it, flat ends leave a notch on the outside of the bend. A joint fills it: for two ways, the sector of a circle, as wide as the
    narrower of them, that lies behind both ends.

    Args:
        lines, records: (n,) ways in metres and their records (store.WAY), by id.

    Returns:
        polygons (m,), bands before joints, in a fixed order; and the way (m,) whose class and level each of them has.
    """
    lines = shapely.remove_repeated_points(lines, GRID_M)
    xy, line = shapely.get_coordinates(lines, return_index=True)
    first = np.searchsorted(line, np.arange(len(lines)))
    last = np.searchsorted(line, np.arange(len(lines)), side="right") - 1
    joints, way = _joints(xy, line, first, last, records)
    longer = xy.copy()
    for end, inner in ((first, first + 1), (last, last - 1)):
        longer[end] += LAP_M * _direction(xy[end] - xy[inner])
    bands = shapely.buffer(shapely.linestrings(longer, indices=line), records["width_m"] / 2, quad_segs=QUAD_SEGS, cap_style="flat")
    return np.concatenate([bands, joints]), np.concatenate([np.arange(len(lines)), way])


def _joints(xy, line, first, last, records) -> tuple[np.ndarray, np.ndarray]:
    """Sectors for all pairs of arms, which are the directions in which ways leave a node that is an end of one of them."""
    node = np.unique(np.round(xy / GRID_M).astype(np.int64), axis=0, return_inverse=True)[1].ravel()
    start = np.setdiff1d(np.arange(len(xy)), last)
    corner, towards = np.concatenate([start, start + 1]), np.concatenate([start + 1, start])
    ends = np.zeros(len(xy), bool)
    ends[first] = ends[last] = True
    order = np.lexsort([corner, node[corner]])
    somewhere = (xy[corner[order]] != xy[towards[order]]).any(1)
    order = order[somewhere & np.isin(node[corner[order]], node[ends])]
    corner, towards = corner[order], towards[order]
    angle = np.arctan2(*(xy[towards] - xy[corner]).T[::-1])
    way, level, radius = line[corner], records["level"][line[corner]], records["width_m"][line[corner]] / 2
    group_first = np.searchsorted(node[corner], node[corner])
    group_end = np.searchsorted(node[corner], node[corner], side="right")

    i, j = _expand(np.arange(len(corner)), np.arange(len(corner)) + 1, group_end)
    turn = _wrapped(angle[j] - angle[i])
    width, middle = np.pi - np.abs(turn), angle[i] + turn / 2 + np.pi
    reach, ground = np.minimum(radius[i], radius[j]), np.minimum(level[i], level[j])
    gapes = (ends[corner[i]] | ends[corner[j]]) & (reach * width > NOTCH_M)
    i, j, width, middle, reach, ground = (a[gapes] for a in (i, j, width, middle, reach, ground))

    pair, k = _expand(np.arange(len(i)), group_first[i], group_end[i])
    covers = (radius[k] >= reach[pair]) & (level[k] == ground[pair])
    covers &= np.abs(_wrapped(angle[k] - middle[pair])) + width[pair] / 2 <= np.pi / 2
    open_ = np.bincount(pair[covers], minlength=len(i)) == 0
    i, j, width, middle, reach = (a[open_] for a in (i, j, width, middle, reach))

    arc = middle[:, None] + width[:, None] * ARC
    centre = xy[corner[i]][:, None]
    rings = np.concatenate([centre, centre + reach[:, None, None] * np.stack([np.cos(arc), np.sin(arc)], -1)], axis=1)
    layer = LAYER[records["semantic"][way]]
    lower = (level[i] < level[j]) | ((level[i] == level[j]) & (layer[i] >= layer[j]))
    return shapely.polygons(rings), np.where(lower, way[i], way[j])


def _expand(owner: np.ndarray, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each owner with every number from its begin to its end, the last excluded."""
    count = end - begin
    return np.repeat(owner, count), np.repeat(begin - np.cumsum(count) + count, count) + np.arange(count.sum())


def _direction(step: np.ndarray) -> np.ndarray:
    return step / np.maximum(np.hypot(*step.T), 1e-9)[:, None]


def _wrapped(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2 * np.pi) - np.pi
