"""Neighbours as edges, for the convolutions of torch-geometric."""

import torch
from torch import Tensor


def edges_of(index: Tensor, points: int) -> Tensor:
    """One graph of a batch of clouds, none of its edges between clouds.

    Args:
        index: (B, Q, k) neighbours of each query among the points of its cloud.
        points: of each cloud; point p of cloud b is node b · points + p, query q is node b · Q + q.

    Returns:
        (2, B · Q · k) int64: neighbours, and the queries that they send their messages to.
    """
    batch, queries, k = index.shape
    first = torch.arange(batch, device=index.device)[:, None, None] * points
    receivers = torch.arange(batch * queries, device=index.device).repeat_interleave(k)
    return torch.stack([(index + first).flatten(), receivers])
