"""The stored map: complete, true to the extract, reproducible from any form of it, and built from the poorest extract too."""

import bz2
import gzip
import hashlib
import json
import random

import numpy as np
import osmium
import pandas as pd
import pytest

from data.city import CityMap
from data.osm.build import LARGEST_M, build_map
from data.osm.extract import LANE_WIDTH_M
from data.osm.mesh import CROWN_M, DECK_THICKNESS_M, TREE_HEIGHT_M
from data.surfaces import CROWN, DECK, DECK_M_PER_LEVEL, TRUNK, UNDERSIDE
from tests.data.osm.scenes import assert_same_map, digests, facts
from utils.classes import BARE, CLASSES, INDEX
from utils.errors import InputError

FILES = {"points.npy", "classes.npy", "cell_start.npy", "raster.npy", "ground.npy", "triangles.npy", "kind.npy", "owner.npy",
         "streets.npz", "graph.npz", "buildings.csv", "map.json"}  # fmt: skip


def files(folder):
    return {p.name for p in folder.iterdir()}


def test_same_seed_same_bytes(small_extract, small_city, tmp_path):
    build_map(small_extract, tmp_path / "again", density=0.1, metres_per_pixel=0.5)
    assert files(small_city.path) == FILES == files(tmp_path / "again/map")
    assert all((tmp_path / "again/map" / name).read_bytes() == (small_city.path / name).read_bytes() for name in FILES)
    build_map(small_extract, tmp_path / "other", density=0.1, metres_per_pixel=0.5, seed=1)
    before, after = digests(small_city.path.parent), digests(tmp_path / "other")
    assert {name for name in before if before[name] == after[name]} == {"ground.npy", "streets.npz", "graph.npz", "buildings.csv"}
    assert not {tuple(p) for p in small_city.points.tolist()} & {tuple(p) for p in np.load(tmp_path / "other/map/points.npy").tolist()}


def shuffled(source, target, kind):
    """The elements of an XML file with one element a line, in another order."""
    lines = source.read_text().splitlines()
    head, elements = lines[:3], lines[3:-1]
    random.Random(1).shuffle(elements)
    if kind == "within":
        elements.sort(key=lambda line: ("<node", "<way ", "<rela").index(line[:5]))
    target.write_text("\n".join([*head, *elements, lines[-1]]))
    return target


def rewritten(source, target):
    """The same elements in the format that the name says."""
    with osmium.SimpleWriter(str(target), header=osmium.io.Reader(str(source)).header()) as writer:
        for element in osmium.FileProcessor(str(source)):
            writer.add(element)
    return target


@pytest.mark.parametrize("form", ["small.osm.pbf", "small.osm.gz", "small.osm.bz2", "within.osm", "mixed.osm", "mixed.osm.pbf"])
def test_the_same_map_from_any_form_of_an_extract(small_extract, small_city, tmp_path, form):
    path = tmp_path / form
    if form in ("within.osm", "mixed.osm"):
        shuffled(small_extract, path, form.split(".")[0])
    elif form == "mixed.osm.pbf":
        rewritten(shuffled(small_extract, tmp_path / "mixed.osm", "mixed"), path)
    elif form == "small.osm.pbf":
        rewritten(small_extract, path)
    else:
        path.write_bytes((gzip if form.endswith("gz") else bz2).compress(small_extract.read_bytes()))
    build_map(path, tmp_path / "city", density=0.1, metres_per_pixel=0.5)
    assert_same_map(tmp_path / "city", small_city.path.parent)


def test_the_same_map_from_a_real_extract_in_another_form(shared_data, west_village, tmp_path):
    """As XML, and with nodes, ways and relations the other way round."""
    source = shared_data / "osm/west-village.osm.pbf"
    rewritten(source, tmp_path / "village.osm.gz")
    with osmium.SimpleWriter(str(tmp_path / "turned.osm.pbf"), header=osmium.io.Reader(str(source)).header()) as writer:
        for kind in (osmium.osm.RELATION, osmium.osm.WAY, osmium.osm.NODE):
            for element in osmium.FileProcessor(str(source), kind):
                writer.add(element)
    for name in ("village.osm.gz", "turned.osm.pbf"):
        build_map(tmp_path / name, tmp_path / name.split(".")[0], density=0.05)
        assert_same_map(tmp_path / name.split(".")[0], west_village.path.parent)


