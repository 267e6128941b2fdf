"""Search for the simple path (no place twice) of the least score, which is the sum of the costs of its steps.

After each step the candidates are sorted by their score (stable). Where there are more than 100, the best `keep_percent` % (rounded down)
survive. Each survivor is then extended to its neighbours. This is the search of "You Are Here" (arXiv 1911.08797) with any costs of places
and edges.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit

from eval.routes.graphs.paths import MAX_PATHS, on_path, path_tree
from eval.routes.localizers.localizer import TAIL, Belief, RouteMap
from utils.errors import InputError
from utils.progress import progress

CULL_ABOVE = 100  # so many candidates are never culled


@dataclass(frozen=True)
class Candidates:
    """The candidates that survived each step, best first. Those of step t are step[t]:step[t + 1] of each array."""

    place: np.ndarray  # (C,) int32 last place of a path
    parent: np.ndarray  # (C,) int32 index of the candidate that it extends, −1 at step 0
    score: np.ndarray  # (C,) float64
    step: np.ndarray  # (L + 1,) int64


class PathSearch(ABC):
    """See the module. A subclass with `costs` is a localizer (eval/routes/localizers/localizer.py).

    Args:
        keep_percent: above 0, up to 100 (no culling).

    Raises:
        InputError: keep_percent is out of range.
    """

    def __init__(self, route_map: RouteMap, keep_percent: float = 100.0):
        if not 0 < keep_percent <= 100:
            raise InputError(f"--keep {keep_percent:g}: give the percentage of candidates that survive a step, above 0 and up to 100")
        self.map, self.keep_percent = route_map, float(keep_percent)

    @abstractmethod
    def costs(self, query: np.ndarray, turns: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Costs of the steps of one drive; an infinite cost rules a path out.

        Args:
            query: (L, D) float64, contiguous and finite.
            turns: (L − 1,) bool, or None.

        Returns:
            (N,) float64, cost of starting at each place; (L − 1, E), cost of reaching panoramas 1 to L − 1 along each edge of the graph.
        """

    def locate(self, query: np.ndarray, turns: np.ndarray | None = None) -> np.ndarray:
        """(R, L, TAIL) last places of the best path after each step (see `Localizer.locate`).

        Raises:
            InputError: a query is not finite; there are turns but no headings; routes are longer than any path; there are too many
                candidates.
        """
        query, graph = self.map.check(query), self.map.graph
        routes, length = query.shape[:2]
        if self.keep_percent == 100:  # then all routes have the same candidates, and nothing needs sorting
            tree = path_tree(graph, length)
            edge = _last_edge(tree.place, tree.parent, graph.start, graph.neighbor)

            def tails(r: int) -> np.ndarray:
                costs = self.costs(query[r], None if turns is None else turns[r])
                return _best_in_tree(*costs, tree.place, tree.parent, tree.level, edge)
        else:

            def tails(r: int) -> np.ndarray:
                found = self._search(query[r], None if turns is None else turns[r])
                return _tails(found.place, found.parent, found.step)

        return np.stack(_in_threads(tails, routes)) if routes else np.zeros((0, length, TAIL), np.int32)

    def search(self, query: np.ndarray, turns: np.ndarray | None = None) -> Candidates:
        """The candidates of one drive: query (L, D), turns (L − 1,) bool or None."""
        return self._search(self.map.check(query), turns)

    def beliefs(self, query: np.ndarray, turns: np.ndarray | None = None) -> list[Belief]:
        """The belief after each step of one drive; a candidate weighs 1/e if its score is worse by the standard deviation of step 0."""
        found = self.search(query, turns)
        tails, spread = _tails(found.place, found.parent, found.step), max(float(np.std(found.score[: found.step[1]])), 1e-9)
        steps = []
        for tail, first, last in zip(tails, found.step[:-1], found.step[1:], strict=True):
            places, best = np.unique(found.place[first:last], return_index=True)  # sorted by score: the first of a place is its best
            order = np.argsort(-best)
            score = found.score[first + best[order]]
            steps.append(Belief(places[order], np.exp((score[-1:] - score) / spread), tail, f"{last - first:,} candidates"))
        return steps

    def _search(self, query: np.ndarray, turns: np.ndarray | None) -> Candidates:
        graph = self.map.graph
        found = _candidates(*self.costs(query, turns), graph.start, graph.neighbor, self.keep_percent, MAX_PATHS)
        if found[3][-1] < 0:
            raise InputError(f"more than {MAX_PATHS:,} candidates in one search; keep fewer (--keep {self.keep_percent / 2:g})")
        return Candidates(*found)


