"""Writes a city built here in the published layout, so that other code of the field can use it."""

import csv
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.ExifTags import Base
from PIL.PngImagePlugin import PngInfo

from data.area import TILE_PIXELS, Area
from data.batches.cutters import TileCutter
from data.city import CityMap
from data.sources.streetlearn.dataset_files import BLOCK, indices_around, published_axes
from data.sources.streetlearn.layout import INDEX_HALF_M, TABLES, Layout
from data.sources.streetlearn.merge_dataset import merged_into
from utils.atomic import atomic_file, save_array
from utils.errors import InputError
from utils.names import check_folder_names
from utils.progress import progress

JPEG_QUALITY = 95
IMAGES = 64  # places at a time
ATTRIBUTION = "ATTRIBUTION.txt"
WRITES = ("csv/*.csv", "*/*U.npy", "*/*U.csv", "*_idx/*.npy", "jpegs_*_2019/*.jpg", "jpegs_*_2019/*.jpg.new", "tiles_*_2019/z18/*.png")


def export_city(city: Path, root: Path, names: list[str] | None = None) -> Layout:
    """Writes a city's cloud and areas; `root` may hold other cities, and other areas of this one.

    Args:
        city: `datasets/<city>`; the folder's name is the city's.
        names: areas; default: all of the city.

    Raises:
        InputError: there are no such areas, they belong to another map, or other files of these names lie in `root`.
    """
    city, root = Path(os.path.abspath(city)), Path(root)  # so that `.` has a name, too
    city_map, name = CityMap(city), city.name
    names = list(dict.fromkeys(names or sorted(path.parent.name for path in city.glob("[!.]*/area.json"))))
    check_folder_names(city, "city", [name])
    if not names:
        raise InputError(f"{city}: no areas here to export; build one with `python -m data.prepare area`")
    areas = [Area(city.parent, f"{name}/{area}") for area in names]
    for area, area_name in zip(areas, names, strict=True):
        area.check_map(city_map)
        check_folder_names(area.path, "id", area.locations.ids.tolist())
        if area_name.endswith(("_xy", "_set")):
            raise InputError(f"{area.path}: a name that ends in _xy or _set means a table in this layout; rename the area's folder")
        if (root / "csv" / f"{area_name}.csv").exists():
            raise InputError(f"{root / 'csv' / area_name}.csv: an area of this name was exported before; use a new --root")
    if os.path.lexists(root / ATTRIBUTION) and not ((root / ATTRIBUTION).is_file() and os.access(root / ATTRIBUTION, os.W_OK)):
        raise InputError(f"{root / ATTRIBUTION}: is no file that a line can be added to; move it away, or use a new --root")
    cutter = cache(partial(TileCutter, city_map, TILE_PIXELS, TILE_PIXELS, polar=False))  # one for all areas
    if any(area.tiles is None for area in areas):
        cutter()  # where the map has no raster, that is refused before the work
    with merged_into(root, last="csv", writes=WRITES) as folder:
        (folder / "csv").mkdir()
        there, written = Layout(root), Layout(folder)
        _write_cloud(city_map, name, written)
        number = 1 + max((int(path.stem) for path in there.tile(name, 0).parent.glob("*.png") if path.stem.isdecimal()), default=-1)
        for area, area_name in zip(areas, names, strict=True):
            _write_images(area, name, city_map, number, cutter, written)
            _write_indices(area, area_name, city_map, written)
            _write_tables(area, area_name, name, number, written)
            number += len(area)
    _note_attribution(root, name, city_map.info["attribution"])
    return Layout(root)


def _write_cloud(city_map: CityMap, name: str, layout: Layout) -> None:
    layout.points(name).parent.mkdir()
    starts = range(0, len(city_map.points), BLOCK)
    blocks = (published_axes(np.asarray(city_map.points[first : first + BLOCK])) for first in starts)
    save_array(layout.points(name), blocks, city_map.points.shape, np.float32)
    with open(layout.classes(name), "w") as file:
        for first in progress(starts, desc="classes", unit=" blocks"):
            file.writelines(f"{value}\n" for value in city_map.classes[first : first + BLOCK].tolist())


