"""Neighbours in batched clouds, in plain PyTorch."""

import torch
from torch import Tensor


def nearest_neighbors(points: Tensor, k: int) -> Tensor:
    """The k nearest neighbours of every point, itself included.

    Args:
        points: (B, P, D); distances are computed in float32.

    Returns:
        (B, P, k) int64 indices, nearest first.
    """
    with torch.autocast(points.device.type, enabled=False):  # it would take the product in bfloat16
        points = points.detach().float()
        points = points - points.mean(1, keepdim=True)  # far from zero the difference of large numbers loses digits
        squared = points.square().sum(-1)
        distance = squared[:, None, :] - 2 * points @ points.transpose(1, 2)  # the query's own norm does not change the order
        return distance.topk(k, dim=-1, largest=False).indices


class _NeighborMax(torch.autograd.Function):
    """Maximum over gathered rows that keeps only the winner's index, instead of the k times larger edge tensor."""

    @staticmethod
    def forward(ctx, rows: Tensor, index: Tensor) -> Tensor:
        best, winner = rows[index[:, 0]], index[:, :1].expand(-1, rows.shape[1])
        for j in range(1, index.shape[1]):
            candidate = rows[index[:, j]]
            better = candidate > best
            best = torch.where(better, candidate, best)
            winner = torch.where(better, index[:, j : j + 1], winner)
        ctx.save_for_backward(winner)
        ctx.rows = rows.shape[0]
        return best

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (winner,) = ctx.saved_tensors
        total = torch.zeros(ctx.rows, gradient.shape[1], dtype=torch.promote_types(gradient.dtype, torch.float32), device=gradient.device)
        return total.scatter_add_(0, winner, gradient.to(total.dtype)).to(gradient.dtype), None


def neighbor_max(features: Tensor, index: Tensor) -> Tensor:
    """Channel-wise maximum over each point's neighbours; the first neighbour wins ties.

    Args:
        features: (B, P, C); index: (B, P, k) from nearest_neighbors.

    Returns:
        (B, P, C).
    """
    batch, points, channels = features.shape
    offset = torch.arange(batch, device=index.device).view(-1, 1, 1) * points
    flat = (index + offset).view(batch * points, -1)
    return _NeighborMax.apply(features.reshape(-1, channels), flat).view(batch, points, channels)
