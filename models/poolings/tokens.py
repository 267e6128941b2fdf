"""Poolings for which a feature map is a set of positions and a cloud a set of points: over tokens (B, N, C)."""

import torch
from torch import Tensor, nn


class TokenPooling(nn.Module):
    """Base: subclasses pool tokens (B, N, C), wherever they lie. Made alike for maps, (config, channels, rows, columns), and points,
    (config, channels).

    Attributes:
        width: of the pooled vector.
    """

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, features: Tensor, points: Tensor | None = None) -> Tensor:
        """A map (B, C, h, w), or features (B, N, C) of points → (B, width)."""
        return self.pool(features.flatten(2).transpose(1, 2) if features.dim() == 4 else features)

    def pool(self, tokens: Tensor) -> Tensor:
        """tokens (B, N, C) → (B, width)."""
        raise NotImplementedError


class Mean(TokenPooling):
    """Mean of all."""

    def __init__(self, config, channels: int, *size: int):
        super().__init__(channels)

    def pool(self, tokens: Tensor) -> Tensor:
        return tokens.mean(1)


class MaxMean(TokenPooling):
    """Maximum and mean of all, side by side."""

    def __init__(self, config, channels: int, *size: int):
        super().__init__(2 * channels)

    def pool(self, tokens: Tensor) -> Tensor:
        return torch.cat([tokens.amax(1), tokens.mean(1)], -1)
