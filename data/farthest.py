"""Farthest point order of a cloud on the CPU: exact, and fast because most points need no look at most picks. Compiled with numba."""

import numpy as np
from numba import njit

BUCKET_M = 8.0  # edge of the cubes that are skipped or updated as a whole


@njit
def farthest_point_order(points: np.ndarray, count: int, first: int) -> np.ndarray:
    """The first `count` picks of farthest point sampling (Eldar et al., 1997), ties to the lowest index.

    Equal to the textbook loop in float32. Points are sorted into cubes; a cube none of whose points can come nearer to the chosen set
    by the last pick is skipped, which leaves a few per cent of the distance computations.

    Args:
        points: (n, 3) float32, metres.
        count: number of picks, at most n.
        first: index of the first pick.

    Returns:
        (count,) int64 indices.
    """
    order, start, low, high = _buckets(points)
    buckets = len(start) - 1
    nearest = np.full(len(points), np.inf, np.float32)  # squared distance to the chosen set, in bucket order
    far = np.full(buckets, np.inf, np.float32)  # per bucket its largest `nearest`,
    far_at = start[:-1].copy()  # and where
    picks = np.empty(count, np.int64)
    pick = first
    for step in range(count):
        picks[step] = pick
        x, y, z = points[pick, 0], points[pick, 1], points[pick, 2]
        best, best_at = np.float32(-1.0), 0
        for b in range(buckets):
            bound = np.float32(0.0)
            for k in range(3):
                gap = max(low[b, k] - points[pick, k], points[pick, k] - high[b, k], np.float32(0.0))
                bound += gap * gap
            if bound * np.float32(0.99999) < far[b]:  # the margin covers rounding
                top, top_at = np.float32(-1.0), start[b]
                for i in range(start[b], start[b + 1]):
                    j = order[i]
                    dx, dy, dz = points[j, 0] - x, points[j, 1] - y, points[j, 2] - z
                    distance = dx * dx + dy * dy + dz * dz
                    if distance < nearest[i]:
                        nearest[i] = distance
                    if nearest[i] > top:
                        top, top_at = nearest[i], i
                far[b], far_at[b] = top, top_at
            if far[b] > best or (far[b] == best and order[far_at[b]] < order[best_at]):
                best, best_at = far[b], far_at[b]
        pick = order[best_at]
    return picks


@njit
def _buckets(points):
    """Order that sorts points by cube (stable), first position of each cube that holds any, and the cubes' bounding boxes."""
    n = len(points)
    origin = np.empty(3, np.float32)
    size = np.empty(3, np.int64)
    for k in range(3):
        origin[k] = points[:, k].min()
        size[k] = int((points[:, k].max() - origin[k]) / BUCKET_M) + 1
    cube = np.empty(n, np.int64)
    for i in range(n):
        c = [int((points[i, k] - origin[k]) / BUCKET_M) for k in range(3)]
        cube[i] = (c[0] * size[1] + c[1]) * size[2] + c[2]
    order = np.argsort(cube, kind="mergesort")
    start = [0]
    for i in range(1, n):
        if cube[order[i]] != cube[order[i - 1]]:
            start.append(i)
    start.append(n)
    low, high = np.empty((len(start) - 1, 3), np.float32), np.empty((len(start) - 1, 3), np.float32)
    for b in range(len(start) - 1):
        for k in range(3):
            low[b, k] = high[b, k] = points[order[start[b]], k]
            for i in range(start[b] + 1, start[b + 1]):
                low[b, k] = min(low[b, k], points[order[i], k])
                high[b, k] = max(high[b, k], points[order[i], k])
    return order, np.array(start), low, high
