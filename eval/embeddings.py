"""Reads files of embeddings: the `.npz` of an evaluation, or a published `.mat`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.locations import read_location_table
from eval.matlab import read_published_places
from eval.metrics import METRICS
from eval.routes.graphs.route_graph import RouteGraph
from utils.arrays import read_arrays
from utils.errors import InputError
from utils.projection import Projection

FARTHEST_M = 40_000_000.0  # once round the Earth
OPTIONAL = {"x": FARTHEST_M, "y": FARTHEST_M, "heading_deg": 720.0}  # (N,) numbers of an .npz, and the largest that each may hold


@dataclass
class EmbeddedPlaces:
    """Embeddings of N places, and what else their file holds; row i of everything is the same place."""

    query: Tensor  # (N, D) float32, of panoramas
    reference: Tensor  # (N, D) float32, of the map
    metric: str = "cosine"  # one of METRICS: how the embeddings are meant to be compared
    xy: np.ndarray | None = None  # (N, 2) metres, x east, y north
    heading_deg: np.ndarray | None = None  # (N,) clockwise from north
    graph: RouteGraph | None = None  # which places come next after each

    def __len__(self) -> int:
        return len(self.query)


def read_embeddings(path: Path, locations: Path | None = None) -> EmbeddedPlaces:
    """Reads a file of embeddings.

    Args:
        path: `.npz` with `query` and `reference` (N, D), and optionally x, y (N,) metres, heading_deg (N,), ids (N,) and metric;
            or a published `.mat`, whose embeddings are compared by Euclidean distance without normalisation.
        locations: CSV of the places in the order of the rows (data/locations.py): positions, and headings where the file has none.

    Raises:
        InputError: a file is missing or damaged, or its parts do not fit together.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file of embeddings")
    neighbors = None
    if path.suffix == ".mat":
        published = read_published_places(path)
        arrays = {"query": published.query, "reference": published.reference, "heading_deg": published.heading_deg}
        metric, neighbors = "euclidean", published.neighbors
    else:
        arrays = _read_npz(path)
        metric = _metric(path, arrays.get("metric"))
    query, reference = _embeddings(path, arrays)
    for key, most in OPTIONAL.items():
        if key in arrays:
            _check_numbers(path, key, arrays[key], len(query), most)
    _check_ids(path, arrays.get("ids"), len(query))
    xy, heading_deg = None, arrays.get("heading_deg")
    if locations is not None:
        xy, table_heading_deg = _read_locations(locations, len(query))
        heading_deg = table_heading_deg if heading_deg is None else heading_deg
    elif {"x", "y"} <= arrays.keys():
        xy = np.column_stack([arrays["x"], arrays["y"]])
    graph = None if neighbors is None else RouteGraph.from_neighbors(neighbors, str(path), first=1)
    return EmbeddedPlaces(query, reference, metric, xy, heading_deg, graph)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_arrays(path, ("query", "reference", "metric", "ids", *OPTIONAL))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not an .npz file with arrays `query` and `reference`, or damaged "
                         f"({' '.join(str(error).split())})") from None  # fmt: skip


def _metric(path: Path, metric: np.ndarray | None) -> str:
    """The metric that a file names, cosine where it names none."""
    if metric is None:
        return "cosine"
    if metric.shape != () or metric.dtype.kind != "U" or metric.itemsize > 400:
        raise InputError(f"{path}: metric is {metric.dtype}{metric.shape}; it must be one of {', '.join(METRICS)}")
    if not np.isin(metric, METRICS):
        raise InputError(f"{path}: metric is {str(metric)!r}; it must be one of {', '.join(METRICS)}")
    return str(metric)


def _embeddings(path: Path, arrays: dict[str, np.ndarray]) -> tuple[Tensor, Tensor]:
    """Query and reference embeddings (N, D) float32 of at least two places, all finite."""
    for key in ("query", "reference"):
        array = arrays.get(key)
        if array is None or array.ndim != 2 or array.dtype.kind != "f" or not array.size:
            found = "missing" if array is None else f"{array.dtype}{array.shape}"
            raise InputError(f"{path}: {key} is {found}; it must be an array of floats (N, D)")
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite, and is refused below
        query, reference = (torch.from_numpy(arrays[key].astype(np.float32)) for key in ("query", "reference"))
    if query.shape != reference.shape:
        raise InputError(f"{path}: query is {tuple(query.shape)} but reference is {tuple(reference.shape)}; rows must be the same places")
    for key, embedding in (("query", query), ("reference", reference)):
        bad = (~torch.isfinite(embedding).all(1)).nonzero()
        if len(bad):
            raise InputError(
                f"{path}: {key} embedding {int(bad[0])} is not finite ({len(bad)} such rows); "
                "the model has diverged, or the file is damaged"
            )
    if len(query) < 2:
        raise InputError(f"{path}: holds a single place; a place is found among others, give two or more")
    return query, reference


def _check_numbers(path: Path, key: str, array: np.ndarray, places: int, most: float) -> None:
    """Refuses an array that does not hold one finite number between −most and most for each place."""
    if array.ndim != 1 or array.dtype.kind not in "fiu" or not np.isfinite(array).all() or len(array) != places:
        raise InputError(f"{path}: {key} is {array.dtype}{array.shape}; it must hold {places} finite numbers")
    if not -most <= array.min() <= array.max() <= most:
        raise InputError(f"{path}: {key} holds {array[np.abs(array.astype(float)).argmax()]:g}; it must lie within ±{most:,.0f}")


def _check_ids(path: Path, ids: np.ndarray | None, places: int) -> None:
    """Refuses ids that are not one for each place, or not unique: then rows have been mixed up."""
    if ids is None:
        return
    if ids.shape != (places,) or ids.dtype.kind not in "USiu":
        raise InputError(f"{path}: ids is {ids.dtype}{ids.shape}; it must hold {places} texts")
    order = np.argsort(ids, kind="stable")
    same = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if len(same):
        raise InputError(f"{path}: ids of rows {order[same[0]]} and {order[same[0] + 1]} are the same ({len(same)} such pairs); "
                         "each place must be there once")  # fmt: skip


def _read_locations(path: Path, places: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (N, 2) in metres and headings (N,) in degrees of a CSV of places."""
    table = read_location_table(path)
    if len(table) != places:
        raise InputError(f"{path}: {len(table)} positions for {places} embeddings; rows must be the same places")
    lat, lon = table["lat"].to_numpy(), table["lon"].to_numpy()
    east = (lon - lon[0] + 180) % 360 - 180  # of the first place, because longitudes jump at the antimeridian
    return np.column_stack(Projection(lat.mean(), lon[0] + east.mean()).forward(lat, lon)), table["heading_deg"].to_numpy()
