"""What localizes routes: the interface, and the localizers by name.

A localizer knows the map (reference embeddings and the graph of places) and is given the panoramas of drives (query embeddings, step by
step). After every step it names the path that it believes in; its last places are compared with the true ones (eval/routes/accuracy.py).
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np

from eval.routes.graph import RouteGraph

TAIL = 5  # places at the end of a path that must be right (arXiv 1911.08797)
# name: module and class; imported on use. `published` is the baseline of every table.
LOCALIZERS = {
    "published": ("eval.routes.published", "PublishedSearch"),
    "likelihood": ("eval.routes.likelihood", "LikelihoodSearch"),
    "online": ("eval.routes.online", "OnlineFilter"),
}


@dataclass(frozen=True)
class RouteMap:
    """What is known of an area before a drive. Embeddings are compared by Euclidean distance as they are here."""

    reference: np.ndarray  # (N, D) float32
    graph: RouteGraph  # of N places
    heading_deg: np.ndarray | None = None  # (N,) clockwise from north


class Localizer(Protocol):
    """Built as `Class(route_map, keep_percent=100.0)`; one that culls nothing ignores `keep_percent`.

    Raises:
        InputError: it needs what the map lacks (headings).
    """

    def locate(self, query: np.ndarray, turns: np.ndarray | None = None) -> np.ndarray:
        """Localizes R drives, each on its own, using after step t only steps 0 to t.

        Args:
            query: (R, L, D) float32 embeddings of the panoramas.
            turns: (R, L − 1) bool, whether the heading changed by more than 30° between steps; None: not observed.

        Returns:
            (R, L, TAIL) int32: the last TAIL places of the best path after each step, the present place last; −1 in front where the
            path is shorter, and throughout where there is no path.
        """


def build_localizer(name: str, route_map: RouteMap, keep_percent: float = 100.0) -> Localizer:
    """The localizer of that name."""
    module, cls = LOCALIZERS[name]
    return getattr(import_module(module), cls)(route_map, keep_percent=keep_percent)