def _write_images(area: Area, city: str, city_map: CityMap, number: int, cutter: Callable[[], TileCutter], layout: Layout) -> None:
    attribution = city_map.info["attribution"]
    png, exif = PngInfo(), Image.Exif()
    png.add_text("Copyright", attribution)
    exif[Base.Copyright] = attribution.encode()
    rendered = area.info.get("panoramas") == "rendered"  # from the map: its licence holds for them; photographs have their own
    jpeg = {"exif": exif, "comment": attribution.encode()} if rendered else {}
    layout.panorama(city, "").parent.mkdir(exist_ok=True)
    layout.tile(city, 0).parent.mkdir(parents=True, exist_ok=True)

    def write(row: int, tile: np.ndarray) -> None:
        path = layout.panorama(city, area.locations.ids[row])
        temporary = path.with_suffix(".jpg.new")
        Image.fromarray(area.panoramas[row]).save(temporary, "JPEG", quality=JPEG_QUALITY, subsampling=0, **jpeg)
        if path.exists() and path.read_bytes() != temporary.read_bytes():
            raise InputError(f"{area.path}: another area of the city has a place {area.locations.ids[row]!r} with another panorama; "
                             "export them to different roots")  # fmt: skip
        temporary.replace(path)
        Image.fromarray(tile).save(layout.tile(city, number + row), "PNG", pnginfo=png)

    bar = progress(total=len(area), desc=f"images of {area.name}", unit=" places")
    with ThreadPoolExecutor() as pool, bar:
        for rows, tiles in _tiles(area, cutter):
            for _ in pool.map(write, rows, tiles):
                bar.update()


def _tiles(area: Area, cutter: Callable[[], TileCutter]) -> Iterator[tuple[range, np.ndarray]]:
    """The area's rows and their tiles (n, 256, 256, 3) uint8, some at a time."""
    for first in range(0, len(area), IMAGES):
        rows = range(first, min(first + IMAGES, len(area)))
        if area.tiles is not None:
            yield rows, area.tiles[first : rows.stop]
            continue
        centre = torch.from_numpy(area.locations.xy[first : rows.stop])
        heading = torch.from_numpy(area.locations.heading_deg[first : rows.stop])
        yield rows, (cutter()(centre, heading) * 255).round().byte().permute(0, 2, 3, 1).numpy()


def _write_indices(area: Area, name: str, city_map: CityMap, layout: Layout) -> None:
    folder = layout.root / f"{name}_idx"
    folder.mkdir()
    points = np.asarray(city_map.points)
    for place, (x, y) in progress(zip(area.locations.ids, area.locations.xy, strict=True), total=len(area), desc=f"clouds of {area.name}"):
        index = np.concatenate([np.arange(*span) for span in city_map.spans_within(x, y, INDEX_HALF_M)])
        np.save(folder / f"{place}.npy", indices_around(points, index, x, y))


def _write_tables(area: Area, name: str, city: str, number: int, layout: Layout) -> None:
    columns = (getattr(area.locations, field).tolist() for field in ("ids", "lat", "lon", "heading_deg", "x", "y"))
    rows = list(zip(*columns, strict=True))
    tables: tuple[list[tuple], ...] = (
        [(place, repr(lat), repr(lon), repr(heading), city) for place, lat, lon, heading, x, y in rows],
        [(place, repr(x), repr(-y), repr(heading), city) for place, lat, lon, heading, x, y in rows],
        [(city, number + i) for i in range(len(rows))],
    )
    for ending, table in zip(TABLES, tables, strict=True):
        with open(layout.root / "csv" / f"{name}{ending}.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(table)


def _note_attribution(root: Path, city: str, attribution: str) -> None:
    path, line = root / ATTRIBUTION, f"{city}: {attribution}".encode("utf-8", "surrogateescape")
    text = path.read_bytes() if path.exists() else b""
    if line not in text.splitlines():  # a user may have written into it: every byte stays
        with atomic_file(path) as temporary:
            temporary.write_bytes(text + (b"\n" if text and not text.endswith(b"\n") else b"") + line + b"\n")
