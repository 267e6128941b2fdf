"""Previews of places: panorama, heading-up tile and heading-up cloud, side by side."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from data.area import Area
from data.batches.cutters import TileCutter, TileImageCutter, cut_clouds
from data.city import CityMap
from utils.atomic import atomic_file
from utils.classes import CLASSES
from utils.errors import InputError
from utils.georeference import EXTENT_M
from utils.outputs import SOFTWARE

SIDE = 300  # pixels of a tile and of a cloud; a panorama is as high


def save_preview(city: CityMap, area: Area, rows: list[int], path: Path) -> None:
    """Writes a PNG with one line of pictures for each of the given rows of an area.

    Raises:
        InputError: a row does not exist, or there is neither a tile image nor a raster.
    """
    bad = [r for r in rows if not 0 <= r < len(area)]
    if bad:
        raise InputError(f"{area.path}: no place {bad[0]}; the area has rows 0 to {len(area) - 1}")
    tile_of, lines = _tiles(city, area), []
    for row in rows:
        centre = torch.tensor(area.locations.xy[row : row + 1])
        heading = torch.tensor(area.locations.heading_deg[row : row + 1])
        tile = (tile_of(row, centre, heading)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        index = torch.from_numpy(np.array(area.cloud_index[row : row + 1]))
        around = city.points[np.array(area.cloud_index[row])]
        cloud = cut_clouds(torch.from_numpy(np.array(around)), torch.arange(index.shape[1])[None], centre, heading)[0].numpy()
        classes = np.array(city.classes[np.array(area.cloud_index[row])])
        panorama = np.array(Image.fromarray(area.panoramas[row]).resize((2 * SIDE, SIDE), Image.Resampling.BICUBIC))
        lines.append(np.concatenate([panorama, tile, _draw_cloud(cloud, classes)], axis=1))
    picture = Image.fromarray(np.concatenate(lines))
    _annotate(picture, area, rows)
    attribute(picture, city.info["attribution"])
    with atomic_file(path) as temporary:
        picture.save(temporary, "PNG", optimize=True, pnginfo=signature())


def _tiles(city: CityMap, area: Area) -> Callable[[int, Tensor, Tensor], Tensor]:
    """A function (row, centre (1, 2), heading (1,)) → tile, cut from the area's tile images or else from the city's raster."""
    if area.tiles is None:
        cut = TileCutter(city, SIDE, SIDE, polar=False)
        return lambda row, centre, heading: cut(centre, heading)
    stored, cut_image = area.tiles, TileImageCutter(SIDE, SIDE, polar=False)

    def cut_stored(row: int, centre: Tensor, heading: Tensor) -> Tensor:
        image = torch.from_numpy(np.array(stored[row : row + 1]))
        return cut_image(image, heading, torch.zeros_like(centre), heading)

    return cut_stored


def _draw_cloud(cloud: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Looks down on a cloud (P, 3) from behind: ahead is up, and higher points are drawn shifted up, larger and lighter."""
    image = Image.new("RGB", (SIDE, SIDE), (28, 30, 36))
    draw = ImageDraw.Draw(image)
    scale = SIDE / EXTENT_M
    for (right, ahead, up), semantic in sorted(zip(cloud.tolist(), classes.tolist(), strict=True), key=lambda p: p[0][2]):
        column, row = SIDE / 2 + right * scale, SIDE / 2 - ahead * scale - 0.15 * up * scale
        lift = min(1.0, 0.55 + up / 90)
        radius = 1.2 + min(2.0, up / 40)
        draw.ellipse((column - radius, row - radius, column + radius, row + radius), tuple(int(v * lift) for v in CLASSES[semantic].rgb))
    return np.asarray(image)


def attribute(picture: Image.Image, attribution: str) -> None:
    """Writes into a picture whose data it shows."""
    _write(ImageDraw.Draw(picture), picture.height - 14, attribution)


def signature() -> PngInfo:
    """PNG metadata that mark a picture as made by this project: it may be replaced."""
    text = PngInfo()
    text.add_text("Software", SOFTWARE)
    return text


def _annotate(picture: Image.Image, area: Area, rows: list[int]) -> None:
    draw = ImageDraw.Draw(picture)
    for line, row in enumerate(rows):
        heading = area.locations.heading_deg[row]
        draw.line((SIDE, (line + 1) * SIDE - 10, SIDE, (line + 1) * SIDE), fill=(220, 30, 30), width=3)  # ahead, in the panorama
        _write(draw, line * SIDE + 4, f"{area.locations.ids[row]}, heading {heading:.0f}°")
        for centre in (2.5 * SIDE, 3.5 * SIDE):  # the place, and the way it looks
            x, y = centre, (line + 0.5) * SIDE
            draw.polygon([(x, y - 9), (x - 5, y + 5), (x + 5, y + 5)], fill=(220, 30, 30))


def _write(draw: ImageDraw.ImageDraw, y: int, text: str) -> None:
    draw.text((6, y), text, "white", stroke_width=1, stroke_fill="black")
