"""Extracts in all their variants, and damaged ones: each is read, or refused with the real reason."""

import bz2
import gzip
import lzma
import os
import re
import struct
import zlib

import numpy as np
import osmium
import pandas as pd
import pytest

from data.osm.build import build_map
from data.osm.container import LARGEST_BLOB, check_pbf
from data.osm.marks import read_marks
from utils.errors import InputError

HOUSE = {"building": "yes", "height": "10"}


@pytest.fixture
def build(tmp_path):
    """Makes the map of an extract: its map.json and its buildings.csv."""

    def call(path, **options):
        out = tmp_path / "city"
        info = build_map(path, out, density=0.05, processes=1, **options)
        return info, pd.read_csv(out / "map/buildings.csv")

    return call


@pytest.fixture
def refusal(build, tmp_path):
    """The line with which an extract is refused; nothing of the map is left."""

    def call(path, **options) -> str:
        with pytest.raises(InputError) as caught:
            build(path, **options)
        message = str(caught.value)
        assert message.startswith(f"{path}: ") and "\n" not in message and not (tmp_path / "city").exists()
        return message

    return call


@pytest.fixture
def two_houses(new_extract):
    """Two buildings, 20 m and 10 m wide, and a road."""
    extract = new_extract(100, 100)
    extract.box(-60, 0, -40, 20, HOUSE)
    extract.box(40, 0, 50, 10, HOUSE)
    extract.way([(-90, -50), (90, -50)], {"highway": "residential"})
    return extract


def edited(extract, path, *changes, **options):
    """The extract with changes in its text: (from, to)."""
    text = extract.write(path, **options).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


def areas(buildings):
    return sorted(buildings["area_m2"].round(-1).astype(int).tolist())


def dropped(info):
    return info["dropped"]


# What an extract covers


def test_two_bounds(cases, build):
    info, buildings = build(cases / "two_bounds/input.osm")
    assert areas(buildings) == [400, 400] and not dropped(info)
    assert np.allclose(info["bounds"], (-100, -50, 100, 50), atol=1)


def test_bounds_in_any_order_also_after_elements_but_not_those_of_elements(build, two_houses, tmp_path):
    more = '<bounds minlat="-33.9001" minlon="151.2" maxlat="-33.9" maxlon="151.203"/>'
    own = '<bounds minlat="0" minlon="0" maxlat="1" maxlon="1"/>'
    path = edited(two_houses, tmp_path / "merged.osm", ("<way id", more + "<way id"), ('<way id="1" version="1">', f'<way id="1">{own}'))
    assert build(path)[0]["bounds"][2] - build(path)[0]["bounds"][0] == pytest.approx(377, abs=3)


def test_bounds_on_both_sides_of_the_antimeridian(build, tmp_path):
    path = tmp_path / "taveuni.osm"
    nodes = [(1, 179.9995), (2, 179.9997), (3, -179.9997), (4, -179.9995)]
    boxes = ('<bounds minlat="-17.001" minlon="-180" maxlat="-17" maxlon="-179.999"/>'
             '<bounds minlat="-17.001" minlon="179.999" maxlat="-17" maxlon="180"/>')  # fmt: skip
    ways = "".join(f'<way id="{i}">{"".join(f"<nd ref={n!r}/>" for n in (f"{a}1", f"{b}1", f"{b}2", f"{a}2", f"{a}1"))}'
                   '<tag k="building" v="yes"/></way>' for i, a, b in ((1, 1, 2), (2, 3, 4)))  # fmt: skip
    spots = "".join(f'<node id="{i}{j}" lat="{lat}" lon="{lon}"/>' for i, lon in nodes for j, lat in ((1, -17.0005), (2, -17.0004)))
    path.write_text(f'<osm version="0.6">{boxes}{spots}{ways}</osm>')
    info, buildings = build(path)
    assert len(buildings) == 2 and np.allclose(info["bounds"], (-106, -56, 106, 56), atol=2)
    assert len(build(path, bbox=(-17.001, 179.9994, -17, -179.9994))[1]) == 2
    assert len(build(path, bbox=(-17.001, 179.9994, -17, 179.9999))[1]) == 1


