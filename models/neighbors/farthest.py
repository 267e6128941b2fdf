"""Farthest point sampling."""

import torch
from torch import Tensor

from models.neighbors.distances import check_count


def farthest_points(points: Tensor, count: int, start: int | Tensor = 0) -> Tensor:
    """Farthest point sampling (Eldar et al., 1997): each pick is the point farthest from all picks before, ties to the lower index.

    Squared differences in float32, summed in the order of the axes: the picks of the textbook loop, and of `data.farthest`.

    Args:
        points: (B, P, 3).
        count: number of picks, 1 to P.
        start: index of the first pick, of all clouds or (B,) int64 of each; 0 to P − 1.

    Returns:
        (B, count) int64 indices in the order of picking; the first is the start.

    Raises:
        ValueError: an empty cloud, count out of range, a start (one of all clouds) out of range.
    """
    check_count(points, count, "count")
    if isinstance(start, int):
        if not 0 <= start < points.shape[1]:
            raise ValueError(f"start is {start}, it takes 0 to {points.shape[1] - 1}")
        start = torch.full(points.shape[:1], start, device=points.device)
    axes = points.detach().float().transpose(1, 2).contiguous()  # B,3,P
    pick, picks, nearest = start[:, None], [start], None
    for _ in range(count - 1):
        x, y, z = (axes - axes.gather(2, pick[:, None].expand(-1, 3, -1))).square_().unbind(1)
        distance = x + y + z
        nearest = distance if nearest is None else torch.minimum(nearest, distance)
        pick = nearest.argmax(1, keepdim=True)
        picks.append(pick[:, 0])
    return torch.stack(picks, 1)
