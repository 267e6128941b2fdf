"""Where points lie in a tile's feature map, in the geometry that published weights expect (arXiv 2308.05993, fusions 2to3 and 3to2)."""

import torch
from torch import Tensor
from torch.nn import functional

from utils.georeference import EXTENT_M


def tile_pixels(points: Tensor, size: int) -> Tensor:
    """Continuous (column, row) of points in a feature map of size × size; pixel centres are whole numbers.

    The published scale: the 151 m from the first to the last of 152 rows of one metre are stretched over size - 1 pixels, though the
    first lies at -76 m; what lies beyond +75 m projects beyond the last pixel.

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
    """(column, row) of all pixels of a size × size map, row by row: (size², 2) on the device and of the type of `like`."""
    row, column = torch.meshgrid(*[torch.arange(size, device=like.device, dtype=like.dtype)] * 2, indexing="ij")
    return torch.stack([column, row], dim=-1).flatten(0, 1)


def upsample(features: Tensor, factor: int) -> Tensor:
    """A feature map (B, C, h, w) at factor times the size, bilinear, the corner pixels' centres kept."""
    return functional.interpolate(features, scale_factor=factor, mode="bilinear", align_corners=True)
