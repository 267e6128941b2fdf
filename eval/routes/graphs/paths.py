"""All simple paths of a graph (no place twice), as a tree."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from eval.routes.graphs.route_graph import RouteGraph
from utils.errors import InputError

MAX_PATHS = 20_000_000  # in memory at a time: 12 bytes each, and a score of 8 bytes for each core


class TooManyPaths(InputError):
    """A graph has more than MAX_PATHS paths."""


@dataclass(frozen=True)
class PathTree:
    """Simple paths of 1 to L places. A path is its last place and its parent, the path without that place; level t has t + 1 places.

    Within a level, paths have the order of their parents, and those of one parent the order of neighbours.
    """

    place: np.ndarray  # (P,) int32 last place
    parent: np.ndarray  # (P,) int32 index of the parent; −1 in level 0
    level: np.ndarray  # (L + 1,) int64: level t is level[t]:level[t + 1]


def path_tree(graph: RouteGraph, length: int) -> PathTree:
    """The simple paths of 1 to `length` places.

    Raises:
        InputError: there is none of that length.
        TooManyPaths: there are more than MAX_PATHS.
    """
    n = len(graph)
    place, parent = np.arange(n, dtype=np.int32), np.full(n, -1, np.int32)
    level = [0, n]
    for t in range(1, length):
        bound = int(np.diff(graph.start)[place[level[-2] :]].sum())
        if level[-1] + bound > MAX_PATHS:
            raise TooManyPaths(
                f"more than {MAX_PATHS:,} simple paths of up to {t + 1} places in this graph; "
                "cull candidates (--keep 50) or use shorter routes"
            )
        more = _extended(place, parent, level[-2], level[-1], graph.start, graph.neighbor, bound)
        if not len(more[0]):
            raise InputError(f"routes of {length} places are longer than any path of the graph: its longest simple path has {t} places")
        place, parent = np.concatenate([place, more[0]]), np.concatenate([parent, more[1]])
        level.append(len(place))
    return PathTree(place, parent, np.array(level))


@njit
def _extended(place, parent, first, last, start, neighbor, bound):
    """Last places and parents of the simple paths that extend paths first to last − 1; there are at most `bound`."""
    new_place, new_parent, n = np.empty(bound, np.int32), np.empty(bound, np.int32), 0
    for path in range(first, last):
        for e in range(start[place[path]], start[place[path] + 1]):
            if not on_path(place, parent, path, neighbor[e]):
                new_place[n], new_parent[n] = neighbor[e], path
                n += 1
    return new_place[:n].copy(), new_parent[:n].copy()


@njit
def on_path(place, parent, path, candidate):
    """Whether a path passes the place `candidate`."""
    while path >= 0:
        if place[path] == candidate:
            return True
        path = parent[path]
    return False
