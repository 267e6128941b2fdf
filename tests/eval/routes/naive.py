"""The online filter as one would write it: dictionaries of states, every move spelt out. The oracle, and the baseline of its benchmark."""

import math

import numpy as np

from eval.routes.localizer import RouteMap
from eval.routes.observation import PairModel
from eval.routes.online import Motion


def moves(graph, state, motion: Motion) -> list[tuple[float, str, tuple, tuple]]:
    """(probability, kind, new state, place before and place now) of all that can happen to a state (came from or None, place)."""
    came_from, place = state

    def onward(came_from, place):
        weights = {int(j): motion.reversal if j == came_from else 1.0 for j in graph.neighbors(place)}
        total = sum(weights.values())
        return [(weight / total, (place, j)) for j, weight in weights.items() if total > 0]

    result = [(motion.stay, "stay", state, (place, place))]
    left = motion.restart
    one, two = 1 - motion.stay - motion.skip - motion.restart, motion.skip
    for share, new in onward(came_from, place):
        result.append((one * share, "edge", new, (place, new[1])))
        for again, newest in onward(*new):
            result.append((two * share * again, "skip", newest, (place, newest[1])))
    left += one + two - sum(probability for probability, kind, *_ in result if kind in ("edge", "skip"))
    n = len(graph)
    return result + [(left / n, "restart", (None, i), (None, i)) for i in range(n)]


def log_density(model: PairModel, reference, first, second, y_before, y) -> float:
    """log p(y | y_before, places), `first` None: nothing is known of before; without the constant of the normal distribution."""
    dims, spread = reference.shape[1], reference.var(0).sum()
    variance, rho, expected = model.variance * spread / dims, 0.0, model.slope * reference[second]
    if first is not None:
        apart = ((reference[first] - reference[second]) ** 2).sum() / spread
        rho = model.correlation * math.exp(-apart / (2 * model.reach**2))
        expected = expected + rho * (y_before - model.slope * reference[first])
    variance *= 1 - rho**2
    squared = sum((a - b) ** 2 for a, b in zip(y, expected, strict=True))
    return model.temperature * (-squared / (2 * variance) - dims / 2 * math.log(1 - rho**2))


def naive_start(route_map: RouteMap, model: PairModel, y) -> dict:
    """Probability of each state after the first panorama."""
    reference, n = np.asarray(route_map.reference, float), len(route_map.graph)
    return _normalised({(None, i): log_density(model, reference, None, i, None, y) - math.log(n) for i in range(n)})


def naive_step(route_map: RouteMap, model: PairModel, motion: Motion, belief: dict, y_before, y) -> dict:
    """Probability of each state after the next panorama."""
    reference, logs = np.asarray(route_map.reference, float), {}
    density, restart = {}, np.zeros(len(route_map.graph))
    for state, mass in belief.items():
        for probability, kind, new, places in moves(route_map.graph, state, motion):
            if kind == "restart":
                restart[new[1]] += mass * probability
            elif mass * probability > 0:
                if places not in density:
                    density[places] = log_density(model, reference, *places, y_before, y)
                logs.setdefault(new, []).append(math.log(mass * probability) + density[places])
    for i, mass in enumerate(restart):
        logs.setdefault((None, i), []).append(math.log(mass) + log_density(model, reference, None, i, y_before, y))
    return _normalised({state: np.logaddexp.reduce(parts) for state, parts in logs.items()})


def _normalised(logs: dict) -> dict:
    total = np.logaddexp.reduce(list(logs.values()))
    return {state: math.exp(value - total) for state, value in logs.items()}
