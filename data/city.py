"""The 2.5D map of a city as it is stored: points with classes, the drawn raster, surfaces to render, streets, and a graph."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from data.surfaces import DECK, UNDERSIDE
from utils.arrays import check_array, check_starts, map_array, read_arrays, sha256_of
from utils.classes import CLASSES
from utils.damage import read_info, readable
from utils.errors import InputError
from utils.exchange import unchanged
from utils.georeference import Georeference
from utils.outputs import FolderKind
from utils.projection import Projection

FORMAT = 2
FARTHEST_M = 10_000_000.0  # from the origin, a quarter of the way round the Earth: where the projection ends
COARSEST_M = 1000.0  # per pixel of a raster
STRIP = 1024  # rows of a raster that are checked at a time
ATTRIBUTION = "© OpenStreetMap contributors, ODbL 1.0 (https://www.openstreetmap.org/copyright)"

MAP = FolderKind(
    "data.prepare map", "map.json",
    ("points.npy", "classes.npy", "cell_start.npy", "raster.npy", "ground.npy", "triangles.npy", "kind.npy", "owner.npy", "buildings.csv",
     "streets.npz", "graph.npz"),
    was_ours=lambda info: {"format", "points_sha256", "density"} <= info.keys(), scratch="work",
)  # fmt: skip

# What a map imported from a published cloud lacks, and what to do without it.
OPTIONAL = {
    "raster.npy": "drawn raster; import areas with tile images (`python -m data.prepare streetlearn`), or leave tiles out: model.tile=null",
    "ground.npy": "ground cover; give --locations and --panoramas instead of --every and --render",
    "triangles.npy": "surfaces to render; give photographs with --panoramas",
    "streets.npz": "streets to sample places on; give them with --locations",
    "graph.npz": "graph of buildings and streets (maps of earlier versions have none); choose another model.cloud.encoder",
}


@dataclass
class Streets:
    """Centre lines of drivable streets: the corners of all lines in one array."""

    xy: np.ndarray  # (n, 2) metres
    start: np.ndarray  # (lines + 1,) index of each line's first corner
    level: np.ndarray  # (lines,) 0 on the ground, above 0 on a bridge


@dataclass
class CityGraph:
    """Buildings and pieces of streets as N nodes, with an edge between neighbours (data/osm/city_graph.py)."""

    xy: np.ndarray  # (N, 2) metres: centroid of a building, middle of a piece
    classes: np.ndarray  # (N,) uint8 semantic class: `buildings`, or the street's
    area_m2: np.ndarray  # (N,) footprint; of a piece its length × width
    height_m: np.ndarray  # (N,) highest point of a building; of a piece the height of its bridge
    length_m: np.ndarray  # (N,) of a piece; 0 for buildings
    direction: np.ndarray  # (N, 2) of a piece: sine and cosine of twice the angle clockwise from north; 0 for buildings
    edges: np.ndarray  # (2, E) neighbours, both ways, ascending


class CityMap:
    """Opens `datasets/<city>/map`. Arrays are memory-mapped. Points are checked at once, the other arrays when they are first used.

    Attributes:
        points: (M, 3) float32; x east, y north, z up; metres about the origin; ordered by cell.
        classes: (M,) uint8 semantic classes (utils/classes.py).
        cell_start: (cells + 1,) index of each cell's first point, row by row from the north-west.
        raster: (H, W, 3) uint8, the drawn map, north up.
        ground: (H, W) uint8 class of what covers each pixel, 255 where nothing does.

    A map imported from a published cloud has no raster, ground, mesh, streets or graph.

    Raises:
        InputError: there is no map in that folder, it was written by another version, or it lacks the array that is asked for.
    """

    def __init__(self, city: Path):
        self.path = Path(city) / "map"
        if not (self.path / "map.json").is_file():
            raise InputError(f"{city}: no city map here; build it with `python -m data.prepare map --osm FILE --out {city}`")
        with unchanged(self.path):
            self._open()

    def _open(self) -> None:
        self.info = read_info(self.path / "map.json", FORMAT, "map")
        try:
            _check_info(self.info)
            self.projection = Projection(*self.info["origin"])
            self.georeference = Georeference(self.info["bounds"], self.info["metres_per_pixel"])
        except InputError as error:
            raise InputError(f"{self.path / 'map.json'}: {error}; the file is damaged: build the map again") from None
        self._open_points()

    def holds(self, file: str) -> bool:
        """Whether the map has one of the OPTIONAL files."""
        return (self.path / file).is_file()

    def _require(self, file: str) -> None:
        if file in OPTIONAL and not self.holds(file):
            raise InputError(
                f"{self.path}: this map has no {OPTIONAL[file]}, or build the city from an OpenStreetMap extract "
                "(`python -m data.prepare map`)"
            )

    @contextmanager
    def _file(self, file: str) -> Iterator[Path]:
        """The path of one of the map's files. An error while it is read becomes one line that names it."""
        self._require(file)
        with readable(self.path / file):
            yield self.path / file
        if read_info(self.path / "map.json", FORMAT, "map") != self.info:  # most files are opened long after the map
            raise InputError(f"{self.path}: was replaced while it was read; run the command again")

    def _open_points(self) -> None:
        with self._file("points.npy") as path:
            self.points = map_array(path)
            check_array(self.points, np.float32, (self.info["points"], 3))
            if sha256_of(self.points) != self.info["points_sha256"]:
                raise ValueError("not the points that map.json describes")
            _check_range(self.points, -FARTHEST_M, FARTHEST_M)
        with self._file("classes.npy") as path:
            self.classes = map_array(path)
            check_array(self.classes, np.uint8, (self.info["points"],))
            _check_range(self.classes, 0, len(CLASSES) - 1)
        geo = self.georeference
        with self._file("cell_start.npy") as path:
            self.cell_start = map_array(path)
            check_array(self.cell_start, np.integer, (geo.columns * geo.rows + 1,))
            check_starts(self.cell_start, self.info["points"])
            held = np.flatnonzero(np.diff(self.cell_start))  # cells that hold points: the first point of each is checked
            column, row = geo.to_cells(self.points[self.cell_start[held], :2])
            if (row * geo.columns + column != held).any():
                raise ValueError("it does not sort the points by the cells of the bounds and pixels in map.json")

    @cached_property
    def raster(self) -> np.ndarray:
        with self._file("raster.npy") as path:
            raster = map_array(path)
            check_array(raster, np.uint8, (self.georeference.height, self.georeference.width, 3))
        return raster

    @cached_property
    def ground(self) -> np.ndarray:
        with self._file("ground.npy") as path:
            ground = map_array(path)
            check_array(ground, np.uint8, (self.georeference.height, self.georeference.width))
            for first in range(0, len(ground), STRIP):
                if (ground[first : first + STRIP] + np.uint8(1)).max() > len(CLASSES):  # BARE, the highest, becomes 0
                    raise ValueError(f"it holds classes beyond the {len(CLASSES)} of the table")
        return ground

    @cached_property
    def mesh(self) -> dict[str, np.ndarray]:
        """Surfaces above ground: triangles (F, 3, 3) in metres, kind (F,) and owner (F,) (data/osm/mesh.py)."""
        mesh, faces = {}, None
        for name, scalar, shape in (("triangles", np.float32, (3, 3)), ("kind", np.uint8, ()), ("owner", np.int32, ())):
            with self._file(f"{name}.npy") as path:
                mesh[name] = map_array(path)
                check_array(mesh[name], scalar, (faces, *shape))
                faces = len(mesh[name])
                if name == "triangles":
                    _check_range(mesh[name], -FARTHEST_M, FARTHEST_M)
                if name == "kind":
                    _check_range(mesh[name], 0, UNDERSIDE)
                if name == "owner":  # of a deck it is a class: compiled code uses it as an index, unchecked
                    _check_range(mesh[name][mesh["kind"] == DECK], 0, len(CLASSES) - 1)
        return mesh

    @cached_property
    def streets(self) -> Streets:
        with self._file("streets.npz") as path:
            streets = _read(Streets, path)
            check_array(streets.xy, np.float64, (None, 2))
            _check_range(streets.xy, -FARTHEST_M, FARTHEST_M)
            check_starts(streets.start, len(streets.xy), least=2)
            check_array(streets.level, np.integer, (len(streets.start) - 1,))
        return streets

    @cached_property
    def graph(self) -> CityGraph:
        with self._file("graph.npz") as path:
            graph = _read(CityGraph, path)
            _check_graph(graph)
        return graph

    def spans_within(self, x: float, y: float, radius_m: float) -> np.ndarray:
        """The points of all cells that touch the square from (x, y) - radius_m to (x, y) + radius_m: indices [first, last), (rows, 2)."""
        corners = [(x - radius_m, y + radius_m), (x + radius_m, y - radius_m)]  # north-west, south-east
        (c0, c1), (r0, r1) = self.georeference.to_cells(corners)
        row = np.arange(r0, r1 + 1) * self.georeference.columns
        return np.stack([self.cell_start[row + c0], self.cell_start[row + c1 + 1]], axis=1)