@pytest.mark.parametrize("value", ["abc", "NaN", "inf", "91", ""])
def test_bounds_that_are_no_coordinates(refusal, two_houses, tmp_path, value):
    two_houses.bounds = re.sub('minlat="[^"]*"', f'minlat="{value}"', two_houses.bounds)
    assert "which is no coordinate; correct its <bounds> or delete them" in refusal(two_houses.write(tmp_path / "no.osm"))


def test_damaged_bounds(cases, refusal):
    message = refusal(cases / "damaged/TRACEBACK_InvalidLocationError_data_osm_source_py_32.osm")
    assert "minlat='inf'" in message and "download" not in message


def test_inverted_and_worldwide_bounds(build, refusal, two_houses, tmp_path):
    two_houses.bounds = '<bounds minlat="-34" minlon="151.3" maxlat="-33" maxlon="131.1"/>'  # not over the antimeridian
    assert "hold nothing" in refusal(two_houses.write(tmp_path / "swapped.osm"))
    two_houses.bounds = '<bounds minlat="-33" minlon="151.1" maxlat="-34" maxlon="151.3"/>'
    assert "hold nothing" in refusal(two_houses.write(tmp_path / "inverted.osm"))
    two_houses.bounds = '<bounds minlat="-90" minlon="-180" maxlat="90" maxlon="180"/>'
    world = two_houses.write(tmp_path / "world.osm")
    assert "360° × 180°, more than a city; give the city's --bbox" in refusal(world)
    assert len(build(world, bbox=(-33.901, 151.199, -33.899, 151.201))[1]) == 2


def test_buildings_as_relations_without_bounds(cases, build):
    info, buildings = build(cases / "relation_only_no_bounds/input.osm")
    assert areas(buildings) == [3200] and buildings["top_m"].tolist() == [10]


def test_relations_and_ways_span_the_map_together(build, new_extract, tmp_path):
    extract = new_extract(100, 100)
    halves = extract.way([(-60, 0), (-60, 30), (-30, 30)]), extract.way([(-30, 30), (-30, 0), (-60, 0)])
    extract.relation([(half, "outer") for half in halves], HOUSE)
    extract.box(40, -20, 50, -10, HOUSE)
    info, buildings = build(extract.write(tmp_path / "answer.osm", bounds=False))
    assert areas(buildings) == [100, 900] and np.allclose(info["bounds"], (-55, -25, 55, 25), atol=1)


# Deleted elements, changes, versions


def test_deleted_in_an_editor(cases, build):
    info, buildings = build(cases / "josm_action_delete/input.osm")
    assert buildings["id"].tolist() == [1] and dropped(info) == {"deleted": 1}


@pytest.mark.parametrize("mark", ['visible="false"', "action='delete'", "visible='false' action='modify'"])
def test_deleted_in_an_editor_or_in_the_database(build, two_houses, tmp_path, mark):
    path = edited(two_houses, tmp_path / "edited.osm", ('<way id="1" ', f'<way {mark} id="1" '))
    info, buildings = build(path)
    assert buildings["id"].tolist() == [2] and dropped(info) == {"deleted": 1}


@pytest.mark.parametrize("user", ['"a>b"', "'a>b'", '"a/>b"', '"\'>"', "'\">'", "\" id='2' >\""])
def test_deleted_by_an_editor_of_any_name(build, two_houses, tmp_path, user):
    """XML allows > in the value of an attribute."""
    path = edited(two_houses, tmp_path / "edited.osm", ('<way id="1" ', f'<way user={user} id="1" action="delete" '))
    info, buildings = build(path)
    assert buildings["id"].tolist() == [2] and dropped(info) == {"deleted": 1}


