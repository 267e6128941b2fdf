"""Squared distances between queries and the points of a cloud, a bounded number of them at a time."""

from collections.abc import Callable

import torch
from torch import Tensor

CHUNK = 2**18  # distances at a time, about 20 bytes each; on a CPU faster than all at once, because they stay in its cache
GPU_CHUNK = 2**24  # fewer and larger kernels


def search_distances(search: Callable[[Tensor], Tensor], points: Tensor, queries: Tensor) -> Tensor:
    """Applies a search to the squared Euclidean distances of all queries from the points of their cloud.

    Distances are float32, also under autocast, and without gradients. In up to three dimensions they are the sum of the squared
    differences in the order of the axes, to the last bit: what a loop gives, near and far from the origin. In more, where that is many
    times slower, |q|² − 2 q·p + |p|² in float64 (which autocast leaves alone), rounded to float32: zero for coincident points, and
    exact for coordinates on a common grid.

    Memory beyond points, queries and result: CHUNK distances (GPU_CHUNK beside a CPU), or those of one query where they are more.

    Args:
        search: (b, q, P) distances, of whole clouds or of some queries of one, to (b, q, k) results.
        points: (B, P, D); queries: (B, Q, D).

    Returns:
        (B, Q, k).
    """
    points, queries = points.detach().float(), queries.detach().float()
    distances = _differences
    if points.shape[2] > 3:
        points, queries, distances = *_factors(points, queries), _product
    if torch.compiler.is_exporting():  # the number of chunks would fix the batch size of the exported program
        return search(distances(points, queries))
    chunk = CHUNK if points.device.type == "cpu" else GPU_CHUNK
    clouds, step = (max(1, chunk // max(1, size)) for size in (points.shape[1] * queries.shape[1], points.shape[1]))
    pairs = zip(points.split(clouds), queries.split(clouds), strict=True)
    return torch.cat([torch.cat([search(distances(p, part)) for part in q.split(step, 1)], 1) for p, q in pairs])


def _differences(points: Tensor, queries: Tensor) -> Tensor:
    total = 0
    for p, q in zip(points.unbind(2), queries.unbind(2), strict=True):
        total = (q[:, :, None] - p[:, None, :]).square_().add_(total)
    return total


def _factors(points: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (p, 1, |p|²) and (−2 q, |q|², 1), whose products are the squared distances."""
    points, queries = points.double(), queries.double()
    centre = points.mean(1, keepdim=True)
    points, queries = points - centre, queries - centre
    shrink = 1 - 2.0**-44  # by more than the product's rounding, so that coincident points come out below zero, and then at it
    of_points, of_queries = (x.square().sum(2, keepdim=True) * shrink for x in (points, queries))
    right = torch.cat([points, torch.ones_like(of_points), of_points], 2)
    return right, torch.cat([-2 * queries, of_queries, torch.ones_like(of_queries)], 2)


def _product(points: Tensor, queries: Tensor) -> Tensor:
    return (queries @ points.transpose(1, 2)).float().clamp_(min=0)


def check_count(points: Tensor, count: int, name: str) -> None:
    """ValueError where a cloud (B, P, D) is empty or has fewer than `count` points."""
    if points.shape[1] == 0:
        raise ValueError("the cloud is empty: it takes at least one point")
    if not 1 <= count <= points.shape[1]:
        raise ValueError(f"{name} is {count}, it takes 1 to the number of points ({points.shape[1]})")
