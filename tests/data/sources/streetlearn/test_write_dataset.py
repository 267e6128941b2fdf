"""A city built here, written in the published layout and read again."""

import csv
import filecmp
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from data.area import Area
from data.areas.build_area import build_area
from data.areas.cloud_index import cloud_index
from data.areas.sample_streets import sample_streets
from data.areas.write_area import write_area
from data.batches.cutters import TileCutter
from data.city import CityMap
from data.locations import Locations
from data.sources.streetlearn.dataset_tables import read_tables
from data.sources.streetlearn.import_area import import_area
from data.sources.streetlearn.layout import Layout
from data.sources.streetlearn.write_dataset import export_city
from utils.errors import InputError

HEIGHT, POINTS = 32, 128


@pytest.fixture(scope="module")
def city(small_city, tmp_path_factory):
    """The folder of a city with two rendered areas: `south_end` and `more`."""
    path = tmp_path_factory.mktemp("datasets") / "sydney"
    shutil.copytree(small_city.path, path / "map")
    places = sample_streets(small_city, 70.0, None, "p", np.random.default_rng(0))
    places.heading_deg[:] = np.random.default_rng(1).uniform(0, 360, len(places))  # not along the streets: all digits count
    build_area(CityMap(path), path / "south_end", places[:9], None, HEIGHT, POINTS, 0, 1)
    build_area(CityMap(path), path / "more", places[9:14], None, HEIGHT, POINTS, 0, 1)
    return path


@pytest.fixture(scope="module")
def exported(city, tmp_path_factory):
    """Both areas in the published layout; not to be changed."""
    return export_city(city, tmp_path_factory.mktemp("exported") / "root").root


def rows(path):
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


def test_tables_are_the_published_columns(city, exported):
    assert sorted(p.name for p in (exported / "csv").iterdir()) == sorted(
        f"{area}{ending}.csv" for area in ("south_end", "more") for ending in ("", "_xy", "_set"))  # fmt: skip
    numbers = []
    for name in ("more", "south_end"):
        places = Area(city.parent, f"sydney/{name}").locations
        expected = zip(places.ids, places.lat, places.lon, places.x, places.y, places.heading_deg, strict=True)
        tables = (rows(exported / f"csv/{name}{ending}.csv") for ending in ("", "_xy", "_set"))
        for (place, lat, lon, x, y, heading), one, two, three in zip(expected, *tables, strict=True):
            assert one[0] == two[0] == place and one[4] == two[4] == three[0] == "sydney" and len(one) == len(two) == 5
            assert [float(v) for v in one[1:4]] == [lat, lon, heading] and [float(v) for v in two[1:4]] == [x, -y, heading]
            numbers.append(int(three[1]))
    assert numbers == list(range(14))
    assert sorted(p.name for p in (exported / "tiles_sydney_2019/z18").iterdir()) == [f"{i:05d}.png" for i in range(14)]


def test_points_have_the_published_axes(city, exported):
    ours, theirs = np.asarray(CityMap(city).points), np.load(exported / "sydney/sydneyU.npy")
    assert theirs.dtype == np.float32 and theirs.shape == ours.shape
    assert all(np.array_equal(theirs[:, k], axis) for k, axis in enumerate((ours[:, 0], ours[:, 2], -ours[:, 1])))
    assert theirs[:, 1].min() >= 0 and theirs[:, 1].max() == pytest.approx(80, abs=1)  # the tower's height is axis 1
    assert [int(line) for line in (exported / "sydney/sydneyU.csv").read_text().split()] == CityMap(city).classes.tolist()


def test_indices_hold_the_open_square(city, exported):
    points, places = np.load(exported / "sydney/sydneyU.npy").astype(float), Area(city.parent, "sydney/more").locations
    for place, x, y in zip(places.ids, places.x, places.y, strict=True):
        index = np.load(exported / f"more_idx/{place}.npy")
        expected = (np.abs(points[:, 0] - x) < 114) & (np.abs(points[:, 2] + y) < 114)
        assert index.tolist() == np.flatnonzero(expected).tolist() and index.dtype.kind == "i" and len(index) > 1000


