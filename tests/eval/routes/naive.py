"""The online filter as one would write it: dictionaries of states, every move spelt out. The oracle, and the baseline of its benchmark."""

import math

import numpy as np

from eval.routes.localizers.localizer import RouteMap
from eval.routes.localizers.observation import PairModel
from eval.routes.localizers.online import Motion


def moves(graph, state, motion: Motion) -> tuple[list[tuple[float, tuple, tuple]], float]:
    """All that can happen to a state (came from or None, place): (probability, new state, place before and place now) of each move, and
    the probability of being put down anywhere."""
    came_from, place = state

    def onward(came_from, place):
        weights = {int(j): motion.reversal if j == came_from else 1.0 for j in graph.neighbors(place)}
        total = sum(weights.values())
        return [(weight / total, (place, j)) for j, weight in weights.items() if total > 0]

    one, two = 1 - motion.stay - motion.skip - motion.restart, motion.skip
    result = []
    for share, new in onward(came_from, place):
        result.append((one * share, new, (place, new[1])))
        result += [(two * share * again, newest, (place, newest[1])) for again, newest in onward(*new)]
    moving = sum(probability for probability, *_ in result)
    return [(motion.stay, state, (place, place)), *result], motion.restart + one + two - moving


def log_density(model: PairModel, reference):
    """Function (first, second, y_before, y): log p(y | y_before, places), without the constant of the normal distribution; `first` None:
    nothing is known of before."""
    dims, spread = reference.shape[1], reference.var(0).sum()

    def of(first, second, y_before, y) -> float:
        variance, rho, expected = model.variance * spread / dims, 0.0, model.slope * reference[second]
        if first is not None:
            apart = ((reference[first] - reference[second]) ** 2).sum() / spread
            rho = model.correlation * math.exp(-apart / (2 * model.reach**2))
            expected = expected + rho * (y_before - model.slope * reference[first])
        variance *= 1 - rho**2
        return model.temperature * (-((y - expected) ** 2).sum() / (2 * variance) - dims / 2 * math.log(1 - rho**2))

    return of


def naive_start(route_map: RouteMap, model: PairModel, y) -> dict:
    """Probability of each state after the first panorama."""
    log_p, n = log_density(model, np.asarray(route_map.reference, float)), len(route_map.graph)
    return _normalised({(None, i): log_p(None, i, None, y) - math.log(n) for i in range(n)})


def naive_step(route_map: RouteMap, model: PairModel, motion: Motion, belief: dict, y_before, y) -> dict:
    """Probability of each state after the next panorama."""
    log_p, logs, density, put_down = log_density(model, np.asarray(route_map.reference, float)), {}, {}, 0.0
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


def _normalised(logs: dict) -> dict:
    total = np.logaddexp.reduce(list(logs.values()))
    return {state: math.exp(value - total) for state, value in logs.items()}
