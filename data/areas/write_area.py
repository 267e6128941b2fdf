"""Writes an area: the places of one split, with panoramas and clouds."""

import json
from collections.abc import Callable, Generator
from contextlib import closing
from itertools import chain
from pathlib import Path

import numpy as np

from data.area import FORMAT, TILE_PIXELS
from data.city import FORMAT as MAP_FORMAT
from data.city import CityMap
from data.locations import Locations
from utils.atomic import atomic_folder, save_array
from utils.damage import read_info
from utils.errors import InputError
from utils.outputs import FolderKind
from utils.parallel import in_order
from utils.progress import progress
from utils.version import VERSION

AREA = FolderKind(
    "data.prepare area", "area.json", ("panoramas.npy", "cloud_index.npy", "tiles.npy", "locations.csv"),
    was_ours=lambda info: {"format", "places", "map_points_sha256"} <= info.keys() and "layout" not in info,
)  # fmt: skip


def write_area(path: Path, city: CityMap, locations: Locations, panorama_of: Callable[[int], np.ndarray],
               cloud_of: Callable[[int], np.ndarray], height: int, points: int, info: dict,
               processes: int | None = None, tile_of: Callable[[int], np.ndarray] | None = None,
               kind: FolderKind = AREA) -> None:  # fmt: skip
    """Writes an area; it appears under its name only when complete.

    Args:
        panorama_of: gives place i's (height, 2·height, 3) uint8 panorama.
        cloud_of: gives place i's (points,) int32 index, or an empty array where the map is empty.
        info: further entries of `area.json`, on its origin.
        processes: worker processes; default: one for each core.
        tile_of: gives place i's (256, 256, 3) uint8 tile; None: the area has no tile images.
        kind: which command writes it.

    Raises:
        InputError: there are no locations, or places without any point of the map around them; or another folder of that name is there.
        OSError: the disk is full.
    """
    n = len(locations)
    if not n:
        raise InputError(f"{path}: no locations left for this area; nothing was written")
    clouds = np.empty((n, points), np.int32)

    def panoramas() -> Generator[np.ndarray, None, None]:
        results = in_order(lambda i: (panorama_of(i), cloud_of(i)), n, processes)
        first = next(results)  # outside the bar: numba compiles during it, which would spoil the estimate
        bar = progress(chain([first], results), total=n, desc=f"places of {path.name}", unit=" places")
        for i, (panorama, cloud) in enumerate(bar):
            if not len(cloud):
                raise InputError(f"{city.path}: no surface of the map within 76 m of location {str(locations.ids[i])!r}; remove it")
            clouds[i] = cloud
            yield panorama[None]

    with atomic_folder(path, kind) as folder:
        with closing(panoramas()) as blocks:  # stops the workers and the bar if the disk is full
            save_array(folder / "panoramas.npy", blocks, (n, height, 2 * height, 3), np.uint8)
        save_array(folder / "cloud_index.npy", [clouds], clouds.shape, np.int32)
        if tile_of is not None:
            bar = progress(in_order(tile_of, n, processes), total=n, desc=f"tiles of {path.name}", unit=" tiles")
            with closing(bar):
                save_array(folder / "tiles.npy", (tile[None] for tile in bar), (n, TILE_PIXELS, TILE_PIXELS, 3), np.uint8)
        if read_info(city.path / "map.json", MAP_FORMAT, "map")["points_sha256"] != city.info["points_sha256"]:
            raise InputError(f"{city.path}: the map was replaced meanwhile; make the area {path.name} again")
        locations.to_csv(folder / "locations.csv")
        made_of = {"attribution": city.info["attribution"], "map": city.info["source"], "map_points_sha256": city.info["points_sha256"]}
        info = {"format": FORMAT, "version": VERSION, "places": n, "height": height, "points": points} | made_of | info
        (folder / "area.json").write_text(json.dumps(kind.signed(info), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