def test_an_extract_is_looked_through_alike_in_chunks_of_any_size(monkeypatch):
    """A box of a way is not one of the extract, tags in a comment do not count, and > within a value does not end a tag."""
    text = (b'<?xml version="1.0"?><osm version="0.6"><bounds minlat="1" minlon="2" maxlat="3" maxlon="4" origin="a>b"/>\n'
            b'<node user="c>d" id="-5" lat="1" lon="2"/><!-- <way id="9" action="delete"/> > <node id="8"/> -->\n'
            b'<way id="6" user="e>f">\n  <bounds minlat="5" minlon="5" maxlat="6" maxlon="6"/><nd ref="-5" lat="1" lon="2"/></way>\n'
            b'<relation id="7" user="g>h" action="delete" visible="false"/></osm>\n')  # fmt: skip
    monkeypatch.setattr("data.osm.marks.CHUNK", 120)
    for size in range(1, len(text) + 1):
        marks = read_marks("a.osm", (text[at : at + size] for at in range(0, len(text), size)))
        assert marks.boxes == [(2, 1, 4, 3)] and marks.deleted == {("relation", 7)}, size
        assert marks.invisible and marks.below_zero and marks.located and np.concatenate(marks.nodes).tolist() == [-5], size


def test_an_edit_is_no_deletion(build, two_houses, tmp_path):
    path = edited(two_houses, tmp_path / "edited.osm", ('<way id="1" ', "<way id=\"1\" action='modify' visible='true' "),
                  ('v="10"', 'v="10" '), ('k="height"', 'k="note" v="action=&quot;delete&quot;"/><tag k="height"'))  # fmt: skip
    assert len(build(path)[1]) == 2


def test_change_file(cases, refusal):
    message = refusal(cases / "change_file_delete/input.osc")
    assert "change file" in message and "osmium apply-changes" in message and "download" not in message


@pytest.mark.parametrize("name", ["changes.osm", "changes.osc", "changes.osc.gz", "changes.osm.bz2"])
def test_change_files_by_any_name(refusal, two_houses, tmp_path, name):
    text = two_houses.write(tmp_path / "plain.osm").read_bytes().replace(b"<osm ", b"<osmChange ").replace(b"</osm>", b"</osmChange>")
    (tmp_path / name).write_bytes({"gz": gzip.compress, "z2": bz2.compress}.get(name[-2:], bytes)(text))
    assert "is a change file" in refusal(tmp_path / name)


@pytest.mark.parametrize("where", ["first", "last"])
def test_the_difference_that_overpass_answers_with(refusal, two_houses, tmp_path, where):
    """Its root is that of an extract."""
    text = two_houses.write(tmp_path / "diff.osm").read_text()
    way = '<way id="9" version="1"><nd ref="1"/></way>'
    change = f'<action type="modify"><old>{way}</old><new>{way}</new></action>'
    end = "<node" if where == "first" else "</osm>"
    (tmp_path / "diff.osm").write_text(text.replace(end, change + end, 1))
    message = refusal(tmp_path / "diff.osm")
    assert "is a change file" in message and "osmium apply-changes" in message and "without `[diff:]`" in message


def test_history(refusal, two_houses, tmp_path):
    with osmium.SimpleWriter(osmium.io.File(tmp_path / "past.osm.pbf", "osh.pbf")) as writer:
        for element in osmium.FileProcessor(str(two_houses.write(tmp_path / "plain.osm"))):
            writer.add(element)
    assert "several versions of its elements" in refusal(tmp_path / "past.osm.pbf")
    (tmp_path / "past.osm.pbf").rename(tmp_path / "past.osh.pbf")
    assert "osmium time-filter" in refusal(tmp_path / "past.osh.pbf")


