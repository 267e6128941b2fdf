"""Maps and areas are checked when they are opened: one line names the file and what is wrong."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from data.area import Area
from data.city import CityMap
from data.osm.build import build_map
from data.prepare import make_preview
from data.surfaces import DECK
from tests.training.tiny import write_datasets
from utils.errors import InputError


@pytest.fixture(scope="module")
def built(new_extract, tmp_path_factory):
    """A map with everything: buildings, a bridge, streets, a tree."""
    extract = new_extract(200, 150)
    extract.way([(-190, 0), (190, 0)], {"highway": "residential"})
    extract.way([(0, -140), (0, 140)], {"highway": "residential", "bridge": "yes"})
    for x in (-60, 20):
        extract.box(x, 10, x + 40, 40, {"building": "yes", "height": "20"})
    extract.node((-50, -50), {"natural": "tree"})
    path = tmp_path_factory.mktemp("built")
    build_map(extract.write(path / "a.osm"), path / "city", density=0.05, metres_per_pixel=2.0, processes=1)
    return path / "city"


@pytest.fixture
def city(built, tmp_path):
    return shutil.copytree(built, tmp_path / "city")


def open_all(city):
    opened = CityMap(city)
    return opened.raster, opened.ground, opened.mesh, opened.streets, opened.graph


def assert_refused(call, *parts):
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and all(str(part) in message for part in parts), message


def change_info(folder, name, **changes):
    info = json.loads((folder / name).read_text())
    info = {key: value for key, value in (info | changes).items() if value is not ...}
    (folder / name).write_text(json.dumps(info))


def test_an_undamaged_map_is_opened(city):
    assert len(open_all(city)[-1].edges[0]) and (CityMap(city).mesh["kind"] == DECK).any()


@pytest.mark.parametrize(("changes", "message"), [
    ({"origin": ...}, "origin is missing"), ({"bounds": ...}, "bounds is missing"),
    ({"metres_per_pixel": ...}, "metres_per_pixel is missing"),
    ({"points": ...}, "points is missing"), ({"points_sha256": ...}, "points_sha256 is missing"), ({"source": ...}, "source is missing"),
    ({"origin": [1.0]}, "origin is [1.0], expected 2 numbers"), ({"origin": "12"}, "origin is 12, expected 2 numbers"),
    ({"origin": [True, 0.0]}, "expected 2 numbers"), ({"origin": [91.0, 0.0]}, "is no latitude and longitude"),
    ({"origin": [0, 10**400]}, "is no latitude and longitude"), ({"bounds": [0, 0, 1]}, "expected 4 numbers"),
    ({"bounds": [0, 0, 1, None]}, "expected 4 numbers"), ({"bounds": [200.0, -160.0, -200.0, 160.0]}, "x0 < x1 and y0 < y1"),
    ({"bounds": [-200.0, -160.0, 200.0, 1e308]}, "farther than 10,000 km"), ({"metres_per_pixel": 0}, "metres_per_pixel is 0"),
    ({"metres_per_pixel": -2.0}, "metres_per_pixel is -2.0"), ({"metres_per_pixel": 10**400}, "metres_per_pixel is 1000"),
    ({"metres_per_pixel": "2"}, "expected a number"), ({"points": 1.5}, "expected a whole number"),
    ({"attribution": None}, "expected a text"),
    ({"source": "x"}, "expected a mapping"),
])  # fmt: skip
def test_map_json(city, changes, message):
    change_info(city / "map", "map.json", **changes)
    assert_refused(lambda: CityMap(city), city / "map/map.json", message, "build the map again")


@pytest.mark.parametrize("changes", [
    {"metres_per_pixel": 2.1}, {"metres_per_pixel": 1e-6}, {"bounds": [-200.0, -160.0, 900.0, 160.0]}, {"points": 7}, {"points": -1},
    {"points_sha256": "0" * 64}, {"bounds": [-1e6, -1e6, 1e6, 1e6]},
])  # fmt: skip
def test_another_map_s_description(city, changes):
    change_info(city / "map", "map.json", **changes)
    assert_refused(lambda: open_all(city), city / "map", "build it again")


def test_bounds_moved_by_a_few_cells(city):
    bounds = json.loads((city / "map/map.json").read_text())["bounds"]
    change_info(city / "map", "map.json", bounds=[v + 64 for v in bounds])
    assert_refused(lambda: CityMap(city), "cell_start.npy", "does not sort the points by the cells")


def at(index, value):
    def change(array):
        array[index] = value
        return array

    return change


@pytest.mark.parametrize(("file", "change", "message"), [
    ("points", lambda a: a[:-1], "expected float32("), ("points", lambda a: a.astype(float), "it is float64"),
    ("points", at((3, 0), 7.5), "not the points that map.json describes"), ("points", lambda a: a[:, :2], "expected float32("),
    ("classes", at(5, 25), "it holds values from 4 to 25, expected 0 to 24"), ("classes", lambda a: a[1:], "expected uint8("),
    ("classes", lambda a: a.astype(np.int64), "it is int64"), ("cell_start", at(0, 1), "does not ascend from 0"),
    ("cell_start", at(4, 10**6), "does not ascend"), ("cell_start", at(-1, 10**6), "does not ascend"),
    ("cell_start", lambda a: a[1:], "expected"),
    ("cell_start", lambda a: a.astype(float), "expected integer"), ("raster", lambda a: a[1:], "expected uint8("),
    ("raster", lambda a: a[..., :1], "expected uint8("), ("raster", lambda a: a.astype(np.float32), "expected uint8("),
    ("ground", at((8, 9), 25), "classes beyond the 25"), ("ground", at((8, 9), 254), "classes beyond the 25"),
    ("ground", lambda a: a.T, "expected uint8("), ("triangles", at((0, 0, 0), np.nan), "holds values from nan"),
    ("triangles", lambda a: a.reshape(-1, 9), "expected float32(any, 3, 3)"), ("kind", at(0, 7), "expected 0 to 6"),
    ("kind", lambda a: a[1:], "expected uint8("), ("owner", lambda a: a[1:], "expected int32("),
    ("owner", lambda a: np.full_like(a, 3_000), "expected 0 to 24"),
])  # fmt: skip
def test_arrays_of_a_map(city, file, change, message):
    path = city / f"map/{file}.npy"
    np.save(path, change(np.load(path)))
    assert_refused(lambda: open_all(city), path, message, "build it again")


def test_points_that_are_not_finite_under_their_own_checksum(city):
    points = at((3, 0), np.nan)(np.load(city / "map/points.npy"))
    np.save(city / "map/points.npy", points)
    change_info(city / "map", "map.json", points_sha256=hashlib.sha256(points).hexdigest())
    assert_refused(lambda: CityMap(city), "points.npy", "holds values from nan")


@pytest.mark.parametrize(("file", "name", "change", "message"), [
    ("streets", "xy", None, "array 'xy' is missing"), ("streets", "xy", at((0, 0), np.inf), "holds values"),
    ("streets", "xy", lambda a: a[:, :1], "expected float64(any, 2)"), ("streets", "start", at(1, 99), "does not ascend"),
    ("streets", "start", at(1, 1), "in steps of 2"), ("streets", "start", lambda a: a.astype(float), "expected integer"),
    ("streets", "level", lambda a: a[1:], "expected integer("), ("streets", "level", lambda a: a.astype(object), "pickled"),
    ("graph", "xy", lambda a: a[1:], "expected"), ("graph", "classes", at(0, 99), "expected 0 to 24"),
    ("graph", "edges", at((0, 0), 10**6), "holds values from"), ("graph", "edges", at((0, 0), -1), "holds values from -1"),
    ("graph", "edges", lambda a: a[0], "expected integer(2, any)"), ("graph", "area_m2", at(0, -1), "holds values from -1"),
    ("graph", "height_m", at(0, np.nan), "holds values from nan"), ("graph", "direction", at((0, 0), 3), "expected -1.001 to 1.001"),
    ("graph", "length_m", lambda a: a.astype(str), "expected float32"),
])  # fmt: skip
def test_archives_of_a_map(city, file, name, change, message):
    path = city / f"map/{file}.npz"
    arrays = dict(np.load(path))
    array = arrays.pop(name)
    np.savez(path, **arrays, **({} if change is None else {name: change(array)}))
    assert_refused(lambda: open_all(city), path, message, "build it again")


@pytest.fixture
def area(tmp_path):
    write_datasets(tmp_path)
    return tmp_path / "tiny/test"


@pytest.mark.parametrize(("file", "change", "message"), [
    ("panoramas", lambda a: a[:, :, :32], "expected uint8(any, 32, 64, 3)"), ("panoramas", lambda a: a.astype(float), "it is float64"),
    ("panoramas", lambda a: a[:, :16, :32], "expected uint8(any, 32, 64, 3)"), ("panoramas", lambda a: a[..., 0], "expected uint8"),
    ("cloud_index", lambda a: a.astype(np.int64), "expected int32(any, 24)"),
    ("cloud_index", lambda a: a[:, :9], "expected int32(any, 24)"),
    ("cloud_index", at((3, 3), 600), "indices beyond the 600 points"), ("cloud_index", at((3, 3), -1), "indices beyond"),
    ("tiles", lambda a: np.zeros((11, 256, 255, 3), np.uint8), "expected uint8(any, 256, 256, 3)"),
    ("tiles", lambda a: np.zeros((11, 256, 256, 3)), "it is float64"),
])  # fmt: skip
def test_arrays_of_an_area(area, file, change, message):
    path = area / f"{file}.npy"
    np.save(path, change(np.load(path) if path.is_file() else None))

    def use():
        Area(area.parent.parent, "tiny/test").check_map(CityMap(area.parent))

    assert_refused(use, path, message, "build it again")


@pytest.mark.parametrize(("changes", "message"), [
    ({"height": ...}, "height is missing"), ({"height": 0}, "height is 0"), ({"points": True}, "points is True"),
    ({"places": "11"}, "places is 11"),
    ({"places": 12}, "11 locations but 12 places"), ({"format": 7}, "newer version"),
])  # fmt: skip
def test_area_json(area, changes, message):
    change_info(area, "area.json", **changes)
    assert_refused(lambda: Area(area.parent.parent, "tiny/test"), area, message, "again")


def test_a_preview_refuses_indices_beyond_the_map(area, tmp_path):
    class Arguments:
        city, name, places, out = area.parent, "test", [0], tmp_path / "a.png"

    path = area / "cloud_index.npy"
    np.save(path, at((0, 0), 10**6)(np.load(path)))
    assert_refused(lambda: make_preview(Arguments), path, "indices beyond the 600 points")
    assert not Arguments.out.exists()