def test_map_json_says_what_the_arrays_hold(small_extract, small_city):
    info = json.loads((small_city.path / "map.json").read_text())
    assert info["points"] == len(small_city.points) == len(small_city.classes)
    counts = np.bincount(small_city.classes, minlength=25)
    assert info["points_by_class"] == {CLASSES[i].name: n for i, n in enumerate(counts.tolist()) if n}
    assert info["points_sha256"] == hashlib.sha256(np.asarray(small_city.points).tobytes()).hexdigest()
    assert info["source"] == {"file": "small.osm", "sha256": hashlib.sha256(small_extract.read_bytes()).hexdigest()}
    assert info["building_volumes"] == 76 + 1 + 2  # in the blocks, the courtyard, the parts of the tower
    assert info["height_from"] == {"default": 0, "levels": 1, "height": 78} and info["roofs"]["flat"] == 79
    assert info["elements"] == {"buildings": 78, "building parts": 2, "trees": 12, "roads_primary": 1, "roads_residential": 6,
                                "vegetation": 1, "water": 1}  # fmt: skip
    assert info["dropped"] == {"underground": 1} and info["repaired"] == 0 and info["refused_values"] == {}
    assert "OpenStreetMap" in info["attribution"] and info["density"] == 0.1 and info["seed"] == 0


def test_buildings_csv_says_what_stands_where(small_city):
    table = pd.read_csv(small_city.path / "buildings.csv")
    assert len(table) == 79 and (table.id.diff().dropna() >= 0).all()
    court = table[table.id < 0]
    assert len(court) == 1 and court.top_m.tolist() == [12] and court.height_from.tolist() == ["levels"]
    assert (court.x.iloc[0], court.y.iloc[0]) == pytest.approx((40, 40), abs=0.05)
    assert court.area_m2.iloc[0] == pytest.approx(1600 - 400, abs=1)
    tower = table[table.part == 1].sort_values("x")
    assert tower.top_m.tolist() == [20, 80] and tower.x.tolist() == pytest.approx([30, 50], abs=0.05)
    assert (tower.bottom_m == 0).all() and (tower.eaves_m == tower.top_m).all() and (tower.roof == "flat").all()


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


def test_every_surface_gets_its_share_of_points(small_city):
    """For each class the area of ground drawn in it, for each building its walls and roof."""
    points, classes = np.asarray(small_city.points), np.asarray(small_city.classes)
    width = 2 * LANE_WIDTH_M
    across, along = 600 * CLASSES[INDEX["roads_residential"]].width_m, 800 * width  # the former do not state their lanes
    crossing = across * along / 600 / 800
    areas = {"roads_primary": along, "roads_residential": 4 * across + 2 * along - 12 * crossing, "water": 1600,
             "vegetation": 140 * 140 - 1600 - 1200 - 1600}  # fmt: skip
    for name, area in areas.items():
        count = ((classes == INDEX[name]) & (points[:, 2] == 0)).sum()
        assert count == pytest.approx(0.1 * area, rel=0.01, abs=4), name
    built = points[classes == INDEX["buildings"]]
    table = pd.read_csv(small_city.path / "buildings.csv")
    blocks = table[(table.part == 0) & (table.id > 0)]
    assert len(blocks) == 76
    for b in blocks.itertuples():
        mine = (np.abs(built[:, 0] - b.x) < 20.5) & (np.abs(built[:, 1] - b.y) < 18.5)
        assert abs(mine.sum() - 0.1 * (40 * 36 + 2 * (40 + 36) * b.top_m)) < 3
        assert abs((mine & (np.abs(built[:, 2] - b.top_m) < 1e-4)).sum() - 0.1 * 40 * 36) < 4


def test_courtyard_is_open_and_the_tower_high(small_city):
    x, y, z = np.asarray(small_city.points).T
    assert not ((abs(x - 40) < 9) & (abs(y - 40) < 9) & (z > 1)).any()
    assert z[(abs(x - 50) < 9) & (abs(y - 120) < 19)].max() == pytest.approx(80)
    assert z[(abs(x - 29) < 8) & (abs(y - 120) < 19)].max() == pytest.approx(20)
    assert not ((abs(x + 20) < 9) & (abs(y - 30) < 9) & (z > 0)).any()  # the underground one


