"""The 2.5D map of a city as it is stored: points with classes, the drawn raster, surfaces to render, streets, and a graph."""

import json
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from data.georeference import Georeference
from data.projection import Projection
from utils.damage import readable
from utils.errors import InputError
from utils.outputs import FolderKind

FORMAT = 2
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
    """Drivable centre lines, as one array of corners cut into lines."""

    xy: np.ndarray  # (n, 2) metres
    start: np.ndarray  # (lines + 1,) index of each line's first corner
    level: np.ndarray  # (lines,) 0 on the ground, else a bridge's


@dataclass
class CityGraph:
    """Buildings and pieces of streets as N nodes, joined where they are next to each other (data/osm/graph.py)."""

    xy: np.ndarray  # (N, 2) metres: centroid of a building, middle of a piece
    classes: np.ndarray  # (N,) uint8 semantic class: `buildings`, or the street's
    area_m2: np.ndarray  # (N,) of a piece length × width
    height_m: np.ndarray  # (N,) of the highest top; of a piece that of its bridge
    length_m: np.ndarray  # (N,) of a piece; 0 for buildings
    direction: np.ndarray  # (N, 2) of a piece: sine and cosine of twice the angle clockwise from north; 0 for buildings
    edges: np.ndarray  # (2, E) neighbours, both ways, ascending


class CityMap:
    """Opens `datasets/<city>/map`. Arrays are memory-mapped.

    Attributes:
        points: (M, 3) float32; x east, y north, z up; metres about the origin; ordered by cell.
        classes: (M,) uint8 semantic classes (data/osm/classes.py).
        raster: (H, W, 3) uint8, the drawn map, north up.
        ground: (H, W) uint8 class of what covers each pixel, 255 where nothing does.

    A map imported from a published cloud holds neither raster and ground nor mesh, streets and graph.

    Raises:
        InputError: there is no map in that folder, it was written by another version, or it does not hold what is asked for.
    """

    def __init__(self, city: Path):
        self.path = Path(city) / "map"
        if not (self.path / "map.json").is_file():
            raise InputError(f"{city}: no city map here; build it with `python -m data.prepare map --osm FILE --out {city}`")
        with readable(self.path / "map.json"):
            self._text = (self.path / "map.json").read_text(encoding="utf-8")
            self.info = json.loads(self._text)
        if self.info.get("format") != FORMAT:
            raise InputError(f"{self.path}: map format {self.info.get('format')}, this version reads {FORMAT}; build it again")
        self.projection = Projection(*self.info["origin"])
        self.georeference = Georeference(self.info["bounds"], self.info["metres_per_pixel"])

    def holds(self, file: str) -> bool:
        """Whether the map has one of the OPTIONAL files."""
        return (self.path / file).is_file()

    def _require(self, file: str) -> None:
        if file in OPTIONAL and not self.holds(file):
            raise InputError(f"{self.path}: this map has no {OPTIONAL[file]}, or build the city from an OpenStreetMap extract "
                             "(`python -m data.prepare map`)")

    def _refuse_another(self) -> None:
        """Files that are opened later must be those of the map that was opened first."""
        with readable(self.path / "map.json"):
            text = (self.path / "map.json").read_text(encoding="utf-8")
        if text != self._text:
            raise InputError(f"{self.path}: was replaced while it was read; run the command again")

    def _array(self, name: str) -> np.ndarray:
        self._require(f"{name}.npy")
        with readable(self.path / f"{name}.npy"):
            array = np.load(self.path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        self._refuse_another()
        return array

    @cached_property
    def points(self) -> np.ndarray:
        return self._array("points")

    @cached_property
    def classes(self) -> np.ndarray:
        return self._array("classes")

    @cached_property
    def raster(self) -> np.ndarray:
        return self._array("raster")

    @cached_property
    def ground(self) -> np.ndarray:
        return self._array("ground")

    @cached_property
    def cell_start(self) -> np.ndarray:
        """(cells + 1,) index of each cell's first point, row by row from the north-west."""
        return self._array("cell_start")

    @cached_property
    def mesh(self) -> dict[str, np.ndarray]:
        """Surfaces above ground: triangles (F, 3, 3) in metres, kind (F,) and owner (F,) (data/osm/mesh.py)."""
        return {name: self._array(name) for name in ("triangles", "kind", "owner")}

    @cached_property
    def streets(self) -> Streets:
        self._require("streets.npz")
        with readable(self.path / "streets.npz"), np.load(self.path / "streets.npz", allow_pickle=False) as archive:
            streets = Streets(archive["xy"], archive["start"], archive["level"])
        self._refuse_another()
        return streets

    @cached_property
    def graph(self) -> CityGraph:
        self._require("graph.npz")
        with readable(self.path / "graph.npz"), np.load(self.path / "graph.npz", allow_pickle=False) as archive:
            graph = CityGraph(**{field.name: archive[field.name] for field in fields(CityGraph)})
        self._refuse_another()
        return graph

    def spans_within(self, x: float, y: float, radius_m: float) -> np.ndarray:
        """Points in the cells that touch the square of half side radius_m around (x, y), as (rows, 2) [first, last) indices."""
        corners = [(x - radius_m, y + radius_m), (x + radius_m, y - radius_m)]  # north-west, south-east
        (c0, c1), (r0, r1) = self.georeference.to_cells(corners)
        row = np.arange(r0, r1 + 1) * self.georeference.columns
        return np.stack([self.cell_start[row + c0], self.cell_start[row + c1 + 1]], axis=1)
