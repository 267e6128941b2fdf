"""Rows of features by index, and the maximum over them."""

import torch
from torch import Tensor


def gather_rows(features: Tensor, index: Tensor) -> Tensor:
    """Rows of each cloud's features; gradients flow into the features.

    Args:
        features: (B, P, C); index: (B, ...) int64.

    Returns:
        (B, ..., C).
    """
    rows = features.reshape(-1, features.shape[-1])
    return rows.index_select(0, _flat(features, index).flatten()).view(*index.shape, rows.shape[1])


def _flat(features: Tensor, index: Tensor) -> Tensor:
    """Indices (B, ...) into features (B, P, C) as indices into their B·P rows."""
    batch, points = features.shape[:2]
    return index + torch.arange(batch, device=index.device).mul(points).view(-1, *[1] * (index.ndim - 1))


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
        features: (B, P, C); index: (B, Q, k) from nearest_neighbors or ball_query.

    Returns:
        (B, Q, C).
    """
    rows = features.reshape(-1, features.shape[-1])
    return _NeighborMax.apply(rows, _flat(features, index).flatten(0, 1)).view(*index.shape[:2], rows.shape[1])
