"""From tiles to the arrays of the whole city, written row by row in bounded memory."""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from data.osm.store import BLOCK_CELLS, Blocks
from data.osm.tile import Tile
from utils.atomic import save_array


def write_points(folder: Path, tiles: list[Tile], blocks: Blocks) -> None:
    """Writes points.npy, classes.npy and cell_start.npy."""
    counts: np.ndarray = np.zeros((blocks.rows * BLOCK_CELLS, blocks.columns * BLOCK_CELLS), np.int64)
    for tile in tiles:
        w = tile.window
        counts[w.r0 * BLOCK_CELLS : w.r1 * BLOCK_CELLS, w.c0 * BLOCK_CELLS : w.c1 * BLOCK_CELLS] = tile.cell_counts
    counts = counts[: blocks.geo.rows, : blocks.geo.columns]
    start = np.concatenate([[0], np.cumsum(counts)])
    save_array(folder / "cell_start.npy", [start], start.shape, start.dtype)
    for name, shape, dtype in (("points", (3,), np.float32), ("classes", (), np.uint8)):
        rows = _rows(tiles, name, lambda tile: tile.cell_counts)
        save_array(folder / f"{name}.npy", rows, (int(start[-1]), *shape), dtype)


def write_mesh(folder: Path, tiles: list[Tile]) -> None:
    """Writes triangles.npy, kind.npy and owner.npy."""
    total = sum(int(tile.triangle_counts.sum()) for tile in tiles)
    for name, shape, dtype in (("triangles", (3, 3), np.float32), ("kind", (), np.uint8), ("owner", (), np.int32)):
        save_array(folder / f"{name}.npy", _rows(tiles, name, lambda tile: tile.triangle_counts), (total, *shape), dtype)


def write_rasters(folder: Path, tiles: list[Tile], blocks: Blocks) -> None:
    """Writes raster.npy and ground.npy, cut to the map's bounds."""
    geo = blocks.geo
    for name, channels in (("raster", (3,)), ("ground", ())):

        def strips(name=name) -> Iterator[np.ndarray]:
            for band in _bands(tiles):
                arrays = [tile.array(name) for tile in band]
                first = band[0].window.r0 * blocks.pixels
                for row in range(0, min(len(arrays[0]), geo.height - first), blocks.pixels):
                    last = min(row + blocks.pixels, geo.height - first)
                    yield np.concatenate([array[row:last] for array in arrays], axis=1)[:, : geo.width]

        save_array(folder / f"{name}.npy", strips(), (geo.height, geo.width, *channels), np.uint8)


def _bands(tiles: list[Tile]) -> Iterator[list[Tile]]:
    """Tiles side by side, from north to south, each band from west to east."""
    ordered = sorted(tiles, key=lambda tile: (tile.window.r0, tile.window.c0))
    return (list(band) for _, band in groupby(ordered, key=lambda tile: tile.window.r0))


def _rows(tiles: list[Tile], name: str, counts_of: Callable[[Tile], np.ndarray]) -> Iterator[np.ndarray]:
    """An array of all tiles in the order of the whole city's rows of cells or blocks. counts_of(tile): (rows, columns)."""
    for band in _bands(tiles):
        arrays = [tile.array(name) for tile in band]
        ends = [np.cumsum(counts_of(tile).sum(1)) for tile in band]
        for row in range(len(ends[0])):
            yield np.concatenate([array[end[row - 1] if row else 0 : end[row]] for array, end in zip(arrays, ends, strict=True)])