def _in_threads(work: Callable[[int], np.ndarray], n: int) -> list[np.ndarray]:
    """work(0) to work(n − 1) on all cores: the compiled searches release Python's global lock."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(progress(pool.map(work, range(n)), total=n, desc="routes", unit=" routes"))


@njit(nogil=True)
def _last_edge(place, parent, start, neighbor):
    """(P,) the last edge of each path, −1 for paths of one place."""
    edge = np.full(len(place), -1, np.int32)
    for path in range(len(place)):
        if parent[path] >= 0:
            e = start[place[parent[path]]]
            while neighbor[e] != place[path]:
                e += 1
            edge[path] = e
    return edge


@njit(nogil=True)
def _best_in_tree(first_cost, edge_cost, place, parent, level, edge):
    """(L, TAIL) last places of the best path of a tree after each step of one drive."""
    length = len(edge_cost) + 1
    score, tails = np.empty(len(place)), np.full((length, TAIL), -1, np.int32)
    for t in range(length):
        best = -1
        for path in range(level[t], level[t + 1]):
            total = first_cost[place[path]] if t == 0 else edge_cost[t - 1, edge[path]] + score[parent[path]]
            score[path] = total
            if total == np.inf:
                continue
            if best < 0 or total < score[best] or (total == score[best] and _precedes(path, best, parent, score)):
                best = path
        _write_tail(tails[t], place, parent, best)
    return tails


@njit(nogil=True)
def _precedes(a, b, parent, score):
    """Whether stable sorting puts path a before path b of the same score: it keeps the order of their parents, which were sorted too."""
    while parent[a] != parent[b]:
        a, b = parent[a], parent[b]
        if score[a] != score[b]:
            return score[a] < score[b]
    return a < b


@njit(nogil=True)
def _doubled(array):
    """The array with as many elements again, of any value."""
    return np.concatenate((array, np.empty_like(array)))


@njit(nogil=True)
def _candidates(first_cost, edge_cost, start, neighbor, keep_percent, most):
    """The fields of `Candidates` for one drive; the last number of `step` is −1 where there are more than `most` candidates."""
    length, n = len(edge_cost) + 1, len(first_cost)
    place, parent, score = np.empty(4 * n, np.int32), np.empty(4 * n, np.int32), np.empty(4 * n)
    step = np.zeros(length + 1, np.int64)
    new_place, new_parent, total, count = np.arange(n).astype(np.int32), np.full(n, -1, np.int32), first_cost, n
    for t in range(length):
        first = step[t]
        if t > 0:
            bound = 0
            for path in range(step[t - 1], first):
                bound += start[place[path] + 1] - start[place[path]]
            new_place, new_parent, total, count = np.empty(bound, np.int32), np.empty(bound, np.int32), np.empty(bound), 0
            for path in range(step[t - 1], first):
                for e in range(start[place[path]], start[place[path] + 1]):
                    if edge_cost[t - 1, e] < np.inf and not on_path(place, parent, path, neighbor[e]):
                        new_place[count], new_parent[count] = neighbor[e], path
                        total[count] = edge_cost[t - 1, e] + score[path]
                        count += 1
        order = np.argsort(total[:count], kind="mergesort")
        kept = count
        if count > CULL_ABOVE:
            kept = max(1, int(np.floor(count * keep_percent / 100)))
        if first + kept > most:
            step[length] = -1
            return place[:0], parent[:0], score[:0], step
        while first + kept > len(place):
            place, parent, score = _doubled(place), _doubled(parent), _doubled(score)
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
