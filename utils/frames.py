"""The frame of a view (metres right of and ahead of a viewer at the place who looks along the heading), and the way to the world's.

The world's frame: metres east and north.
"""

import math

import torch
from torch import Tensor

from utils.georeference import EXTENT_M


def tile_grid(height: int, width: int, polar: bool, extent_m: float = EXTENT_M, paper: bool = False) -> Tensor:
    """Where a tile's pixels look: (height, width, 2) metres right and ahead.

    Cartesian: ahead is up, a square of extent_m. Polar: the bottom row is the centre and the top row half as far away; column 0 looks
    back, a quarter of the width left, half ahead, three quarters right, so that columns agree with those of a panorama. The published
    polar grid has its rows and columns at the pixels' lower left corners, not at their centres. It is in float64, so that what is
    sampled there agrees with published numbers.
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
