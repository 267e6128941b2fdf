"""Streets cut into short pieces, so that each has one place."""

from dataclasses import dataclass

import numpy as np
import shapely

from data.osm.overlay import GRID_M

PIECE_M = 40.0  # the longest


@dataclass
class Pieces:
    """S pieces of streets. Each consists of one or more straight bits, T in all."""

    bits: np.ndarray  # (T, 2, 2) metres, from one end to the other
    piece: np.ndarray  # (T,) which piece each bit belongs to; ascending
    joints: np.ndarray  # (S, 2) number of the point at either end: pieces meet where they have one in common
    line: np.ndarray  # (S,) index of the line that each was cut from


def cut_streets(lines: np.ndarray, level: np.ndarray) -> Pieces:
    """Cuts lines (n,) where they meet, and in equal pieces of at most PIECE_M between.

    Lines meet where they share a corner, whatever their level (n,), and where lines of one level cross. Where two run along the same
    ground, one is kept.
    """
    parts, line = _noded(lines, level)
    xy, part = shapely.get_coordinates(parts, return_index=True)
    start = np.flatnonzero(part[1:] == part[:-1])  # a straight segment goes from corner i to i + 1 of one part
    _, corner, visits = np.unique(xy, axis=0, return_inverse=True, return_counts=True)
    begins = np.r_[True, np.diff(start) > 1][: len(start)] | (visits[corner[start]] > 1)
    run = np.cumsum(begins) - 1  # of segments, from one meeting point to the next
    first = np.flatnonzero(begins)
    last = np.r_[first[1:], len(start)] - 1 if len(first) else first
    length = np.hypot(*(xy[start + 1] - xy[start]).T)
    reached = np.cumsum(length) - length
    reached -= reached[first][run]  # metres along the run, at the beginning of each segment
    run_length = np.bincount(run, length)
    count = np.ceil(run_length / PIECE_M).astype(int)
    step = (run_length / count)[run]
    base = np.cumsum(count) - count  # the first piece of each run

    low = np.floor(reached / step + 1e-6)  # a corner that lies on a cut leaves no bit of nothing
    high = np.ceil((reached + length) / step - 1e-6)
    bits_of = np.maximum(high - low, 1).astype(int)
    segment = np.repeat(np.arange(len(start)), bits_of)
    nth = low[segment] + np.arange(len(segment)) - (np.cumsum(bits_of) - bits_of)[segment]
    share = (np.stack([nth, nth + 1], 1) * step[segment, None] - reached[segment, None]) / length[segment, None]
    a, b = xy[start[segment]], xy[start[segment] + 1]
    bits = a[:, None] + share.clip(0, 1)[..., None] * (b - a)[:, None]

    total = int(count.sum())
    joints = len(xy) + np.arange(total)[:, None] + [0, 1]  # numbers of the cuts lie beyond those of corners
    joints[base, 0], joints[base + count - 1, 1] = corner[start[first]], corner[start[last] + 1]
    return Pieces(bits, base[run[segment]] + nth.astype(int), joints, line[part[start[first]]].repeat(count))


def _noded(lines: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lines of each level split where they cross, on a grid, so that equal corners are equal numbers; and the line of each part."""
    parts, of_line = [np.array([], object)], [np.zeros(0, int)]
    for one in np.unique(level):
        own = np.flatnonzero(level == one)
        split = shapely.get_parts(shapely.union_all(lines[own], grid_size=GRID_M))
        middle = shapely.line_interpolate_point(split, 0.5, normalized=True)
        part, nearest = shapely.STRtree(lines[own]).query_nearest(middle)
        lowest = np.full(len(split), len(own))
        np.minimum.at(lowest, part, nearest)  # the first of several that run along the same ground
        parts.append(split)
        of_line.append(own[lowest])
    return np.concatenate(parts), np.concatenate(of_line)