def test_tiles_are_cut_heading_up(city, exported):
    places, number = Area(city.parent, "sydney/south_end").locations, int(rows(exported / "csv/south_end_set.csv")[3][1])
    tile = TileCutter(CityMap(city), 256, 256, False)(torch.tensor(places.xy[3:4]), torch.tensor(places.heading_deg[3:4]))[0] * 255
    with Image.open(exported / f"tiles_sydney_2019/z18/{number:05d}.png") as image:
        assert image.mode == "RGB" and image.size == (256, 256)
        assert np.abs(np.asarray(image) - tile.permute(1, 2, 0).numpy()).max() <= 0.5


def test_attribution_goes_along(city, exported, tmp_path):
    attribution = CityMap(city).info["attribution"]
    assert "©" in attribution and (exported / "ATTRIBUTION.txt").read_text(encoding="utf-8") == f"sydney: {attribution}\n"
    with Image.open(next((exported / "tiles_sydney_2019/z18").iterdir())) as image:
        assert image.text == {"Copyright": attribution}
    with Image.open(next((exported / "jpegs_sydney_2019").iterdir())) as image:
        assert image.info["comment"] == attribution.encode() and attribution.encode() in image.info["exif"]


@pytest.mark.parametrize("mine", [b"notes\n\n\nnotes\r\nend \xff", b"\n\n", b""])
def test_what_a_user_wrote_into_the_attribution_stays(city, tmp_path, mine):
    path = tmp_path / "ATTRIBUTION.txt"
    path.write_bytes(mine)
    line = f"sydney: {CityMap(city).info['attribution']}\n".encode()
    for area in ("more", "south_end"):
        export_city(city, tmp_path, [area])
        assert path.read_bytes() == mine + (b"\n" if mine.endswith(b"\xff") else b"") + line


