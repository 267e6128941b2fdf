"""Fusions of the vectors of two branches."""

import torch
from torch import Tensor, nn

from config.components import Settings
from models.clouds.cloud_encoder import CloudEncoder
from models.clouds.graph_encoder import GraphEncoder
from models.images.image_encoder import ImageEncoder


class Add(nn.Module):
    """The sum of both branches' vectors (arXiv 2308.05993, add)."""

    def __init__(self, settings: Settings, tile: ImageEncoder, cloud: CloudEncoder | GraphEncoder):
        super().__init__()
        self.width = tile.dim

    def forward(self, tile: tuple[Tensor, Tensor], cloud: tuple[Tensor, Tensor | None], points: Tensor | None) -> Tensor:
        """tile: vector (B, D) and map; cloud: vector (B, D) and point features → (B, D)."""
        return tile[0] + cloud[0]


class Concat(nn.Module):
    """Both branches' vectors, concatenated, the cloud's first (arXiv 2308.05993, concat)."""

    def __init__(self, settings: Settings, tile: ImageEncoder, cloud: CloudEncoder | GraphEncoder):
        super().__init__()
        self.width = (cloud.dim or 0) + (tile.dim or 0)

    def forward(self, tile: tuple[Tensor, Tensor], cloud: tuple[Tensor, Tensor | None], points: Tensor | None) -> Tensor:
        """tile: vector (B, D) and map (B, C, h, w); cloud: vector (B, D) and point features (B, P, F); points (B, P, 3) metres right,
        ahead, up → (B, 2·D)."""
        return torch.cat([cloud[0], tile[0]], dim=-1)
