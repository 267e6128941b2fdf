"""Spatial-aware feature aggregation."""

import torch
from torch import Tensor, nn

HEADS = 8


class SAFA(nn.Module):
    """Weighted sums over the positions of a map, eight of them, their weights computed from each position's largest channel by two
    linear maps without an activation (arXiv 2308.05993, after Shi et al., Spatial-Aware Feature Aggregation, 2019, eq. 2 and 3)."""

    def __init__(self, config, channels: int, rows: int, columns: int):
        super().__init__()
        positions = rows * columns
        hidden = max(1, positions // 2)
        self.weight1, self.bias1 = _linear(positions, hidden)
        self.weight2, self.bias2 = _linear(hidden, positions)
        self.width = HEADS * channels

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C · 8), a channel's heads side by side."""
        features = features.flatten(2)
        weights = torch.einsum("bi,ijd->bjd", features.amax(1), self.weight1) + self.bias1
        weights = torch.einsum("bjd,jid->bid", weights, self.weight2) + self.bias2  # B,h·w,8
        return (features @ weights.to(features.dtype)).flatten(1)


def _linear(width_in: int, width_out: int) -> tuple[nn.Parameter, nn.Parameter]:
    return nn.Parameter(0.005 * torch.randn(width_in, width_out, HEADS)), nn.Parameter(torch.full((1, width_out, HEADS), 0.1))