def test_an_attribution_that_cannot_be_written_is_refused_before_the_work(city, tmp_path):
    (tmp_path / "ATTRIBUTION.txt").mkdir()
    with pytest.raises(InputError, match="ATTRIBUTION.txt: is no file"):
        export_city(city, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["ATTRIBUTION.txt"]


def test_photographs_do_not_become_the_maps(city, tmp_path):
    path = tmp_path / "sydney"
    shutil.copytree(city / "map", path / "map")
    places = Area(city.parent, "sydney/more").locations
    one = CityMap(city)
    write_area(path / "photos", one, places, lambda i: np.zeros((16, 32, 3), np.uint8),
               lambda i: cloud_index(one, places.x[i], places.y[i], 0.0, 32), 16, 32, {"panoramas": "photographs"}, 1)  # fmt: skip
    export_city(path, tmp_path / "out")
    with Image.open(next((tmp_path / "out/jpegs_sydney_2019").iterdir())) as image:
        assert "comment" not in image.info and "exif" not in image.info


def test_round_trip(city, exported, tmp_path, prepare):
    """Points and classes up to their order, places exactly, tiles exactly, panoramas up to JPEG."""
    for name in ("south_end", "more"):
        prepare("streetlearn", "--root", exported, "--area", name, "--datasets", tmp_path, "--height", HEIGHT, "--points", POINTS)
        here, there = Area(city.parent, f"sydney/{name}"), Area(tmp_path, f"sydney/{name}")
        for field in ("ids", "lat", "lon", "heading_deg", "x", "y"):
            assert np.array_equal(getattr(here.locations, field), getattr(there.locations, field)), field
        assert np.abs(here.panoramas.astype(int) - there.panoramas).mean() < 2
        cut = TileCutter(CityMap(city), 256, 256, False)(torch.tensor(here.locations.xy), torch.tensor(here.locations.heading_deg)) * 255
        assert np.array_equal(there.tiles, cut.round().byte().permute(0, 2, 3, 1).numpy())
        for i in range(len(here)):
            picks = [np.asarray(m.points)[a.cloud_index[i]] for m, a in ((CityMap(city), here), (CityMap(tmp_path / "sydney"), there))]
            assert np.array_equal(*picks)  # farthest points in the same order
    before, after = CityMap(city), CityMap(tmp_path / "sydney")
    assert after.info["origin"] == pytest.approx(before.info["origin"], abs=1e-11)
    rows = [sorted(zip(*m.points.T.tolist(), m.classes.tolist(), strict=True)) for m in (before, after)]
    assert rows[0] == rows[1]
    prepare("check", "--root", exported)


def test_imported_areas_can_be_exported(pristine, tmp_path):
    import_area(Layout(pristine), "eastU", tmp_path, 128, 64, processes=1)
    out = export_city(tmp_path / "alpha", tmp_path / "out")
    for place, number in zip(read_tables(out, "eastU").locations.ids, (7, 54321), strict=True):
        theirs = np.load(pristine / "alpha/alphaU.npy")[np.load(pristine / f"eastU_idx/{place}.npy")]
        ours = np.load(out.points("alpha"))[np.load(out.index("eastU", place))]
        assert sorted(map(tuple, theirs.tolist())) == sorted(map(tuple, ours.tolist()))
        tiles = [Image.open(path).convert("RGB") for path in (out.tile("alpha", int(number != 7)), Layout(pristine).tile("alpha", number))]
        assert np.array_equal(*map(np.asarray, tiles))


def test_areas_and_cities_join_an_existing_root(city, exported, tower_city, tmp_path, prepare):
    out = tmp_path / "out"
    arguments = ("export", "--layout", "streetlearn", "--root", out)
    prepare(*arguments, "--city", city, "--area", "south_end")
    prepare(*arguments, "--city", city, "--area", "more")
    numbers = [int(row[1]) for name in ("south_end", "more") for row in rows(out / f"csv/{name}_set.csv")]
    assert numbers == list(range(14))
    assert filecmp.cmp(out / "sydney/sydneyU.npy", exported / "sydney/sydneyU.npy", shallow=False)
    other = tmp_path / "tower"
    shutil.copytree(tower_city.path, other / "map")
    places = Locations(np.array(["t"]), *(np.array([v]) for v in (*tower_city.projection.inverse(0.0, 0.0), 5.0, 0.0, 0.0)))
    build_area(CityMap(other), other / "t", places, None, 16, 32, 0, 1)
    prepare(*arguments, "--city", other)
    assert len((out / "ATTRIBUTION.txt").read_text().splitlines()) == 2
    prepare("check", "--root", out)
    assert not [p for p in out.iterdir() if "partial" in p.name]


def snapshot(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_what_is_there_is_not_overwritten(city, exported, tmp_path):
    out = tmp_path / "out"
    export_city(city, out, ["more"])
    before = snapshot(out)
    with pytest.raises(InputError, match="csv/more.csv: an area of this name was exported before"):
        export_city(city, out)
    np.save(out / "sydney/sydneyU.npy", np.zeros((5, 3), np.float32))
    with pytest.raises(InputError, match="sydneyU.npy: another file lies here"):
        export_city(city, out, ["south_end"])
    after = snapshot(out)
    assert after.keys() == before.keys() and [k for k in after if after[k] != before[k]] == ["sydney/sydneyU.npy"]


def test_one_id_with_two_panoramas(city, tmp_path):
    path = tmp_path / "sydney"
    shutil.copytree(city, path)
    shutil.copytree(path / "more", path / "again")
    export_city(path, tmp_path / "same", ["more", "again"])  # one file for both
    assert len(list((tmp_path / "same/jpegs_sydney_2019").iterdir())) == 5
    panoramas = np.load(path / "again/panoramas.npy")
    np.save(path / "again/panoramas.npy", 255 - panoramas)
    with pytest.raises(InputError, match="another panorama"):
        export_city(path, tmp_path / "out", ["more", "again"])
    assert not (tmp_path / "out").exists()


def test_cities_that_cannot_be_exported(city, tmp_path):
    with pytest.raises(InputError, match="no area here"):
        export_city(city, tmp_path / "out", ["none"])
    path = tmp_path / "sydney"
    shutil.copytree(city / "map", path / "map")
    with pytest.raises(InputError, match="no areas here to export"):
        export_city(path, tmp_path / "out")
    shutil.copytree(city / "more", path / "more_set")
    with pytest.raises(InputError, match="rename the area's folder"):
        export_city(path, tmp_path / "out")
    (path / "more_set").rename(path / "more")
    places = Area(path.parent, "sydney/more").locations
    places.ids[0] = "a/b"
    places.to_csv(path / "more/locations.csv")
    with pytest.raises(InputError, match="'a/b' cannot name a file"):
        export_city(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
