"""A look at a city map: the drawn map around a spot, and the view from above it."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from data.batches.cutters import TileCutter
from data.city import CityMap
from data.pictures.preview import attribute, signature
from data.render.panorama import Conditions, Renderer
from utils.atomic import atomic_file
from utils.errors import InputError

SIDE = 720  # pixels of the drawn map; the view beside it is as high
UP_DEG, DOWN_DEG, ASIDE_DEG = 25.0, 35.0, 60.0  # how far the view reaches
SUN = np.array([-0.6, -0.5, 0.62])  # a fixed afternoon: pictures of two maps compare


def save_picture(city: CityMap, spot: tuple[float, float] | None, heading_deg: float, extent_m: float, above_m: float, path: Path) -> None:
    """Writes a PNG: left the drawn map around the spot, heading up; right what a camera above it sees along the heading.

    Args:
        spot: latitude and longitude; default: the middle of the map.
        extent_m: edge of the square of the drawn map.
        above_m: height of the camera above the ground.

    Raises:
        InputError: the spot lies outside the map, or the map was imported and holds neither raster nor surfaces.
    """
    x0, y0, x1, y1 = city.info["bounds"]
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    if spot is not None:
        x, y = (float(v) for v in city.projection.forward(*spot))
        if not (x0 <= x <= x1 and y0 <= y <= y1):
            (south, north), (west, east) = city.projection.inverse([x0, x1], [y0, y1])
            raise InputError(
                f"{city.path}: {spot[0]}, {spot[1]} lies outside the map, {south:.4f} to {north:.4f}, {west:.4f} to {east:.4f}"
            )
    cut = TileCutter(city, SIDE, SIDE, polar=False, extent_m=extent_m)
    drawn = cut(torch.tensor([[x, y]], dtype=torch.float64), torch.tensor([heading_deg]))[0].permute(1, 2, 0).numpy() * 255
    rows = round(SIDE * 180 / (UP_DEG + DOWN_DEG))
    top, left = round(rows * (90 - UP_DEG) / 180), round(rows * (180 - ASIDE_DEG) / 180)
    renderer = Renderer(city, rows, slice(top, top + SIDE), slice(left, 2 * rows - left))
    view = renderer.render(x, y, heading_deg, Conditions(SUN, 0.9, 1.05, 0.2, 0.2, 5), above_m)
    picture = Image.fromarray(np.concatenate([drawn.round().astype(np.uint8), view], axis=1))
    attribute(picture, city.info["attribution"])
    with atomic_file(path) as temporary:
        picture.save(temporary, "PNG", optimize=True, pnginfo=signature())
