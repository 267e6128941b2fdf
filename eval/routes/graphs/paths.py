"""All simple paths of a graph, as a tree that the searches of all routes share."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from eval.routes.graphs.route_graph import RouteGraph
from utils.errors import InputError

MAX_PATHS = 20_000_000  # in memory at a time: 12 bytes each, and 8 bytes of scores for each core


class TooManyPaths(InputError):
    """A graph has more paths than can be held."""


@dataclass(frozen=True)
class PathTree:
    """Simple paths of 1 to L places. Level t holds those of t + 1 places, as their last place and the path that they extend.

    Within a level, paths are ordered by the path that they extend, then by the order of neighbours.
    """

    place: np.ndarray  # (P,) int32 last place
    parent: np.ndarray  # (P,) int32 index of the path without its last place; −1 in level 0
    level: np.ndarray  # (L + 1,) int64: level t is level[t]:level[t + 1]


def path_tree(graph: RouteGraph, length: int) -> PathTree:
    """The simple paths of 1 to `length` places.

    Raises:
        InputError: there are none of that length; TooManyPaths: too many to hold.
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
    """Whether a path passes a place."""
    while path >= 0:
        if place[path] == candidate:
            return True
        path = parent[path]
    return False
