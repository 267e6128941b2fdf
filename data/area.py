"""An area: the places of one split, stored as arrays that are memory-mapped."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np

from data.city import FORMAT as MAP_FORMAT
from data.city import CityMap
from data.locations import Locations
from utils.arrays import check_array, map_array
from utils.atomic import atomic_folder, save_array
from utils.damage import read_info, readable
from utils.errors import InputError
from utils.exchange import unchanged
from utils.outputs import FolderKind
from utils.parallel import in_order
from utils.progress import progress

FORMAT = 1
TILE_PIXELS = 256  # edge of a stored tile, as published
# Of a map. The points, most of its bytes, are named already: map.json holds their hash, and a map of others is not opened.
SEEN = ("map.json", "classes.npy", "raster.npy", "graph.npz")
AREA = FolderKind(
    "data.prepare area", "area.json", ("panoramas.npy", "cloud_index.npy", "tiles.npy", "locations.csv"),
    was_ours=lambda info: {"format", "places", "map_points_sha256"} <= info.keys() and "layout" not in info,
)  # fmt: skip


class Area:
    """Opens `datasets/<city>/<area>`.

    Attributes:
        name: `<city>/<area>`.
        locations: the n places.
        panoramas: (n, H, 2H, 3) uint8.
        cloud_index: (n, P) int32 indices into the city's points, in farthest-point order.
        tiles: (n, S, S, 3) uint8 map tiles of the places' own, heading up, 152 m × 152 m; None where tiles are cut from the city's raster.

    Raises:
        InputError: there is no area in that folder, it is empty, or its files do not fit together.
    """

    def __init__(self, root: Path, name: str):
        self.path, self.name = Path(root) / name, name
        if not (self.path / "area.json").is_file():
            raise InputError(
                f"{self.path}: no area here; build it with `python -m data.prepare area` (for the demo: `python -m data.prepare demo`)"
            )
        with unchanged(self.path):
            self._open()

    def _open(self) -> None:
        self.info = read_info(self.path / "area.json", FORMAT, "area")
        for key in ("places", "height", "points"):
            if type(self.info.get(key)) is not int or self.info[key] < 1:
                raise InputError(
                    f"{self.path / 'area.json'}: {key} is {str(self.info.get(key, 'missing'))[:40]}, expected a whole number "
                    "from 1 on; build the area again"
                )
        self.locations = Locations.from_csv(self.path / "locations.csv")
        if not len(self):
            raise InputError(f"{self.path}: the area holds no places")
        for array in (self.panoramas, self.cloud_index, self.tiles):
            if array is not None and len(array) != len(self):
                raise InputError(f"{self.path}: {len(self)} locations but arrays of {len(array)}; build the area again")
        if self.info["places"] != len(self):
            raise InputError(f"{self.path}: {len(self)} locations but {self.info['places']} places in area.json; build the area again")

    def __len__(self) -> int:
        return len(self.locations)

    @cached_property
    def panoramas(self) -> np.ndarray:
        return self._array("panoramas.npy", np.uint8, (None, self.info["height"], 2 * self.info["height"], 3))

    @cached_property
    def cloud_index(self) -> np.ndarray:
        return self._array("cloud_index.npy", np.int32, (None, self.info["points"]))

    @cached_property
    def tiles(self) -> np.ndarray | None:
        there = (self.path / "tiles.npy").is_file()
        return self._array("tiles.npy", np.uint8, (None, TILE_PIXELS, TILE_PIXELS, 3)) if there else None

    def check_map(self, city: CityMap) -> None:
        """Refuses a map whose points are others than those that the area's indices mean.

        Raises:
            InputError: the area was built on another map, or an index is of no point.
        """
        if self.info.get("map_points_sha256") != city.info["points_sha256"]:
            raise InputError(f"{self.path}: built on another map than {city.path} now holds; build the area again")
        if not 0 <= self.cloud_index.min() <= self.cloud_index.max() < len(city.points):
            raise InputError(f"{self.path / 'cloud_index.npy'}: indices beyond the {len(city.points):,} points of the map; build it again")

    def identity(self, city: CityMap, maps: dict[tuple, str] | None = None) -> dict:
        """What says exactly which data these are: names, and SHA-256 hashes of the files of the area and of what models see of its map.

        Args:
            maps: hashes of maps that were made already; new ones are added. A raster takes 1 to 2 s a GB: areas of one city share it.
        """
        maps, status = {} if maps is None else maps, (city.path / "map.json").stat()
        key = (status.st_dev, status.st_ino, status.st_mtime_ns)  # of a map, not of its name: another may take its place
        if key not in maps:
            maps[key] = _hash_of([city.path / name for name in SEEN if city.holds(name)])
        return {"area": self.name, "area_sha256": _hash_of(sorted(p for p in self.path.iterdir() if p.suffix in (".npy", ".csv", ".json"))),
                "map": city.info["source"], "map_sha256": maps[key]}  # fmt: skip

    def _array(self, name: str, scalar: type[np.generic], shape: tuple[int | None, ...]) -> np.ndarray:
        with readable(self.path / name):
            array = map_array(self.path / name)
            check_array(array, scalar, shape)
        return array


def _hash_of(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def write_area(path: Path, city: CityMap, locations: Locations, panorama_of: Callable[[int], np.ndarray],
               cloud_of: Callable[[int], np.ndarray], height: int, points: int, info: dict,
               processes: int | None = None, tile_of: Callable[[int], np.ndarray] | None = None,
               kind: FolderKind = AREA) -> None:  # fmt: skip
    """Writes an area; it appears under its name only when complete.

    Args:
        panorama_of: gives place i's (height, 2·height, 3) uint8 panorama.
        cloud_of: gives place i's (points,) int32 index, or an empty array where the map is empty.
        info: what else `area.json` says of its origin.
        processes: worker processes; default: one for each core.
        tile_of: gives place i's (256, 256, 3) uint8 tile, where places bring tiles of their own.
        kind: by which command.

    Raises:
        InputError: there are no locations, or places without any point of the map around them; or another folder of that name is there.
        OSError: the disk is full.
    """
    n = len(locations)
    if not n:
        raise InputError(f"{path}: no locations left for this area; nothing was written")
    clouds = np.empty((n, points), np.int32)

    def panoramas() -> Iterator[np.ndarray]:
        results = in_order(lambda i: (panorama_of(i), cloud_of(i)), n, processes)
        first = next(results)  # numba compiles in it, for seconds that say nothing about the others
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
        info = {"format": FORMAT, "places": n, "height": height, "points": points, "attribution": city.info["attribution"],
                "map": city.info["source"], "map_points_sha256": city.info["points_sha256"]} | info  # fmt: skip
        (folder / "area.json").write_text(json.dumps(kind.signed(info), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