def test_a_features_points_do_not_change_with_its_neighbours(new_extract, tmp_path):
    """Ids stay, other buildings and trees go."""

    def points_of_the_west(with_east):
        extract = new_extract(300, 200)
        for x in range(-280, 280, 40):
            if x < 0 or with_east:
                extract.box(x, -30, x + 20, 30, {"building": "yes"})
                extract.node((x + 30, 0), {"natural": "tree"})
            else:
                extract.count += 1
        name = f"east-{with_east}"
        build_map(extract.write(tmp_path / f"{name}.osm"), tmp_path / name, density=0.5)
        points = np.load(tmp_path / name / "map/points.npy")
        return np.array(sorted(points[points[:, 0] < -22].tolist()))

    alone, beside = points_of_the_west(False), points_of_the_west(True)
    trees = np.abs(alone[:, 1]) < 6  # their nodes are numbered anew
    assert len(alone) > 5000 and np.array_equal(alone[~trees], beside[~(np.abs(beside[:, 1]) < 6)])


@pytest.fixture(scope="module")
def bridges(new_extract, tmp_path_factory):
    """A river from south to north; bridges of layer 1 and 2 over it, with the second over the first; a tunnel below it."""
    extract = new_extract(300, 300)
    extract.box(-290, -290, -270, -270, {"building": "yes"})
    extract.box(-150, -8, -120, 8, {"building": "yes", "height": "4"})  # under the lower bridge
    extract.box(-50, -300, 50, 300, {"natural": "water"})
    bridge = {"bridge": "yes", "width": "20"}
    extract.way([(-200, 0), (200, 0)], {"highway": "primary", "layer": "1", **bridge})
    extract.way([(-200, 0), (-300, 0)], {"highway": "primary", "width": "20"})
    extract.way([(0, -150), (0, 150)], {"highway": "secondary", "layer": "2", **bridge})
    extract.way([(-250, 100), (-200, 100)], {"highway": "footway"})
    extract.way([(-200, 200), (200, 200)], {"highway": "tertiary", "tunnel": "yes", "layer": "-1", "width": "20"})
    extract.way([(-200, -200), (200, -200)], {"highway": "trunk", "covered": "yes", "layer": "-2", "width": "20"})
    city = tmp_path_factory.mktemp("bridges")
    build_map(extract.write(city / "bridges.osm"), city, density=0.5, metres_per_pixel=1.0)
    return CityMap(city)


def test_bridges_are_raised_by_their_layer(bridges):
    points, classes = np.asarray(bridges.points), np.asarray(bridges.classes)
    for name, level, length in (("roads_primary", 1, 400), ("roads_secondary", 2, 300)):
        z = points[classes == INDEX[name], 2]
        deck = z == DECK_M_PER_LEVEL * level
        assert deck.sum() == pytest.approx(0.5 * 20 * length, rel=0.02)
        assert set(np.unique(z)) == ({0.0, 5.0} if level == 1 else {10.0})
    assert bridges.info["elements"]["bridges"] == 2


def test_water_under_bridges_stays_water(bridges):
    points, classes = np.asarray(bridges.points), np.asarray(bridges.classes)
    water = points[classes == INDEX["water"]]
    assert (water[:, 2] == 0).all() and len(water) == pytest.approx(0.5 * 100 * 600, rel=0.01)
    below = (np.abs(water[:, 1]) < 10).sum()
    assert below == pytest.approx(0.5 * 100 * 20, rel=0.1)
    assert (bridges.ground[:600, 260:340] == INDEX["water"]).all()
    assert (bridges.raster[300, 300] != bridges.raster[500, 300]).any()  # but the bridge is drawn


def test_tunnels_and_what_lies_below_are_dropped(bridges):
    assert not np.isin(bridges.classes, [INDEX["roads_tertiary"], INDEX["roads_trunk"]]).any()
    assert bridges.info["dropped"] == {"underground": 2}


def test_decks_are_there_to_be_rendered(bridges):
    triangles, kind = np.asarray(bridges.mesh["triangles"]), np.asarray(bridges.mesh["kind"])
    assert set(np.unique(triangles[kind == DECK][..., 2])) == {5.0, 10.0}
    assert (bridges.mesh["owner"][kind == DECK] == np.where(triangles[kind == DECK][:, 0, 2] == 5, INDEX["roads_primary"],
                                                           INDEX["roads_secondary"])).all()  # fmt: skip
    sides = triangles[kind == UNDERSIDE][..., 2]
    assert sides.min() == pytest.approx(5 - DECK_THICKNESS_M) and sides.max() == 10
    assert bridges.streets.level.tolist() == [1, 0, 2]  # what cars drive on, by id


