"""Fusion by cross-attention between tokens of the tile and tokens of the cloud."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from config.components import Settings
from config.pooling_settings import MAP_POOLINGS, POINT_POOLINGS
from models.clouds.cloud_encoder import CloudEncoder
from models.images.image_encoder import ImageEncoder
from utils.frames import tile_grid
from utils.georeference import EXTENT_M

WIDTH, HEADS = 128, 4  # of a token; of the attention
OCTAVES = 5  # wavelengths from 304 m, the shortest at which every position in a tile differs, down to 19 m


class CrossAttention(nn.Module):
    """Pixels of the tile's map attend to points of the cloud, and points to pixels (cf. Vaswani et al., Attention Is All You Need, 2017).

    Both know their positions. Each side is then pooled by the pooling of its own section, and the two results are concatenated.
    """

    def __init__(self, settings: Settings, tile: ImageEncoder, cloud: CloudEncoder):
        super().__init__()
        rows, columns = tile.map_size
        cells = tile_grid(rows, columns, tile.polar).flatten(0, 1)[None]
        self.register_buffer("cells", position_waves(cells), persistent=False)  # 1,N,4·OCTAVES
        self.tile_tokens, self.cloud_tokens = nn.Linear(tile.channels, WIDTH), nn.Linear(cloud.features, WIDTH)
        self.position = nn.Linear(4 * OCTAVES, WIDTH, bias=False)
        self.to_tile, self.to_cloud = TokenAttention(), TokenAttention()
        self.tile_pool = MAP_POOLINGS[tile.pooling.name].load()(tile.pooling, WIDTH, rows, columns)
        self.cloud_pool = POINT_POOLINGS[cloud.pooling.name].load()(cloud.pooling, WIDTH)
        self.width = self.tile_pool.width + self.cloud_pool.width

    def forward(self, tile: tuple[None, Tensor], cloud: tuple[None, Tensor], points: Tensor) -> Tensor:
        """tile: map (B, C, h, w); cloud: point features (B, P, F); points (B, P, 3) metres right, ahead, up → (B, width)."""
        pixels = self.tile_tokens(tile[1].flatten(2).transpose(1, 2)) + self.position(self.cells)  # B,N,WIDTH
        features = self.cloud_tokens(cloud[1]) + self.position(position_waves(points[..., :2]))  # B,P,WIDTH
        pixels, features = self.to_tile(pixels, features), self.to_cloud(features, pixels)
        pixels = pixels.transpose(1, 2).unflatten(2, tile[1].shape[2:])
        return torch.cat([self.tile_pool(pixels), self.cloud_pool(features, points)], dim=-1)


class TokenAttention(nn.Module):
    """One block: tokens attend to other tokens, then go through an MLP, with norms before both."""

    def __init__(self):
        super().__init__()
        self.norm, self.norm_others, self.norm_own = (nn.LayerNorm(WIDTH) for _ in range(3))
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3))
        self.out = nn.Linear(WIDTH, WIDTH)
        self.own = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, tokens: Tensor, others: Tensor) -> Tensor:
        """tokens (B, N, WIDTH), others (B, M, WIDTH) → (B, N, WIDTH)."""
        others = self.norm_others(others)
        projected = self.query(self.norm(tokens)), self.key(others), self.value(others)
        heads = (x.unflatten(-1, (HEADS, -1)).transpose(1, 2) for x in projected)  # B,HEADS,N,WIDTH/HEADS
        tokens = tokens + self.out(functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
        return tokens + self.own(self.norm_own(tokens))


def position_waves(places: Tensor) -> Tensor:
    """Metres right and ahead (B, N, 2) → sines and cosines (B, N, 4 · OCTAVES). Wavelengths start at twice the tile's edge and halve."""
    angle = places[..., None] * (math.pi / EXTENT_M * 2.0 ** torch.arange(OCTAVES, device=places.device))  # B,N,2,OCTAVES
    return torch.cat([angle.sin(), angle.cos()], dim=-1).flatten(2)
