"""Reads what localizing routes needs from the files that a command is given."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.nn import functional

from data.area import Area
from data.city import CityMap
from eval.embeddings import EmbeddedPlaces, read_embeddings
from eval.routes.graphs.roads import graph_along_roads
from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.localizers.localizer import RouteMap
from utils.errors import InputError


@dataclass
class RouteInputs:
    """The panoramas, the map and the positions of N places; row i of everything is the same place."""

    query: np.ndarray  # (N, D) float32, embeddings of the panoramas
    map: RouteMap
    metric: str  # by which the embeddings were made comparable: one of METRICS
    xy: np.ndarray | None  # (N, 2) metres, x east, y north
    area: Area | None  # the places with their panoramas, where the graph is that of an area
    city: CityMap | None  # the map of that area; xy is in its frame


def read_inputs(embeddings: Path, graph: Path | None = None, locations: Path | None = None, metric: str | None = None,
                unlabelled: Path | None = None) -> RouteInputs:  # fmt: skip
    """Reads embeddings with the graph of their places.

    Args:
        graph: CSV of edges, folder of an area, or published .mat; None: the graph in the file of embeddings.
        locations: CSV of the places in the order of the rows, for positions and headings.
        metric: `cosine` normalises the embeddings; None: what the file says (see `read_embeddings`).
        unlabelled: file of embeddings of the same model. Its panoramas are used without their places.

    Raises:
        InputError: a file is missing or damaged, or files are not of the same places.
    """
    places = read_embeddings(embeddings, locations)
    metric = metric or places.metric
    heading_deg, xy, area, city = places.heading_deg, places.xy, None, None
    if graph is None:
        edges = _graph_in(embeddings, places)
    elif graph.is_dir():
        area, city = _area(graph)
        _same_length(graph, len(area), embeddings, len(places))
        edges = graph_along_roads(area.locations.xy, city.streets)
        xy = area.locations.xy
        heading_deg = area.locations.heading_deg if heading_deg is None else heading_deg
    elif graph.suffix == ".mat":
        other = read_embeddings(graph)
        _same_length(graph, len(other), embeddings, len(places))
        edges = _graph_in(graph, other)
        heading_deg = other.heading_deg if heading_deg is None else heading_deg
    else:
        edges = RouteGraph.from_csv(graph, len(places))
    query, reference = _comparable(places.query, metric), _comparable(places.reference, metric)
    others = None if unlabelled is None else _comparable(read_embeddings(unlabelled).query, metric)
    return RouteInputs(query, RouteMap(reference, edges, heading_deg, others), metric, xy, area, city)


def _graph_in(path: Path, places: EmbeddedPlaces) -> RouteGraph:
    if places.graph is None:
        raise InputError(f"{path}: this file holds no graph of places; give --graph CSV (edges) or the area's folder")
    return places.graph


def _area(folder: Path) -> tuple[Area, CityMap]:
    folder = folder.resolve()
    area = Area(folder.parent.parent, f"{folder.parent.name}/{folder.name}")
    city = CityMap(folder.parent)
    area.check_map(city)
    return area, city


def _same_length(graph: Path, nodes: int, embeddings: Path, rows: int) -> None:
    if nodes != rows:
        raise InputError(f"{embeddings}: {rows:,} embeddings for the {nodes:,} places of the graph {graph}; they must be the same places")


def _comparable(embedding: Tensor, metric: str) -> np.ndarray:
    """Embeddings (N, D) float32 that Euclidean distance compares as the metric says."""
    return (functional.normalize(embedding) if metric == "cosine" else embedding).numpy()
