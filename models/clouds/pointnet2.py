"""PointNet++ with one size of balls at each level (Qi et al., PointNet++: Deep Hierarchical Feature Learning on Point Sets, 2017)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from config.cloud_settings import PointNet2Settings
from models.clouds.layers import SetAbstraction, index_in_cloud, mlp


class PointNet2(nn.Module):
    """Set abstractions in balls, then layers on the points that are left. With the encoder's pooling these layers are PointNet++'s last
    abstraction.

    Args:
        settings: strides; radius and neighbors of the first level's balls, which double at each level; widths, where level i has layers
            of widths[i], widths[i] and widths[i + 1]; features.
        width_in: width of the inputs.

    Attributes:
        features: width of a point's feature.
    """

    def __init__(self, settings: PointNet2Settings, width_in: int):
        super().__init__()
        self.features, widths, self.levels = settings.features, settings.widths, nn.ModuleList()
        width = width_in - 3
        for i, (stride, (a, b)) in enumerate(zip(settings.strides, pairwise(widths), strict=True)):
            self.levels.append(SetAbstraction(stride, settings.neighbors * 2**i, width, [a, a, b], settings.radius * 2**i))
            width = b
        self.last = mlp([3 + width, width, 2 * width, self.features])

    def forward(self, positions: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """positions (B, P, 3), inputs (B, P, width_in), positions first → features (B, Q, features) of the kept points (B, Q)."""
        kept: Tensor | None = None
        features = inputs[..., 3:]
        for level in self.levels:
            index, positions, features = level(positions, features)
            kept = index_in_cloud(kept, index)
        return self.last(torch.cat([positions, features], dim=-1)), kept