def test_an_element_twice(build, refusal, two_houses, tmp_path):
    text = two_houses.write(tmp_path / "plain.osm").read_text()
    house = re.search('<way id="1".*?</way>', text)[0]
    copies = {"same": house, "bare": re.sub("<tag.*?/>", "", house.replace(' version="1"', "")),
              "later": house.replace('version="1"', 'version="2"'), "other": house.replace('v="10"', 'v="11"')}  # fmt: skip
    for name, copy in copies.items():
        (tmp_path / f"{name}.osm").write_text(text.replace("</osm>", copy + "</osm>"))
    for name in ("same", "bare"):
        info, buildings = build(tmp_path / f"{name}.osm")
        assert buildings["id"].tolist() == [1, 2] and info["elements"]["buildings"] == 2
        (tmp_path / "city").rename(tmp_path / name)
    assert "way 1 is in it more than once, and different" in refusal(tmp_path / "later.osm")
    assert "way 1 is in it more than once, and different" in refusal(tmp_path / "other.osm")


@pytest.mark.parametrize("kind", ["node", "relation"])
def test_a_node_or_relation_twice(build, refusal, two_houses, tmp_path, kind):
    two_houses.multipolygon(two_houses.box(-30, 20, 10, 60), two_houses.box(-20, 30, 0, 50), HOUSE)
    two_houses.node((70, 70), {"natural": "tree", "height": "10"})
    text = two_houses.write(tmp_path / "plain.osm").read_text()
    element = re.search(f"<{kind} [^>]*>(?:<member[^>]*>)*<tag.*?</{kind}>", text)[0]
    copies = {"same": element, "bare": re.sub("<tag.*?/>", "", element.replace(' version="1"', "")),
              "later": element.replace('version="1"', 'version="2"'), "other": element.replace('v="10"', 'v="11"')}  # fmt: skip
    if kind == "node":
        copies["moved"] = '<node id="1" lat="-33.8999" lon="151.2001"/>'
    for name, copy in copies.items():
        path = tmp_path / f"{name}.osm"
        path.write_text(text.replace("<node", copy + "<node", 1))
        if name in ("same", "bare"):
            info, buildings = build(path)
            assert areas(buildings) == [100, 400, 1200] and info["elements"]["trees"] == 1 and info["elements"]["buildings"] == 3
            (tmp_path / "city").rename(tmp_path / name)
        else:
            assert f"{kind} " in (message := refusal(path)) and "is in it more than once, and different" in message


# Answers of query services


def test_nodes_on_the_ways_of_a_pbf(cases, build):
    info, buildings = build(cases / "locations_on_ways/input.osm.pbf")
    assert areas(buildings) == [400] and info["elements"]["roads_residential"] == 1


def test_nodes_on_the_ways_of_a_query(cases, build):
    assert areas(build(cases / "overpass_out_geom/input.osm")[1]) == [400]


def test_nodes_on_the_ways_where_some_are_elements_too(build, two_houses, tmp_path):
    tree = two_houses.node((40, 0), {"natural": "tree"})
    text = two_houses.write(tmp_path / "located.osm").read_text()
    places = dict(re.findall('<node id="(\\d+)" version="1" (lat=".*?" lon=".*?")>', text))
    text = re.sub('<nd ref="(\\d+)"/>', lambda nd: f'<nd ref="{nd[1]}" {places[nd[1]]}/>', text)
    (tmp_path / "located.osm").write_text(re.sub(f'<node id="(?!{tree}")\\d+".*?</node>', "", text))
    info, buildings = build(tmp_path / "located.osm")
    assert areas(buildings) == [100, 400] and info["elements"]["trees"] == 1


def test_relations_with_the_lines_of_ways_that_are_not_there(refusal, tmp_path):
    (tmp_path / "geom.osm").write_text(
        '<osm version="0.6"><relation id="1">'
        '<member type="way" ref="1" role="outer"><nd lat="50" lon="8"/><nd lat="50.1" lon="8"/></member>'
        '<tag k="type" v="multipolygon"/><tag k="building" v="yes"/></relation></osm>')  # fmt: skip
    assert "(._;>;); out;" in refusal(tmp_path / "geom.osm")


def test_an_answer_of_centres(refusal, two_houses, tmp_path):
    path = edited(two_houses, tmp_path / "answer.osm", ('<way id="1" version="1">', '<way id="1"><center lat="-33.9" lon="151.2"/>'))
    message = refusal(path)
    assert "`out center`" in message and "`(._;>;); out;`" in message


