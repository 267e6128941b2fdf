"""The stored map: points by cell, neighbourhoods as slices, and maps that cannot be used."""

import json
import shutil

import numpy as np
import pytest

from data.city import CELL_M, FORMAT, CityMap, cell_grid, order_by_cell
from utils.errors import InputError


def test_points_are_sorted_by_cell(small_city):
    x0, y0, x1, y1 = small_city.info["bounds"]
    columns, rows = cell_grid(small_city.info["bounds"])
    points = np.asarray(small_city.points, np.float64)
    column = np.clip((points[:, 0] - x0) // CELL_M, 0, columns - 1)
    row = np.clip((points[:, 1] - y0) // CELL_M, 0, rows - 1)
    start = small_city.cell_start
    assert start[0] == 0 and start[-1] == len(points) and len(start) == columns * rows + 1
    cell = np.repeat(np.arange(columns * rows), np.diff(start))
    assert (row * columns + column == cell).mean() > 0.9999  # float32 may put a point on a cell's edge to either side
    assert 0 <= columns * CELL_M - (x1 - x0) < CELL_M and 0 <= rows * CELL_M - (y1 - y0) < CELL_M


def test_order_by_cell_against_a_loop():
    rng = np.random.default_rng(0)
    points = rng.uniform(-60, 160, (400, 3)).astype(np.float32)  # some lie outside the bounds: crowns of trees at the edge
    bounds = (-50.0, -50.0, 150.0, 120.0)
    columns, rows = cell_grid(bounds)
    cells = []
    for x, y, _ in points.tolist():
        c, r = int((x + 50) // CELL_M), int((y + 50) // CELL_M)
        cells.append(min(max(r, 0), rows - 1) * columns + min(max(c, 0), columns - 1))
    order, start = order_by_cell(points, bounds)
    assert order.tolist() == sorted(range(400), key=lambda i: cells[i])
    assert start.tolist() == [sum(c < cell for c in cells) for cell in range(columns * rows + 1)]


@pytest.mark.parametrize("radius_m", [1.0, 40.0, 76.0, 107.5, 2000.0])
def test_spans_hold_all_points_around(small_city, radius_m):
    rng = np.random.default_rng(0)
    points = np.asarray(small_city.points)
    for x, y in [*rng.uniform((-420, -320), (420, 320), (40, 2)), (0, 0), (-400, -300), (400, 300), (16 * CELL_M, 0)]:
        near = np.flatnonzero((np.abs(points[:, 0] - x) < radius_m) & (np.abs(points[:, 1] - y) < radius_m))
        spans = small_city.spans_within(x, y, radius_m)
        held = np.zeros(len(points), int)
        for first, last in spans:
            held[first:last] += 1
        assert held[near].all() and held.max(initial=0) <= 1
        farthest = np.abs(points[held > 0, :2] - (x, y)).max(initial=0)
        assert farthest <= radius_m + CELL_M + 30 or radius_m > 1000  # not much more than was asked for (30: places outside the map)


def test_missing_map(tmp_path):
    with pytest.raises(InputError, match="no city map here; build it with"):
        CityMap(tmp_path / "nowhere")


def test_map_of_another_version(small_city, tmp_path):
    shutil.copytree(small_city.path, tmp_path / "city/map")
    info = small_city.info | {"format": FORMAT + 1}
    (tmp_path / "city/map/map.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match="build it again"):
        CityMap(tmp_path / "city")


def test_streets_are_the_drivable_lines(small_city):
    streets = small_city.streets
    lines = [streets.xy[a:b] for a, b in zip(streets.start, streets.start[1:], strict=False)]
    ends = sorted(tuple(int(v) for v in np.abs(np.round(line)).ravel()) for line in lines)
    expected = [(x, 300, x, 300) for x in (80, 80, 240, 240)] + [(400, y, 400, y) for y in (0, 160, 160)]
    assert ends == sorted(expected)
