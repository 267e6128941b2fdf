"""The route search of "You Are Here" (arXiv 1911.08797), exactly: the path of least total distance.

The score of a path is the sum of Euclidean distances between the query embeddings and the reference embeddings along it. Where turns are
observed, only candidates whose last heading change agrees survive. See search.py for how candidates are extended, sorted and culled.
"""

import numpy as np
from numba import njit

from eval.routes.localizers.localizer import RouteMap
from eval.routes.localizers.search import PathSearch


class PaperSearch(PathSearch):
    """See the module."""

    def __init__(self, route_map: RouteMap, keep_percent: float = 100.0):
        super().__init__(route_map, keep_percent)
        self.by_dimension = np.ascontiguousarray(route_map.reference.T, np.float64)  # D,N

    def costs(self, query: np.ndarray, turns: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Distances; infinite along an edge that is a turn where none was observed, or no turn where one was."""
        distance, graph = _distances(query, self.by_dimension), self.map.graph
        edge_cost = distance[1:, graph.neighbor]
        if turns is not None:
            edge_cost[np.asarray(turns, bool)[:, None] != self.map.turned(graph.origin, graph.neighbor)] = np.inf
        return distance[0], edge_cost


@njit(nogil=True)
def _distances(query, by_dimension):
    """(L, N) Euclidean distances of queries (L, D) from references (D, N)."""
    squared = np.zeros((len(query), by_dimension.shape[1]))
    for t in range(len(query)):
        for d in range(len(by_dimension)):
            for i in range(by_dimension.shape[1]):
                squared[t, i] += (query[t, d] - by_dimension[d, i]) ** 2
    return np.sqrt(squared)
