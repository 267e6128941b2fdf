"""Coordinate frames, and the way from one to the other.

View: metres right and ahead of a viewer who stands at the place and looks along the heading. World: metres east and north.
"""

import math

import torch
from torch import Tensor

from utils.georeference import EXTENT_M


def tile_grid(height: int, width: int, polar: bool, extent_m: float = EXTENT_M, paper: bool = False) -> Tensor:
    """Where a tile's pixels look: (height, width, 2) metres right and ahead.

    Cartesian: a square of extent_m; ahead is up. Polar: the bottom row is the centre, and the top row is extent_m / 2 away. Column 0 looks
    back, the column at a quarter of the width left, at half ahead, at three quarters right: as in a panorama.

    Args:
        paper: sample a polar tile at the lower left corners of its pixels instead of their centres, as the code of arXiv 2308.05993
            does; float64, so that the result agrees with its numbers.
    """
    row, column = (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width
    if paper and polar:
        row, column = (torch.arange(height).double() + 1) / height, torch.arange(width).double() / width
    if polar:
        azimuth = (column - 0.5) * 2 * math.pi  # clockwise from ahead
        radius = (1 - row)[:, None] * extent_m / 2
        return torch.stack([radius * azimuth.sin(), radius * azimuth.cos()], dim=-1)
    right, ahead = (column - 0.5) * extent_m, (0.5 - row) * extent_m
    return torch.stack([right.expand(height, width), ahead[:, None].expand(height, width)], dim=-1)


def to_world(local: Tensor, heading_deg: Tensor) -> Tensor:
    """Metres right and ahead (1 or B, H, W, 2) to metres east and north of the place (B, H, W, 2), for headings (B,)."""
    heading = torch.deg2rad(heading_deg)[:, None, None]
    right, ahead = local.unbind(-1)
    return torch.stack([right * heading.cos() + ahead * heading.sin(), ahead * heading.cos() - right * heading.sin()], dim=-1)


def to_view(world: Tensor, heading_deg: Tensor) -> Tensor:
    """Metres east and north of the place (B, N, 2) to metres right and ahead (B, N, 2), for headings (B,)."""
    heading = torch.deg2rad(heading_deg)[:, None]
    east, north = world.unbind(-1)
    return torch.stack([east * heading.cos() - north * heading.sin(), east * heading.sin() + north * heading.cos()], dim=-1)
