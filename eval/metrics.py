"""Retrieval metrics: each query is compared with every reference, and the right answer is the reference of its own place."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from utils.errors import InputError
from utils.projection import great_circle_m

METRICS = ("cosine", "euclidean")
BLOCK = 2048  # queries compared at a time
ROUNDING = 1e-6  # similarities closer than this are ties: a matrix product rounds equal pairs differently


def rank_references(query: Tensor, reference: Tensor, metric: str = "cosine") -> tuple[np.ndarray, np.ndarray]:
    """Exact search.

    Args:
        query, reference: (N, D); row i of both is the same place.
        metric: `cosine` similarity in float32, or `euclidean` distance without normalisation in float64.

    Returns:
        rank (N,): number of other references that are at least as similar to query i as its own reference, so 0 is right and ties count
        as errors; nearest (N,): the most similar reference.

    Raises:
        InputError: an embedding is not finite.
    """
    for name, embedding in (("query", query), ("reference", reference)):
        bad = (~torch.isfinite(embedding).all(1)).nonzero()
        if len(bad):
            raise InputError(
                f"{name} embedding {int(bad[0])} is not finite ({len(bad)} such rows); the model has diverged, or the file is damaged"
            )
    if metric == "cosine":
        query, reference = functional.normalize(query.float()), functional.normalize(reference.float())
        offset, rounding = torch.zeros(len(reference)), ROUNDING
    else:
        # |q − r|² = |q|² − 2 (q·r − |r|²/2): the references nearest to a query are those of largest q·r − |r|²/2.
        query, reference = query.double(), reference.double()
        offset = reference.square().sum(1) / 2
        rounding = 1e-12 * max(1.0, float(query.square().sum(1).max()), float(offset.max()))
    offset = offset.to(reference)
    ranks, nearest = [], []
    for first in range(0, len(query), BLOCK):
        similarity = query[first : first + BLOCK] @ reference.T - offset
        own = similarity.diagonal(first)
        ranks.append((similarity >= own[:, None] - rounding).sum(1) - 1)
        nearest.append(similarity.argmax(1))
    return torch.cat(ranks).cpu().numpy(), torch.cat(nearest).cpu().numpy()


def retrieval_metrics(query: Tensor, reference: Tensor, xy: np.ndarray | None = None, metric: str = "cosine",
                      city: np.ndarray | None = None, lat_lon: np.ndarray | None = None) -> dict[str, float]:  # fmt: skip
    """Metrics of an area, or of areas of several cities together.

    Args:
        query, reference: (N, D) embeddings of the same N places.
        xy: (N, 2) metres; without it there are no metrics in metres.
        metric: how embeddings are compared (see `rank_references`).
        city: (N,) the city of each place, in whose frame its xy is; None: one city.
        lat_lon: (N, 2) degrees, needed where there are several cities.

    Returns:
        queries, references: how many there are.
        recall@1, recall@5, recall@10, recall@1%: percentage of queries whose own reference is among the first 1, 5, 10, or
        max(1, ⌊N / 100⌋).
        within_10m, within_25m, within_50m: percentage of queries whose first answer is that near. One in another city is never near.
        mean_error_m, median_error_m: distance of the first answer; on the globe where it is in another city.
    """
    rank, nearest = rank_references(query, reference, metric)
    n = len(rank)
    top_percent = max(1, n // 100)
    result: dict[str, float] = {"queries": n, "references": len(reference)}
    for name, k in (("recall@1", 1), ("recall@5", 5), ("recall@10", 10), ("recall@1%", top_percent)):
        result[name] = float((rank < k).mean() * 100)
    if xy is not None:
        error, same_city = np.linalg.norm(xy[nearest] - xy, axis=1), np.ones(n, bool)
        if city is not None and (city != city[0]).any():
            if lat_lon is None:
                raise ValueError("distances between cities need lat_lon")
            same_city = city == city[nearest]
            error = np.where(same_city, error, _between_cities_m(nearest, xy, city, lat_lon))
        for metres in (10, 25, 50):
            result[f"within_{metres}m"] = float((same_city & (error <= metres)).mean() * 100)
        result["mean_error_m"], result["median_error_m"] = float(error.mean()), float(np.median(error))
    return result


def _between_cities_m(nearest: np.ndarray, xy: np.ndarray, city: np.ndarray, lat_lon: np.ndarray) -> np.ndarray:
    """(N,) metres on the globe to the places found, but at least the extent of the query's own city.

    Maps of two cities may overlap, where an answer in the wrong city would otherwise seem near.
    """
    own_m = np.zeros(len(city))
    for number in np.unique(city):
        own = city == number
        own_m[own] = np.linalg.norm(np.ptp(xy[own], axis=0))
    return np.maximum(own_m, great_circle_m(*lat_lon.T, *lat_lon[nearest].T))


def metrics_table(metrics_by_area: dict[str, dict[str, float]]) -> str:
    """The metrics of several areas as a table for the terminal."""
    columns = list(next(iter(metrics_by_area.values())))[2:]
    heads = {"mean_error_m": "mean m", "median_error_m": "median m"}
    rows = [["area", "places", *(heads.get(c, c.replace("recall", "R").replace("within_", "≤ ")) for c in columns)]]
    for area, metrics in metrics_by_area.items():
        rows.append([area, f"{metrics['queries']:,}", *(f"{metrics[c]:.1f}" for c in columns)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(f"{v:<{w}}" if i == 0 else f"{v:>{w}}" for i, (v, w) in enumerate(zip(row, widths, strict=True))) for row in rows]
    return "\n".join([lines[0], "─" * len(lines[0]), *lines[1:]])
