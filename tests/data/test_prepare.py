"""`python -m data.prepare` as it is called: bad input and a full disk end it with one line, and nothing half-written stays."""

import inspect
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data.osm.build
from data.area import Area
from data.areas.sample_streets import sample_streets
from data.city import CityMap
from data.prepare import main
from utils.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def prepare(*arguments, largest_file: int | None = None) -> subprocess.CompletedProcess:
    """Runs the command; `largest_file` bytes stand in for a full disk: writes beyond it fail."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    return subprocess.run(
        [sys.executable, "-m", "data.prepare", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, preexec_fn=limit if largest_file else None,
    )  # fmt: skip


def assert_one_line(result, *words):
    lines = result.stderr.splitlines()
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert lines[-1].startswith("error: "), result.stderr
    assert all(word in lines[-1] for word in words), result.stderr


@pytest.fixture
def city(small_city, tmp_path):
    """A copy of the small city's folder."""
    shutil.copytree(small_city.path, tmp_path / "city/map")
    return tmp_path / "city"


@pytest.fixture
def prepare_here(monkeypatch):
    """Runs the command in this process, where the renderer is compiled already."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["data.prepare", *map(str, arguments)])
        main()

    return call


def test_map_and_area(prepare_here, small_extract, tmp_path, capsys):
    city = tmp_path / "city"
    prepare_here("map", "--osm", small_extract, "--out", city, "--density", 0.1, "--resolution", 1)
    out = capsys.readouterr().out
    assert "78 buildings and 2 parts make 79 volumes; 100.0 % have a real height" in out and "OpenStreetMap" in out
    assert "12 trees" in out and "repaired: 0 polygons; dropped: 1 underground" in out and f"{city / 'map'}: 0.8 × 0.6 km" in out
    common = ("--city", city, "--render", "--height", 8, "--points", 32, "--processes", 1)
    prepare_here("area", *common, "--name", "one", "--every", 50, "--sample", 20)
    prepare_here("area", *common, "--name", "two", "--every", 20, "--apart-from", "one", "--apart", 60)
    one, two = (Area(tmp_path, f"city/{name}").locations for name in ("one", "two"))
    assert len(one) == 20 and len(two) > 0
    assert min(((a - one.xy) ** 2).sum(1).min() for a in two.xy) >= 60**2


def test_areas_of_the_map_before_are_named(prepare_here, small_extract, tmp_path, capsys):
    for name, sha256 in (("old", "of another map"), ("none", None)):
        (tmp_path / "city" / name).mkdir(parents=True)
        (tmp_path / "city" / name / "area.json").write_text(json.dumps({"map_points_sha256": sha256}) if sha256 else "no JSON")
    prepare_here("map", "--osm", small_extract, "--out", tmp_path / "city", "--density", "0.01", "--resolution", "5", "--processes", "1")
    assert f"note: old in {tmp_path / 'city'} were built on the map that this one replaces" in capsys.readouterr().out


def test_a_map_in_tiles_and_processes(prepare_here, small_extract, small_city, tmp_path, capsys):
    prepare_here("map", "--osm", small_extract, "--out", tmp_path / "city", "--density", 0.1, "--resolution", 0.5, "--tile", 200,
                 "--processes", 2)  # fmt: skip
    for path in small_city.path.iterdir():
        assert (tmp_path / "city/map" / path.name).read_bytes() == path.read_bytes()
    assert f"{len(small_city.points):,} points" in capsys.readouterr().out


def test_a_map_of_a_box(prepare_here, small_extract, small_city, tmp_path):
    (south, north), (west, east) = small_city.projection.inverse([-100.0, 120.0], [-50.0, 170.0])
    box = f"{south:.6f},{west:.6f},{north:.6f},{east:.6f}"  # begins with a minus
    prepare_here("map", "--osm", small_extract, "--out", tmp_path / "city", "--density", 0.1, "--resolution", 1, "--bbox", box)
    x0, y0, x1, y1 = CityMap(tmp_path / "city").info["bounds"]
    assert (x1 - x0, y1 - y0) == pytest.approx((220, 220), abs=1)


def test_every_option_of_a_map_arrives(prepare_here, monkeypatch, small_extract, tmp_path):
    taken = {}

    def build_map(*arguments):
        names = inspect.signature(data.osm.build.build_map).parameters
        taken.update(zip(names, arguments, strict=False))
        raise InputError("enough")

    monkeypatch.setattr("data.prepare.build_map", build_map)
    options = {"--density": 0.3, "--resolution": 0.7, "--seed": 5, "--origin": "-33.9,151", "--bbox": "-34,150,-33,152", "--tile": 333,
               "--processes": 3}  # fmt: skip
    with pytest.raises(InputError, match="enough"):
        prepare_here("map", "--osm", small_extract, "--out", tmp_path / "city", *(v for pair in options.items() for v in pair))
    assert taken == {"extract": small_extract, "city": tmp_path / "city", "density": 0.3, "metres_per_pixel": 0.7, "seed": 5,
                     "origin": (-33.9, 151.0), "bbox": (-34.0, 150.0, -33.0, 152.0), "tile_m": 333.0, "processes": 3}  # fmt: skip


@pytest.mark.parametrize("box", ["-33.5,151.1,-33.4,151.3", "50,10,51,11"])
def test_a_box_beside_the_extract(small_extract, tmp_path, box):
    result = prepare("map", "--osm", small_extract, "--out", tmp_path / "city", "--bbox", box)
    assert_one_line(result, "small.osm", "nothing of it lies in --bbox")
    assert not (tmp_path / "city").exists()


@pytest.mark.parametrize(
    "options", [("--tile", "0"), ("--tile", "wide"), ("--processes", "0"), ("--processes", "1.5"), ("--bbox", "1,2,3"),
                ("--bbox", "40.7,-73.9,40.6,-73.8"), ("--density", "0"), ("--resolution", "-1"), ("--seed", "-1")]
)  # fmt: skip
def test_map_options_that_are_none(prepare_here, small_extract, tmp_path, options):
    with pytest.raises(InputError, match=options[0]):
        prepare_here("map", "--osm", small_extract, "--out", tmp_path / "city", *options)
    assert not (tmp_path / "city").exists()


def test_unusable_extract(tmp_path, small_extract):
    whole = small_extract.read_bytes()
    (tmp_path / "half.osm").write_bytes(whole[: len(whole) // 2])
    assert_one_line(prepare("map", "--osm", tmp_path / "half.osm", "--out", tmp_path / "city"), "half.osm")
    assert not list((tmp_path / "city").rglob("*"))


def test_missing_map(tmp_path):
    assert_one_line(prepare("area", "--city", tmp_path, "--name", "a", "--every", 10, "--render"), str(tmp_path), "no city map")


def test_bad_locations(city, tmp_path):
    (tmp_path / "p.csv").write_text("id,lat,lon,heading_deg\na,95,9,0\n")
    result = prepare("area", "--city", city, "--name", "a", "--locations", tmp_path / "p.csv", "--render")
    assert_one_line(result, "p.csv", "line 2: lat is '95'")


def test_corrupt_photograph(city, small_city, tmp_path):
    lat, lon = small_city.projection.inverse(0.0, 0.0)
    (tmp_path / "p.csv").write_text(f"a,{lat},{lon},0\n")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_text("no image")
    result = prepare("area", "--city", city, "--name", "a", "--locations", tmp_path / "p.csv", "--panoramas", tmp_path / "photos")
    assert_one_line(result, "a.jpg")
    assert [p.name for p in city.iterdir()] == ["map"]


@pytest.mark.parametrize("name", ["", "map", "..", ".", "../other", "a/b", ".hidden"])
def test_names_that_would_overwrite_something_else(prepare_here, city, name):
    with pytest.raises(InputError, match="--name"):
        prepare_here("area", "--city", city, "--name", name, "--every", 50, "--render")
    assert (city / "map/map.json").exists() and [p.name for p in city.iterdir()] == ["map"]


def test_disk_full_while_an_area_is_written(city, small_city, tmp_path):
    places = sample_streets(small_city, 40.0, None, "p", np.random.default_rng(0))
    places.to_csv(tmp_path / "places.csv")
    (tmp_path / "photos").mkdir()
    for name in places.ids:
        Image.new("RGB", (64, 32)).save(tmp_path / f"photos/{name}.png")
    what = ("--locations", tmp_path / "places.csv", "--panoramas", tmp_path / "photos", "--height", 32, "--points", 64)
    result = prepare("area", "--city", city, "--name", "a", *what, "--processes", 2, largest_file=len(places) * 3 * 32 * 64 // 2)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.returncode == 2 and len(errors) == 1 and "Traceback" not in result.stderr, result.stderr
    assert errors[0].startswith("error: no space left")
    assert [p.name for p in city.iterdir()] == ["map"]


def test_disk_full_while_a_map_is_written(small_extract, tmp_path):
    # The features read, a tile, in this process or in a worker, or the whole city's raster.
    for largest_file, tile_m in ((8_000, 1024), (100_000, 1024), (2_000_000, 1024), (500_000, 512), (2_000_000, 200)):
        what = ("--osm", small_extract, "--out", tmp_path / "city", "--density", 0.1, "--tile", tile_m, "--processes", 2)
        result = prepare("map", *what, largest_file=largest_file)
        assert_one_line(result)
        assert result.stderr.splitlines()[-1].startswith("error: no space left")
        assert not (tmp_path / "city").exists()


def test_nothing_left_apart_from_another_area(prepare_here, city, capsys):
    common = ("--city", city, "--render", "--height", 8, "--points", 32, "--processes", 1, "--every", 50)
    prepare_here("area", *common, "--name", "one")
    with pytest.raises(InputError, match="no place left"):
        prepare_here("area", *common, "--name", "two", "--apart-from", "one", "--apart", 5000)
    assert "places left out: they lie within 5000 m of one" in capsys.readouterr().out
    assert sorted(p.name for p in city.iterdir()) == ["map", "one"]


@pytest.mark.parametrize("box", ["40.7,-73.9,40.6,-73.8", "-73.9,40.6,-73.8,400.7", "1,2,3", "a,b,c,d"])
def test_boxes_that_are_none(prepare_here, city, box):
    with pytest.raises(InputError, match="--bbox"):
        prepare_here("area", "--city", city, "--name", "a", "--every", 50, "--render", "--bbox", box)
    assert [p.name for p in city.iterdir()] == ["map"]


@pytest.mark.parametrize("options", [("--apart", "50"), ("--skip",), ("--locations", "a.csv", "--scatter", "0")])
def test_options_that_nothing_reads(prepare_here, tmp_path, options):
    place = () if "--locations" in options else ("--every", "50")
    with pytest.raises(InputError, match="goes with"):
        prepare_here("area", "--city", tmp_path, "--name", "a", "--render", *place, *options)
    with pytest.raises(InputError, match="--seed"):
        prepare_here("picture", "--city", tmp_path, "--out", "a.png", "--seed", "1")


def test_a_seed_goes_with_random_numbers(prepare_here, tmp_path):
    photographs = ("area", "--city", tmp_path, "--name", "a", "--locations", "a.csv", "--panoramas", tmp_path, "--seed", "0")
    with pytest.raises(InputError, match="--seed goes with --every, --sample or --render"):
        prepare_here(*photographs)
    with pytest.raises(InputError, match="no city map here"):
        prepare_here(*photographs, "--sample", "5")


def test_every_option_has_a_help_text(prepare_here, capsys):
    for command in ((), *([name] for name in ("demo", "map", "area", "preview", "picture", "streetlearn", "check", "export"))):
        with pytest.raises(SystemExit):
            prepare_here(*command, "--help")
        text = capsys.readouterr().out
        assert "example: python -m data.prepare" in text
        options = text.partition("options:")[2]
        assert not re.search(r"^ +--\S+( \S+)*\n( +--|\n)", options, re.MULTILINE), options


def test_southern_boxes_need_no_equals_sign(prepare_here, city, capsys):
    common = ("--city", city, "--render", "--height", 8, "--points", 32, "--processes", 1, "--every", 50)
    prepare_here("area", *common, "--name", "a", "--bbox", "-34,151,-33,152")
    assert len(Area(city.parent, "city/a")) > 0
