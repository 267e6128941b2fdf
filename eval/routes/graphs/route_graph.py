"""The graph of places: which places can follow each place of a route."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from utils.errors import InputError
from utils.tables import read_table


@dataclass(frozen=True)
class RouteGraph:
    """A directed graph of N places, counted from 0, in compressed rows.

    It may have one-way edges, dead ends and isolated places. The order of a place's neighbours matters: it decides ties of the search.
    """

    start: np.ndarray  # (N + 1,) int32: the neighbours of place i are neighbor[start[i]:start[i + 1]]
    neighbor: np.ndarray  # (E,) int32

    def __len__(self) -> int:
        return len(self.start) - 1

    def neighbors(self, place: int) -> np.ndarray:
        """(degree,) int32: the places that can follow a place."""
        return self.neighbor[self.start[place] : self.start[place + 1]]

    @property
    def origin(self) -> np.ndarray:
        """(E,) int32: the place that each edge leaves."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.start))

    def has_edge(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Whether there is an edge from a to b, elementwise, bool."""
        edges = self.origin.astype(np.int64) * len(self) + self.neighbor
        return np.isin(np.asarray(a, np.int64) * len(self) + b, edges)

    @classmethod
    def from_neighbors(cls, neighbors: Sequence[np.ndarray], source: str, first: int = 0) -> "RouteGraph":
        """The graph of the given neighbours of each place.

        Args:
            neighbors: N arrays of integers.
            source: name of their origin in messages, e.g. a path.
            first: the number of the first place: 1 in MATLAB's files.

        Raises:
            InputError: a neighbour is no whole number, out of range, the place itself, or there twice.
        """
        neighbors = [np.asarray(row).ravel() for row in neighbors]
        n, start = len(neighbors), np.concatenate([[0], np.cumsum([len(row) for row in neighbors])]).astype(np.int32)
        odd = next((i for i, row in enumerate(neighbors) if row.size and row.dtype.kind not in "iuf"), None)
        if odd is not None:
            raise InputError(f"{source}: the neighbours of place {odd + first} are no numbers ({neighbors[odd].dtype})")
        neighbor = np.concatenate([np.zeros(0), *neighbors]).astype(np.float64)
        origin = np.repeat(np.arange(n), np.diff(start))
        wrong = ~((neighbor >= first) & (neighbor < n + first) & (neighbor == np.floor(neighbor)))
        if wrong.any():
            at = wrong.argmax()
            raise InputError(
                f"{source}: place {origin[at] + first} has neighbour {neighbor[at]:g}; "
                f"with {n} places they must be whole numbers from {first} to {n - 1 + first}"
            )
        graph = cls(start, neighbor.astype(np.int32) - np.int32(first))
        own = origin == graph.neighbor
        if own.any():
            raise InputError(f"{source}: place {origin[own.argmax()] + first} is its own neighbour; remove that edge")
        _, first_seen = np.unique(origin * n + graph.neighbor, return_index=True)
        if len(first_seen) < len(neighbor):
            at = np.setdiff1d(np.arange(len(neighbor)), first_seen)[0]
            raise InputError(f"{source}: place {origin[at] + first} has neighbour {graph.neighbor[at] + first} twice; keep one such edge")
        return graph

    @classmethod
    def from_csv(cls, path: Path, places: int) -> "RouteGraph":
        """The graph of a CSV with the header `from,to` and one directed edge a line; places are rows of the embeddings, counted from 0.

        A place's neighbours keep the order of the lines. A two-way street is two lines.

        Args:
            places: N. Places without a line are isolated.

        Raises:
            InputError: the file is missing or is no such table; as `from_neighbors`.
        """
        table = read_table(path, "edges")
        table.take_header()
        table.require(("from", "to"), "the first line of a table of edges is `from,to`")
        origin, target = (table.whole_numbers(name, 0, places - 1) for name in ("from", "to"))
        order = np.argsort(origin, kind="stable")
        return cls.from_neighbors(np.split(target[order], np.searchsorted(origin[order], np.arange(1, places))), str(path))

    def to_csv(self, path: Path) -> None:
        """Writes a CSV for `from_csv`."""
        pd.DataFrame({"from": self.origin, "to": self.neighbor}).to_csv(path, index=False)
