"""Fusion by gates."""

import torch
from torch import Tensor, nn


class Gated(nn.Module):
    """Each channel is a mixture of both branches', by a gate that sees both: z·tile + (1 − z)·cloud with z = σ(W·[tile, cloud] + b)
    (Arevalo et al., Gated Multimodal Units, 2017, eq. 1–4; the branches' heads are its transformations)."""

    def __init__(self, config, tile: nn.Module, cloud: nn.Module):
        super().__init__()
        self.width = tile.dim
        self.gate = nn.Linear(tile.dim + cloud.dim, self.width)

    def forward(self, tile: tuple[Tensor, Tensor], cloud: tuple[Tensor, Tensor | None], points: Tensor | None) -> Tensor:
        """tile: vector (B, D) and map; cloud: vector (B, D) and point features → (B, D)."""
        gate = self.gate(torch.cat([tile[0], cloud[0]], dim=-1)).sigmoid()
        return cloud[0] + gate * (tile[0] - cloud[0])