def _check_info(info: dict) -> None:
    """Refuses a map.json in which an entry is missing, of another type or out of range."""
    for key, kind, count in (("origin", float, 2), ("bounds", float, 4), ("metres_per_pixel", float, 0), ("points", int, 0),
                             ("points_sha256", str, 0), ("attribution", str, 0), ("source", dict, 0)):  # fmt: skip
        if key not in info:
            raise InputError(f"{key} is missing")
        values = info[key] if count else [info[key]]
        kinds = (float, int) if kind is float else (kind,)
        if not isinstance(values, list) or len(values) != max(1, count) or not all(type(v) in kinds for v in values):
            wanted = {float: "number", int: "whole number", str: "text", dict: "mapping"}[kind]
            raise InputError(f"{key} is {str(info[key])[:80]}, expected {f'{count} {wanted}s' if count else f'a {wanted}'}")
    latitude, longitude = info["origin"]
    if not (-90 <= latitude <= 90 and -360 <= longitude <= 360):
        raise InputError(f"origin {latitude}, {longitude} is no latitude and longitude")
    if not max(map(abs, info["bounds"])) <= FARTHEST_M:
        raise InputError(f"bounds {info['bounds']} reach farther than {FARTHEST_M / 1000:,.0f} km from the origin")
    if not 0 < info["metres_per_pixel"] <= COARSEST_M:
        raise InputError(f"metres_per_pixel is {info['metres_per_pixel']}, expected a number above 0 and up to {COARSEST_M:g}")


