"""Areas: written whole or not at all, the same with any number of processes, and read back."""

import copy
import hashlib
import json
import shutil

import numpy as np
import pytest

from data.area import Area
from data.areas.build_area import build_area
from data.areas.sample_streets import sample_streets
from data.areas.write_area import write_area
from data.locations import Locations
from utils.errors import InputError
from utils.version import VERSION

HEIGHT, POINTS = 16, 64


@pytest.fixture(scope="module")
def places(small_city):
    return sample_streets(small_city, 60.0, None, "p", np.random.default_rng(0))


@pytest.fixture
def write(small_city, places, tmp_path):
    """Writes an area of made-up panoramas and clouds; `fail` is raised by place 20."""

    def panorama_of(i):
        return np.full((HEIGHT, 2 * HEIGHT, 3), i, np.uint8)

    def call(fail=None, processes=1, cloud_of=lambda i: np.arange(i, i + POINTS, dtype=np.int32), locations=places):
        def failing(i):
            if fail is not None and i == 20:
                raise fail
            return panorama_of(i)

        write_area(tmp_path / "city/area", small_city, locations, failing, cloud_of, HEIGHT, POINTS, {"by": "test"}, processes)
        return Area(tmp_path, "city/area")

    return call


def test_a_map_that_is_replaced_meanwhile(small_city, places, tmp_path):
    city = copy.copy(small_city)
    city.info = small_city.info | {"points_sha256": "of another map"}
    with pytest.raises(InputError, match="the map was replaced meanwhile; make the area a again"):
        write_area(tmp_path / "a", city, places, lambda i: np.zeros((HEIGHT, 2 * HEIGHT, 3), np.uint8),
                   lambda i: np.arange(POINTS, dtype=np.int32), HEIGHT, POINTS, {}, 1)  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_written_and_read_again(write, places, small_city):
    area = write()
    assert len(area) == len(places) > 40 and area.name == "city/area"
    assert np.array_equal(area.locations.ids, places.ids)
    for name in ("lat", "lon", "heading_deg", "x", "y"):
        assert np.allclose(getattr(area.locations, name), getattr(places, name), rtol=1e-13, atol=1e-9), name
    assert area.panoramas.shape == (len(places), HEIGHT, 2 * HEIGHT, 3) and area.panoramas.dtype == np.uint8
    assert (area.panoramas[:, 0, 0, 0] == np.arange(len(places))).all()
    assert (area.cloud_index == np.arange(len(places))[:, None] + np.arange(POINTS)).all() and area.cloud_index.dtype == np.int32
    info = json.loads((area.path / "area.json").read_text())
    assert info["places"] == len(places) and info["by"] == "test" and info["map"] == small_city.info["source"]
    assert info["attribution"] == small_city.info["attribution"] and info["version"] == VERSION


@pytest.mark.parametrize(("stated", "preprocessing"), [
    (None, "antialiased"), ("ours", "antialiased"), ("antialiased", "antialiased"), ("published", "paper"), ("paper", "paper"),
])  # fmt: skip
def test_preprocessing_of_this_version_and_of_earlier_ones(write, stated, preprocessing):
    area = write()
    info = json.loads((area.path / "area.json").read_text()) | ({} if stated is None else {"preprocessing": stated})
    (area.path / "area.json").write_text(json.dumps(info))
    assert Area(area.path.parent.parent, "city/area").preprocessing == preprocessing


def test_rendered_areas_are_the_same_with_any_number_of_processes(small_city, places, tmp_path):
    digests = []
    for processes in (1, 2, None):
        build_area(small_city, tmp_path / f"area{processes}", places, None, HEIGHT, POINTS, 0, processes)
        digests.append({p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / f"area{processes}").iterdir()})
    assert digests[0] == digests[1] == digests[2]
    assert set(digests[0]) == {"panoramas.npy", "cloud_index.npy", "locations.csv", "area.json"}
    assert len(np.unique(np.load(tmp_path / "area1/panoramas.npy"), axis=0)) == len(places)


def test_photographs_become_an_area(small_city, shared_data, tmp_path):
    files = sorted((shared_data / "photographs/images").glob("*.jpg"))[:6]
    x, y = np.linspace(-60, 60, len(files)), np.zeros(len(files))
    lat, lon = small_city.projection.inverse(x, y)
    locations = Locations(np.array([p.stem for p in files]), lat, lon, np.zeros(len(files)), x, y)
    build_area(small_city, tmp_path / "city/photos", locations, shared_data / "photographs/images", HEIGHT, POINTS, 0, 2)
    area = Area(tmp_path, "city/photos")
    assert area.locations.ids.tolist() == [p.stem for p in files] and area.panoramas.std() > 20
    assert area.info["panoramas"] == "photographs"


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("fail", [InputError("photo 20 is corrupt"), OSError(28, "No space left on device")])
def test_a_failing_place_leaves_nothing_behind(write, tmp_path, fail, processes):
    with pytest.raises(type(fail), match=str(fail.args[-1])):
        write(fail, processes)
    assert not (tmp_path / "city").exists()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_place_without_points_is_named(write, places, tmp_path, processes):
    with pytest.raises(InputError, match=str(places.ids[7])):
        write(cloud_of=lambda i: np.zeros(0 if i == 7 else POINTS, np.int32), processes=processes)
    assert not (tmp_path / "city").exists()


def test_a_failure_keeps_the_area_that_was_there(write):
    area = write()
    before = {p.name: p.read_bytes() for p in area.path.iterdir()}
    with pytest.raises(InputError):
        write(InputError("no"))
    assert {p.name: p.read_bytes() for p in area.path.iterdir()} == before


def test_no_locations(write, places, tmp_path):
    with pytest.raises(InputError, match="no locations left"):
        write(locations=places[:0])
    assert not (tmp_path / "city").exists()


def test_areas_that_cannot_be_read(write, places, tmp_path):
    with pytest.raises(InputError, match="no area here"):
        Area(tmp_path, "city/none")
    area = write()
    shutil.copytree(area.path, tmp_path / "city/short")
    places[:5].to_csv(tmp_path / "city/short/locations.csv")
    with pytest.raises(InputError, match="5 locations"):
        Area(tmp_path, "city/short")
    shutil.copytree(area.path, tmp_path / "city/tiles")
    np.save(tmp_path / "city/tiles/tiles.npy", np.zeros((3, 256, 256, 3), np.uint8))
    with pytest.raises(InputError, match="arrays of 3"):
        Area(tmp_path, "city/tiles")
    places[:0].to_csv(tmp_path / "city/short/locations.csv")
    with pytest.raises(InputError, match="holds no places"):
        Area(tmp_path, "city/short")


@pytest.mark.parametrize(("name", "content"), [
    ("panoramas.npy", b""), ("cloud_index.npy", b"\x93NUMPY"), ("area.json", b'{"format": 1'), ("locations.csv", b"a,b\n1,2\n"),
])  # fmt: skip
def test_damaged_files_are_named(write, name, content):
    area = write()
    (area.path / name).write_bytes(content)
    with pytest.raises(InputError, match=name) as caught:
        Area(area.path.parent.parent, "city/area")
    assert "\n" not in str(caught.value)
