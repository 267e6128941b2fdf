"""Path search by likelihood, corrected for hubs: references that are near to many panoramas win where they should not.

Cross-domain similarity local scaling (CSLS; Conneau et al., ICLR 2018, eq. 2, the half of it that ranks references): the squared distance
of a reference from a query is lessened by WEIGHT × its mean squared distance from the K nearest *unlabelled* queries. These are the
panoramas of `RouteMap.unlabelled`, whose places nobody knows, in the same embedding space: of earlier drives, or of other areas; where
there are none, those of the drive so far, with DRIVE_WEIGHT.
"""

import numpy as np

from eval.routes.localizers.likelihood import LikelihoodSearch
from eval.routes.localizers.localizer import RouteMap
from eval.routes.localizers.observation import PairModel

K, WEIGHT = 10, 0.5  # as in CSLS
DRIVE_WEIGHT = 0.1  # a drive's own panoramas are all near to where it is, and its last ones to each other: more of them costs accuracy
BLOCK = 1024  # references at a time


class HubnessSearch(LikelihoodSearch):
    """See the module; a localizer (eval/routes/localizers/localizer.py)."""

    def __init__(self, route_map: RouteMap, keep_percent: float = 100.0, model: PairModel | None = None):
        super().__init__(route_map, keep_percent, model)
        self.gain, self.nearness = DRIVE_WEIGHT * self.observation.gain, None
        if route_map.unlabelled is not None:
            self.gain = WEIGHT * self.observation.gain
            unlabelled, mean = route_map.unlabelled.astype(np.float64), self.observation.mean
            blocks = (squared_distances(mean[i : i + BLOCK], unlabelled) for i in range(0, len(mean), BLOCK))
            self.nearness = np.concatenate([mean_of_least(block, K) for block in blocks])  # N

    def costs(self, query: np.ndarray, turns: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihoods, negated, less the correction."""
        first_cost, edge_cost = super().costs(query, turns)
        nearness = self.nearness
        if nearness is None:
            squared = squared_distances(self.observation.mean, query)  # N,L
            nearness = np.stack([mean_of_least(squared[:, : t + 1], K) for t in range(len(query))])
        nearness = np.broadcast_to(nearness, (len(query), len(first_cost)))
        return first_cost - self.gain * nearness[0], edge_cost - self.gain * nearness[1:, self.map.graph.neighbor]


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) between rows of a (N, D) and b (M, D), float64."""
    return ((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T).clip(0)


def mean_of_least(values: np.ndarray, k: int) -> np.ndarray:
    """(N,) mean of the k least of each row (N, M), of all where M is less."""
    k = min(k, values.shape[1])
    return np.partition(values, k - 1, axis=1)[:, :k].mean(1)