@pytest.mark.parametrize("bounds", [True, False])
@pytest.mark.parametrize("relation", [True, False])
def test_an_answer_without_nodes(refusal, two_houses, tmp_path, bounds, relation):
    if relation:
        two_houses.relation([(77, "outer")], HOUSE)
    text = two_houses.write(tmp_path / "answer.osm", bounds=bounds).read_text()
    (tmp_path / "answer.osm").write_text(re.sub("<way.*?</way>" if relation else "<node.*?</node>", "", text))
    message = refusal(tmp_path / "answer.osm")
    assert "without the nodes of their outlines" in message and "`(._;>;); out;`" in message


@pytest.mark.parametrize("why", ['Query timed out in "query" at line 3 after 26 s.', 'Query ran out of memory in "recurse" at line 4.'])
def test_an_answer_cut_off_by_a_limit(refusal, two_houses, tmp_path, why):
    path = edited(two_houses, tmp_path / "answer.osm", ("</osm>", f"<remark> runtime error: {why} </remark></osm>"))
    message = refusal(path)
    assert why[:15] in message and "[timeout:" in message and "download" not in message


# Ids, order, rings


def test_ids_below_zero(cases, build):
    assert areas(build(cases / "negative_ids_advice/input.osm")[1]) == [400]


@pytest.mark.parametrize("suffix", ["osm", "osm.pbf"])
def test_some_ids_below_zero(build, two_houses, tmp_path, suffix):
    courtyard = two_houses.box(-30, 20, 10, 60), two_houses.box(-20, 30, 0, 50)
    two_houses.multipolygon(*courtyard, HOUSE)
    text = two_houses.write(tmp_path / "edited.osm", shuffle="mixed").read_text()
    text = re.sub('(id|ref)="([1357])"', '\\1="-\\2"', text)
    (tmp_path / "edited.osm").write_text(text)
    path = tmp_path / "edited.osm"
    if suffix == "osm.pbf":
        path = tmp_path / "edited.osm.pbf"
        with osmium.SimpleWriter(str(path)) as writer:
            for element in osmium.FileProcessor(str(tmp_path / "edited.osm")):
                writer.add(element)
    _, buildings = build(path)
    assert areas(buildings) == [100, 400, 1200] and (buildings["id"].abs() != 1).all()


def test_tags_on_the_outer_way(cases, build):
    info, buildings = build(cases / "old_style_multipolygon/input.osm")
    assert areas(buildings) == [3200] and buildings["id"].tolist() == [1] and not dropped(info) and info["repaired"] == 0


def test_tags_on_outer_ways_that_close_together(build, new_extract, tmp_path):
    extract = new_extract(100, 100)
    halves = extract.way([(-60, 0), (-60, 60), (0, 60)], HOUSE), extract.way([(0, 60), (0, 0), (-60, 0)], HOUSE)
    yards = extract.box(-50, 10, -40, 20), extract.box(-30, 10, -20, 20)
    extract.relation([*((half, "outer") for half in halves), *((yard, "inner") for yard in yards)], {"source": "survey"})
    other = extract.box(20, 0, 30, 10, HOUSE)
    info, buildings = build(extract.write(tmp_path / "old.osm"))
    assert areas(buildings) == [100, 3400] and buildings["id"].tolist() == [-(other - 1), other] and not dropped(info)


def test_a_building_that_does_not_close(cases, build):
    info, buildings = build(cases / "unclosed_building/input.osm")
    assert sorted(buildings["id"]) == [1, 3] and dropped(info) == {"rings that do not close": 1}


def test_ways_that_do_not_close_by_kind(build, two_houses, tmp_path):
    corners = [(0, 0), (20, 0), (20, 20), (0, 20)]
    for tags in ({"building:part": "yes"}, {"leisure": "park"}, {"man_made": "pier"}, {"natural": "tree_row"}, {"highway": "footway"}):
        two_houses.way(corners, tags)
    two_houses.way(corners[:1], HOUSE)
    two_houses.way([corners[0], corners[1], corners[0]], HOUSE)
    two_houses.relation([(two_houses.way(corners[:3], HOUSE), "outer"), (two_houses.way([*corners[2:], corners[0]]), "outer")], HOUSE)
    info, buildings = build(two_houses.write(tmp_path / "open.osm"))
    assert areas(buildings) == [100, 400, 400] and dropped(info) == {"rings that do not close": 4}


