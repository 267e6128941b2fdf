"""The published route search ("You Are Here", arXiv 1911.08797), exactly.

Candidates are simple paths. The score of a path is the sum of Euclidean distances between the query embeddings and the reference
embeddings along it. After each step candidates are sorted by it (stable); when more than 100 are left, the best `keep` % (rounded down)
survive; each is then extended to its neighbours. Where turns are observed, only candidates whose last heading change agrees survive.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit

from eval.routes.localizer import TAIL, RouteMap
from eval.routes.paths import MAX_PATHS, PathTree, on_path, path_tree
from eval.routes.turns import turned
from utils.errors import InputError
from utils.progress import progress

CULL_ABOVE = 100  # candidates that are never culled


@dataclass(frozen=True)
class Candidates:
    """What one search kept, best first after each step. Step t is step[t]:step[t + 1]."""

    place: np.ndarray  # (C,) int32 last place of a path
    parent: np.ndarray  # (C,) int32 the candidate that it extends, −1 at step 0
    score: np.ndarray  # (C,) float64
    step: np.ndarray  # (L + 1,) int64


class PublishedSearch:
    """See the module; a localizer (eval/routes/localizer.py).

    Args:
        keep_percent: above 0, up to 100 (no culling).

    Raises:
        InputError: keep_percent is out of range.
    """

    def __init__(self, route_map: RouteMap, keep_percent: float = 100.0):
        if not 0 < keep_percent <= 100:
            raise InputError(f"--keep {keep_percent:g}: give the percentage of candidates that survive a step, above 0 and up to 100")
        self.map, self.keep_percent = route_map, float(keep_percent)
        self.by_dimension = np.ascontiguousarray(route_map.reference.T, np.float64)  # D,N
        graph = route_map.graph
        # Turns of the edges; without headings none is known, and none may be asked for.
        self.edge_turn = np.zeros(len(graph.neighbor), bool)
        if route_map.heading_deg is not None:
            self.edge_turn = turned(route_map.heading_deg[graph.origin], route_map.heading_deg[graph.neighbor])

    def locate(self, query: np.ndarray, turns: np.ndarray | None = None) -> np.ndarray:
        """(R, L, TAIL) last places of the best path after each step (see `Localizer.locate`).

        Raises:
            InputError: turns without headings; routes longer than any path; too many candidates.
        """
        self._check(turns)
        routes, length = query.shape[:2]
        query = np.ascontiguousarray(query, np.float64)
        observed = _observed(turns, routes, length)
        if self.keep_percent == 100:  # nothing is culled, so all routes have the same candidates and nothing needs sorting
            tree = path_tree(self.map.graph, length)
            path_turn = self._turns_of(tree)

            def tails(r: int) -> np.ndarray:
                return _best_in_tree(query[r], self.by_dimension, tree.place, tree.parent, tree.level, path_turn, observed[r])
        else:

            def tails(r: int) -> np.ndarray:
                found = self.search(query[r], None if turns is None else turns[r])
                return _tails(found.place, found.parent, found.step)

        return np.stack(_in_threads(tails, routes)) if routes else np.zeros((0, length, TAIL), np.int32)

    def search(self, query: np.ndarray, turns: np.ndarray | None = None) -> Candidates:
        """The candidates of one drive: query (L, D), turns (L − 1,) bool or None."""
        self._check(turns)
        query, graph = np.ascontiguousarray(query, np.float64), self.map.graph
        observed = _observed(None if turns is None else turns[None], 1, len(query))[0]
        found = _search(query, self.by_dimension, graph.start, graph.neighbor, self.edge_turn, observed, self.keep_percent)
        if found[3][-1] < 0:
            raise InputError(f"more than {MAX_PATHS:,} candidates in one search; keep fewer (--keep {self.keep_percent / 2:g})")
        return Candidates(*found)

    def _check(self, turns: np.ndarray | None) -> None:
        if turns is not None and self.map.heading_deg is None:
            raise InputError("turns are given, but the places have no headings; give --locations with a heading for each place")

    def _turns_of(self, tree: PathTree) -> np.ndarray:
        """(P,) bool, whether the last edge of each path is a turn; False for paths of one place."""
        if self.map.heading_deg is None:
            return np.zeros(len(tree.place), bool)
        heading = self.map.heading_deg
        return turned(heading[tree.place[tree.parent]], heading[tree.place]) & (tree.parent >= 0)


def _observed(turns: np.ndarray | None, routes: int, length: int) -> np.ndarray:
    """(R, L) int8: 0 or 1 where the step to a place was observed to be straight or a turn, −1 where nothing was."""
    observed = np.full((routes, length), -1, np.int8)
    if turns is not None:
        observed[:, 1:] = turns
    return observed


def _in_threads(work: Callable[[int], np.ndarray], n: int) -> list[np.ndarray]:
    """work(0) to work(n − 1) on all cores; the compiled searches let go of Python's lock."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(progress(pool.map(work, range(n)), total=n, desc="routes", unit=" routes"))


