"""Pooling of point features by the maximum of all, or of the points in each direction."""

import math

import torch
from torch import Tensor, nn


class PointMax(nn.Module):
    """Maximum over the points of each sector of the horizon; a sector without points gives zeros. One sector is the global maximum.

    Sectors are counted like a panorama's columns: the first begins straight behind and they go clockwise, the middle is ahead.
    """

    def __init__(self, config, channels: int):
        super().__init__()
        self.sectors = config.sectors
        self.width = channels * self.sectors

    def forward(self, features: Tensor, points: Tensor) -> Tensor:
        """features (B, P, C), points (B, P, 3) metres right, ahead, up → (B, sectors · C)."""
        if self.sectors == 1:
            return features.amax(1)
        azimuth = torch.atan2(points[..., 0], points[..., 1])  # clockwise from ahead, −π … π
        sector = ((azimuth / (2 * math.pi) + 0.5) * self.sectors).long().clamp(0, self.sectors - 1)
        lowest = torch.finfo(features.dtype).min
        pooled = features.new_full((features.shape[0], self.sectors, features.shape[2]), lowest)
        pooled = pooled.scatter_reduce(1, sector[..., None].expand_as(features), features, "amax")
        return torch.where(pooled == lowest, 0, pooled).flatten(1)
