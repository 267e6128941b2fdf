"""An area: the places of one split, stored as arrays that are memory-mapped."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import cached_property
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from data.city import CityMap
from data.locations import Locations
from utils.atomic import atomic_folder, save_array
from utils.damage import readable
from utils.errors import InputError
from utils.progress import progress

FORMAT = 1
WINDOW = 1024  # places in work at a time


class Area:
    """Opens `datasets/<city>/<area>`.

    Attributes:
        name: `<city>/<area>`.
        locations: the n places.
        panoramas: (n, H, 2H, 3) uint8.
        cloud_index: (n, P) int32 indices into the city's points, in farthest-point order.

    Raises:
        InputError: there is no area in that folder, it is empty, or its files do not fit together.
    """

    def __init__(self, root: Path, name: str):
        self.path, self.name = Path(root) / name, name
        if not (self.path / "area.json").is_file():
            raise InputError(f"{self.path}: no area here; build it with `python -m data.prepare area` "
                             "(for the demo: `python -m data.prepare demo`)")
        with readable(self.path / "area.json"):
            self.info = json.loads((self.path / "area.json").read_text())
        if self.info.get("format") != FORMAT:
            raise InputError(f"{self.path}: area format {self.info.get('format')}, this version reads {FORMAT}; build it again")
        with readable(self.path / "locations.csv"):
            table = pd.read_csv(self.path / "locations.csv", dtype={"id": str}, keep_default_na=False, float_precision="round_trip")
            columns = (table[c].to_numpy(np.float64) for c in ("lat", "lon", "heading_deg", "x", "y"))
            self.locations = Locations(table["id"].to_numpy(str), *columns)
        if not len(table):
            raise InputError(f"{self.path}: the area holds no places")
        for array in (self.panoramas, self.cloud_index):
            if len(array) != len(table):
                raise InputError(f"{self.path}: {len(table)} locations but arrays of {len(array)}; build the area again")

    def __len__(self) -> int:
        return len(self.locations)

    @cached_property
    def panoramas(self) -> np.ndarray:
        return self._array("panoramas.npy")

    @cached_property
    def cloud_index(self) -> np.ndarray:
        return self._array("cloud_index.npy")

    def _array(self, name: str) -> np.ndarray:
        with readable(self.path / name):
            return np.load(self.path / name, mmap_mode="r", allow_pickle=False)


def write_area(path: Path, city: CityMap, locations: Locations, panorama_of: Callable[[int], np.ndarray],
               cloud_of: Callable[[int], np.ndarray], height: int, points: int, info: dict,
               processes: int | None = None) -> None:  # fmt: skip
    """Writes an area; it appears under its name only when complete.

    Args:
        panorama_of: gives place i's (height, 2·height, 3) uint8 panorama.
        cloud_of: gives place i's (points,) int32 index, or an empty array where the map is empty.
        info: what else `area.json` says of its origin.
        processes: worker processes; default: one for each core.

    Raises:
        InputError: there are no locations, or places without any point of the map around them.
        OSError: the disk is full.
    """
    n = len(locations)
    if not n:
        raise InputError(f"{path}: no locations left for this area; nothing was written")
    clouds = np.empty((n, points), np.int32)

    def panoramas() -> Iterator[np.ndarray]:
        results = _in_order(lambda i: (panorama_of(i), cloud_of(i)), n, processes)
        first = next(results)  # numba compiles in it, for seconds that say nothing about the others
        bar = progress(chain([first], results), total=n, desc=f"places of {path.name}", unit=" places")
        for i, (panorama, cloud) in enumerate(bar):
            if not len(cloud):
                raise InputError(f"{city.path}: no surface of the map within 76 m of location {str(locations.ids[i])!r}; remove it")
            clouds[i] = cloud
            yield panorama[None]

    with atomic_folder(path) as folder:
        with closing(panoramas()) as blocks:  # stops the workers and the bar if the disk is full
            save_array(folder / "panoramas.npy", blocks, (n, height, 2 * height, 3), np.uint8)
        save_array(folder / "cloud_index.npy", [clouds], clouds.shape, np.int32)
        locations.to_csv(folder / "locations.csv")
        info = {"format": FORMAT, "places": n, "height": height, "points": points, "attribution": city.info["attribution"],
                "map": city.info["source"], "map_points_sha256": city.info["points_sha256"]} | info  # fmt: skip
        (folder / "area.json").write_text(json.dumps(info, indent=2, ensure_ascii=False) + "\n")


_work = None  # what forked workers call: a closure over the city's arrays cannot be pickled, but is inherited


def _call(i: int):
    return _work(i)


def _in_order(work: Callable[[int], tuple], n: int, processes: int | None) -> Iterator[tuple]:
    """work(0), work(1), … computed by forked processes."""
    global _work
    processes = min(n, processes or len(os.sched_getaffinity(0)))
    first = work(0)  # compiles and builds what the workers then inherit
    yield first
    if processes == 1:
        yield from map(work, range(1, n))
        return
    _work = work
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        try:
            for start in range(1, n, WINDOW):  # not all at once: a slow disk must not fill the memory with results
                yield from pool.map(_call, range(start, min(start + WINDOW, n)), chunksize=8)
        except BrokenProcessPool:
            raise InputError("a worker process was ended from outside, probably for want of memory; use fewer --processes") from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
