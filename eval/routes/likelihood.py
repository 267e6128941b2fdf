"""Path search by likelihood: the published search's candidates, scored by the model of eval/routes/observation.py instead of distances."""

import numpy as np
from numba import njit, prange

from eval.routes.localizer import TAIL, RouteMap
from eval.routes.observation import ObservationModel, PairModel, first_log_likelihood, next_log_likelihood
from eval.routes.paths import path_tree
from eval.routes.turns import turned
from utils.errors import InputError

TURN_AGREES = 0.95  # assumed probability that an observed turn (or none) is one by the headings of the map too


class LikelihoodSearch:
    """The most likely simple path after each step; a localizer (eval/routes/localizer.py). Nothing is culled.

    Turns, where observed, weigh in with the probability that they agree with the headings; they rule nothing out.
    """

    def __init__(self, route_map: RouteMap, keep_percent: float = 100.0, model: PairModel | None = None):
        self.map, self.observation = route_map, ObservationModel(route_map, model or PairModel())
        graph = route_map.graph
        self.rho = self.observation.correlation(graph.origin, graph.neighbor)

    def locate(self, query: np.ndarray, turns: np.ndarray | None = None) -> np.ndarray:
        """(R, L, TAIL) last places of the best path after each step (see `Localizer.locate`).

        Raises:
            InputError: a query is not finite; turns without headings; routes longer than any path; too many candidates.
        """
        query, graph, observation = self.observation.check(query), self.map.graph, self.observation
        tree = path_tree(graph, query.shape[1])
        edge = _last_edge(tree.place, tree.parent, graph.start, graph.neighbor)
        log_turn = turn_log_probability(self.map, turns, graph.origin, graph.neighbor)
        observed = np.full((len(query), query.shape[1] - 1), 2, np.int8) if turns is None else np.asarray(turns, np.int8)
        return _best_paths(query, observation.mean, graph.origin, graph.neighbor, self.rho, observation.gain, observation.half_dims,
                           log_turn, observed, tree.place, tree.parent, tree.level, edge)  # fmt: skip


def turn_log_probability(route_map: RouteMap, turns: np.ndarray | bool | None, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(3, M) log-probability of observing no turn, a turn, or not looking, on the way from places first to second (M,).

    Raises:
        InputError: turns were observed but the map has no headings.
    """
    result = np.zeros((3, len(first)))
    if turns is not None:
        if route_map.heading_deg is None:
            raise InputError("turns are given, but the places have no headings; give --locations with a heading for each place")
        turn = turned(route_map.heading_deg[first], route_map.heading_deg[second])
        result[0], result[1] = (np.log(np.where(agrees, TURN_AGREES, 1 - TURN_AGREES)) for agrees in (~turn, turn))
    return result


@njit
def _last_edge(place, parent, start, neighbor):
    """(P,) the edge that ends each path, −1 for paths of one place."""
    edge = np.full(len(place), -1, np.int32)
    for path in range(len(place)):
        if parent[path] >= 0:
            e = start[place[parent[path]]]
            while neighbor[e] != place[path]:
                e += 1
            edge[path] = e
    return edge


@njit(parallel=True)
def _best_paths(query, mean, origin, neighbor, rho, gain, half_dims, log_turn, observed, place, parent, level, edge):
    """(R, L, TAIL) the most likely paths of drives; of equals the first in the tree."""
    routes, length = query.shape[:2]
    tails = np.full((routes, length, TAIL), -1, np.int32)
    for r in prange(routes):
        score = first_log_likelihood(query[r, 0], mean, gain)
        for t in range(length):
            if t > 0:
                step = next_log_likelihood(query[r, t - 1], query[r, t], mean, origin, neighbor, rho, gain, half_dims)
                step += log_turn[observed[r, t - 1]]
                before, score = score, np.empty(level[t + 1] - level[t])
                for i in range(len(score)):
                    path = level[t] + i
                    score[i] = before[parent[path] - level[t - 1]] + step[edge[path]]
            path = level[t] + np.argmax(score)
            for k in range(TAIL - 1, -1, -1):
                if path < 0:
                    break
                tails[r, t, k], path = place[path], parent[path]
    return tails
