"""Pooling of point features by the direction in which the points lie."""

import math

import torch
from torch import Tensor, nn


class SectorMax(nn.Module):
    """Maximum over the points of each sector of the horizon; a sector without points gives zeros. One sector is the global maximum.

    Sectors are counted like a panorama's columns: the first begins straight behind and they go clockwise, the middle is ahead.
    """

    def __init__(self, sectors: int):
        super().__init__()
        self.sectors = sectors

    def forward(self, features: Tensor, cloud: Tensor) -> Tensor:
        """features (B, P, C), cloud (B, P, 3) metres right, ahead, up → (B, sectors · C)."""
        if self.sectors == 1:
            return features.amax(1)
        azimuth = torch.atan2(cloud[..., 0], cloud[..., 1])  # clockwise from ahead, −π … π
        sector = ((azimuth / (2 * math.pi) + 0.5) * self.sectors).long().clamp(0, self.sectors - 1)
        lowest = torch.finfo(features.dtype).min
        pooled = features.new_full((len(features), self.sectors, features.shape[2]), lowest)
        pooled = pooled.scatter_reduce(1, sector[..., None].expand_as(features), features, "amax")
        return torch.where(pooled == lowest, 0, pooled).flatten(1)
