"""Map views of places, batched on the device: heading-up tiles cut from the raster or from tile images, heading-up clouds.

Frames: utils/frames.py.
"""

import torch
from torch import Tensor
from torch.nn import functional

from data.city import CityMap
from utils.classes import BARE_RGB
from utils.frames import tile_grid, to_view, to_world
from utils.georeference import EXTENT_M


class TileCutter:
    """Cuts tiles out of a city's raster.

    The raster is reduced by whole factors to about the tiles' resolution first, so that bilinear sampling does not alias. A polar
    tile's columns spread with the distance, up to 3.7 m at 76 m for 128 of them; there it still skips pixels.

    Args:
        city: the map.
        height, width: pixels of a tile.
        polar: polar or Cartesian (see tile_grid).
        device: where the raster is kept and tiles are cut.
        extent_m: edge of the square that a Cartesian tile shows, twice the radius of a polar one.
        paper: take the polar grid of the paper's code (see tile_grid).
    """

    def __init__(self, city: CityMap, height: int, width: int, polar: bool, device: torch.device | str = "cpu",
                 extent_m: float = EXTENT_M, paper: bool = False):  # fmt: skip
        geo = city.georeference
        self.grid = tile_grid(height, width, polar, extent_m, paper).float().to(device)
        pixel_m = extent_m / 2 / height if polar else extent_m / height
        factor = min(max(1, int(pixel_m / geo.metres_per_pixel)), geo.width, geo.height)
        raster = _reduce(city.raster, factor)
        self.rows, self.columns = raster.shape[:2]
        bare = torch.tensor(BARE_RGB, dtype=torch.uint8)
        padded = bare.repeat(self.rows + 2, self.columns + 2, 1)  # a frame of bare ground stands for everything outside the map
        padded[1:-1, 1:-1] = raster
        self.raster = padded.view(-1, 3).to(device)
        self.origin = torch.tensor([geo.bounds[0], geo.bounds[3]], dtype=torch.float64, device=device)
        self.pixel_m = geo.metres_per_pixel * factor

    def __call__(self, centre: Tensor, heading_deg: Tensor) -> Tensor:
        """Tiles around places: centre (B, 2) metres float64, heading (B,) degrees → (B, 3, height, width) float32 in 0..1."""
        # float64 up to the offset from the raster's corner in pixels, which is small enough for float32.
        corner = ((centre - self.origin) * torch.tensor([1.0, -1.0], device=centre.device)) / self.pixel_m
        offset = to_world(self.grid[None], heading_deg.float()) / self.pixel_m
        column = corner[:, 0, None, None].float() + offset[..., 0] + 0.5  # + 1 for the frame, - 0.5 to pixel centres
        row = corner[:, 1, None, None].float() - offset[..., 1] + 0.5
        column, row = column.clamp(0, self.columns + 1), row.clamp(0, self.rows + 1)
        c, r = column.floor().clamp_max(self.columns), row.floor().clamp_max(self.rows)  # c + 1 and r + 1 exist, too
        u, v = (column - c).unsqueeze(-1), (row - r).unsqueeze(-1)
        first = r.long() * (self.columns + 2) + c.long()
        below = first + (self.columns + 2)
        top = torch.lerp(self.raster[first].float(), self.raster[first + 1].float(), u)
        bottom = torch.lerp(self.raster[below].float(), self.raster[below + 1].float(), u)
        return torch.lerp(top, bottom, v).permute(0, 3, 1, 2) / 255.0  # B,3,H,W


class TileImageCutter:
    """Cuts tiles out of the stored tile images of places, each 152 m × 152 m around its place and heading up.

    The images are reduced by whole factors like the raster of `TileCutter`. What lies beyond an image's edge shows the edge.

    With `paper` the cutter does what the code of arXiv 2308.05993 does. Images come at the size of a Cartesian tile
    (data/batches/paper_images.py) and are not reduced. Beyond an image all is black. The centre of a polar tile is the pixel right of and
    below the image's centre.

    Args:
        height, width: pixels of a tile.
        polar: polar or Cartesian (see tile_grid).
        device: where tiles are cut.
        paper: cut as the paper's code does.
    """

    def __init__(self, height: int, width: int, polar: bool, device: torch.device | str = "cpu", paper: bool = False):
        self.grid = tile_grid(height, width, polar, paper=paper).to(device)
        self.pixel_m = EXTENT_M / 2 / height if polar else EXTENT_M / height
        self.polar, self.paper = polar, paper

    def __call__(self, images: Tensor, image_heading_deg: Tensor, offset: Tensor, heading_deg: Tensor) -> Tensor:
        """Tiles cut from images (B, S, S, 3) uint8 → (B, 3, height, width) float32 in 0..1.

        Args:
            image_heading_deg: (B,) what is up in the images.
            offset: (B, 2) metres east and north from the images' centres to the tiles'.
            heading_deg: (B,) what is up in the tiles.
        """
        image = images.permute(0, 3, 1, 2).float() / 255.0
        size = image.shape[3]
        factor = 1 if self.paper else max(1, int(self.pixel_m * size / EXTENT_M))
        edge = size // factor * factor * (EXTENT_M / size)  # metres that whole squares of pixels cover
        image = functional.avg_pool2d(image, factor)
        moved = to_view(offset[:, None], image_heading_deg)[:, None].float()  # B,1,1,2
        right, ahead = (to_world(self.grid[None], (heading_deg - image_heading_deg).float()) + moved).unbind(-1)
        corner = EXTENT_M / 2  # the image's upper left corner lies this far left and ahead of its centre
        if self.paper and self.polar:
            corner += EXTENT_M / size / 2
        place = torch.stack([(right + corner) / edge, (corner - ahead) / edge], dim=-1) * 2 - 1  # B,h,w,2 in -1..1
        beyond = "zeros" if self.paper else "border"
        tiles = functional.grid_sample(image.to(place.dtype), place, mode="bilinear", padding_mode=beyond, align_corners=False)
        return tiles.float()


def _reduce(raster, factor: int) -> Tensor:
    """Mean over squares of factor × factor pixels, in strips to bound the memory. raster (H, W, 3) uint8 array → tensor."""
    rows, columns = raster.shape[0] // factor, raster.shape[1] // factor
    strips = []
    for first in range(0, rows, 256):
        strip = torch.tensor(raster[first * factor : min(first + 256, rows) * factor, : columns * factor])
        if factor > 1:
            strip = strip.view(-1, factor, columns, factor, 3).float().mean((1, 3)).round().to(torch.uint8)
        strips.append(strip)
    return torch.cat(strips)


def cut_clouds(points: Tensor, index: Tensor, centre: Tensor, heading_deg: Tensor) -> Tensor:
    """Clouds around places.

    Args:
        points: (M, 3) float32 points of the city; x east, y north, z up, metres.
        index: (B, P) indices of each place's points.
        centre: (B, 2) metres; heading_deg: (B,).

    Returns:
        (B, P, 3) float32: metres right, ahead, up.
    """
    cloud = points[index.long()]
    flat = to_view(cloud[..., :2] - centre[:, None].float(), heading_deg.float())
    return torch.cat([flat, cloud[..., 2:]], dim=-1)
