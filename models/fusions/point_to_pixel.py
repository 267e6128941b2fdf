"""Point-to-pixel fusion: the nearest point of each pixel of a tile's feature map."""

import torch
from torch import Tensor, nn

from config.components import Settings
from config.pooling_settings import MAP_POOLINGS
from models.clouds.cloud_encoder import CloudEncoder
from models.clouds.layers import dense
from models.fusions.pixel_to_point import sample_at_points
from models.fusions.tile_pixels import pixel_centres, sample_pixels, tile_pixels, upsample
from models.images.image_encoder import ImageEncoder
from models.neighbors import gather_rows, nearest_neighbors
from utils.frames import tile_grid
from utils.georeference import EXTENT_M


class PointToPixel(nn.Module):
    """Joins each pixel of the tile's map with the point that projects nearest to it, and pools the map with the tile's pooling.

    Of the point a pixel gets its offset, its feature, and how much the map under the point resembles the pixel.
    A smaller version of 3to2 (arXiv 2308.05993) that also takes polar tiles. 3to2 displaces points by up to a metre; this does not.
    """

    lifts, upsampling = 1, 1  # number of layers on what pixels get of points; factor by which the map is enlarged first

    def __init__(self, settings: Settings, tile: ImageEncoder, cloud: CloudEncoder):
        super().__init__()
        self.polar, width = tile.polar, cloud.features
        rows, columns = (self.upsampling * size for size in tile.map_size)
        self.lift = nn.Sequential(*(dense(a, width, 0.1) for a in [2 + 1 + width, *[width] * (self.lifts - 1)]))
        self.join = nn.Sequential(nn.Linear(width + tile.channels, tile.channels), nn.LeakyReLU(0.1))
        pooling = self.pooling_of(tile)
        self.pool = MAP_POOLINGS[pooling.name].load()(pooling, tile.channels, rows, columns)
        self.width = self.pool.width

    def forward(self, tile: tuple[None, Tensor], cloud: tuple[None, Tensor], points: Tensor) -> Tensor:
        """tile: map (B, C, h, w); cloud: point features (B, P, F); points (B, P, 3) metres right, ahead, up → (B, width)."""
        features, cells, places, sampled = self.project(tile[1], points)
        pixels = features.flatten(2).transpose(1, 2)  # B,N,C
        nearest = nearest_neighbors(places, 1, cells)[..., 0]  # B,N
        offset = gather_rows(places, nearest) - cells
        resemblance = (gather_rows(sampled, nearest) * pixels).mean(-1, keepdim=True)
        from_points = torch.cat([offset, resemblance, gather_rows(cloud[1], nearest)], dim=-1)
        joined = self.join(torch.cat([self.lift(from_points), pixels], dim=-1))
        return self.pool(joined.transpose(1, 2).unflatten(2, features.shape[2:]))

    def pooling_of(self, tile: ImageEncoder) -> Settings:
        """How the map is pooled."""
        return tile.pooling

    def project(self, features: Tensor, points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Projects the points onto the map.

        Args:
            features: the map (B, C, h, w).
            points: (B, P, 3) metres right, ahead, up.

        Returns:
            the map, enlarged by `upsampling`; positions of its N pixels (B, N, 2) and of the points (B, P, 2) in the same plane, in units
            of about a pixel; the map under the points (B, P, C).
        """
        rows, columns = features.shape[2:]
        pixel_m = EXTENT_M / columns
        cells = tile_grid(rows, columns, self.polar).to(points).flatten(0, 1) / pixel_m
        return features, cells.expand(points.shape[0], -1, -1), points[..., :2] / pixel_m, sample_at_points(features, points, self.polar)


class PaperPointToPixel(PointToPixel):
    """3to2 as in the paper: its sizes, its pooling (SAFA), and its geometry (four times the resolution, and tile_pixels.py)."""

    lifts, upsampling = 3, 4

    def pooling_of(self, tile: ImageEncoder) -> Settings:
        """SAFA."""
        return Settings("safa")

    def project(self, features: Tensor, points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        features = upsample(features, self.upsampling)
        size = features.shape[3]
        places = tile_pixels(points, size)
        return features, pixel_centres(size, places).expand(points.shape[0], -1, -1), places, sample_pixels(features, places)
