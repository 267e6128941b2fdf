"""Features on disk, found again by place: against a loop over all of them."""

import numpy as np
import pytest
import shapely

from data.osm.store import KINDS, SURFACE, TREE, WAY, Blocks, FeatureStore, Window
from utils.georeference import Georeference

GEO = Georeference((-700.0, -500.0, 650.3, 611.0), 0.45)
BLOCKS = Blocks(GEO)


def test_blocks_are_squares_of_eight_cells_from_the_north_west():
    assert BLOCKS.edge_m == pytest.approx(8 * 71 * 0.45) and BLOCKS.pixels == 8 * 71
    assert (BLOCKS.columns, BLOCKS.rows) == (6, 5)
    for column in range(BLOCKS.columns):
        for row in range(BLOCKS.rows):
            x0, y0, x1, y1 = BLOCKS.bounds(column, row)
            assert (x0, y1) == pytest.approx((-700 + column * BLOCKS.edge_m, 611 - row * BLOCKS.edge_m))
            assert (x1 - x0, y1 - y0) == pytest.approx((BLOCKS.edge_m, BLOCKS.edge_m))
            inside = [(x0 + 0.01, y0 + 0.01), (x1 - 0.01, y1 - 0.01), ((x0 + x1) / 2, (y0 + y1) / 2)]
            assert np.array_equal(BLOCKS.of(inside), [[column] * 3, [row] * 3])
    assert np.array_equal(BLOCKS.of([(-9e5, 9e5), (9e5, -9e5)]), [[0, 5], [0, 4]])  # what lies outside: the nearest


def test_blocks_of_a_map_smaller_than_one():
    blocks = Blocks(Georeference((0, 0, 100, 50), 1.0))
    assert (blocks.columns, blocks.rows) == (1, 1) and list(Window(0, 0, 1, 1)) == [(0, 0)]


def test_windows():
    window = Window(1, 2, 3, 5)
    assert list(window) == [(c, r) for r in (2, 3, 4) for c in (1, 2)]
    column, row = np.meshgrid(np.arange(6), np.arange(6))
    held = {(int(c), int(r)) for c, r in zip(column[window.holds(column, row)], row[window.holds(column, row)], strict=True)}
    assert held == set(window)


def fill(folder, n=300, chunks=3):
    """A store with boxes of all sizes, and the same as a plain list of (box, record, reach)."""
    rng, store, plain = np.random.default_rng(0), FeatureStore(folder, BLOCKS), []
    ids = rng.permutation(n) - n // 2
    for part in np.array_split(np.arange(n), chunks):
        low = rng.uniform((-800, -600), (700, 700), (len(part), 2))
        high = low + rng.exponential(80, (len(part), 2))
        boxes, reach = shapely.box(*low.T, *high.T), rng.uniform(0, 40, len(part))
        records = np.zeros(len(part), SURFACE)
        records["id"], records["semantic"] = ids[part], part % 25
        store.add("surface", boxes, records, reach)
        plain += list(zip(boxes, records, reach, strict=True))
    store.close()
    return store, plain


@pytest.mark.parametrize("window", [Window(0, 0, 6, 5), Window(2, 1, 3, 2), Window(0, 3, 4, 5), Window(5, 0, 6, 1), Window(5, 4, 6, 5)])
def test_a_window_reads_what_reaches_into_it_each_once_by_id(tmp_path, window):
    store, plain = fill(tmp_path)
    geometries, records = store.read("surface", window)
    expected = []
    for box, record, reach in plain:
        x0, y0, x1, y1 = box.bounds
        (c0, c1), (r1, r0) = BLOCKS.of([(x0 - reach, y0 - reach), (x1 + reach, y1 + reach)])
        if any(c0 <= c <= c1 and r0 <= r <= r1 for c, r in window):
            expected.append((int(record["id"]), box, int(record["semantic"])))
    expected.sort(key=lambda e: e[0])
    assert 0 < len(expected) and records["id"].tolist() == [e[0] for e in expected]
    assert records["semantic"].tolist() == [e[2] for e in expected]
    assert all(shapely.equals_exact(g, e[1]) for g, e in zip(geometries, expected, strict=True))


def test_all_is_scanned_whatever_its_place(tmp_path):
    store, plain = fill(tmp_path)
    scanned = [(int(r["id"]), g) for geometries, records in store.scan("surface") for g, r in zip(geometries, records, strict=True)]
    assert [i for i, _ in scanned] == [int(r["id"]) for _, r, _ in plain]
    assert all(shapely.equals_exact(g, box) for (_, g), (box, _, _) in zip(scanned, plain, strict=True))


def test_what_a_store_does_not_hold(tmp_path):
    store, _ = fill(tmp_path)
    for kind in set(KINDS) - {"surface"}:
        geometries, records = store.read(kind, Window(0, 0, 6, 5))
        assert len(geometries) == len(records) == 0 and records.dtype == KINDS[kind]
        assert list(store.scan(kind)) == []


def test_trees_of_a_row_come_in_the_order_of_the_row(tmp_path):
    store, records = FeatureStore(tmp_path, BLOCKS), np.zeros(6, TREE)
    records["id"], records["index"] = [7, 3, 7, 3, 9, 7], [2, 1, 1, 0, 0, 3]
    store.add("tree", shapely.points(np.arange(6), np.zeros(6)), records, 30.0)
    store.close()
    geometries, found = store.read("tree", Window(0, 0, 6, 5))
    assert list(zip(found["id"].tolist(), found["index"].tolist(), strict=True)) == [(3, 0), (3, 1), (7, 1), (7, 2), (7, 3), (9, 0)]
    assert shapely.get_x(geometries).tolist() == [3, 1, 2, 0, 5, 4]


def test_geometries_of_any_type_come_back_bit_for_bit(tmp_path):
    rng = np.random.default_rng(3)
    shapes = np.array([
        shapely.LineString(rng.normal(size=(5, 2))), shapely.Polygon(rng.normal(size=(3, 2))),
        shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)]), shapely.Point(1 / 3, 2 / 3),
    ], object)  # fmt: skip
    store, records = FeatureStore(tmp_path, BLOCKS), np.zeros(4, WAY)
    records["id"] = [4, 3, 2, 1]
    store.add("way", shapes, records, 0.0)
    store.close()
    geometries, _ = store.read("way", Window(0, 0, 6, 5))
    assert shapely.to_wkb(geometries).tolist() == shapely.to_wkb(shapes[::-1]).tolist()
