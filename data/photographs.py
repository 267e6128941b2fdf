"""Panoramas from photographs."""

from pathlib import Path

import numpy as np
from PIL import Image

from data.published_images import resize_panorama
from utils.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")


def find_photographs(folder: Path, ids: np.ndarray) -> list[Path]:
    """The image of each id in a folder.

    Raises:
        InputError: the folder does not exist, or ids have no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of panoramas")
    present = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES}
    missing = [i for i in ids if i not in present]
    if missing:
        raise InputError(f"{folder}: {len(missing)} of {len(ids)} panoramas are missing (the first: {missing[0]}.jpg or .png); "
                         "they are named by the locations' ids")
    return [present[i] for i in ids]


def read_photograph(path: Path, height: int, published: bool = False) -> np.ndarray:
    """Reads an equirectangular panorama (twice as wide as high) and scales it: the mean over each pixel, or as published.

    Returns:
        (height, 2·height, 3) uint8 RGB.

    Raises:
        InputError: the image is corrupt or not equirectangular; the message names it.
    """
    try:
        with Image.open(path) as image:
            width, rows = image.size
            if abs(width - 2 * rows) > 0.01 * width:
                raise InputError(f"{path}: {width} × {rows} pixels; an equirectangular panorama is twice as wide as high")
            if published:
                return resize_panorama(np.asarray(image.convert("RGB")), height)
            image.draft("RGB", (2 * height, height))  # lets JPEG decode at a fraction of its size
            method = Image.Resampling.BOX if rows >= height else Image.Resampling.BILINEAR
            return np.asarray(image.convert("RGB").resize((2 * height, height), method))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as an image ({reason}); replace it or remove its location") from None
