"""The stored map: complete, reproducible, and built from the poorest extract too."""

import hashlib
import json

import numpy as np
import pytest

from data.city import CityMap
from data.osm.build import build_map
from data.osm.classes import BARE, CLASSES, INDEX
from utils.errors import InputError

FILES = {"points.npy", "classes.npy", "cell_start.npy", "raster.npy", "ground.npy", "mesh.npz", "streets.npz", "map.json"}


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_same_seed_same_bytes(small_extract, small_city, tmp_path):
    build_map(small_extract, tmp_path / "again", density=0.1, metres_per_pixel=0.5)
    assert digests(tmp_path / "again/map") == digests(small_city.path)
    assert set(digests(small_city.path)) == FILES
    build_map(small_extract, tmp_path / "other", density=0.1, metres_per_pixel=0.5, seed=1)
    changed = {name for name, digest in digests(tmp_path / "other/map").items() if digest != digests(small_city.path)[name]}
    assert {"points.npy", "map.json"} <= changed and "ground.npy" not in changed


def test_map_json_says_what_the_arrays_hold(small_extract, small_city):
    info = json.loads((small_city.path / "map.json").read_text())
    assert info["points"] == len(small_city.points) == len(small_city.classes)
    counts = np.bincount(small_city.classes, minlength=25)
    assert info["points_by_class"] == {CLASSES[i].name: n for i, n in enumerate(counts.tolist()) if n}
    assert info["source"] == {"file": "small.osm", "sha256": hashlib.sha256(small_extract.read_bytes()).hexdigest()}
    assert info["buildings"] == 76 + 1 + 2 and info["trees"] == 12  # in the blocks, the courtyard, the parts of the tower
    assert "OpenStreetMap" in info["attribution"]


def test_points_have_the_class_of_where_they_lie(small_city):
    points, classes = np.asarray(small_city.points), np.asarray(small_city.classes)
    building = classes == INDEX["buildings"]
    assert (points[building, 2] > 0).mean() > 0.99
    on_ground = np.isin(classes, [INDEX["roads_primary"], INDEX["roads_residential"], INDEX["water"]])
    assert (points[on_ground, 2] == 0).all() and on_ground.sum() > 1000
    column, row = np.floor(small_city.georeference.to_pixels(points[on_ground, :2])).astype(int).T
    row, column = row.clip(0, small_city.ground.shape[0] - 1), column.clip(0, small_city.ground.shape[1] - 1)
    assert (small_city.ground[row, column] == classes[on_ground]).mean() > 0.95  # not at the edges
    trees = (classes == INDEX["vegetation"]) & (points[:, 2] > 0.01)
    assert trees.sum() > 20 and np.abs(points[trees, 1] - 80).max() < 4


def test_courtyard_is_open_and_the_tower_high(small_city):
    points = np.asarray(small_city.points)
    x, y, z = points.T
    assert not ((abs(x - 40) < 9) & (abs(y - 40) < 9) & (z > 1)).any()
    assert z[(abs(x - 50) < 9) & (abs(y - 120) < 19)].max() == pytest.approx(80)
    assert z[(abs(x - 29) < 8) & (abs(y - 120) < 19)].max() == pytest.approx(20)
    assert not ((abs(x + 20) < 9) & (abs(y - 30) < 9) & (z > 0)).any()  # the underground one


def test_an_extract_with_a_single_building(new_extract, tmp_path):
    extract = new_extract(100, 100)
    extract.box(-10, -10, 10, 10, {"building": "yes"})
    info = build_map(extract.write(tmp_path / "one.osm"), tmp_path / "city")
    city = CityMap(tmp_path / "city")
    assert info["points_by_class"] == {"buildings": len(city.points)}
    assert set(np.unique(city.ground)) == {INDEX["buildings"], BARE}
    assert len(city.streets.xy) == 0


def test_an_unusable_extract_leaves_nothing_behind(tmp_path):
    (tmp_path / "bad.osm").write_text("no extract")
    with pytest.raises(InputError):
        build_map(tmp_path / "bad.osm", tmp_path / "city")
    assert [p.name for p in tmp_path.iterdir()] == ["bad.osm"]


def test_a_new_map_replaces_the_old_one(small_extract, tmp_path):
    (tmp_path / "city/map").mkdir(parents=True)
    (tmp_path / "city/map/stale.npy").touch()
    (tmp_path / "city/train").mkdir()
    build_map(small_extract, tmp_path / "city", density=0.02, metres_per_pixel=2)
    assert {p.name for p in (tmp_path / "city/map").iterdir()} == FILES
    assert {p.name for p in (tmp_path / "city").iterdir()} == {"map", "train"}