@njit(nogil=True)
def _distances(query, by_dimension):
    """(N,) Euclidean distances of one query (D,) from references (D, N)."""
    squared = np.zeros(by_dimension.shape[1])
    for d in range(len(query)):
        for i in range(len(squared)):
            squared[i] += (query[d] - by_dimension[d, i]) ** 2
    return np.sqrt(squared)


@njit(nogil=True)
def _best_in_tree(query, by_dimension, place, parent, level, path_turn, observed):
    """(L, TAIL) the best paths of one drive among all of a tree."""
    length = len(query)
    score, tails = np.empty(len(place)), np.full((length, TAIL), -1, np.int32)
    for t in range(length):
        cost = _distances(query[t], by_dimension)
        best = -1
        for path in range(level[t], level[t + 1]):
            total = cost[place[path]]
            if t > 0:
                total += score[parent[path]]
                if observed[t] >= 0 and path_turn[path] != (observed[t] == 1):
                    total = np.inf  # and so is everything that extends it
            score[path] = total
            if total == np.inf:
                continue
            if best < 0 or total < score[best] or (total == score[best] and _precedes(path, best, parent, score)):
                best = path
        _write_tail(tails[t], place, parent, best)
    return tails


@njit(nogil=True)
def _precedes(a, b, parent, score):
    """Whether path a comes before path b of the same score: stable sorting leaves them as their parents were, those as theirs, …"""
    while parent[a] != parent[b]:
        a, b = parent[a], parent[b]
        if score[a] != score[b]:
            return score[a] < score[b]
    return a < b


@njit(nogil=True)
def _search(query, by_dimension, start, neighbor, edge_turn, observed, keep_percent):
    """The candidates of one drive: place, parent, score, step as in `Candidates`; the last of `step` is −1 where they grew too many."""
    length, n = len(query), by_dimension.shape[1]
    place, parent, score = np.empty(4 * n, np.int32), np.empty(4 * n, np.int32), np.empty(4 * n)
    step = np.zeros(length + 1, np.int64)
    new_place, new_parent, count = np.arange(n).astype(np.int32), np.full(n, -1, np.int32), n
    for t in range(length):
        first = step[t]
        if t > 0:
            bound = 0
            for path in range(step[t - 1], first):
                bound += start[place[path] + 1] - start[place[path]]
            new_place, new_parent, count = np.empty(bound, np.int32), np.empty(bound, np.int32), 0
            for path in range(step[t - 1], first):
                for e in range(start[place[path]], start[place[path] + 1]):
                    if observed[t] >= 0 and edge_turn[e] != (observed[t] == 1):
                        continue
                    if not on_path(place, parent, path, neighbor[e]):
                        new_place[count], new_parent[count] = neighbor[e], path
                        count += 1
        cost = _distances(query[t], by_dimension)
        total = np.empty(count)
        for i in range(count):
            total[i] = cost[new_place[i]] + (score[new_parent[i]] if t > 0 else 0.0)
        order = np.argsort(total, kind="mergesort")
        kept = count
        if count > CULL_ABOVE:
            kept = max(1, int(np.floor(count * keep_percent / 100)))
        if first + kept > MAX_PATHS:
            step[length] = -1
            return place[:0], parent[:0], score[:0], step
        while first + kept > len(place):
            place, parent = np.concatenate((place, np.empty_like(place))), np.concatenate((parent, np.empty_like(parent)))
            score = np.concatenate((score, np.empty_like(score)))
        for i in range(kept):
            place[first + i], parent[first + i], score[first + i] = new_place[order[i]], new_parent[order[i]], total[order[i]]
        step[t + 1] = first + kept
    end = step[length]
    return place[:end].copy(), parent[:end].copy(), score[:end].copy(), step


@njit(nogil=True)
def _tails(place, parent, step):
    """(L, TAIL) last places of the first candidate of each step."""
    tails = np.full((len(step) - 1, TAIL), -1, np.int32)
    for t in range(len(tails)):
        if step[t + 1] > step[t]:
            _write_tail(tails[t], place, parent, step[t])
    return tails


@njit(nogil=True)
def _write_tail(tail, place, parent, path):
    for k in range(TAIL - 1, -1, -1):
        if path < 0:
            break
        tail[k], path = place[path], parent[path]
