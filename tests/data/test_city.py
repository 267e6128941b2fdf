"""The stored map: points by cell, neighbourhoods as slices, and maps that cannot be used."""

import json
import shutil

import numpy as np
import pytest

from data.city import FORMAT, CityMap
from utils.errors import InputError
from utils.georeference import Georeference


def test_points_are_sorted_by_cell(small_city):
    geo, points, start = small_city.georeference, np.asarray(small_city.points, np.float64), small_city.cell_start
    x0, y0, x1, y1 = geo.bounds
    assert geo.cell_m == 32.0 and (geo.columns, geo.rows) == (np.ceil((x1 - x0) / 32), np.ceil((y1 - y0) / 32))
    assert start[0] == 0 and start[-1] == len(points) and len(start) == geo.columns * geo.rows + 1
    cell = np.repeat(np.arange(geo.columns * geo.rows), np.diff(start))
    column = np.clip((points[:, 0] - x0) // 32, 0, geo.columns - 1)
    row = np.clip((y1 - points[:, 1]) // 32, 0, geo.rows - 1)
    assert (row * geo.columns + column == cell).all()


def test_order_by_cell_against_a_loop():
    rng = np.random.default_rng(0)
    points = rng.uniform(-60, 160, (400, 3)).astype(np.float32)  # some lie outside the bounds: crowns of trees at the edge
    geo = Georeference((-50.0, -50.0, 150.0, 120.0), 0.45)
    assert geo.cell_pixels == 71 and (geo.columns, geo.rows) == (7, 6)  # 31.95 m
    cells = []
    for x, y, _ in points.tolist():
        c, r = int((x + 50) // geo.cell_m), int((120 - y) // geo.cell_m)
        cells.append(min(max(r, 0), 5) * 7 + min(max(c, 0), 6))
    order, start = geo.order_by_cell(points)
    assert order.tolist() == sorted(range(400), key=lambda i: cells[i])
    assert start.tolist() == [sum(c < cell for c in cells) for cell in range(7 * 6 + 1)]


@pytest.mark.parametrize("radius_m", [1.0, 40.0, 76.0, 107.5, 2000.0])
def test_spans_hold_all_points_around(small_city, radius_m):
    rng = np.random.default_rng(0)
    points = np.asarray(small_city.points)
    for x, y in [*rng.uniform((-420, -320), (420, 320), (40, 2)), (0, 0), (-400, -300), (400, 300), (16 * 32.0, 0)]:
        near = np.flatnonzero((np.abs(points[:, 0] - x) < radius_m) & (np.abs(points[:, 1] - y) < radius_m))
        spans = small_city.spans_within(x, y, radius_m)
        held = np.zeros(len(points), int)
        for first, last in spans:
            held[first:last] += 1
        assert held[near].all() and held.max(initial=0) <= 1
        farthest = np.abs(points[held > 0, :2] - (x, y)).max(initial=0)
        assert farthest <= radius_m + 32 + 30 or radius_m > 1000  # not much more than was asked for (30: places outside the map)


def test_missing_map(tmp_path):
    with pytest.raises(InputError, match="no city map here; build it with"):
        CityMap(tmp_path / "nowhere")


def test_map_of_another_version(small_city, tmp_path):
    shutil.copytree(small_city.path, tmp_path / "city/map")
    info = small_city.info | {"format": FORMAT + 1}
    (tmp_path / "city/map/map.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match="build it again"):
        CityMap(tmp_path / "city")


@pytest.mark.parametrize(("file", "remedy"), [
    ("raster.npy", "no drawn raster.*model.tile=null"), ("ground.npy", "no ground cover.*--locations and --panoramas"),
    ("triangles.npy", "no surfaces to render.*--panoramas"), ("streets.npz", "no streets.*--locations"),
    ("graph.npz", "no graph of buildings and streets.*model.cloud.encoder"),
])  # fmt: skip
def test_optional_files_missing_or_damaged(small_city, tmp_path, file, remedy):
    shutil.copytree(small_city.path, tmp_path / "city/map")
    path, name = tmp_path / "city/map" / file, file.partition(".")[0].replace("triangles", "mesh")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=f"{file}: missing or damaged"):
        getattr(CityMap(tmp_path / "city"), name)
    path.unlink()
    assert not CityMap(tmp_path / "city").holds(file)
    with pytest.raises(InputError, match=f"{remedy}.*OpenStreetMap extract"):
        getattr(CityMap(tmp_path / "city"), name)


def test_streets_are_the_drivable_lines(small_city):
    streets = small_city.streets
    lines = [streets.xy[a:b] for a, b in zip(streets.start, streets.start[1:], strict=False)]
    ends = sorted(tuple(int(v) for v in np.abs(np.round(line)).ravel()) for line in lines)
    expected = [(x, 300, x, 300) for x in (80, 80, 240, 240)] + [(400, y, 400, y) for y in (0, 160, 160)]
    assert ends == sorted(expected)