@pytest.mark.parametrize("name", ["all_nodes_at_one_spot", "one_node_repeated", "spike"])
def test_degenerate_rings(cases, build, name):
    info, buildings = build(cases / f"degenerate_rings/{name}.osm")
    assert len(buildings) == 81 and sum(dropped(info).values()) == 1


def test_nodes_of_one_place_and_rings_with_odd_holes(build, two_houses, tmp_path):
    outer, inner = two_houses.box(0, 20, 20, 40), two_houses.box(-10, 10, 30, 50)
    two_houses.multipolygon(outer, inner, HOUSE)  # a hole larger than the whole
    two_houses.multipolygon(two_houses.box(-90, 50, -70, 70), two_houses.way([(0, 0), (1, 0), (0, 0), (1, 0), (0, 0)]), HOUSE)
    two_houses.multipolygon(two_houses.box(60, 50, 80, 70), two_houses.box(60, 50, 80, 70), HOUSE)
    same = edited(two_houses, tmp_path / "odd.osm", ("lat", "lat"))
    text = same.read_text()
    spots = re.findall('<node id="(\\d+)" version="1" (lat=".*?" lon=".*?")>', text)[:4]  # of the first house: four nodes on one spot
    for number, place in spots:
        text = text.replace(f'id="{number}" version="1" {place}', f'id="{number}" version="1" {spots[0][1]}')
    same.write_text(text)
    info, buildings = build(same)
    assert 100 in areas(buildings) and 400 in areas(buildings) and sum(dropped(info).values()) >= 1


def test_a_node_far_away(cases, build):
    info, _ = build(cases / "damaged/HANG.osm")
    assert dropped(info)["with a node far away"] == 1


def test_features_with_a_node_far_away_cover_nothing(build, two_houses, tmp_path):
    for tags in (HOUSE, {"leisure": "park"}, {"natural": "tree_row"}, {"highway": "primary"}):
        two_houses.way([(0, 0), (20, 0), (20, 25), (0, 0)], tags)
    text = two_houses.write(tmp_path / "far.osm").read_text()
    corner = re.search('lat="[^"]*" lon="[^"]*"></node>\n<way', text)[0]
    (tmp_path / "far.osm").write_text(text.replace(corner, 'lat="0" lon="0"></node>\n<way'))
    info, buildings = build(tmp_path / "far.osm")
    assert areas(buildings) == [100, 400] and dropped(info) == {"with a node far away": 4}


# Files


def test_several_bzip2_streams(cases, build):
    assert len(build(cases / "bz2_streams/input.osm.bz2")[1]) == 1


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress)])
def test_several_streams(build, two_houses, tmp_path, suffix, pack):
    text = two_houses.write(tmp_path / "plain.osm").read_bytes()
    cuts = [0, 300, 301, len(text) - 5, len(text)]
    path = tmp_path / f"streams.osm.{suffix}"
    path.write_bytes(b"".join(pack(text[a:b]) for a, b in zip(cuts, cuts[1:], strict=False)))
    assert len(build(path)[1]) == 2
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match="truncated.*download it again"):
        build(path)


def test_unknown_suffix(run_case, refused):
    results = run_case("unknown_suffix")
    for result, word in zip(results, ("rename", "unpack"), strict=True):
        line = refused(result)
        assert ".osm, .osm.gz, .osm.bz2 or .osm.pbf" in line and word in line and "download" not in line


