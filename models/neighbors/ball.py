"""Neighbours within a radius."""

import torch
from torch import Tensor

from models.neighbors.distances import check_count, search_distances


def ball_query(points: Tensor, queries: Tensor, radius: float, k: int) -> Tensor:
    """The first k points, in the order of their indices, no farther than the radius from each query.

    The grouping of PointNet++ (Qi et al., 2017, section 3.2) as its authors' code has it: where there are fewer than k, the first one
    found is repeated. A query with an empty ball takes its nearest point, k times. Precision and memory: see
    `search_distances`.

    Args:
        points: (B, P, D); queries: (B, Q, D).
        radius: in the units of the points.
        k: 1 to P.

    Returns:
        (B, Q, k) int64 indices of points.

    Raises:
        ValueError: an empty cloud, k out of range, a radius below zero.
    """
    check_count(points, k, "k")
    if not radius >= 0:
        raise ValueError(f"radius is {radius}, it takes a number of at least 0")
    limit = torch.tensor(radius, dtype=torch.float32).square()  # rounded as distances are: a point right on the sphere is inside
    none = points.shape[1]
    index = torch.arange(none, device=points.device)

    def search(distances: Tensor) -> Tensor:
        found = torch.where(distances <= limit, index, none).topk(k, dim=-1, largest=False).values
        first = found[..., :1]
        first = torch.where(first < none, first, distances.argmin(-1, keepdim=True))
        return torch.where(found < none, found, first)

    return search_distances(search, points, queries)
