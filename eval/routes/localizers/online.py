"""Online localization: after every panorama, a probability for each place and direction of travel.

An exact Bayes filter: the forward algorithm of an autoregressive hidden Markov model (Rabiner 1989, §IV.B). A state is a place and the edge
by which it was reached; one more state of each place says that the direction is unknown. Between two panoramas the vehicle stays, takes one
edge, takes two (a panorama was missed), or restarts: it is put down anywhere. At a dead end it restarts too. So no error lasts, and
isolated places and one-way edges need no special care. A place may be visited more than once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit

from eval.routes.localizers.likelihood import turn_log_probability
from eval.routes.localizers.localizer import TAIL, Belief, RouteMap
from eval.routes.localizers.observation import ObservationModel, PairModel, first_log_likelihood, next_log_likelihood
from utils.errors import InputError
from utils.progress import progress

NEGLIGIBLE = 1e-3  # relative to the largest probability; places below it are not shown


@dataclass(frozen=True)
class Motion:
    """Probabilities of what happens between two panoramas; the vehicle takes one edge otherwise. Assumed, not fitted."""

    stay: float = 0.05
    skip: float = 0.05
    restart: float = 0.01
    reversal: float = 0.02  # weight of the edge that leads back; any other edge has 1


class OnlineLocalizer:
    """See the module. N places and E edges give S = E + N states: the end of each edge, then each place with unknown direction.

    Attributes:
        probability: (S,) of the states, sums to 1; before the first panorama all places are equally likely.

    Raises:
        InputError: `motion` holds no probabilities; as `ObservationModel`.
    """

    def __init__(self, route_map: RouteMap, model: PairModel | None = None, motion: Motion | None = None):
        self.map, self.motion, self.observation = route_map, motion or Motion(), ObservationModel(route_map, model or PairModel())
        m = self.motion
        if min(m.stay, m.skip, m.reversal) < 0 or not 0 < m.restart < 1 or m.stay + m.skip + m.restart > 1:
            raise InputError(f"{m}: probabilities of motion must be 0 or more, restart above 0, and sum to at most 1")
        graph = route_map.graph
        self.origin, self.place = graph.origin, np.concatenate([graph.neighbor, np.arange(len(graph), dtype=np.int32)])
        self.first, self.second = _pairs(graph.start, graph.neighbor)
        back = graph.neighbor[self.second] == self.origin[self.first]
        weight = np.where(back, m.reversal, 1.0)
        total = np.bincount(self.first, weight, len(graph.neighbor))
        total = total[self.first]
        self.share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)  # (P,) sums to 1 over the pairs of a first edge
        self.start_share = 1 / np.diff(graph.start)[self.origin]  # (E,) from an unknown direction all edges are equally likely
        self.ends = self.origin[self.first], graph.neighbor[self.second]
        self.everywhere = np.arange(len(graph), dtype=np.int32)
        self.rho = self.observation.correlation(self.origin, graph.neighbor)
        self.rho_skip = self.observation.correlation(*self.ends)
        self.rho_stay = self.observation.correlation(self.everywhere, self.everywhere)
        self.reset()

    def reset(self) -> None:
        """Forgets the drive."""
        n, edges = len(self.map.graph), len(self.origin)
        self.probability = np.concatenate([np.zeros(edges), np.full(n, 1 / n)])
        self.tail = np.full((edges + n, TAIL), -1, np.int32)
        self.before: np.ndarray | None = None  # query embedding (D,) of the last panorama

    def step(self, query: np.ndarray, turn: bool | None = None) -> np.ndarray:
        """Updates the belief by the next panorama.

        Args:
            query: (D,) its embedding.
            turn: whether the heading changed by more than 30° since the last one; None: not observed.

        Returns:
            (N,) probability of each place.

        Raises:
            InputError: the query is not finite; there is a turn but no headings. The filter is then unchanged.
        """
        query, o, m, graph = self.map.check(query), self.observation, self.motion, self.map.graph
        single = first_log_likelihood(query, o.mean, o.gain)
        if self.before is None:
            posterior = np.exp(single - single.max())
            self.probability = np.concatenate([np.zeros(len(self.origin)), posterior / posterior.sum()])
            self.tail[len(self.origin) :, -1] = self.everywhere
        else:
            here = self.everywhere
            ways = (self.origin, graph.neighbor, self.rho), (*self.ends, self.rho_skip), (here, here, self.rho_stay)
            edge, skip, stay = (
                next_log_likelihood(self.before, query, o.mean, a, b, rho, o.gain, o.half_dims)
                + (0.0 if turn is None else turn_log_probability(self.map, a, b)[int(turn)])
                for a, b, rho in ways
            )
            if turn is not None:
                single += np.log(0.5)  # a vehicle that restarts may face anywhere
            self.probability, self.tail = _step(
                self.probability, self.tail, self.place, self.origin, self.first, self.second, self.share, self.start_share,
                edge, skip, stay, single, m.stay, m.skip, m.restart,
            )  # fmt: skip
        self.before = query
        return self.place_probability()

    def place_probability(self) -> np.ndarray:
        """(N,) probability of each place, whatever the direction."""
        return np.bincount(self.place, self.probability, len(self.map.graph))

    def best(self) -> tuple[int, int, float]:
        """The most probable place, the place it was most probably reached from (−1: unknown), and the probability of the place.

        The probability is calibrated: on an area without any part in the fit, its expected calibration error is at most 0.05, and 97 to
        99 % of the answers of probability 0.9 or more are right (`python -m benchmarks.route_accuracy`).
        """
        place, state = self._best()
        came_from = int(self.origin[state]) if state < len(self.origin) else -1
        return place, came_from, float(self.place_probability()[place])

    def best_tail(self) -> np.ndarray:
        """(TAIL,) int32: the places of the last panoramas, the present one last, each the most probable predecessor; −1 where unknown."""
        return self.tail[self._best()[1]].copy()

    def _best(self) -> tuple[int, int]:
        place = int(self.place_probability().argmax())
        there = np.flatnonzero(self.place == place)
        return place, int(there[self.probability[there].argmax()])


class OnlineFilter:
    """Runs the online localizer on many drives: a localizer (eval/routes/localizers/localizer.py). Nothing is culled."""

    def __init__(self, route_map: RouteMap, keep_percent: float = 100.0, model: PairModel | None = None, motion: Motion | None = None):
        self.filter = OnlineLocalizer(route_map, model, motion)

    def locate(self, query: np.ndarray, turns: np.ndarray | None = None) -> np.ndarray:
        """(R, L, TAIL) last places of the most probable path after each step (see `Localizer.locate`)."""
        tails = np.full((*query.shape[:2], TAIL), -1, np.int32)
        for r, drive in enumerate(progress(query, desc="routes", unit=" routes")):
            for t, _ in enumerate(self._steps(drive, None if turns is None else turns[r])):
                tails[r, t] = self.filter.best_tail()
        return tails

    def beliefs(self, query: np.ndarray, turns: np.ndarray | None = None) -> list[Belief]:
        """The belief after each step of one drive; weights are probabilities relative to the largest."""
        steps = []
        for probability in self._steps(query, turns):
            relative = probability / probability.max()
            order = np.argsort(relative, kind="stable")
            shown = order[relative[order] > NEGLIGIBLE]
            steps.append(Belief(shown, relative[shown], self.filter.best_tail(), f"{100 * self.filter.best()[2]:.0f} % sure"))
        return steps

    def _steps(self, query: np.ndarray, turns: np.ndarray | None) -> Iterator[np.ndarray]:
        """(N,) probability of each place after each step of one drive."""
        self.filter.reset()
        for t, embedding in enumerate(query):
            yield self.filter.step(embedding, None if turns is None or t == 0 else bool(turns[t - 1]))


@njit
def _pairs(start, neighbor):
    """(P,) int32 first and second: all pairs of edges of which the second starts where the first ends."""
    count = 0
    for e in range(len(neighbor)):
        count += start[neighbor[e] + 1] - start[neighbor[e]]
    first, second, n = np.empty(count, np.int32), np.empty(count, np.int32), 0
    for e in range(len(neighbor)):
        for f in range(start[neighbor[e]], start[neighbor[e] + 1]):
            first[n], second[n] = e, f
            n += 1
    return first, second


@njit
def _step(p, tail, place, origin, first, second, share, start_share, edge, skip, stay, single, p_stay, p_skip, p_restart):
    """One step of the filter: the new probabilities (S,) and tails (S, TAIL) from the old ones and the log-likelihoods."""
    edges, places, states = len(origin), len(single), len(p)
    p_edge = 1 - p_stay - p_skip - p_restart
    # The probability mass that moves along one edge, and along two; and the state that most of it comes from.
    moved, source = np.zeros(edges), np.empty(edges, np.int32)
    largest = np.zeros(edges)
    for e in range(edges):
        source[e] = edges + origin[e]
        moved[e] = largest[e] = p[source[e]] * start_share[e]
    for m in range(len(first)):
        mass, e = p[first[m]] * share[m], second[m]
        moved[e] += mass
        if mass > largest[e]:
            largest[e], source[e] = mass, first[m]
    twice = np.empty(len(first))
    for m in range(len(first)):
        twice[m] = moved[first[m]] * share[m]
    put_down = p_restart + p_edge * max(0.0, 1 - moved.sum()) + p_skip * max(0.0, 1 - twice.sum())
    # Likelihoods are relative to the largest one with any mass, so that not all of them underflow.
    top = single.max()
    for e in range(edges):
        if moved[e] > 0:
            top = max(top, edge[e])
    for m in range(len(first)):
        if twice[m] > 0:
            top = max(top, skip[m])
    for s in range(states):
        if p[s] > 0:
            top = max(top, stay[place[s]])
    new, new_tail, best, total = np.empty(states), np.empty_like(tail), np.empty(states), 0.0
    back = np.arange(states).astype(np.int32)
    stayed, restarted = np.exp(stay - top), np.exp(single - top)
    for s in range(states):
        new[s] = best[s] = p_stay * p[s] * stayed[place[s]] if p[s] > 0 else 0.0
    for e in range(edges):
        if moved[e] > 0:
            mass = p_edge * moved[e] * np.exp(edge[e] - top)
            new[e] += mass
            if mass >= best[e]:
                best[e], back[e] = mass, source[e]
    for m in range(len(first)):
        if twice[m] > 0:
            mass, e = p_skip * twice[m] * np.exp(skip[m] - top), second[m]
            new[e] += mass
            if mass > best[e]:
                best[e], back[e] = mass, source[first[m]]
    for i in range(places):
        mass, s = put_down / places * restarted[i], edges + i
        new[s] += mass
        if mass >= best[s]:
            back[s] = -1
    for s in range(states):
        total += new[s]
        for k in range(tail.shape[1] - 1):
            new_tail[s, k] = tail[back[s], k + 1] if back[s] >= 0 else -1
        new_tail[s, -1] = place[s]
    return new / total, new_tail
