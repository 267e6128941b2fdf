"""Where points project in a tile's feature map, in the geometry that the published weights expect (arXiv 2308.05993, 2to3 and 3to2)."""

import torch
from torch import Tensor
from torch.nn import functional

from utils.georeference import EXTENT_M


def tile_pixels(points: Tensor, size: int) -> Tensor:
    """Continuous (column, row) of points in a feature map of size × size. Pixel centres are whole numbers.

    The published scale stretches 151 m, counted from -76 m, over size - 1 pixels: the distance between the first and the last of 152
    rows of one metre. So points beyond +75 m project beyond the last pixel.

    Args:
        points: (B, P, 3) metres right, ahead, up.

    Returns:
        (B, P, 2).
    """
    scale = (size - 1) / (EXTENT_M - 1)
    return torch.stack([points[..., 0] + EXTENT_M / 2, EXTENT_M / 2 - points[..., 1]], dim=-1) * scale


def sample_pixels(features: Tensor, pixels: Tensor) -> Tensor:
    """Bilinear samples (B, P, C) of a feature map (B, C, S, S) at (column, row) pixels (B, P, 2); zero outside."""
    grid = (pixels * (2 / (features.shape[3] - 1)) - 1)[:, None]
    sampled = functional.grid_sample(features.to(grid.dtype), grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    return sampled[:, :, 0].transpose(1, 2)


def pixel_centres(size: int, like: Tensor) -> Tensor:
    """(column, row) of all pixels of a size × size map, row by row: (size², 2) with the device and dtype of `like`."""
    row, column = torch.meshgrid(*[torch.arange(size, device=like.device, dtype=like.dtype)] * 2, indexing="ij")
    return torch.stack([column, row], dim=-1).flatten(0, 1)


def upsample(features: Tensor, factor: int) -> Tensor:
    """A feature map (B, C, h, w) enlarged by a factor, bilinear. The centres of the corner pixels stay in the corners."""
    return functional.interpolate(features, scale_factor=factor, mode="bilinear", align_corners=True)
