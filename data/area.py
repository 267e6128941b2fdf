"""An area: the places of one split, stored as arrays that are memory-mapped."""

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np

from data.city import CityMap
from data.locations import Locations
from utils.arrays import check_array, map_array
from utils.damage import read_info, readable
from utils.errors import InputError
from utils.exchange import unchanged

FORMAT = 1
TILE_PIXELS = 256  # edge of a stored tile, as published
# Files of a map that models see. The points, most of its bytes, need no second hash: map.json holds theirs, which is checked on opening.
SEEN = ("map.json", "classes.npy", "raster.npy", "graph.npz")


class Area:
    """Opens `datasets/<city>/<area>`.

    Attributes:
        name: `<city>/<area>`.
        locations: the n places.
        panoramas: (n, H, 2H, 3) uint8.
        cloud_index: (n, P) int32 indices into the city's points, in farthest-point order.
        tiles: (n, S, S, 3) uint8 tile images of the places, heading up, 152 m × 152 m; None if tiles are cut from the city's raster.

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

    @property
    def preprocessing(self) -> str:
        """How photographs of the published dataset were scaled: "antialiased", or "paper", as the published system does."""
        stated = self.info.get("preprocessing")
        return "paper" if stated in ("paper", "published") else "antialiased"  # "published" and "ours" until version 0.11

    def check_map(self, city: CityMap) -> None:
        """Refuses a map other than the one that the area's indices refer to.

        Raises:
            InputError: the area was built on another map, or an index is out of range.
        """
        if self.info.get("map_points_sha256") != city.info["points_sha256"]:
            raise InputError(f"{self.path}: built on another map than {city.path} now holds; build the area again")
        if not 0 <= self.cloud_index.min() <= self.cloud_index.max() < len(city.points):
            raise InputError(f"{self.path / 'cloud_index.npy'}: indices beyond the {len(city.points):,} points of the map; build it again")

    def identity(self, city: CityMap, maps: dict[tuple, str] | None = None) -> dict:
        """Identifies the data exactly: names, and SHA-256 hashes of the area's files and of those files of its map that models see.

        Args:
            maps: hashes of maps that are known already; new ones are added. A raster takes 1 to 2 s a GB: areas of one city share it.
        """
        maps, status = {} if maps is None else maps, (city.path / "map.json").stat()
        key = (status.st_dev, status.st_ino, status.st_mtime_ns)  # of the file, not its name: another map may take its place
        if key not in maps:
            maps[key] = _hash_of([city.path / name for name in SEEN if city.holds(name)])
        return {"area": self.name, "area_sha256": _hash_of(sorted(p for p in self.path.iterdir() if p.suffix in (".npy", ".csv", ".json"))),
                "map": city.info["source"], "map_sha256": maps[key]}  # fmt: skip

    def _array(self, name: str, scalar: type, shape: tuple[int | None, ...]) -> np.ndarray:
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
