"""Pixel-to-point fusion: tile features under the points."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from config.components import Settings
from config.pooling_settings import POINT_POOLINGS, SectorSettings, sectors_of
from models.clouds.cloud_encoder import CloudEncoder
from models.clouds.layers import dense
from models.fusions.tile_pixels import sample_pixels, tile_pixels, upsample
from models.images.image_encoder import ImageEncoder
from utils.georeference import EXTENT_M


class PixelToPoint(nn.Module):
    """Samples tile features where the points project, joins them with the points' own features, and pools with the cloud's pooling.

    A smaller version of 2to3 (arXiv 2308.05993) that also takes polar tiles. 2to3 displaces points by up to a metre; this does not.
    """

    lifts, widening = 1, 2  # number of layers on the samples; width after the join, as a multiple of a point feature's width

    def __init__(self, settings: Settings, tile: ImageEncoder, cloud: CloudEncoder):
        super().__init__()
        self.polar, width = tile.polar, cloud.features
        self.lift = nn.Sequential(*(dense(a, width, 0.1) for a in [tile.channels, *[width] * (self.lifts - 1)]))
        self.join = nn.Sequential(nn.Linear(2 * width, self.widening * width), nn.LeakyReLU(0.1))
        pooling = self.pooling_of(cloud)
        self.pool = POINT_POOLINGS[pooling.name].load()(pooling, self.widening * width)
        self.width = self.pool.width

    def forward(self, tile: tuple[None, Tensor], cloud: tuple[None, Tensor], points: Tensor) -> Tensor:
        """tile: map (B, C, h, w); cloud: point features (B, P, F); points (B, P, 3) metres right, ahead, up → (B, width)."""
        features = cloud[1]
        sampled = self.sample(tile[1], points)  # B,P,C
        joined = self.join(torch.cat([self.lift(sampled), features], dim=-1))
        return self.pool(joined, points)

    def pooling_of(self, cloud: CloudEncoder) -> Settings:
        """How the points are pooled."""
        return cloud.pooling

    def sample(self, features: Tensor, points: Tensor) -> Tensor:
        """Features (B, P, C) of a map (B, C, h, w) under the points (B, P, 3)."""
        return sample_at_points(features, points, self.polar)


class PaperPixelToPoint(PixelToPoint):
    """2to3 as in the paper: its sizes, its pooling (maximum), and its geometry (four times the resolution, and tile_pixels.py)."""

    lifts, widening = 3, 8

    def pooling_of(self, cloud: CloudEncoder) -> Settings:
        """The maximum."""
        return SectorSettings("max", sectors_of(cloud.pooling))

    def sample(self, features: Tensor, points: Tensor) -> Tensor:
        """Features (B, P, C) of a Cartesian map (B, C, S, S) under the points (B, P, 3)."""
        features = upsample(features, 4)
        return sample_pixels(features, tile_pixels(points, features.shape[3]))


def sample_at_points(features: Tensor, points: Tensor, polar: bool) -> Tensor:
    """Bilinear samples of a tile's feature map under the points. Outside a Cartesian tile they are zero; outside a polar tile they are
    those of its rim.

    Args:
        features: (B, C, h, w) of a heading-up tile of 152 m, Cartesian or polar (utils/frames.py, tile_grid).
        points: (B, P, 3) metres right, ahead, up.

    Returns:
        (B, P, C).
    """
    half = EXTENT_M / 2
    right, ahead = points[..., 0], points[..., 1]
    if polar:  # left and right edge meet behind the viewer, so each gets a copy of the other's column
        columns = features.shape[3]
        features = functional.pad(features, (1, 1, 0, 0), mode="circular")
        u = torch.atan2(right, ahead) / math.pi * columns / (columns + 2)
        v = 1 - 2 * points[..., :2].norm(dim=-1) / half
    else:
        u, v = right / half, -ahead / half
    grid = torch.stack([u, v], dim=-1)[:, None]  # in float32: bfloat16 would move a sample by 0.3 m
    padding = "border" if polar else "zeros"  # polar: the corners of the square lie beyond the outermost row
    sampled = functional.grid_sample(features.to(grid.dtype), grid, mode="bilinear", padding_mode=padding, align_corners=False)
    return sampled[:, :, 0].transpose(1, 2)
