"""Panoramas from photographs: upright, of the whole sphere, 8 bits a channel."""

import logging
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unicodedata import normalize

import numpy as np
from PIL import Image
from PIL.ExifTags import Base

from data.batches.paper_images import resize_panorama
from data.sources.photographs.sphere import TOLERANCE, sphere_of
from utils.errors import InputError
from utils.parallel import in_order
from utils.progress import progress

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")  # in small or capital letters
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")  # what files of any name are read as
MOST_PIXELS = 300_000_000  # 24,000 × 12,000 are fewer; in memory they take 1.2 GB
BAND_PIXELS = 1 << 23  # that are converted at a time
ONE_COLOUR = 16  # grey levels: a picture with a smaller range shows nothing, e.g. black with noise
LOOK_ROWS = 64  # a JPEG is read to its end at any scale
FIRST = 10  # names that a message shows
_UPRIGHT = {  # EXIF orientation: how the stored picture is turned for looking at
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
logging.getLogger("PIL").addHandler(logging.NullHandler())  # this module reports what is wrong with an image, in one line
Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # Pillow's own limit would refuse cameras of today


def usable_photographs(folder: Path, ids: list[str], skip: bool = False, processes: int | None = None) -> tuple[list[Path], dict]:
    """Finds and decodes the photograph of each place, so that a bad one is reported before hours of work.

    Args:
        skip: leave out places without a usable photograph, instead of refusing them all.
        processes: worker processes; default: one for each core.

    Returns:
        the files of the usable places, in the order of `ids`; and the other ids, each with a list of reasons.

    Raises:
        InputError: the folder does not exist, or a place (with `skip`: every place) has no usable photograph.
    """
    files, reasons = find_photographs(folder, ids)
    names = list(files)
    if names:
        results = in_order(lambda i: _look(files[names[i]]), len(names), processes)
        looks = list(progress(results, total=len(names), desc=f"checking {Path(folder).name}", unit=" photographs"))
        reasons |= {name: reason for name, (reason, _) in zip(names, looks, strict=True) if reason}
        blank = [files[name].name for name, (_, nothing) in zip(names, looks, strict=True) if nothing]
        if blank:
            print(describe_blank(blank))
    bad = [f"{name!r}: {reasons[name]}" for name in ids if name in reasons]
    if bad:
        shown = "; ".join(bad[:FIRST]) + (f"; and {len(bad) - FIRST:,} more" if len(bad) > FIRST else "")
        if not skip or len(bad) == len(ids):
            remedy = "" if len(bad) == len(ids) else "; get them, or leave these places out with --skip"
            raise InputError(f"{folder}: {len(bad):,} of {len(ids):,} panoramas cannot be used: {shown}{remedy}")
        print(f"{folder}: {len(bad):,} of {len(ids):,} places left out, all are listed in area.json: {shown}")
    return [files[name] for name in ids if name not in reasons], {name: [reasons[name]] for name in ids if name in reasons}


def find_photographs(folder: Path, ids: list[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """The file of each id in a folder; and the ids without exactly one file, each with the reason.

    Raises:
        InputError: the folder does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of panoramas")
    present: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            present.setdefault(normalize("NFC", path.stem), []).append(path)
    files, reasons = {}, {}
    for name in ids:
        found = [path for path in present.get(normalize("NFC", name), ()) if path.is_file()]  # some systems write ä as a and ¨
        if len(found) == 1:
            files[name] = found[0]
        elif found:
            reasons[name] = f"{' and '.join(path.name for path in found)} are of one id, keep one"
        else:
            reasons[name] = f"missing, no {name}.jpg or {', '.join(SUFFIXES[1:])}"
    return files, reasons


def read_photograph(path: Path, height: int, paper: bool = False) -> np.ndarray:
    """Reads an equirectangular panorama and scales it: by averaging, or with `paper` as the code of arXiv 2308.05993 does.

    It is turned upright by its EXIF orientation. If its metadata (GPano) say that it shows a part of the sphere, the rest is black,
    and so is what is transparent. White is 65535 in 16 bits and 1 in floating point.

    Returns:
        (height, 2·height, 3) uint8 RGB.

    Raises:
        InputError: the image is corrupt, too large, or not equirectangular; the message names it.
    """
    with open_image(path) as image:
        return _panorama(image, height, paper)


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Opens an image of one of FORMATS with at most MOST_PIXELS.

    Raises:
        InputError: for whatever Pillow or the block raises; names the file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.init()  # the formats that Pillow does not load by itself
            with Image.open(path, formats=FORMATS) as image:
                yield image
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise InputError(f"{path}: more than {MOST_PIXELS:,} pixels; scale it down") from None
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes Pillow raise almost anything
        reason = " ".join(str(error).replace(f" {str(path)!r}", "").split()) or type(error).__name__
        raise InputError(f"{path}: cannot be read as an image ({reason}); replace it or remove its location") from None


def shows_one_colour(image: np.ndarray) -> bool:
    """Whether a picture (H, W, 3) uint8 shows nothing, e.g. because it is black."""
    return bool((np.ptp(image.astype(np.int16), axis=(0, 1)) < ONE_COLOUR).all())


def describe_blank(names: list[str]) -> str:
    """A line that says which panoramas show one colour only."""
    shown = ", ".join(names[:FIRST]) + (", …" if len(names) > FIRST else "")
    return f"panoramas of one colour only, e.g. black, from which nothing can be learnt: {len(names):,} ({shown})"


def _look(path: Path) -> tuple[str | None, bool]:
    """Why a photograph cannot be used, if it cannot; and whether it shows nothing."""
    try:
        return None, shows_one_colour(read_photograph(path, LOOK_ROWS))
    except InputError as error:
        return f"{path.name}: {str(error).removeprefix(f'{path}: ')}", False


@contextmanager
def _heard(listen: bool) -> Iterator[None]:
    """Raises what a native library writes to the terminal: libtiff reports damage there and continues."""
    if not listen:
        yield
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
        said.seek(0)
        if message := said.read(1000).decode(errors="replace"):
            raise ValueError(message.splitlines()[0])


def _panorama(image: Image.Image, height: int, paper: bool) -> np.ndarray:
    if image.format not in ("JPEG", "MPO"):
        with _heard(image.format == "TIFF"):
            image.load()  # metadata may follow the pixels, and Pillow turns TIFF upright by itself
    method = _UPRIGHT.get(image.getexif().get(Base.Orientation, 1))
    turned = method in (Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90)
    width, rows = reversed(image.size) if turned else image.size
    sphere = sphere_of(image.info.get("xmp") or image.info.get("XML:com.adobe.xmp"), width, rows)
    if sphere.partial and (method is not None or paper):
        reason = "with preprocessing of the paper" if paper else "that is turned by its EXIF orientation"
        raise InputError(f"a part of the sphere {reason} cannot be read; pad it to the whole sphere, and remove that metadata")
    if not sphere.partial and abs(width - 2 * rows) > TOLERANCE * width:
        how = " when turned as its EXIF orientation says" if turned else ""
        raise InputError(f"{width} × {rows} pixels{how}; an equirectangular panorama is twice as wide as high")
    if paper:
        upright = to_rgb(image)
        return resize_panorama(np.asarray(upright if method is None else upright.transpose(method)), height)
    left, top, right, bottom = sphere.box(height)
    size = (bottom - top, right - left) if turned else (right - left, bottom - top)
    image.draft("RGB", size)  # lets JPEG decode at a fraction of its size
    scaled = _scaled(image, *size)
    panorama = np.zeros((height, 2 * height, 3), np.uint8)
    panorama[top:bottom, left:right] = np.asarray(scaled if method is None else scaled.transpose(method))
    return panorama


def _scaled(image: Image.Image, width: int, height: int) -> Image.Image:
    """Scales an image by averaging, as RGB. It is converted some rows at a time: two copies of a large image need too much memory."""
    if image.height < height:
        return to_rgb(image).resize((width, height), Image.Resampling.BILINEAR)
    step, scaled = image.height / height, Image.new("RGB", (width, height))
    rows = max(1, int(BAND_PIXELS / (image.width * step)))
    for first in range(0, height, rows):
        last = min(first + rows, height)
        top, bottom = int(first * step), min(math.ceil(last * step), image.height)
        band = to_rgb(image.crop((0, top, image.width, bottom)))
        box = (0, first * step - top, band.width, min(last * step - top, band.height))
        scaled.paste(band.resize((width, last - first), Image.Resampling.BOX, box), (0, first))
    return scaled


def to_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode with 8 bits a channel; what is transparent is black."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "I":
        raise InputError("grey levels of 32 bits, of which none is known to be white; save it with 8 or 16 bits")
    if image.mode == "F":
        levels = np.asarray(image)
        if not ((levels >= 0) & (levels <= 1)).all():
            raise InputError("floating-point levels that do not lie between 0 and 1; map them to that range, or save it with 8 or 16 bits")
        return Image.fromarray((levels * 255).round().astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        return Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