def test_trees_are_sampled_as_trunk_and_crown(new_extract, tmp_path):
    extract = new_extract(100, 100)
    extract.box(-90, -90, -80, -80, {"building": "yes"})
    extract.node((0, 0), {"natural": "tree", "height": "18 m", "diameter_crown": "10"})
    extract.node((50, 0), {"natural": "tree"})
    extract.way([(-60, 50), (59, 50)], {"natural": "tree_row"})
    build_map(extract.write(tmp_path / "trees.osm"), tmp_path, density=5.0)
    city = CityMap(tmp_path)
    vegetation = np.asarray(city.points)[city.classes == INDEX["vegetation"]]
    stated = vegetation[np.hypot(*vegetation[:, :2].T) < 8]
    assert stated[:, 2].max() == pytest.approx(18, abs=0.5) and np.hypot(*stated[:, :2].T).max() == pytest.approx(5, abs=0.3)
    assert (np.hypot(*stated[stated[:, 2] < 2, :2].T) < 0.3).all() and (stated[:, 2] < 2).sum() > 5  # its trunk
    drawn = vegetation[np.hypot(vegetation[:, 0] - 50, vegetation[:, 1]) < 6]
    assert TREE_HEIGHT_M[0] - 0.5 < drawn[:, 2].max() < TREE_HEIGHT_M[1]
    assert CROWN_M[0] - 0.5 < np.ptp(drawn[:, 0]) < CROWN_M[1]
    kind, triangles = np.asarray(city.mesh["kind"]), np.asarray(city.mesh["triangles"])
    in_row = (kind == TRUNK) & (triangles[..., 1].mean(1) > 40)
    assert in_row.sum() == 15 * 8 and len(np.unique(city.mesh["owner"][(kind == CROWN) | (kind == TRUNK)])) == 17
    assert city.info["elements"]["trees"] == 17


def test_an_extract_with_a_single_building(new_extract, tmp_path):
    extract = new_extract(100, 100)
    extract.box(-10, -10, 10, 10, {"building": "yes"})
    for bounds in (True, False):
        info = build_map(extract.write(tmp_path / "one.osm", bounds=bounds), tmp_path / "city")
        city = CityMap(tmp_path / "city")
        assert info["points_by_class"] == {"buildings": len(city.points)} and info["height_from"]["default"] == 1
        assert len(city.streets.xy) == 0 and city.streets.start.tolist() == [0]
        assert set(np.unique(city.ground)) == ({INDEX["buildings"], BARE} if bounds else {INDEX["buildings"]})


def test_a_given_origin_moves_the_coordinates(small_extract, small_city, tmp_path):
    lat, lon = small_city.projection.inverse(100.0, -50.0)
    build_map(small_extract, tmp_path, density=0.1, metres_per_pixel=0.5, origin=(float(lat), float(lon)))
    moved = CityMap(tmp_path)
    assert moved.info["origin"] == [float(lat), float(lon)]
    assert np.allclose(np.subtract(moved.info["bounds"], small_city.info["bounds"]), (-100, 50, -100, 50), atol=0.05)
    shift = [pd.read_csv(c.path / "buildings.csv")[["x", "y"]].to_numpy() for c in (moved, small_city)]
    assert np.allclose(shift[0] - shift[1], (-100, 50), atol=0.03)


def degrees(city, x0, y0, x1, y1):
    (south, north), (west, east) = city.projection.inverse([x0, x1], [y0, y1])
    return float(south), float(west), float(north), float(east)


def test_a_box_gives_that_part_of_the_map(small_extract, small_city, tmp_path):
    origin = tuple(small_city.info["origin"])
    build_map(small_extract, tmp_path, density=0.1, metres_per_pixel=0.5, origin=origin, bbox=degrees(small_city, -90, -70, 130, 160))
    part = CityMap(tmp_path)
    assert np.allclose(part.info["bounds"], (-90, -70, 130, 160), atol=0.1)
    x0, y0, x1, y1 = part.info["bounds"]
    xy = np.asarray(part.points)[:, :2]
    assert (xy > (x0 - 0.01, y0 - 0.01)).all() and (xy < (x1 + 0.01, y1 + 0.01)).all()
    # Buildings that lie wholly within it have the very same points as on the whole map.
    whole = np.asarray(small_city.points)[small_city.classes == INDEX["buildings"]]
    own = np.asarray(part.points)[part.classes == INDEX["buildings"]]
    inside = [p[(np.abs(p[:, 0] - 40) < 20.1) & (np.abs(p[:, 1] - 80) < 62)] for p in (whole, own)]
    assert len(inside[0]) > 1000 and sorted(inside[0].tolist()) == sorted(inside[1].tolist())
    assert len(pd.read_csv(part.path / "buildings.csv")) < 79


