"""k nearest neighbours."""

import torch
from torch import Tensor

from models.neighbors.distances import check_count, search_distances


def nearest_neighbors(points: Tensor, k: int, queries: Tensor | None = None) -> Tensor:
    """The k nearest points of every query, of equally distant ones those with the lower index.

    Precision and memory: see `search_distances`.

    Args:
        points: (B, P, D).
        k: 1 to P.
        queries: (B, Q, D); None for the points themselves, which then find themselves (or a coincident point before them) first.

    Returns:
        (B, Q, k) int64 indices of points, nearest first.

    Raises:
        ValueError: an empty cloud, k out of range.
    """
    check_count(points, k, "k")
    # torch.topk breaks ties as it likes, so no two keys may be equal: the index goes into the 29 bits that float64 has and float32 has
    # not. Below a distance it is far less than the step to the next float32; beside a zero it stands alone.
    index = torch.arange(points.shape[1], dtype=torch.float64, device=points.device)
    scale, offset = 1 + index * 2.0**-52, index * 1e-300

    def search(distances: Tensor) -> Tensor:
        key = (distances * scale).add_(offset)
        if not torch.compiler.is_exporting():  # ONNX has no views; integers in the same order compare twice as fast
            key = key.view(torch.int64)
        return key.topk(k, dim=-1, largest=False).indices

    return search_distances(search, points, points if queries is None else queries)
