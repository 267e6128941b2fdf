"""Fusions: one vector for a place from its tile and its cloud."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from config.schema import ModelConfig
from data.georeference import EXTENT_M
from models.sectors import SectorMax


class Concat(nn.Module):
    """Both branches' vectors side by side, joined by a linear map."""

    def __init__(self, config: ModelConfig, tile_channels: int, point_features: int):
        super().__init__()
        dim = config.embedding_dim
        self.linear = nn.Linear(2 * dim, dim)

    def forward(self, tile: tuple[Tensor, Tensor], cloud: tuple[Tensor, Tensor], points: Tensor) -> Tensor:
        """tile: vector (B, D) and map (B, C, h, w); cloud: vector (B, D) and point features (B, P, F); points (B, P, 3) → (B, D)."""
        return self.linear(torch.cat([tile[0], cloud[0]], dim=-1))


class PixelToPoint(nn.Module):
    """Tile features are sampled where the points project, joined with the points' own features and max-pooled (arXiv 2308.05993, 2to3)."""

    def __init__(self, config: ModelConfig, tile_channels: int, point_features: int):
        super().__init__()
        self.polar = config.tile.polar
        width = point_features
        self.lift = nn.Sequential(nn.Linear(tile_channels, width, bias=False), nn.BatchNorm1d(width), nn.LeakyReLU(0.1))
        self.join = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.LeakyReLU(0.1))
        self.pool = SectorMax(config.cloud.sectors)
        self.linear = nn.Linear(2 * width * config.cloud.sectors, config.embedding_dim)

    def forward(self, tile: tuple[Tensor, Tensor], cloud: tuple[Tensor, Tensor], points: Tensor) -> Tensor:
        """As Concat.forward."""
        features = cloud[1]
        sampled = sample_at_points(tile[1], points, self.polar)  # B,P,C
        lifted = self.lift(sampled.flatten(0, 1)).view_as(features)
        fused = self.join(torch.cat([lifted, features], dim=-1))
        return self.linear(self.pool(fused, points))


def sample_at_points(features: Tensor, points: Tensor, polar: bool) -> Tensor:
    """Bilinear samples of a tile's feature map under the points; zero outside the tile.

    Args:
        features: (B, C, h, w) of a heading-up tile of 152 m, Cartesian or polar (data/views.py, tile_grid).
        points: (B, P, 3) metres right, ahead, up.

    Returns:
        (B, P, C).
    """
    half = EXTENT_M / 2
    right, ahead = points[..., 0], points[..., 1]
    if polar:  # the sphere closes behind the viewer: one column is repeated at either end
        columns = features.shape[3]
        features = functional.pad(features, (1, 1, 0, 0), mode="circular")
        u = torch.atan2(right, ahead) / math.pi * columns / (columns + 2)
        v = 1 - 2 * torch.hypot(right, ahead) / half
    else:
        u, v = right / half, -ahead / half
    grid = torch.stack([u, v], dim=-1)[:, None]  # in float32: bfloat16 would move a sample by 0.3 m
    padding = "border" if polar else "zeros"  # polar: the corners of the square lie beyond the outermost row
    sampled = functional.grid_sample(features.to(grid.dtype), grid, mode="bilinear", padding_mode=padding, align_corners=False)
    return sampled[:, :, 0].transpose(1, 2)


FUSIONS = {"concat": Concat, "pixel_to_point": PixelToPoint}