NAMES = {"city.xml": "rename it to end in .osm", "city.gz": "rename it to end in .osm.gz", "city.osm.zst": "zstd -d", "city.zip": "unzip",
         "city.o5m": "osmium cat"}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_other_suffixes(refusal, two_houses, tmp_path, name):
    text = two_houses.write(tmp_path / "plain.osm").read_bytes()
    starts = {"city.gz": gzip.compress(text), "city.osm.zst": b"(\xb5/\xfd...", "city.zip": b"PK\x03\x04...",
              "city.o5m": b"\xff\xe0\x04o5m2"}  # fmt: skip
    (tmp_path / name).write_bytes(starts.get(name, text))
    message = refusal(tmp_path / name)
    assert ".osm, .osm.gz, .osm.bz2 or .osm.pbf" in message and NAMES[name] in message


def test_the_first_bytes_say_what_a_file_holds(build, two_houses, tmp_path):
    text = two_houses.write(tmp_path / "plain.osm").read_bytes()
    for name, content in (("CITY.OSM", text), ("a.osm", gzip.compress(text)), ("b.osm.gz", text), ("c.osm.bz2", b"\xef\xbb\xbf" + text)):
        (tmp_path / name).write_bytes(content)
        assert len(build(tmp_path / name)[1]) == 2


OTHERS = {"empty": (b"", "is empty"), "page": (b"<!DOCTYPE html><html><title>Too Many</title></html>", "web page (Too Many)"),
          "answer": (b'{"version": 0.6}', "[out:xml]"), "table": (b"id,lat,lon\n1,2,3\n", "neither OSM XML nor pbf"),
          "track": (b'<?xml version="1.0"?><gpx></gpx>', "its root is <gpx>"), "packed": (lzma.compress(b"<osm/>"), "xz -d"),
          "entities": (b'<!DOCTYPE osm [<!ENTITY a "b">]><osm version="0.6">&a;</osm>', "XML entities")}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_with_an_extracts_name(refusal, tmp_path, name):
    content, words = OTHERS[name]
    (tmp_path / f"{name}.osm").write_bytes(content)
    message = refusal(tmp_path / f"{name}.osm")
    assert words in message and ("download it again" in message) == (name == "empty")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "windows-1252", "iso-8859-1", "utf-8-sig"])
@pytest.mark.parametrize("suffix", ["osm", "osm.gz"])
def test_text_of_other_encodings(build, refusal, two_houses, tmp_path, encoding, suffix):
    text = two_houses.write(tmp_path / "plain.osm").read_text().replace('encoding="UTF-8"', f"encoding='{encoding.removesuffix('-sig')}'")
    text = text.replace('v="10"', 'v="10"/><tag k="name" v="Café"')
    path = tmp_path / f"a.{suffix}"
    path.write_bytes((gzip.compress if suffix.endswith("gz") else bytes)(text.encode(encoding)))
    if encoding in ("iso-8859-1", "utf-8-sig"):
        assert len(build(path)[1]) == 2
    else:
        assert f"is text in {encoding[:6]}".lower() in (message := refusal(path)).lower() and "save it in UTF-8" in message


def test_what_follows_the_end(build, refusal, two_houses, tmp_path):
    text = two_houses.write(tmp_path / "plain.osm").read_text()
    for name, end, words in (("junk", "junk", "something follows its </osm>"), ("joined", text, "`osmium merge`")):
        (tmp_path / f"{name}.osm").write_text(text + end)
        message = refusal(tmp_path / f"{name}.osm")
        assert words in message and "download" not in message
    (tmp_path / "notes.osm").write_text(text + "<!-- a > b -->\n<!-- more -->\n\n")
    assert len(build(tmp_path / "notes.osm")[1]) == 2


def test_bounds_in_a_comment_are_none(build, two_houses, tmp_path):
    """Nor do deletions in a comment count."""
    path = edited(two_houses, tmp_path / "notes.osm", ('<way id="1"', '<!-- <bounds minlat="0" minlon="0" maxlat="1" maxlon="1"/>\n'
                  '<way id="1" action="delete"/> --><way id="1"'))  # fmt: skip
    assert len(build(path)[1]) == 2


