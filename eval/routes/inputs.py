"""What localizing routes needs, from the files of a command."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.nn import functional

from data.area import Area
from data.city import CityMap
from eval.embeddings import read_places
from eval.routes.graphs.roads import graph_along_roads
from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.localizers.localizer import RouteMap
from utils.errors import InputError


@dataclass
class RouteInputs:
    """Row i of everything is the same place."""

    query: np.ndarray  # (N, D) float32
    map: RouteMap
    metric: str
    xy: np.ndarray | None  # (N, 2) metres, x east, y north
    area: Area | None  # with panoramas, where the graph came from an area
    city: CityMap | None  # whose frame is that of xy


def read_inputs(embeddings: Path, graph: Path | None = None, locations: Path | None = None, metric: str | None = None,
                unlabelled: Path | None = None) -> RouteInputs:  # fmt: skip
    """Reads embeddings with the graph of their places.

    Args:
        graph: CSV of edges, folder of an area, or a published .mat; None: what the file of embeddings holds.
        locations: CSV of the places in the order of the rows, for positions and headings.
        metric: `cosine` normalises the embeddings; None: what the file says (see `read_places`).
        unlabelled: file of embeddings of the same model, of whose panoramas the places are not used.

    Raises:
        InputError: a file is missing or damaged, or they are not of the same places.
    """
    places = read_places(embeddings, locations)
    metric = metric or places.metric
    heading_deg, xy, area, city = places.heading_deg, places.xy, None, None
    if graph is None:
        if places.graph is None:
            raise InputError(f"{embeddings}: this file holds no graph of places; give --graph CSV (edges) or the area's folder")
        edges = places.graph
    elif graph.is_dir():
        area, city = _area(graph)
        _same_length(graph, len(area), embeddings, len(places))
        edges = graph_along_roads(area.locations.xy, city.streets)
        xy = area.locations.xy
        heading_deg = area.locations.heading_deg if heading_deg is None else heading_deg
    elif graph.suffix == ".mat":
        other = read_places(graph)
        _same_length(graph, len(other), embeddings, len(places))
        edges, heading_deg = other.graph, other.heading_deg if heading_deg is None else heading_deg
    else:
        edges = RouteGraph.from_csv(graph, len(places))
    query, reference = _comparable(places.query, metric), _comparable(places.reference, metric)
    others = None if unlabelled is None else _comparable(read_places(unlabelled).query, metric)
    return RouteInputs(query, RouteMap(reference, edges, heading_deg, others), metric, xy, area, city)


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
    """Embeddings (N, D) float32 whose Euclidean distances are meant."""
    return (functional.normalize(embedding) if metric == "cosine" else embedding).numpy()