def test_a_box_beyond_the_extract_gives_the_extract(small_extract, small_city, tmp_path):
    box = degrees(small_city, -5000, -5000, 5000, 5000)
    build_map(small_extract, tmp_path, density=0.1, metres_per_pixel=0.5, bbox=box)
    assert digests(tmp_path) == digests(small_city.path.parent) and facts(tmp_path) == facts(small_city.path.parent)


@pytest.fixture
def fails(tmp_path):
    """Fails in one line, and leaves nothing in the city's folder, not even temporary files."""

    def call(path, *words, **options):
        city = tmp_path / "city"
        (city / "map").mkdir(parents=True, exist_ok=True)
        (city / "map/map.json").write_text('{"made_by": "data.prepare map"}')  # an old one, which stays
        with pytest.raises(InputError) as caught:
            build_map(path, city, **options)
        message = str(caught.value)
        assert str(path) in message and "\n" not in message and all(word in message for word in words), message
        assert [p.relative_to(city).as_posix() for p in sorted(city.rglob("*"))] == ["map", "map/map.json"]

    return call


def test_an_unusable_extract(fails, tmp_path):
    (tmp_path / "bad.osm").write_text("no extract")
    fails(tmp_path / "bad.osm", "neither OSM XML nor pbf")
    fails(tmp_path / "missing.osm", "no such extract")


def test_a_truncated_extract(fails, tmp_path, small_extract):
    text = small_extract.read_bytes()
    (tmp_path / "half.osm").write_bytes(text[: len(text) // 2])
    fails(tmp_path / "half.osm", "truncated")


def test_no_building_within_the_box(fails, small_extract, small_city):
    fails(small_extract, "no building above ground", bbox=degrees(small_city, -70, 10, 10, 90))


def test_a_disjoint_box(fails, small_extract, small_city):
    fails(small_extract, "nothing of it lies in --bbox", bbox=degrees(small_city, 500, 0, 600, 50))


@pytest.mark.parametrize("half", [(0.6 * LARGEST_M, 1000), (1000, 0.6 * LARGEST_M)])
def test_more_than_a_city(fails, new_extract, tmp_path, half):
    extract = new_extract(*half)
    extract.box(0, 0, 10, 10, {"building": "yes"})
    path = extract.write(tmp_path / "land.osm")
    fails(path, "more than a city", "--bbox")
    box = degrees(extract, -50, -50, 50, 50)
    assert build_map(path, tmp_path / "part", bbox=box)["elements"]["buildings"] == 1


def test_a_tile_that_fails(fails, small_extract, monkeypatch):
    from data.osm import tile

    def draw_map(*_):
        raise InputError(f"{small_extract}: something is wrong")

    monkeypatch.setattr(tile, "draw_map", draw_map)
    fails(small_extract, "something is wrong", tile_m=200, processes=1)


def test_a_new_map_replaces_the_old_one(small_extract, tmp_path):
    (tmp_path / "city/map").mkdir(parents=True)
    (tmp_path / "city/map/map.json").write_text('{"made_by": "data.prepare map"}')
    (tmp_path / "city/map/raster.npy").touch()
    (tmp_path / "city/train").mkdir()
    build_map(small_extract, tmp_path / "city", density=0.02, metres_per_pixel=2)
    assert files(tmp_path / "city/map") == FILES and files(tmp_path / "city") == {"map", "train"}


@pytest.mark.parametrize("origin", [(10.0, 100.0), (326.1, 151.2)])
def test_an_origin_elsewhere_is_refused(small_extract, tmp_path, origin):
    with pytest.raises(InputError, match="too far away for true metres"):
        build_map(small_extract, tmp_path / "city", origin=origin)
    assert not (tmp_path / "city").exists()