def _read(cls: type, path: Path):
    """A dataclass of arrays from its `.npz` file; raises ValueError if one is missing."""
    names = [field.name for field in fields(cls)]
    arrays = read_arrays(path, names)
    missing = [name for name in names if name not in arrays]
    if missing:
        raise ValueError(f"array {missing[0]!r} is missing")
    return cls(**arrays)


def _check_range(array: np.ndarray, low: float, high: float) -> None:
    """Raises ValueError unless all values are finite and from low to high."""
    if array.size and not low <= array.min() <= array.max() <= high:
        raise ValueError(f"it holds values from {array.min():g} to {array.max():g}, expected {low:g} to {high:g}")


def _check_graph(graph: CityGraph) -> None:
    """Raises ValueError if the arrays of a graph do not fit together."""
    check_array(graph.xy, np.float64, (None, 2))
    n = len(graph.xy)
    check_array(graph.classes, np.uint8, (n,))
    _check_range(graph.classes, 0, len(CLASSES) - 1)
    _check_range(graph.xy, -FARTHEST_M, FARTHEST_M)
    for name, shape, low, high in (("area_m2", (), 0, FARTHEST_M**2), ("height_m", (), -FARTHEST_M, FARTHEST_M),
                                   ("length_m", (), 0, FARTHEST_M), ("direction", (2,), -1.001, 1.001)):  # fmt: skip
        check_array(getattr(graph, name), np.float32, (n, *shape))
        _check_range(getattr(graph, name), low, high)
    check_array(graph.edges, np.integer, (2, None))
    _check_range(graph.edges, 0, n - 1)
