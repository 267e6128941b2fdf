"""Arrays of the whole city, against tiles laid out by hand."""

import numpy as np
import pytest

from data.osm.merge import write_mesh, write_points, write_rasters
from data.osm.store import BLOCK_CELLS, Blocks, Window
from data.osm.tile import Tile
from utils.georeference import Georeference

BLOCKS = Blocks(Georeference((0.0, 0.0, 333.0, 200.0), 1.0 / 3))  # 96 pixels a cell; 999 × 600 pixels, 11 × 7 cells, 2 × 1 blocks
MANY = Blocks(Georeference((0.0, 0.0, 1300.5, 900.0), 8.0))  # 4 pixels a cell; 163 × 113 pixels, 41 × 29 cells, 6 × 4 blocks


def windows(blocks, step):
    return [Window(c, r, min(c + step, blocks.columns), min(r + step, blocks.rows))
            for r in range(0, blocks.rows, step) for c in range(0, blocks.columns, step)]  # fmt: skip


def make(folder, blocks, step):
    """Tiles of random contents in a random order, and what the city must hold: lists by cell, lists by block, canvases."""
    rng = np.random.default_rng(step)
    by_cell, by_block = {}, {}
    canvas = rng.integers(0, 256, (blocks.rows * blocks.pixels, blocks.columns * blocks.pixels, 4)).astype(np.uint8)
    tiles = []
    for w in windows(blocks, step):
        cells, triangles = [], []
        for row in range(w.r0 * BLOCK_CELLS, w.r1 * BLOCK_CELLS):
            for column in range(w.c0 * BLOCK_CELLS, w.c1 * BLOCK_CELLS):
                inside = row < blocks.geo.rows and column < blocks.geo.columns
                cells.append(rng.normal(size=(rng.integers(0, 4) * inside, 4)).astype(np.float32))
                by_cell[row, column] = cells[-1]
        for column, row in w:
            triangles.append(rng.normal(size=(rng.integers(0, 4), 11)).astype(np.float32))
            by_block[row, column] = triangles[-1]
        path = folder / f"{w.r0}-{w.c0}"
        points, faces = np.concatenate(cells), np.concatenate(triangles)
        y, x = slice(w.r0 * blocks.pixels, w.r1 * blocks.pixels), slice(w.c0 * blocks.pixels, w.c1 * blocks.pixels)
        arrays = {
            "points": points[:, :3], "classes": points[:, 3].view(np.uint32).astype(np.uint8),
            "triangles": faces[:, :9].reshape(-1, 3, 3), "kind": faces[:, 9].view(np.uint32).astype(np.uint8),
            "owner": faces[:, 10].view(np.int32), "raster": canvas[y, x, :3], "ground": canvas[y, x, 3],
        }  # fmt: skip
        for name, array in arrays.items():
            np.save(f"{path}-{name}.npy", array)
        counts = np.array([len(c) for c in cells]).reshape((w.r1 - w.r0) * BLOCK_CELLS, -1)
        faces_of = np.array([len(t) for t in triangles]).reshape(w.r1 - w.r0, -1)
        tiles.append(Tile(w, path, counts, faces_of, None, None, 0, 0))
    return [tiles[i] for i in rng.permutation(len(tiles))], by_cell, by_block, canvas


@pytest.mark.parametrize("blocks", [BLOCKS, MANY])
@pytest.mark.parametrize("step", [1, 2, 4, 9])
def test_tiles_of_any_size_and_order_make_the_city(tmp_path, blocks, step):
    tiles, by_cell, by_block, canvas = make(tmp_path, blocks, step)
    write_points(tmp_path, tiles, blocks)
    write_mesh(tmp_path, tiles)
    write_rasters(tmp_path, tiles, blocks)
    geo = blocks.geo
    city = {name: np.load(tmp_path / f"{name}.npy") for name in
            ("points", "classes", "cell_start", "triangles", "kind", "owner", "raster", "ground")}  # fmt: skip
    cells = [by_cell[row, column] for row in range(geo.rows) for column in range(geo.columns)]
    points = np.concatenate(cells)
    assert np.array_equal(city["points"], points[:, :3])
    assert np.array_equal(city["classes"], points[:, 3].view(np.uint32).astype(np.uint8))
    assert city["cell_start"].tolist() == [sum(map(len, cells[:i])) for i in range(len(cells) + 1)]
    faces = np.concatenate([by_block[key] for key in sorted(by_block)])
    assert np.array_equal(city["triangles"], faces[:, :9].reshape(-1, 3, 3))
    assert np.array_equal(city["kind"], faces[:, 9].view(np.uint32).astype(np.uint8))
    assert np.array_equal(city["owner"], faces[:, 10].view(np.int32))
    assert np.array_equal(city["raster"], canvas[: geo.height, : geo.width, :3])
    assert np.array_equal(city["ground"], canvas[: geo.height, : geo.width, 3])
    dtypes = {"points": "f4", "classes": "u1", "cell_start": "i8", "triangles": "f4", "kind": "u1", "owner": "i4", "raster": "u1"}
    assert all(city[name].dtype == np.dtype(dtype) for name, dtype in dtypes.items())
