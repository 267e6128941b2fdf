"""Farthest point order of a cloud on the CPU: exact, and fast because a pick touches only the points near it. Compiled with numba."""

import numpy as np
from numba import njit

LEAF = 32  # most points in a leaf of the tree: with fewer there are more boxes, with more there are more distances to compute
CELLS = 1023  # of the grid along the cloud's longest side: ten bits of each axis
LOW_BITS = 0xFFFFFFFF  # of a code: the point's index; of a rank: the complement of the index
UNREACHED = 0x7F800000 << 32  # rank above every finite distance: the bits of infinity


def farthest_point_order(points: np.ndarray, count: int, first: int) -> np.ndarray:
    """The first `count` picks of farthest point sampling (Eldar et al., 1997), ties to the lowest index.

    Equal to the textbook loop in float32. A pick lowers the distances of points near it only; the others are skipped by the boxes that
    hold them, as in bucket-based sampling (Han et al., QuickFPS, 2023), here the boxes of a tree. The tree comes from sorting the points
    along a space-filling curve (Lauterbach et al., Fast BVH Construction on GPUs, 2009).

    Args:
        points: (n, 3) float32, metres; no distance beyond 1e19, where its square leaves float32.
        count: number of picks, at most n.
        first: index of the first pick.

    Returns:
        (count,) int64 indices.
    """
    code = np.sort(_codes(points))  # not in compiled code, because numba's own sort is several times slower
    child, start, end = _tree(code)
    return _picks(points, code, child, start, end, count, first)


@njit
def _codes(points):
    """(n,) int64, all different. High bits: the point's cell on a Morton curve (Morton, 1966); low bits: its index."""
    low = np.array([points[:, k].min() for k in range(3)])
    extent = max([points[:, k].max() - low[k] for k in range(3)])
    scale = CELLS / extent if extent > 0 else 0.0
    code = np.arange(len(points))
    for i in range(len(points)):
        for k in range(3):
            code[i] |= _spread(np.int64((points[i, k] - low[k]) * scale)) << (32 + k)
    return code


@njit
def _spread(v):
    """Ten bits, each followed by two zeros."""
    v = (v | v << 16) & 0x030000FF
    v = (v | v << 8) & 0x0300F00F
    v = (v | v << 4) & 0x030C30C3
    return (v | v << 2) & 0x09249249


@njit
def _tree(code):
    """Splits the sorted points in halves of their cell until LEAF or fewer are left; parents before children.

    Returns:
        child: (nodes,) the first of a node's two children, which are neighbours; 0 for a leaf.
        start, end: (nodes,) the points of a node in sorted order.
    """
    n = len(code)
    child, start, end = np.zeros(2 * n, np.int64), np.zeros(2 * n, np.int64), np.zeros(2 * n, np.int64)
    end[0], nodes, node = n, 1, 0
    while node < nodes:
        a, b = start[node], end[node]
        if b - a > LEAF:
            bit = 1  # the highest in which the codes of the node differ; of coincident points it is one of the index
            while bit << 1 <= code[a] ^ code[b - 1]:
                bit <<= 1
            middle = a + np.searchsorted(code[a:b], code[b - 1] & -bit)
            child[node] = nodes
            start[nodes], end[nodes], start[nodes + 1], end[nodes + 1] = a, middle, middle, b
            nodes += 2
        node += 1
    return child[:nodes], start[:nodes], end[:nodes]


@njit
def _picks(points, code, child, start, end, count, first):
    """Picks the points one by one with the tree of boxes.

    A point's rank is an integer, so that one comparison finds the farthest and breaks ties: above, the bits of its squared distance to
    the picks (of float32 that are not negative, the bits are in the order of the values); below, the complement of its index. A node's
    rank is its best point's; the root's is the next pick.
    """
    order = code & LOW_BITS
    x, y, z = points[order, 0], points[order, 1], points[order, 2]
    rank = UNREACHED | (LOW_BITS - order)
    low, high = _boxes(x, y, z, child, start, end)
    best = np.full(len(child), UNREACHED)
    queue = np.empty(len(child), np.int64)
    picks = np.full(count, first)
    for step in range(1, count):
        last = picks[step - 1]
        px, py, pz = points[last, 0], points[last, 1], points[last, 2]
        queue[0], waiting, at = 0, 1, 0
        while at < waiting:
            node, at = queue[at], at + 1
            if child[node]:
                for c in range(child[node], child[node] + 2):
                    # Rounding keeps the order of numbers: this is at most the distance that is computed below for any point in the box.
                    dx = max(low[c, 0] - px, px - high[c, 0], np.float32(0))
                    dy = max(low[c, 1] - py, py - high[c, 1], np.float32(0))
                    dz = max(low[c, 2] - pz, pz - high[c, 2], np.float32(0))
                    if _bits(dx * dx + dy * dy + dz * dz) < best[c] >> 32:
                        queue[waiting], waiting = c, waiting + 1
            else:
                best[node] = 0
                for i in range(start[node], end[node]):
                    dx, dy, dz = x[i] - px, y[i] - py, z[i] - pz
                    rank[i] = min(rank[i], _bits(dx * dx + dy * dy + dz * dz) << 32 | (rank[i] & LOW_BITS))
                    best[node] = max(best[node], rank[i])
        for node in queue[:waiting][::-1]:
            if child[node]:
                best[node] = max(best[child[node]], best[child[node] + 1])
        picks[step] = LOW_BITS - (best[0] & LOW_BITS)
    return picks


@njit
def _boxes(x, y, z, child, start, end):
    """Smallest and largest coordinates of the points of each node, (nodes, 3) float32."""
    low, high = np.empty((len(child), 3), np.float32), np.empty((len(child), 3), np.float32)
    for node in range(len(child) - 1, -1, -1):
        c, a, b = child[node], start[node], end[node]
        for k, values in enumerate((x, y, z)):
            low[node, k] = min(low[c, k], low[c + 1, k]) if c else values[a:b].min()
            high[node, k] = max(high[c, k], high[c + 1, k]) if c else values[a:b].max()
    return low, high


@njit
def _bits(value):
    return np.int64(np.float32(value).view(np.int32))
