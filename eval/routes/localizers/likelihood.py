"""Path search by likelihood: the paper's search with the likelihoods of observation.py instead of distances."""

import numpy as np

from eval.routes.localizers.localizer import RouteMap
from eval.routes.localizers.observation import ObservationModel, PairModel, first_log_likelihood, next_log_likelihood
from eval.routes.localizers.search import PathSearch

TURN_AGREES = 0.95  # assumed probability that an observation of a turn, or of none, agrees with the headings of the map


class LikelihoodSearch(PathSearch):
    """The most likely simple path after each step; a localizer (eval/routes/localizers/localizer.py).

    Observed turns change the likelihood of a path, and rule none out.
    """

    def __init__(self, route_map: RouteMap, keep_percent: float = 100.0, model: PairModel | None = None):
        super().__init__(route_map, keep_percent)
        self.observation = ObservationModel(route_map, model or PairModel())
        self.rho = self.observation.correlation(route_map.graph.origin, route_map.graph.neighbor)

    def costs(self, query: np.ndarray, turns: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Negative log-likelihoods, up to a constant."""
        o, graph = self.observation, self.map.graph
        along = o.mean, graph.origin, graph.neighbor, self.rho, o.gain, o.half_dims
        edge_cost = np.empty((len(query) - 1, len(graph.neighbor)))
        for t in range(1, len(query)):
            edge_cost[t - 1] = -next_log_likelihood(query[t - 1], query[t], *along)
        if turns is not None:
            edge_cost -= turn_log_probability(self.map, graph.origin, graph.neighbor)[np.asarray(turns, int)]
        return -first_log_likelihood(query[0], o.mean, o.gain), edge_cost


def turn_log_probability(route_map: RouteMap, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(2, M): log-probabilities of observing no turn (row 0) and a turn (row 1) from places `first` to `second` (M,).

    Raises:
        InputError: the map has no headings.
    """
    turn = route_map.turned(first, second)
    return np.log(np.where(np.stack([~turn, turn]), TURN_AGREES, 1 - TURN_AGREES))
