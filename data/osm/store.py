"""The features of an extract, kept on disk and found by place, so that memory does not grow with the city."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely

from utils.atomic import save_array
from utils.georeference import Georeference

BLOCK_CELLS = 8  # storage cells along the edge of a block

_ID = ("id", np.int64)  # of the OpenStreetMap way or node, or minus that of the relation
BUILDING = np.dtype([_ID, ("bottom_m", "f8"), ("top_m", "f8"), ("roof_m", "f8"), ("roof", "u1"), ("across", "?"), ("source", "u1"),
                     ("part", "?"), ("low", "?"), ("angle_deg", "f8"), ("direction_deg", "f8"), ("slab", "?"),
                     ("both", "?"), ("building", np.int64)])  # fmt: skip
# `both` is tagged as a building and as a part; `building` is the id of the outline that a relation names, 0 where none does.
SURFACE = np.dtype([_ID, ("semantic", "u1"), ("level", "i1")])
WAY = np.dtype([_ID, ("semantic", "u1"), ("level", "i1"), ("width_m", "f8")])
TREE = np.dtype([_ID, ("index", "i4"), ("height_m", "f8"), ("crown_m", "f8")])
KINDS = {"building": BUILDING, "surface": SURFACE, "way": WAY, "tree": TREE}


class Blocks:
    """The fixed squares in which a map is made: 8 × 8 storage cells (256 m), counted from the north-west.

    Each block follows from the seed and from whole features. So the result does not depend on the size of the tiles, which are the
    groups of blocks that are worked on at a time.

    Args:
        geo: frame of the map.
    """

    def __init__(self, geo: Georeference):
        self.geo = geo
        self.pixels = BLOCK_CELLS * geo.cell_pixels
        self.edge_m = BLOCK_CELLS * geo.cell_m
        self.columns = -(-geo.columns // BLOCK_CELLS)
        self.rows = -(-geo.rows // BLOCK_CELLS)

    def of(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Metres (n, 2) to blocks (column, row)."""
        column, row = self.geo.to_cells(xy)
        return column // BLOCK_CELLS, row // BLOCK_CELLS

    def bounds(self, column: int, row: int) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 of a block; the last column and row may reach beyond the map."""
        x, y = self.geo.bounds[0] + column * self.edge_m, self.geo.bounds[3] - row * self.edge_m
        return x, y - self.edge_m, x + self.edge_m, y


@dataclass
class Window:
    """A rectangle of blocks: columns c0 to c1 and rows r0 to r1, the last excluded."""

    c0: int
    r0: int
    c1: int
    r1: int

    def __iter__(self):
        """(column, row) of its blocks, row by row."""
        return ((c, r) for r in range(self.r0, self.r1) for c in range(self.c0, self.c1))

    def holds(self, column: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Whether blocks lie in it."""
        return (column >= self.c0) & (column < self.c1) & (row >= self.r0) & (row < self.r1)


class FeatureStore:
    """Features by kind. Geometries are stored once, on disk, and listed in every block that they reach; about 80 bytes of each feature
    stay in memory.

    Args:
        folder: where the files go; removed by whoever made it.
        blocks: of the map.
    """

    def __init__(self, folder: Path, blocks: Blocks):
        self.folder, self.blocks = Path(folder), blocks
        self.chunks: dict[str, list[tuple[np.ndarray, np.ndarray, Path]]] = {kind: [] for kind in KINDS}  # records, ends in the file, file
        self.added: dict[str, list[np.ndarray]] = {kind: [] for kind in KINDS}  # (n, 3) block, chunk, row of the chunk
        self.listed: dict[str, np.ndarray] = {}  # the same by block, of all that was added

    def add(self, kind: str, geometries: np.ndarray, records: np.ndarray, reach_m: float | np.ndarray) -> None:
        """Adds features.

        Args:
            geometries: (n,) shapely geometries in metres; records: (n,) of the kind's dtype.
            reach_m: how far beyond its geometry a feature shows, e.g. half the width of a road.
        """
        number = len(self.chunks[kind])
        wkb = shapely.to_wkb(geometries)
        end = np.cumsum([len(w) for w in wkb])
        path = self.folder / f"{kind}-{number}.npy"
        save_array(path, [np.frombuffer(w, np.uint8) for w in wkb], (int(end[-1]),), np.uint8)
        self.chunks[kind].append((records, end, path))
        low, high = shapely.bounds(geometries).reshape(-1, 2, 2).transpose(1, 0, 2)
        reach = np.broadcast_to(np.asarray(reach_m, np.float64), len(records))[:, None]
        (c0, r1), (c1, r0) = self.blocks.of(low - reach), self.blocks.of(high + reach)
        across = c1 - c0 + 1
        count = across * (r1 - r0 + 1)
        row = np.repeat(np.arange(len(records)), count)
        nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        block = (r0[row] + nth // across[row]) * self.blocks.columns + c0[row] + nth % across[row]
        self.added[kind].append(np.column_stack([block, np.full(len(row), number), row]).astype(np.int32))

    def scan(self, kind: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All features of a kind, some at a time: geometries (n,) and records (n,)."""
        for records, end, path in self.chunks[kind]:
            yield _geometries(path, end, np.arange(len(records))), records

    def close(self) -> None:
        """Ends the adding: sorts the lists by block."""
        for kind, lists in self.added.items():
            listed = np.concatenate([np.zeros((0, 3), np.int32), *lists])
            self.listed[kind] = listed[np.argsort(listed[:, 0], kind="stable")]

    def read(self, kind: str, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """All features of a kind that reach into a window of blocks, each once, by id.

        Returns:
            geometries (n,) and records (n,).
        """
        listed = self.listed[kind]
        reaching: list[np.ndarray] = [np.zeros((0, 2), np.int32)]
        for row in range(window.r0, window.r1):
            first, last = np.searchsorted(listed[:, 0], row * self.blocks.columns + np.array([window.c0, window.c1]))
            reaching.append(listed[first:last, 1:])
        wanted = np.unique(np.concatenate(reaching), axis=0)
        chunks = [(np.array([], object), np.zeros(0, KINDS[kind]))]
        for number in np.unique(wanted[:, 0]):
            chunk_records, end, path = self.chunks[kind][number]
            rows = wanted[wanted[:, 0] == number, 1]
            chunks.append((_geometries(path, end, rows), chunk_records[rows]))
        geometries, records = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
        order = np.lexsort([records[name] for name in (("index", "id") if kind == "tree" else ("id",))])
        return geometries[order], records[order]


def _geometries(path: Path, end: np.ndarray, rows: np.ndarray) -> np.ndarray:
    blob = np.load(path, mmap_mode="r")
    start = np.concatenate([[0], end])
    return shapely.from_wkb(np.array([bytes(blob[start[row] : end[row]]) for row in rows], object))
