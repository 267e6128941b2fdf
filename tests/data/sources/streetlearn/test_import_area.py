"""Import of the published layout: what is where in the model's eyes, every number kept, and the rest of the system at work on it."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from config.schema import AugmentationConfig, read_config
from data.area import Area
from data.areas.cloud_index import cloud_index
from data.batches.place_batches import PlaceBatches
from data.city import CityMap
from data.sources.streetlearn.import_area import ATTRIBUTION, import_area
from data.sources.streetlearn.layout import Layout
from tests.data.sources.streetlearn.published import BUILDING, ORIGINS, PLACES, WATER, degrees, write_dataset
from tests.training.tiny import write_recipe
from training.train import train_recipe
from utils.batch import Inputs, TileInput
from utils.errors import InputError

CPU = torch.device("cpu")
OFF = dict(mirror=False, turn=False, heading_deg=0, yaw_deg=0, shift_m=0, brightness=0, contrast=0, saturation=0, erase=0,
           point_jitter_m=0, point_drop=0)  # fmt: skip
NAMES = ["alpha/eastU_farU", "beta/eastU_farU"]
HEIGHT, POINTS = 64, 256


def inputs(polar=False, tile=64):
    return Inputs(HEIGHT, TileInput(tile, 2 * tile if polar else tile, polar), POINTS, False, False)


@pytest.fixture(scope="module")
def datasets(pristine, tmp_path_factory):
    """The combined area, imported; not to be changed."""
    path = tmp_path_factory.mktemp("datasets")
    import_area(Layout(pristine), "eastU_farU", path, HEIGHT, POINTS, processes=1)
    return path


def tower(batch, polar):
    """Bearing of the tower from ahead, clockwise, in degrees, in panorama, tile and cloud: each (B,)."""
    white = (batch.panorama.sum(1) > 1.5).double().numpy().sum(1)  # B,W
    angle = 2 * np.pi * ((np.arange(white.shape[1]) + 0.5) / white.shape[1] - 0.5)
    panorama = np.arctan2(white @ np.sin(angle), white @ np.cos(angle))
    mask = (batch.tile.sum(1) > 1.5).double().numpy()
    if polar:
        angle = 2 * np.pi * ((np.arange(mask.shape[2]) + 0.5) / mask.shape[2] - 0.5)
        tile = np.arctan2(mask.sum(1) @ np.sin(angle), mask.sum(1) @ np.cos(angle))
    else:
        row, column = (np.tensordot(mask, g, 2) / mask.sum((1, 2)) / mask.shape[1] * 152 - 76 for g in np.mgrid[:64, :64] + 0.5)
        tile = np.arctan2(column, -row)
        assert np.hypot(column, row) == pytest.approx(50, abs=1)
    building = (batch.classes == BUILDING).numpy()[..., None]
    right, ahead, up = ((batch.cloud.numpy() * building).sum(1) / building.sum(1)).T
    assert np.hypot(right, ahead) == pytest.approx(50, abs=2) and 25 < up.min() and up.max() < 35
    return [np.degrees(a) for a in (panorama, tile, np.arctan2(right, ahead))]


def apart(a, b):
    return np.abs((a - b + 180) % 360 - 180).max()


@pytest.mark.parametrize("polar", [False, True])
def test_the_tower_stands_where_it_stood(datasets, polar):
    """Due east of who looks north: right in panorama, tile and cloud; and so on for the others."""
    batch = PlaceBatches(datasets, NAMES, inputs(polar), CPU).batch(np.arange(3))
    expected = np.array([p.bearing - p.heading for p in PLACES])
    for seen in tower(batch, polar):
        assert apart(seen, expected) < 4


@pytest.mark.parametrize("polar", [False, True])
def test_turned_and_mirrored_samples_agree(datasets, polar):
    augmentation = AugmentationConfig(**{**OFF, "mirror": True, "turn": True, "heading_deg": 40.0})
    places, plain = PlaceBatches(datasets, NAMES, inputs(polar), CPU, augmentation), np.array([p.bearing - p.heading for p in PLACES])
    largest = 0.0
    for seed in range(6):
        panorama, tile, cloud = tower(places.batch(np.arange(3), torch.Generator().manual_seed(seed)), polar)
        assert apart(tile, panorama) < 5 and apart(cloud, panorama) < 5
        largest = max(largest, apart(panorama, plain))
    assert largest > 100


def test_shifted_samples_agree(datasets):
    """The map alone moves: tile and cloud by the same, east and north."""
    places = PlaceBatches(datasets, NAMES, inputs(), CPU, AugmentationConfig(**{**OFF, "shift_m": 12.0}))
    batch = places.batch(np.arange(3), torch.Generator().manual_seed(1))
    mask = (batch.tile.sum(1) > 1.5).double().numpy()
    row, column = (np.tensordot(mask, g, 2) / mask.sum((1, 2)) / 64 * 152 - 76 for g in np.mgrid[:64, :64] + 0.5)
    building = (batch.classes == BUILDING).numpy()[..., None]
    right, ahead, _ = ((batch.cloud.numpy() * building).sum(1) / building.sum(1)).T
    assert column == pytest.approx(right, abs=2) and -row == pytest.approx(ahead, abs=2)
    assert np.abs(np.hypot(column, row) - 50).max() > 4


def test_north_and_height_are_not_confused(datasets):
    cloud, classes = (getattr(PlaceBatches(datasets, NAMES, inputs(), CPU).batch(np.array([0])), n)[0] for n in ("cloud", "classes"))
    water = cloud[classes == WATER]
    assert len(water) > 20 and (water[:, 1] > 39).all() and (water[:, 2] == 0).all()
    assert cloud[classes == BUILDING][:, 2].max() > 50


def test_every_point_class_and_location_is_kept(datasets, pristine):
    for city, origin in ORIGINS.items():
        there = CityMap(datasets / city)
        published = np.load(pristine / city / f"{city}U.npy")
        classes = np.loadtxt(pristine / city / f"{city}U.csv")
        expected = sorted(zip(published[:, 0], -published[:, 2], published[:, 1], classes, strict=True))
        assert sorted(zip(*there.points.T, there.classes, strict=True)) == expected
        assert there.points.dtype == np.float32 and there.classes.dtype == np.uint8
        assert there.info["origin"] == pytest.approx(origin, abs=1e-11)
        assert there.info["attribution"] == ATTRIBUTION and there.info["metres_per_pixel"] == 0.45
        assert there.info["source"]["file"] == f"{city}U.npy" and sum(there.info["points_by_class"].values()) == len(published)
        assert not any(there.holds(file) for file in ("raster.npy", "ground.npy", "triangles.npy", "streets.npz", "graph.npz"))
        own = [p for p in PLACES if p.city == city]
        places = Area(datasets, f"{city}/eastU_farU").locations
        assert places.ids.tolist() == [p.id for p in own]
        assert [places.x.tolist(), places.y.tolist(), places.heading_deg.tolist()] == [[p[k] for p in own] for k in (2, 3, 4)]
        assert list(zip(places.lat, places.lon, strict=True)) == [degrees(p) for p in own]


def test_clouds_are_those_of_a_map_built_here(datasets):
    """The same points in the same order as cropping our own map gives: the published index holds all of the turned square."""
    for name in NAMES:
        area, city = Area(datasets, name), CityMap(datasets / name.split("/")[0])
        for i, (x, y) in enumerate(area.locations.xy):
            assert area.cloud_index[i].tolist() == cloud_index(city, x, y, area.locations.heading_deg[i], POINTS).tolist()


def test_only_indexed_points_are_used(root, tmp_path):
    path = root / "eastU_idx/looks_north.npy"
    index, published = np.load(path)[::3], np.load(root / "alpha/alphaU.npy")
    np.save(path, index)
    import_area(Layout(root), "eastU", tmp_path / "data", 16, 2000, processes=1)
    picks = Area(tmp_path / "data", "alpha/eastU").cloud_index[0]
    points = {tuple(p) for p in CityMap(tmp_path / "data/alpha").points[picks].tolist()}
    kept = published[index].tolist()
    assert points == {(x, -z, y) for x, y, z in kept if abs(x - PLACES[0].x) < 76 and abs(z + PLACES[0].y) < 76}


@pytest.mark.parametrize("settings", [{"combined_tables": True}, {"combined_index": True}, {"dtype": np.float64}])
def test_other_ways_to_lay_out_a_combined_area(datasets, tmp_path, settings):
    root = write_dataset(tmp_path / "other", **settings)
    import_area(Layout(root), "eastU_farU", tmp_path / "data", HEIGHT, POINTS, processes=1)
    for name in NAMES:
        one, other = Area(datasets, name), Area(tmp_path / "data", name)
        assert np.array_equal(one.cloud_index, other.cloud_index) and np.array_equal(one.tiles, other.tiles)
        assert one.locations.ids.tolist() == other.locations.ids.tolist()


def test_images_are_stored(datasets, pristine):
    area = Area(datasets, "alpha/eastU_farU")
    assert area.tiles.shape == (2, 256, 256, 3) and area.tiles.dtype == np.uint8 and area.panoramas.shape == (2, 64, 128, 3)
    for i, place in enumerate(PLACES[:2]):
        with Image.open(pristine / f"tiles_alpha_2019/z18/{place.tile:05d}.png") as image:
            assert np.array_equal(area.tiles[i], np.asarray(image.convert("RGB")))


def test_a_second_area_shares_the_map(root, tmp_path, capsys):
    data = tmp_path / "data"
    import_area(Layout(root), "eastU_farU", data, 16, 32, processes=1)
    before = (data / "alpha/map/points.npy").stat().st_ino
    import_area(Layout(root), "eastU", data, 16, 32, processes=1)
    assert (data / "alpha/map/points.npy").stat().st_ino == before
    tiles = Inputs(16, TileInput(64, 64, False), 0, False, False)
    assert len(PlaceBatches(data, ["alpha/eastU", *NAMES], tiles, CPU)) == 5
    classes = (root / "alpha/alphaU.csv").read_text().splitlines()
    (root / "alpha/alphaU.csv").write_text("\n".join(["24", *classes[1:]]))
    import_area(Layout(root), "eastU", data, 16, 32, processes=1)
    assert (CityMap(data / "alpha").classes == 24).sum() == 1  # classes alone changed: the areas still fit
    PlaceBatches(data, ["alpha/eastU", *NAMES], tiles, CPU)
    published = np.load(root / "alpha/alphaU.npy")
    np.save(root / "alpha/alphaU.npy", published + np.float32(0.25))
    import_area(Layout(root), "eastU", data, 16, 32, processes=1)
    with pytest.raises(InputError, match="another map"):
        PlaceBatches(data, NAMES, inputs(), CPU)


def test_a_map_built_here_is_not_overwritten(small_city, root, tmp_path):
    shutil.copytree(small_city.path, tmp_path / "data/beta/map")
    with pytest.raises(InputError, match="beta/map: holds a map made from small.osm.*--datasets"):
        import_area(Layout(root), "eastU_farU", tmp_path / "data", 16, 32, processes=1)
    assert sorted(str(p.relative_to(tmp_path / "data")) for p in (tmp_path / "data").glob("*/*")) == ["beta/map"]
    assert CityMap(tmp_path / "data/beta").info == small_city.info


@pytest.mark.parametrize("folder", ["beta/eastU_farU", "beta/map"])
def test_a_folder_that_holds_something_else_is_refused_before_the_examination(root, tmp_path, monkeypatch, folder):
    monkeypatch.setattr("data.sources.streetlearn.import_area.examine", lambda *_: pytest.fail("the work has begun"))
    notes = tmp_path / "data" / folder / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    with pytest.raises(InputError, match="notes.txt"):
        import_area(Layout(root), "eastU_farU", tmp_path / "data", processes=1)
    assert notes.read_text() == "mine"


def test_a_damaged_map_of_the_city_is_left_as_it_is(root, tmp_path):
    path = tmp_path / "data/beta/map/map.json"
    path.parent.mkdir(parents=True)
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="map.json: missing or damaged .nested too deeply"):
        import_area(Layout(root), "eastU_farU", tmp_path / "data", processes=1)
    assert path.stat().st_size == 100_000


def test_tables_of_another_origin_than_the_map(root, tmp_path):
    import_area(Layout(root), "eastU", tmp_path / "data", 16, 32, processes=1)
    path = root / "csv/eastU_xy.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("".join(f"{r[0]},{float(r[1]) + 0.5},{r[2]},{r[3]},{r[4]}\n" for r in rows))
    with pytest.raises(InputError, match="its origin is.*0.5 m away"):
        import_area(Layout(root), "eastU", tmp_path / "data", 16, 32, processes=1)


def test_what_an_imported_map_lacks(datasets, root, tmp_path, prepare):
    data = tmp_path / "data"
    shutil.copytree(datasets, data)
    common = ("area", "--city", data / "alpha", "--name", "a")
    with pytest.raises(InputError, match="no surfaces to render; give photographs with --panoramas"):
        prepare(*common, "--locations", root / "csv/eastU.csv", "--render")
    with pytest.raises(InputError, match="no streets.*give them with --locations"):
        prepare(*common, "--every", 10, "--panoramas", root)
    with pytest.raises(InputError, match="no drawn raster"):
        _ = CityMap(data / "alpha").raster
    prepare(*common, "--locations", root / "csv/eastU.csv", "--panoramas", root / "jpegs_alpha_2019", "--height", 64, "--points", 256)
    with pytest.raises(InputError, match="holds no tile images.*model.tile=null"):
        PlaceBatches(data, ["alpha/a"], inputs(), CPU)
    cloud_only = Inputs(HEIGHT, None, POINTS, False, False)
    assert PlaceBatches(data, ["alpha/a"], cloud_only, CPU).batch(np.arange(2)).cloud.shape == (2, POINTS, 3)


def test_preview(datasets, tmp_path, prepare):
    for _ in range(2):  # the second replaces the first
        prepare("preview", "--city", datasets / "alpha", "--name", "eastU_farU", "--places", 1, "--out", tmp_path / "p.png")
    tile = np.asarray(Image.open(tmp_path / "p.png"))[:, 600:900].astype(int)
    row, column = (values.mean() for values in np.nonzero(tile.sum(2) > 700))
    a = np.radians(PLACES[1].bearing - PLACES[1].heading)
    assert (column, row) == pytest.approx((150 + 50 * np.sin(a) * 300 / 152, 150 - 50 * np.cos(a) * 300 / 152), abs=4)


def test_training_on_an_imported_area(datasets, tmp_path):
    config = read_config(write_recipe(tmp_path, datasets), [
        "data.train=[alpha/eastU_farU]", "data.validation=[beta/eastU_farU]", "data.test=[alpha/eastU]", "training.epochs=1",
        "training.batch_size=2", "training.sampler=shuffled"])  # fmt: skip
    with pytest.raises(InputError, match="alpha/eastU: no area here"):
        train_recipe(config, CPU)
    config.data.test = ["beta/eastU_farU"]
    run = train_recipe(config, CPU)
    line = json.loads((run / "metrics.jsonl").read_text())
    assert np.isfinite(line["loss"]) and line["validation"]["recall@1"] == 100.0
