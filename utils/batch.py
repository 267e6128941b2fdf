"""Batches of places: which inputs a model reads, and the tensors that hold them."""

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class TileInput:
    """The size of a tile in pixels, and whether it is polar (its columns are azimuths)."""

    height: int
    width: int
    polar: bool


@dataclass(frozen=True)
class Inputs:
    """The inputs that a model reads for each place."""

    height: int  # rows of the panorama, which has twice as many columns
    tile: TileInput | None
    points: int  # of the cloud; 0: no cloud is read
    graph: bool  # whether the graph of buildings and streets is read
    paper: bool  # images and polar tiles are sampled as in the paper


# Features of a node, as seen by a viewer at the place who looks along the heading. Lengths are in metres; log_area is log(1 + m²); street
# is 1 for a piece of a street, 0 for a building; direction is twice the clockwise angle from ahead to the street (sine and cosine are both
# 0 for a building).
FEATURES = ("right", "ahead", "distance", "bearing_sin", "bearing_cos", "log_area", "height", "length", "street", "direction_sin",
            "direction_cos")  # fmt: skip
_SIDED = [FEATURES.index(name) for name in ("right", "bearing_sin", "direction_sin")]  # change sign in a mirror


@dataclass
class PlaceGraph:
    """The graphs of B places as one graph: N nodes, sorted by place, and E edges, none of them between places."""

    nodes: Tensor  # (N, len(FEATURES)) float32
    classes: Tensor  # (N,) uint8 semantic classes
    place: Tensor  # (N,) int64 index of the place of each node, ascending; a place may have no nodes
    edges: Tensor  # (2, E) int64 neighbours, each pair in both directions, ascending
    places: int  # B

    @staticmethod
    def join(parts: list["PlaceGraph"]) -> "PlaceGraph":
        """Joins graphs; places keep their order."""
        before = [0, 0]  # nodes and places
        place, edges = [], []
        for part in parts:
            edges.append(part.edges + before[0])
            place.append(part.place + before[1])
            before = [before[0] + len(part.nodes), before[1] + part.places]
        return PlaceGraph(torch.cat([p.nodes for p in parts]), torch.cat([p.classes for p in parts]), torch.cat(place),
                          torch.cat(edges, dim=1), before[1])  # fmt: skip

    def select(self, order: Tensor) -> "PlaceGraph":
        """The places with the indices `order` (k,) int64, in that order. No index may appear twice."""
        rank = order.new_full((self.places,), -1)
        rank[order] = torch.arange(len(order), device=order.device)
        node = rank[self.place].argsort(stable=True)
        node = node[int((rank[self.place] < 0).sum()) :]
        renumbered = node.new_full((len(self.nodes),), -1)
        renumbered[node] = torch.arange(len(node), device=node.device)
        edges = renumbered[self.edges]
        edges = edges[:, edges[0] >= 0]
        edges = edges[:, edges[0].argsort(stable=True)]
        return PlaceGraph(self.nodes[node], self.classes[node], rank[self.place[node]], edges, len(order))

    def mirrored(self, mirror: Tensor) -> "PlaceGraph":
        """Left and right swapped for the places where mirror (B,) is true."""
        sign = torch.ones_like(self.nodes)
        sign[:, _SIDED] = torch.where(mirror, -1.0, 1.0)[self.place, None]
        return PlaceGraph(self.nodes * sign, self.classes, self.place, self.edges, self.places)


@dataclass
class Batch:
    """The inputs of a model for B places; None for those that are not read.

    Tile and cloud are heading-up. The panorama's centre column looks along the heading.
    """

    panorama: Tensor | None = None  # (B, 3, H, 2H) float32 RGB in 0..1
    tile: Tensor | None = None  # (B, 3, h, w) float32 RGB in 0..1
    cloud: Tensor | None = None  # (B, P, 3) float32 metres right, ahead, up
    classes: Tensor | None = None  # (B, P) uint8
    position: Tensor | None = None  # (B, 2) float64 metres east and north of the city's origin
    city: Tensor | None = None  # (B,) int64; distances between places of different cities mean nothing
    graph: PlaceGraph | None = None  # of the B places

    @staticmethod
    def join(parts: list["Batch"]) -> "Batch":
        """Joins batches."""
        columns: dict[str, list[Any]] = {f.name: [getattr(p, f.name) for p in parts] for f in fields(Batch)}
        there = {name: column for name, column in columns.items() if column[0] is not None}
        joined: dict[str, Any] = {name: PlaceGraph.join(c) if name == "graph" else torch.cat(c) for name, c in there.items()}
        return Batch(**joined)

    def select(self, order: Tensor) -> "Batch":
        """The places with the indices `order` (k,) int64, in that order. No index may appear twice."""
        there = {f.name: getattr(self, f.name) for f in fields(Batch) if getattr(self, f.name) is not None}
        return Batch(**{name: c.select(order) if name == "graph" else c[order] for name, c in there.items()})

    def need(self, name: str) -> Any:
        """The tensor or graph of that name.

        Raises:
            ValueError: the batch does not have it.
        """
        value = getattr(self, name)
        if value is None:
            raise ValueError(f"this batch has no {name}; make it with the inputs of the model that reads it")
        return value