def test_pipes_and_folders(refusal, tmp_path):
    os.mkfifo(tmp_path / "pipe.osm")
    (tmp_path / "folder.osm").mkdir()
    assert "pipe" in refusal(tmp_path / "pipe.osm") and "folder" in refusal(tmp_path / "folder.osm")


# Damage


def test_damaged_pbf(cases, build):
    assert len(build(cases / "damaged/TRACEBACK_TopologicalError_data_osm_mend_py_40.osm.pbf")[1]) == 13


@pytest.mark.parametrize("value", ["abc", "NaN", "inf", "1e9", "200", ""])
def test_coordinates_that_are_none(build, refusal, two_houses, tmp_path, value):
    path = edited(two_houses, tmp_path / "no.osm")
    path.write_text(re.sub('id="1" version="1" lat="[^"]*"', f'id="1" version="1" lat="{value}"', path.read_text()))
    try:
        info, buildings = build(path)
    except InputError as error:
        assert "damaged" in str(error) and "download" not in str(error)
    else:
        assert areas(buildings) == [100] and sum(dropped(info).values()) == 1


def test_a_tag_of_many_megabytes(refusal, two_houses, tmp_path):
    text = two_houses.write(tmp_path / "plain.osm").read_bytes()
    text = text.replace(b'v="10"', b'v="' + b"1" * (8 << 20) + b'"', 1)
    (tmp_path / "huge.osm.gz").write_bytes(gzip.compress(text))
    assert "a tag or text of over 1 MB" in refusal(tmp_path / "huge.osm.gz")


def test_what_unpacks_to_a_thousand_times_its_size(refusal, tmp_path, monkeypatch):
    monkeypatch.setattr("data.osm.container.SMALLEST_LIMIT", 1 << 20)
    (tmp_path / "bomb.osm.gz").write_bytes(gzip.compress(b"<osm>" + b"<node/>    \n" * (3 << 17)))
    assert "unpacks to more than 100 times its size" in refusal(tmp_path / "bomb.osm.gz")
    body = zlib.compress(bytes(1 << 25))
    blob = b"\x10" + b"\x80\x80\x80\x10" + b"\x1a" + _varint(len(body)) + body
    header = b"\x0a\x09OSMHeader\x18" + _varint(len(blob))
    (tmp_path / "bomb.osm.pbf").write_bytes(struct.pack(">I", len(header)) + header + blob)
    assert "unpacks to more than 100 times its size" in refusal(tmp_path / "bomb.osm.pbf")


def _varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80, *_varint(number >> 7)]) if number > 0x7F else bytes([number])


def test_a_pbf_cut_off_is_truncated_and_one_overwritten_is_damaged(refusal, shared_data, tmp_path):
    whole = (shared_data / "osm/west-village.osm.pbf").read_bytes()
    for keep in (5, 60, len(whole) - 1):
        (tmp_path / "cut.osm.pbf").write_bytes(whole[:keep])
        assert "truncated" in refusal(tmp_path / "cut.osm.pbf") or keep == 5
    (tmp_path / "over.osm.pbf").write_bytes(whole[:5000] + b"\xff" * 500 + whole[5500:])
    message = refusal(tmp_path / "over.osm.pbf")
    assert "is damaged" in message and "download" not in message


@pytest.mark.parametrize(("header", "blob"), [
    (b"\x18" + _varint(2) + b"\x0a\x7fOSMData", b"\x10\x01"), (b"\x0a\x07OSMData\x18" + _varint(7), b"\x10\x01\x1a\x7fabc"),
    (b"\x0a\x07OSMData\x18" + _varint(LARGEST_BLOB + 1), b"\x10\x01"),
], ids=["name_beyond_its_header", "data_beyond_their_blob", "larger_than_allowed"])  # fmt: skip
def test_a_block_that_is_none(tmp_path, header, blob):
    """It is not confused with a truncated one, which another download would repair."""
    path = tmp_path / "a.osm.pbf"
    path.write_bytes(struct.pack(">I", len(header)) + header + blob)
    with pytest.raises(InputError, match="one of its blocks is invalid"):
        check_pbf(path)
