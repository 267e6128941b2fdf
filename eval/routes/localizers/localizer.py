"""The interface of localizers, which localize routes, and a list of them by name.

A localizer knows the map: reference embeddings and the graph of places. It is given the panoramas of drives as query embeddings, step by
step. After each step it names the most likely path, whose last places are compared with the true ones (results/accuracy.py).
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np

from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.graphs.turns import turned
from utils.errors import InputError

TAIL = 5  # places at the end of a path that must be right (arXiv 1911.08797)
# name: module and class, which are imported on use. `paper` is the baseline of every table.
LOCALIZERS = {
    "paper": ("eval.routes.localizers.paper", "PaperSearch"),
    "likelihood": ("eval.routes.localizers.likelihood", "LikelihoodSearch"),
    "hubness": ("eval.routes.localizers.hubness", "HubnessSearch"),
    "online": ("eval.routes.localizers.online", "OnlineFilter"),
}


@dataclass(frozen=True)
class RouteMap:
    """What is known of an area before a drive. Embeddings are compared by Euclidean distance, without normalisation.

    Raises:
        InputError: the arrays differ in their places or dimensions, or are not finite.
    """

    reference: np.ndarray  # (N, D) float32
    graph: RouteGraph  # of N places
    heading_deg: np.ndarray | None = None  # (N,) clockwise from north
    unlabelled: np.ndarray | None = None  # (M, D) query embeddings of panoramas of unknown places

    def __post_init__(self):
        n = len(self.graph)
        if self.reference.ndim != 2 or len(self.reference) != n:
            raise InputError(f"reference embeddings are {self.reference.shape} for a graph of {n} places; they must be the same places")
        if self.heading_deg is not None and (self.heading_deg.shape != (n,) or not np.isfinite(self.heading_deg).all()):
            raise InputError(f"headings are {self.heading_deg.shape}; they must be {n} finite numbers, one a place")
        self._check("reference", self.reference)
        if self.unlabelled is not None:
            self._check("unlabelled", self.unlabelled)

    def check(self, query: np.ndarray) -> np.ndarray:
        """Queries (…, D) as contiguous float64.

        Raises:
            InputError: a query is not finite, or of another dimension than the references.
        """
        return self._check("query", query)

    def turned(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Whether the heading changes by more than 30° from places first to second, elementwise, bool.

        Raises:
            InputError: the places have no headings.
        """
        if self.heading_deg is None:
            raise InputError("turns are given, but the places have no headings; give --locations with a heading for each place")
        return turned(self.heading_deg[first], self.heading_deg[second])

    def _check(self, what: str, embedding: np.ndarray) -> np.ndarray:
        embedding, dims = np.ascontiguousarray(embedding, np.float64), self.reference.shape[1]
        if embedding.shape[-1:] != (dims,):
            raise InputError(f"{what} embeddings of {embedding.shape[-1]} dimensions, references of {dims}; use the same model")
        finite = np.isfinite(embedding).all(-1)
        if not finite.all():
            at = ", ".join(map(str, np.argwhere(~finite)[0])) or 0
            raise InputError(f"{what} embedding {at} is not finite; the model has diverged or the file is damaged")
        return embedding


@dataclass(frozen=True)
class Belief:
    """What a localizer believes after a panorama."""

    place: np.ndarray  # (M,) places where the vehicle may be, each once, the most likely last
    weight: np.ndarray  # (M,) how likely each is, relative to the most likely one
    tail: np.ndarray  # (TAIL,) int32, as `Localizer.locate` returns it
    summary: str  # a few words for the caption of a picture


class Localizer(Protocol):
    """Built as `Class(route_map, keep_percent=100.0)`; one that culls nothing ignores `keep_percent`.

    Raises:
        InputError: the map lacks what the localizer needs (headings, unlabelled panoramas); an embedding is not finite, or of other
            dimensions than the references.
    """

    def locate(self, query: np.ndarray, turns: np.ndarray | None = None) -> np.ndarray:
        """Localizes R drives independently. The answer after step t depends on steps 0 to t alone.

        Args:
            query: (R, L, D) float32 embeddings of the panoramas.
            turns: (R, L − 1) bool, whether the heading changed by more than 30° between steps; None: not observed.

        Returns:
            (R, L, TAIL) int32: the last TAIL places of the best path after each step, the present place last; −1 in front where the
            path is shorter, and −1 alone where there is no path.
        """

    def beliefs(self, query: np.ndarray, turns: np.ndarray | None = None) -> list[Belief]:
        """The belief after each step of one drive: query (L, D), turns (L − 1,) bool or None."""


def build_localizer(name: str, route_map: RouteMap, keep_percent: float = 100.0) -> Localizer:
    """The localizer of that name."""
    module, cls = LOCALIZERS[name]
    return getattr(import_module(module), cls)(route_map, keep_percent=keep_percent)
