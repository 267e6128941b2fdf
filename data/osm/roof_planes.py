"""Roofs as planes: at every spot the lowest of a few planes (shapes of https://wiki.openstreetmap.org/wiki/Key:roof:shape).

Frame: (u, v) metres from the centre of a rectangle 2 × half_length long and 2 × half_width wide, v across the ridge; heights above the
eaves. A plane is (a, b, c): its height is a u + b v + c. Heights are relative; whoever uses them stretches them to the roof's height.
"""

import numpy as np

ROUND_FACETS = 8
_TOLERANCE_M = 1e-9


def gabled(length: float, width: float) -> np.ndarray:
    """Two slopes. Arguments here and below: half the length and half the width of the rectangle."""
    return _mirrored(0, 1, width)


def hipped(length: float, width: float) -> np.ndarray:
    """Four equally steep slopes."""
    length = width if abs(length - width) < 1e-3 else length  # a square but for rounding
    return np.concatenate([_mirrored(0, 1, width), _mirrored(1, 0, length)])


def half_hipped(length: float, width: float) -> np.ndarray:
    """Two slopes; the upper half of each gable leans back."""
    return np.concatenate([_mirrored(0, 1, width), _mirrored(1, 0, length + width / 2)])


def gambrel(length: float, width: float) -> np.ndarray:
    """Two slopes, each steep up to two thirds of the height, within a third of its run, and four times flatter from there."""
    return np.concatenate([_mirrored(0, 2, 2 * width), _mirrored(0, 0.5, width)])


def mansard(length: float, width: float) -> np.ndarray:
    """A gambrel roof's slope on all four sides."""
    ends = np.concatenate([_mirrored(2, 0, 2 * length), _mirrored(0.5, 0, (width + length) / 2)])
    return np.concatenate([gambrel(length, width), ends])


def skillion(length: float, width: float) -> np.ndarray:
    """One slope, which falls towards +v."""
    return np.array([(0.0, -1.0, width)])


def saltbox(length: float, width: float) -> np.ndarray:
    """Two equally steep slopes; that towards +v is three times as long as the other, so that the wall at -v is higher."""
    return np.array([(0.0, -1.0, width), (0.0, 1.0, 2 * width)])


def rounded(length: float, width: float) -> np.ndarray:
    """Half a cylinder, as facets."""
    angle = np.linspace(0, np.pi, ROUND_FACETS + 1)
    v, z = width * np.cos(angle), width * np.sin(angle)
    slope = np.diff(z) / np.diff(v)
    return np.column_stack([np.zeros(ROUND_FACETS), slope, z[:-1] - slope * v[:-1]])


def _mirrored(a: float, b: float, c: float) -> np.ndarray:
    """The planes c - a |u| and c - b |v|, where the other of a and b is 0."""
    return np.array([(-a, -b, c), (a, b, c)], float)


def heights(planes: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(…, k) heights of planes (k, 3) above the eaves at (…, 2)."""
    return uv @ planes[:, :2].T + planes[:, 2]


def cells(planes: np.ndarray, length: float, width: float) -> list[np.ndarray]:
    """For each plane the convex ring (n, 2) within which it is the lowest, over the rectangle and some way beyond it."""
    found = []
    for k in range(len(planes)):
        ring = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (2 * length, 2 * width)
        for a, b, c in np.delete(planes, k, axis=0) - planes[k]:
            above = ring @ (a, b) + c
            corners = []
            for i in range(len(ring)):
                if above[i] >= 0:
                    corners.append(ring[i])
                if above[i] * above[i - len(ring) + 1] < 0:
                    share = above[i] / (above[i] - above[i - len(ring) + 1])
                    corners.append(ring[i] + share * (ring[i - len(ring) + 1] - ring[i]))
            ring = np.array(corners).reshape(-1, 2)
        if len(ring) > 2:
            found.append(ring)
    return found


def with_folds(ring: np.ndarray, z: np.ndarray) -> np.ndarray:
    """A closed ring (n, 2) with vertices added where the roof above it folds; z (n, k): heights of the planes at its vertices."""
    i, j = np.triu_indices(z.shape[1], 1)
    between = z[:, i] - z[:, j]
    edge, pair = np.nonzero(between[:-1] * between[1:] < 0)
    share = between[edge, pair] / (between[edge, pair] - between[edge + 1, pair])
    there = z[edge] + share[:, None] * (z[edge + 1] - z[edge])
    lowest = there[np.arange(len(edge)), i[pair]] <= there.min(1, initial=np.inf) + _TOLERANCE_M * np.abs(there).max(1, initial=1.0)
    own = np.arange(len(ring))
    at = np.unique(np.concatenate([own, np.round((edge + share)[lowest], 9)]))  # rounded: one vertex where folds meet
    return np.column_stack([np.interp(at, own, ring[:, 0]), np.interp(at, own, ring[:, 1])])
