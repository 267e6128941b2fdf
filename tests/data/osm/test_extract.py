"""Reading extracts: what is refused and how, what becomes what, what is counted, and a real one against its own tags."""

import bz2
import gzip
import re

import numpy as np
import osmium
import pytest
import shapely

from data.osm.extract import HIGHEST_TREE_M, LANE_WIDTH_M, TREE_SPACING_M
from data.osm.features import WIDEST_M
from data.osm.heights import BY_HEIGHT, BY_LEVELS, NO_HEIGHT
from data.osm.roofs import FLAT, GABLED
from utils.classes import CLASSES, INDEX
from utils.errors import InputError


def assert_refused(read, path, *words):
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    assert all(word in message for word in words)


def test_missing_file(read, tmp_path):
    assert_refused(read, tmp_path / "no.osm.pbf", "no such extract")


def test_a_folder(read, tmp_path):
    assert_refused(read, tmp_path, "no such extract")


def test_truncated_pbf(read, tmp_path, shared_data):
    whole = (shared_data / "osm/west-village.osm.pbf").read_bytes()
    (tmp_path / "half.osm.pbf").write_bytes(whole[: len(whole) // 2])
    assert_refused(read, tmp_path / "half.osm.pbf", "truncated")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_xml(read, tmp_path, small_extract, share):
    whole = small_extract.read_bytes()
    (tmp_path / "part.osm").write_bytes(whole[: int(share * len(whole))])
    assert_refused(read, tmp_path / "part.osm", "truncated")


@pytest.mark.parametrize("suffix", ["gz", "bz2"])
def test_truncated_compressed(read, tmp_path, new_extract, suffix):
    extract = new_extract(100, 100)
    for x in range(-90, 90, 5):
        extract.box(x, 0, x + 4, 10, {"building": "yes"})
    path = extract.write(tmp_path / f"part.osm.{suffix}")
    path.write_bytes(path.read_bytes()[:-200])
    assert_refused(read, path, "truncated")


@pytest.mark.parametrize("name", ["text.osm", "text.osm.pbf", "text.osm.gz", "text.osm.bz2", "text.txt"])
def test_a_text_file_is_no_extract(read, tmp_path, name):
    (tmp_path / name).write_text("id,lat,lon\n1,2,3\n")
    assert_refused(read, tmp_path / name)


def test_empty_file(read, tmp_path):
    (tmp_path / "empty.osm").touch()
    assert_refused(read, tmp_path / "empty.osm")


@pytest.mark.parametrize("bounds", [True, False])
def test_no_building_above_ground(read, tmp_path, new_extract, bounds):
    extract = new_extract(100, 100)
    extract.way([(-90, 0), (90, 0)], {"highway": "residential"})
    extract.box(0, 0, 10, 10, {"building": "no"})
    extract.box(20, 0, 30, 10, {"building": "yes", "location": "underground"})
    assert_refused(read, extract.write(tmp_path / "bare.osm", bounds=bounds), "no building above ground")


def test_the_frame_is_the_extracts_own_box(frame, tmp_path, new_extract):
    extract = new_extract(200, 100)
    extract.box(0, 0, 10, 10, {"building": "yes"})
    west, south, east, north = frame(extract.write(tmp_path / "box.osm"))
    x, y = extract.projection.forward([south, north], [west, east])
    assert np.allclose([x, y], [(-200, 200), (-100, 100)], atol=0.02)


@pytest.mark.parametrize("shuffle", [None, "mixed"])
def test_without_a_box_the_buildings_span_the_frame(frame, tmp_path, new_extract, shuffle):
    extract = new_extract(200, 100)
    extract.box(-50, -20, -30, 0, {"building": "yes"})
    extract.box(60, 10, 70, 35, {"building": "house"})
    extract.way([(-190, 0), (190, 0)], {"highway": "residential"})
    west, south, east, north = frame(extract.write(tmp_path / "no-box.osm", shuffle, bounds=False))
    x, y = extract.projection.forward([south, north], [west, east])
    assert np.allclose([x, y], [(-50, 70), (-20, 35)], atol=0.02)


def degrees(extract, x0, y0, x1, y1):
    (south, north), (west, east) = extract.projection.inverse([x0, x1], [y0, y1])
    return float(south), float(west), float(north), float(east)


def test_a_box_cuts_the_frame_and_never_widens_it(frame, tmp_path, new_extract):
    extract = new_extract(200, 100)
    extract.box(0, 0, 10, 10, {"building": "yes"})
    path = extract.write(tmp_path / "box.osm")
    for box, expected in (((-60, -40, 50, 30), (-60, -40, 50, 30)), ((-900, -40, 50, 900), (-200, -40, 50, 100)),
                          ((-900, -900, 900, 900), (-200, -100, 200, 100))):  # fmt: skip
        west, south, east, north = frame(path, degrees(extract, *box))
        (x0, x1), (y0, y1) = extract.projection.forward([south, north], [west, east])
        assert np.allclose((x0, y0, x1, y1), expected, atol=0.1)  # meridians converge


@pytest.mark.parametrize("box", [(300, -50, 400, 50), (-400, -50, -300, 50), (-50, 150, 50, 200), (-50, -200, 50, -150)])
def test_a_box_beside_the_extract_is_refused(frame, tmp_path, new_extract, box):
    extract = new_extract(200, 100)
    extract.box(0, 0, 10, 10, {"building": "yes"})
    path = extract.write(tmp_path / "box.osm")
    assert_refused(lambda p: frame(p, degrees(extract, *box)), path, "nothing of it lies in --bbox; it covers -33.90")


def test_only_what_lies_in_the_box_is_read(read, tmp_path, new_extract):
    extract = new_extract(200, 200)
    inside, across = extract.box(0, 0, 10, 10, {"building": "yes"}), extract.box(45, 0, 55, 10, {"building": "yes"})
    extract.box(60, 0, 70, 10, {"building": "yes"})
    road = extract.way([(-150, 20), (150, 20)], {"highway": "primary"})
    extract.way([(-150, 80), (150, 80)], {"highway": "primary"})
    near, _ = extract.node((49, 0), {"natural": "tree"}), extract.node((51, 0), {"natural": "tree"})
    reading = read(extract.write(tmp_path / "part.osm"), degrees(extract, -50, -50, 50, 50))
    assert reading.all("building")[1]["id"].tolist() == [inside, across]
    assert reading.all("way")[1]["id"].tolist() == [road] and reading.all("tree")[1]["id"].tolist() == [near]
    assert reading.summary.dropped["outside the map"] == 3
    assert reading.summary.elements["buildings"] == 2 and reading.summary.elements["trees"] == 1


def test_a_box_without_a_building(read, tmp_path, new_extract):
    extract = new_extract(200, 200)
    extract.box(0, 0, 10, 10, {"building": "yes"})
    path = extract.write(tmp_path / "part.osm")
    assert_refused(lambda p: read(p, degrees(extract, -90, -90, -50, -50)), path, "no building above ground within the map")


def test_courtyard_stays_open(read, tmp_path, new_extract):
    extract = new_extract(100, 100)
    ring, hole = extract.box(-20, -20, 20, 20), extract.box(-10, -10, 10, 10)
    relation = extract.multipolygon(ring, hole, {"building": "yes", "height": "12"})
    polygons, records = read(extract.write(tmp_path / "court.osm")).all("building")
    assert records["id"].tolist() == [-relation]
    expected = shapely.box(-20, -20, 20, 20).difference(shapely.box(-10, -10, 10, 10))
    assert polygons[0].symmetric_difference(expected).area < 2
    assert (records["bottom_m"][0], records["top_m"][0]) == (0, 12)


def test_several_members_make_one_polygon(read, tmp_path, new_extract):
    """Two outer rings, one of them of three ways in any direction, and an island in the courtyard of the other."""
    extract = new_extract(100, 100)
    pieces = [extract.way(xy) for xy in ([(0, 0), (40, 0), (40, 20)], [(0, 40), (40, 40), (40, 20)], [(0, 40), (0, 0)])]
    court, island, apart = extract.box(10, 10, 30, 30), extract.box(15, 15, 25, 25), extract.box(60, 0, 80, 20)
    members = [(p, "outer") for p in (*pieces, island, apart)] + [(court, "inner")]
    extract.relation(members, {"leisure": "park"})
    extract.box(-50, -50, -40, -40, {"building": "yes"})
    polygons, records = read(extract.write(tmp_path / "members.osm")).all("surface")
    assert records["semantic"].tolist() == [INDEX["vegetation"]]
    assert polygons[0].area == pytest.approx(40 * 40 - 20 * 20 + 10 * 10 + 20 * 20, abs=2)


def mixed(extract):
    """One of everything; returns the ids by name."""
    across = {"roof:shape": "gabled", "roof:orientation": "across"}
    return {
        "house": extract.box(0, 0, 10, 10, {"building": "house"}),
        "shed": extract.box(20, 0, 24, 4, {"building": "shed"}),
        "tower": extract.box(30, 0, 40, 10, {"building": "yes", "building:levels": "4", **across}),
        "part": extract.box(0, 0, 5, 10, {"building:part": "yes", "height": "9", "min_height": "3"}),
        "both": extract.box(45, 0, 49, 10, {"building": "yes", "building:part": "yes", "height": "9"}),
        "cellar": extract.box(50, 0, 60, 10, {"building": "yes", "layer": "-2", "level": "-2"}),
        "loop": extract.box(-50, -50, -20, -20, {"highway": "pedestrian"}),
        "plaza": extract.box(-50, 20, -20, 50, {"highway": "pedestrian", "area": "yes"}),
        "wide": extract.way([(-100, 100), (100, 100)], {"highway": "primary", "width": "20"}),
        "lanes": extract.way([(-100, 120), (100, 120)], {"highway": "residential", "lanes": "3"}),
        "both widths": extract.way([(-100, 125), (100, 125)], {"highway": "residential", "lanes": "3", "width": "5 m"}),
        "absurd": extract.way([(-100, 130), (100, 130)], {"highway": "residential", "width": "600"}),
        "refused": extract.way([(-100, 135), (100, 135)], {"highway": "residential", "width": "wide", "lanes": "2;3"}),
        "path": extract.way([(-100, 140), (100, 140)], {"highway": "footway"}),
        "tunnel": extract.way([(-100, 160), (100, 160)], {"highway": "footway", "tunnel": "yes"}),
        "below": extract.way([(-100, 165), (100, 165)], {"highway": "primary", "layer": "-1", "covered": "yes"}),
        "bridge": extract.way([(-100, 170), (100, 170)], {"highway": "primary", "bridge": "yes", "layer": "2"}),
        "viaduct": extract.way([(-100, 175), (100, 175)], {"railway": "subway", "bridge": "viaduct"}),
        "tram": extract.way([(-100, 180), (100, 180)], {"railway": "tram", "lanes": "4"}),
        "coast": extract.way([(-100, -100), (100, -100)], {"natural": "coastline"}),
        "stream": extract.way([(-100, -150), (100, -150)], {"waterway": "stream"}),
    }


def test_elements_become_what_their_tags_say(read, tmp_path, new_extract):
    extract = new_extract(200, 200)
    ids = mixed(extract)
    tree = extract.node((30, 30), {"natural": "tree", "height": "14 m", "diameter_crown": "6"})
    bare = extract.node((40, 30), {"natural": "tree"})
    odd = extract.node((50, 30), {"natural": "tree", "height": str(HIGHEST_TREE_M), "diameter_crown": str(WIDEST_M)})
    reading = read(extract.write(tmp_path / "mixed.osm.gz"))

    _, buildings = reading.all("building")
    by_id = {int(r["id"]): r for r in buildings}
    assert list(by_id) == sorted(ids[name] for name in ("house", "shed", "tower", "part", "both"))
    assert {name for name, i in ids.items() if i in by_id and by_id[i]["part"]} == {"part"}
    assert {name for name, i in ids.items() if i in by_id and by_id[i]["low"]} == {"shed"}
    assert {ids[name]: by_id[ids[name]]["source"] for name in ("house", "tower", "part")} == {
        ids["house"]: NO_HEIGHT, ids["tower"]: BY_LEVELS, ids["part"]: BY_HEIGHT}  # fmt: skip
    assert (by_id[ids["part"]]["bottom_m"], by_id[ids["part"]]["top_m"]) == (3, 9)
    assert np.isnan(by_id[ids["house"]]["top_m"]) and by_id[ids["tower"]]["top_m"] == 12
    assert (by_id[ids["tower"]]["roof"], by_id[ids["tower"]]["across"]) == (GABLED, True)
    assert (by_id[ids["house"]]["roof"], by_id[ids["house"]]["across"]) == (FLAT, False)

    polygons, surfaces = reading.all("surface")
    plaza = surfaces["semantic"] == INDEX["areas_pedestrian"]
    assert surfaces["id"][plaza].tolist() == [ids["plaza"]]
    assert shapely.box(-50, 20, -20, 50).symmetric_difference(polygons[plaza][0]).area < 1.5
    assert surfaces["semantic"][~plaza].tolist() == [INDEX["water"]]  # what the coastline closes

    lines, ways = reading.all("way")
    widths = {name: ways["width_m"][ways["id"] == i].tolist() for name, i in ids.items()}
    assert {name: w[0] for name, w in widths.items() if w} == pytest.approx({
        "loop": CLASSES[INDEX["roads_pedestrian"]].width_m, "wide": 20, "lanes": 3 * LANE_WIDTH_M, "both widths": 5,
        "absurd": CLASSES[INDEX["roads_residential"]].width_m, "refused": CLASSES[INDEX["roads_residential"]].width_m,
        "path": CLASSES[INDEX["paths_footway"]].width_m,
        "bridge": CLASSES[INDEX["roads_primary"]].width_m, "viaduct": CLASSES[INDEX["railways"]].width_m,
        "tram": CLASSES[INDEX["railways"]].width_m, "coast": CLASSES[INDEX["coastlines"]].width_m,
    })  # fmt: skip
    assert {int(r["id"]): int(r["level"]) for r in ways if r["level"]} == {ids["bridge"]: 2, ids["viaduct"]: 1}
    assert np.allclose(shapely.get_coordinates(lines[ways["id"] == ids["coast"]]), [(-100, -100), (100, -100)], atol=0.02)

    spots, trees = reading.all("tree")
    assert trees["id"].tolist() == [tree, bare, odd] and not trees["index"].any()
    assert np.allclose(shapely.get_coordinates(spots), [(30, 30), (40, 30), (50, 30)], atol=0.02)
    assert trees["height_m"].tolist() == [14, 0, 0] and trees["crown_m"].tolist() == [6, 0, 0]


def test_the_summary_counts_every_element_once(read, tmp_path, new_extract):
    extract = new_extract(200, 200)
    mixed(extract)
    extract.box(-90, -90, -80, -80, {"building": "yes", "height": "tall", "building:levels": "4;5"})
    extract.box(-70, -90, -60, -80, {"building": "yes", "height": "about 10"})
    extract.multipolygon(extract.box(-90, 60, -60, 90), extract.box(-80, 70, -70, 80), {"building": "yes", "location": "underground"})
    extract.box(300, 300, 310, 310, {"building": "yes"})
    extract.box(-90, 0, -80, 10, {"highway": "footway", "tunnel": "yes"})  # a closed way
    summary = read(extract.write(tmp_path / "mixed.osm")).summary
    assert {k: n for k, n in summary.elements.items() if n} == {
        "buildings": 6, "building parts": 1, "areas_pedestrian": 1, "roads_primary": 2, "roads_residential": 4, "paths_footway": 1,
        "roads_pedestrian": 1, "railways": 2, "coastlines": 1, "bridges": 2}  # fmt: skip
    # Of a house that is tagged as a part, too, the outline counts.
    assert {k: n for k, n in summary.dropped.items() if n} == {"underground": 5, "outside the map": 1}
    assert dict(summary.refused) == {"height": 2, "building:levels": 1, "width": 2, "lanes": 1}
    assert summary.repaired == 0


def test_tree_rows_become_a_tree_every_eight_metres(read, tmp_path, new_extract):
    extract = new_extract(100, 100)
    extract.box(0, 0, 10, 10, {"building": "yes"})
    row = extract.way([(-60, 20), (20, 20), (20, 81)], {"natural": "tree_row", "height": "9"})
    spots, trees = read(extract.write(tmp_path / "row.osm")).all("tree")
    line = shapely.LineString([(-60, 20), (20, 20), (20, 81)])
    expected = [line.interpolate(TREE_SPACING_M * i).coords[0] for i in range(18)]  # 0 to 136 m of 141 m
    assert np.allclose(shapely.get_coordinates(spots), expected, atol=0.03)
    assert trees["id"].tolist() == [row] * 18 and len(set(trees["index"].tolist())) == 18 and (trees["height_m"] == 9).all()


@pytest.mark.parametrize("shuffle", ["within", "mixed"])
@pytest.mark.parametrize("suffix", ["osm", "osm.gz", "osm.bz2"])
def test_the_order_of_the_elements_does_not_matter(read, tmp_path, new_extract, shuffle, suffix):
    extract = new_extract(200, 200)
    mixed(extract)
    extract.way([(0, 50), (30, 80), (30, 50), (0, 80), (0, 50)], {"building": "yes"})  # crosses itself
    extract.multipolygon(extract.box(-90, 60, -60, 90), extract.box(-80, 70, -70, 80), {"building": "yes"})
    ordered, shuffled = (read(extract.write(tmp_path / f"{s}.{suffix}", s, seed=3)) for s in (None, shuffle))
    for kind in ("building", "surface", "way", "tree"):
        (geometries, records), (others, other_records) = ordered.all(kind), shuffled.all(kind)
        assert records.tobytes() == other_records.tobytes()
        assert shapely.to_wkb(geometries).tolist() == shapely.to_wkb(others).tolist()
    assert +ordered.summary.elements == +shuffled.summary.elements and +ordered.summary.dropped == +shuffled.summary.dropped


def test_a_header_that_claims_an_order_is_not_believed(read, tmp_path, new_extract):
    """The real west-village extract says that it is sorted and has its relations before its ways."""
    extract = new_extract(200, 200)
    mixed(extract)
    ordered, shuffled = (extract.write(tmp_path / f"{s}.osm", s) for s in (None, "mixed"))
    header = osmium.io.Reader(str(shuffled)).header()
    header.set("sorting", "Type_then_ID")
    with osmium.SimpleWriter(str(tmp_path / "claims.osm.pbf"), header=header) as writer:
        for element in osmium.FileProcessor(str(shuffled)):
            writer.add(element)
    assert osmium.io.Reader(str(tmp_path / "claims.osm.pbf")).header().get("sorting") == "Type_then_ID"
    ordered, claimed = read(ordered), read(tmp_path / "claims.osm.pbf")
    for kind in ("building", "way"):
        assert ordered.all(kind)[1].tobytes() == claimed.all(kind)[1].tobytes()


def test_compressed_files_hold_the_same(read, tmp_path, small_extract):
    text = small_extract.read_bytes()
    plain = read(small_extract)
    for suffix, compress in (("gz", gzip.compress), ("bz2", bz2.compress)):
        (tmp_path / f"small.osm.{suffix}").write_bytes(compress(text))
        packed = read(tmp_path / f"small.osm.{suffix}")
        assert plain.all("building")[1].tobytes() == packed.all("building")[1].tobytes()


class RealTags:
    """Tags of every building of an extract, read without the code under test."""

    def __init__(self, path):
        self.buildings = {}
        for element in osmium.FileProcessor(str(path)).with_filter(osmium.filter.KeyFilter("building", "building:part")):
            self.buildings[element.id if element.is_way() else -element.id] = dict(element.tags)


def without_nodes(path, *numbers):
    """The extract without some of its nodes, counted from 0, to which ways still refer."""
    text = path.read_text()
    for node in [re.findall("<node .*?</node>", text)[n] for n in numbers]:
        text = text.replace(node, "")
    path.write_text(text)
    return path


def test_ways_that_lack_nodes_keep_their_pieces(read, tmp_path, new_extract):
    extract = new_extract(200, 200)
    road = extract.way([(-100, 0), (-50, 0), (0, 0), (50, 0), (100, 0), (150, 0)], {"highway": "residential"})
    extract.way([(0, 50), (50, 50)], {"highway": "residential"})
    row = extract.way([(-100, 90), (-76, 90), (0, 90), (50, 90), (74, 90)], {"natural": "tree_row"})
    extract.box(0, 100, 10, 110, {"building": "yes"})
    reading = read(without_nodes(extract.write(tmp_path / "cut.osm"), 2, 7, 10))
    lines, records = reading.all("way")
    assert records["id"].tolist() == [road, road]
    assert np.allclose([shapely.bounds(line)[[0, 2]] for line in lines], [(-100, -50), (50, 150)], atol=0.02)
    assert reading.summary.dropped["cut to less than a line by the extract"] == 1
    trees = reading.all("tree")[1]
    assert trees["id"].tolist() == [row] * 8 and trees["index"].tolist() == list(range(1, 9))


def test_widths_that_cannot_be_give_way_to_lanes_and_class(read, tmp_path, new_extract):
    extract = new_extract(200, 200)
    extract.box(0, 100, 10, 110, {"building": "yes"})
    for tags in ({"width": "350"}, {"width": "350", "lanes": "2"}, {"lanes": "2 ft"}, {"lanes": "99"}):
        extract.way([(-100, 0), (100, 0)], {"highway": "residential", **tags})
    reading = read(extract.write(tmp_path / "widths.osm"))
    usual = CLASSES[INDEX["roads_residential"]].width_m
    assert reading.all("way")[1]["width_m"].tolist() == [usual, 2 * LANE_WIDTH_M, usual, usual]
    assert reading.summary.refused == {"width": 2, "lanes": 2}


def test_a_failure_in_the_store_is_not_taken_for_a_broken_way(read, tmp_path, new_extract, monkeypatch):
    def fail(*_, **__):
        raise shapely.errors.GEOSException("of 100,000 features at once")

    extract = new_extract(200, 200)
    extract.box(0, 100, 10, 110, {"building": "yes"})
    path = extract.write(tmp_path / "one.osm")
    monkeypatch.setattr("data.osm.features.FLUSH", 1)
    monkeypatch.setattr("data.osm.features.shapely.make_valid", fail)
    monkeypatch.setattr("data.osm.features.shapely.is_valid", lambda geometries: np.zeros(len(geometries), bool))
    with pytest.raises(shapely.errors.GEOSException):
        read(path)


ANTIMERIDIAN = """<osm version="0.6">{bounds}<node id="1" lat="-17" lon="179.999"/><node id="2" lat="-17" lon="179.9992"/>
<node id="3" lat="-16.9998" lon="179.9992"/><node id="4" lat="-17" lon="-179.999"/><node id="5" lat="-17" lon="-179.9988"/>
<node id="6" lat="-16.9998" lon="-179.999"/><way id="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="1"/>
<tag k="building" v="yes"/></way><way id="2"><nd ref="4"/><nd ref="5"/><nd ref="6"/><nd ref="4"/><tag k="building" v="yes"/></way></osm>"""


@pytest.mark.parametrize("bounds", ["", '<bounds minlat="-17.01" minlon="179.99" maxlat="-16.99" maxlon="-179.99"/>'])
def test_over_the_antimeridian(read, frame, tmp_path, bounds):
    path = tmp_path / "taveuni.osm"
    path.write_text(ANTIMERIDIAN.format(bounds=bounds))
    covers = (179.99, -17.01, 180.01, -16.99) if bounds else (179.999, -17, 180.0012, -16.9998)
    assert np.allclose(frame(path), covers, atol=1e-6)
    polygons, records = read(path).all("building")
    x, y = shapely.get_coordinates(shapely.centroid(polygons)).T
    assert records["id"].tolist() == [1, 2] and x[0] < -80 < 80 < x[1] and (np.abs(y) < 15).all()
    west, south, east, north = frame(path, (-17.1, -179.9991, -16.9, -179.9))
    assert np.allclose((west, east), (180.0009, covers[2]), atol=1e-6)
    assert np.allclose(frame(path, (-17.1, 179.9991, -16.9, -179.9991))[::2], (179.9991, 180.0009), atol=1e-6)


@pytest.fixture(scope="module")
def real(read, shared_data):
    path = shared_data / "osm/west-village.osm.pbf"
    return read(path), RealTags(path).buildings


def test_heights_of_real_buildings_are_those_of_their_tags(real):
    reading, tags = real
    _, records = reading.all("building")
    plain = 0
    for record in records:
        height = tags[int(record["id"])].get("height", "")
        if height.replace(".", "", 1).isdigit() and float(height) > 0:
            assert record["top_m"] == float(height) and record["source"] == BY_HEIGHT
            plain += 1
    assert plain > 1_500


def test_real_buildings_are_valid_and_within_reach_of_the_map(real):
    reading, tags = real
    polygons, records = reading.all("building")
    assert set(records["id"].tolist()) <= tags.keys() and len(records) > 1_500
    assert shapely.is_valid(polygons).all()
    assert shapely.intersects(shapely.box(*reading.store.blocks.geo.bounds), shapely.envelope(polygons)).all()
