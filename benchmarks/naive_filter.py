"""Reference implementation of the online filter: dictionaries of states, every move spelt out. Its benchmark and the tests compare with it.

A state is a place and the place that it was reached from, None where that is unknown.
"""

import math
from collections.abc import Callable

import numpy as np

from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.localizers.localizer import RouteMap
from eval.routes.localizers.observation import PairModel
from eval.routes.localizers.online import Motion

State = tuple[int | None, int]  # came from, place
States = dict[State, float]  # the probability of each


def moves(graph: RouteGraph, state: State, motion: Motion) -> tuple[list[tuple[float, State, tuple[int, int]]], float]:
    """What can happen to a state between two panoramas.

    Returns:
        Probability, new state, and (place before, place now) of each move; and the probability of being put down anywhere.
    """
    came_from, place = state

    def onward(came_from: int | None, place: int) -> list[tuple[float, tuple[int, int]]]:
        weights = {int(j): motion.reversal if j == came_from else 1.0 for j in graph.neighbors(place)}
        total = sum(weights.values())
        return [(weight / total, (place, j)) for j, weight in weights.items() if total > 0]

    one, two = 1 - motion.stay - motion.skip - motion.restart, motion.skip
    result: list[tuple[float, State, tuple[int, int]]] = []
    for share, new in onward(came_from, place):
        result.append((one * share, new, (place, new[1])))
        result += [(two * share * again, newest, (place, newest[1])) for again, newest in onward(*new)]
    moving = sum(probability for probability, *_ in result)
    return [(motion.stay, state, (place, place)), *result], motion.restart + one + two - moving


def log_density(model: PairModel, reference: np.ndarray) -> Callable[[int | None, int, np.ndarray | None, np.ndarray], float]:
    """The density of a panorama's embedding at places of a map with reference embeddings (N, D).

    Returns:
        Function of the place before (None: nothing is known of it), the place now, and the embeddings y_before and y:
        log p(y | y_before, places), without the constant of the normal distribution.
    """
    dims, spread = reference.shape[1], reference.var(0).sum()

    def log_p(first: int | None, second: int, y_before: np.ndarray | None, y: np.ndarray) -> float:
        variance, rho, expected = model.variance * spread / dims, 0.0, model.slope * reference[second]
        if first is not None:
            apart = ((reference[first] - reference[second]) ** 2).sum() / spread
            rho = model.correlation * math.exp(-apart / (2 * model.reach**2))
            expected = expected + rho * (y_before - model.slope * reference[first])
        variance *= 1 - rho**2
        return model.temperature * (-((y - expected) ** 2).sum() / (2 * variance) - dims / 2 * math.log(1 - rho**2))

    return log_p


def naive_start(route_map: RouteMap, model: PairModel, y: np.ndarray) -> States:
    """Probability of each state after the first panorama, of embedding y (D,)."""
    log_p, n = log_density(model, np.asarray(route_map.reference, float)), len(route_map.graph)
    return _normalised({(None, i): log_p(None, i, None, y) - math.log(n) for i in range(n)})


def naive_step(route_map: RouteMap, model: PairModel, motion: Motion, belief: States, y_before: np.ndarray, y: np.ndarray) -> States:
    """Probability of each state after the next panorama, of embedding y (D,)."""
    log_p, put_down = log_density(model, np.asarray(route_map.reference, float)), 0.0
    logs: dict[State, list[float]] = {}
    density: dict[tuple[int, int], float] = {}
    for state, mass in belief.items():
        onward, left = moves(route_map.graph, state, motion)
        put_down += mass * left
        for probability, new, places in onward:
            if mass * probability > 0:
                if places not in density:
                    density[places] = log_p(*places, y_before, y)
                logs.setdefault(new, []).append(math.log(mass * probability) + density[places])
    for i in range(len(route_map.graph)):
        value = math.log(put_down / len(route_map.graph)) + log_p(None, i, y_before, y)
        logs.setdefault((None, i), []).append(value)
    return _normalised({state: np.logaddexp.reduce(parts) for state, parts in logs.items()})


def _normalised(logs: States) -> States:
    total = np.logaddexp.reduce(list(logs.values()))
    return {state: math.exp(value - total) for state, value in logs.items()}
