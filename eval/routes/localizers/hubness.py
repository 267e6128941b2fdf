"""Path search by likelihood, corrected for hubs: references that are near to many panoramas and win where they should not.

Cross-domain similarity local scaling (CSLS; Conneau et al., ICLR 2018, eq. 2, the half that ranks references): the squared distance of a
reference from a query is reduced by WEIGHT × the mean squared distance of that reference from its K nearest unlabelled queries. These are
the panoramas of `RouteMap.unlabelled`. Nobody knows their places. They come from earlier drives or other areas, embedded by the same model.
"""

import numpy as np

from eval.routes.localizers.likelihood import LikelihoodSearch
from eval.routes.localizers.localizer import RouteMap
from eval.routes.localizers.observation import PairModel
from utils.errors import InputError

K, WEIGHT = 10, 0.5  # as in CSLS
BLOCK = 1024  # references compared at a time


class HubnessSearch(LikelihoodSearch):
    """See the module; a localizer (eval/routes/localizers/localizer.py).

    Raises:
        InputError: the map has no unlabelled panoramas.
    """

    def __init__(self, route_map: RouteMap, keep_percent: float = 100.0, model: PairModel | None = None):
        super().__init__(route_map, keep_percent, model)
        if route_map.unlabelled is None:
            raise InputError("the hubness search needs unlabelled panoramas; give --unlabelled FILE with their embeddings")
        unlabelled, mean = route_map.unlabelled.astype(np.float64), self.observation.mean
        blocks = (squared_distances(mean[i : i + BLOCK], unlabelled) for i in range(0, len(mean), BLOCK))
        self.nearness = np.concatenate([mean_of_least(block, K) for block in blocks])  # N

    def costs(self, query: np.ndarray, turns: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Negative log-likelihoods, less the correction."""
        first_cost, edge_cost = super().costs(query, turns)
        correction = WEIGHT * self.observation.gain * self.nearness  # N
        return first_cost - correction, edge_cost - correction[self.map.graph.neighbor]


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) between rows of a (N, D) and b (M, D), float64."""
    return ((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T).clip(0)


def mean_of_least(values: np.ndarray, k: int) -> np.ndarray:
    """(N,) mean of the k least values of each row (N, M); of the whole row where M is less than k."""
    k = min(k, values.shape[1])
    return np.partition(values, k - 1, axis=1)[:, :k].mean(1)
