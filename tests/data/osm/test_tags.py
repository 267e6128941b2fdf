"""Semantic classes of tags."""

import pytest

from data.osm.tags import DRIVABLE, HIGHEST_LEVEL, RAILS, ROADS, bridge_level, class_of_area, class_of_way, is_underground
from utils.classes import CLASSES, INDEX


def test_numbers_follow_the_published_dataset():
    names = "areas_footway areas_pedestrian areas_railways areas_service buildings coastlines forest paths_cycleway paths_footway"
    names += " paths_steps roads_motorway roads_pedestrian roads_primary roads_residential roads_secondary roads_service roads_trunk"
    names += " roads_unclassified vegetation water paths_bridleway railways roads_tertiary roads_track roads_other"
    assert [c.name for c in CLASSES] == names.split()


def test_no_two_classes_share_a_layer():
    assert len({c.layer for c in CLASSES}) == len(CLASSES) == 25


def test_no_two_classes_share_a_colour():
    assert len({c.rgb for c in CLASSES}) == 25


def test_every_line_class_has_a_width():
    assert all(CLASSES[INDEX[name]].width_m > 0 for name in [*ROADS.values(), "railways"])
    assert DRIVABLE <= {INDEX[name] for name in ROADS.values()}


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({"highway": "motorway_link"}, "roads_motorway"), ({"highway": "trunk"}, "roads_trunk"),
        ({"highway": "primary"}, "roads_primary"), ({"highway": "secondary_link"}, "roads_secondary"),
        ({"highway": "tertiary"}, "roads_tertiary"), ({"highway": "living_street"}, "roads_residential"),
        ({"highway": "unclassified"}, "roads_unclassified"), ({"highway": "service"}, "roads_service"),
        ({"highway": "pedestrian"}, "roads_pedestrian"), ({"highway": "track"}, "roads_track"), ({"highway": "road"}, "roads_other"),
        ({"highway": "footway"}, "paths_footway"), ({"highway": "path"}, "paths_footway"), ({"highway": "steps"}, "paths_steps"),
        ({"highway": "cycleway"}, "paths_cycleway"), ({"highway": "bridleway"}, "paths_bridleway"),
        *(({"railway": kind}, "railways") for kind in sorted(RAILS)), ({"natural": "coastline"}, "coastlines"),
        ({"highway": "primary", "railway": "tram"}, "roads_primary"), ({"highway": "busway"}, "roads_other"),
    ],
)  # fmt: skip
def test_class_of_way(tags, name):
    assert class_of_way(tags) == INDEX[name]


@pytest.mark.parametrize(
    "tags", [{}, {"highway": "proposed"}, {"highway": "construction"}, {"railway": "abandoned"}, {"waterway": "river"}, {"leisure": "park"}]
)
def test_ways_without_a_class(tags):
    assert class_of_way(tags) is None


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({"natural": "water"}, "water"), ({"landuse": "basin"}, "water"),
        ({"waterway": "riverbank"}, "water"), ({"natural": "wood"}, "forest"), ({"landuse": "forest"}, "forest"),
        ({"highway": "footway"}, "areas_footway"), ({"highway": "pedestrian"}, "areas_pedestrian"),
        ({"place": "square"}, "areas_pedestrian"), ({"man_made": "pier"}, "areas_pedestrian"),
        ({"amenity": "parking"}, "areas_service"), ({"highway": "service"}, "areas_service"),
        ({"area:highway": "residential"}, "areas_service"), ({"landuse": "railway"}, "areas_railways"),
        ({"railway": "platform"}, "areas_railways"), ({"leisure": "park"}, "vegetation"), ({"landuse": "grass"}, "vegetation"),
        ({"natural": "scrub"}, "vegetation"), ({"leisure": "park", "natural": "water"}, "water"),
    ],
)  # fmt: skip
def test_class_of_area(tags, name):
    assert class_of_area(tags) == INDEX[name]


@pytest.mark.parametrize(
    "tags",
    [{}, {"landuse": "residential"}, {"leisure": "pitch"}, {"natural": "coastline"}, {"amenity": "school"},
     {"natural": "bay"},
     {"natural": "strait"}, {"place": "sea"}, {"place": "islet"}, {"natural": "water", "covered": "yes"},
     {"landuse": "reservoir", "covered": "yes"}],
)  # fmt: skip
def test_areas_without_a_class(tags):
    assert class_of_area(tags) is None


@pytest.mark.parametrize(
    ("tags", "below"),
    [
        ({"layer": "-1", "natural": "water"}, False), ({"layer": "-1", "natural": "water", "tunnel": "culvert"}, True),
        ({"layer": "-1"}, False), ({"layer": "-0.5"}, False), ({"location": "underground"}, True),
        ({"layer": "-1", "cutting": "yes"}, False), ({"layer": "-1", "height": "18"}, False),
        ({"layer": "-1", "covered": "yes"}, True), ({"covered": "yes"}, False), ({"layer": "-1", "covered": "no"}, False),
        ({"layer": "-1", "covered": "arcade"}, False), ({"layer": "-1", "tunnel": "building_passage"}, False),
        ({"layer": "-1", "natural": "water", "covered": "yes"}, True), ({"layer": "-1", "level": "-1"}, True),
        ({"layer": "-2", "level": "-2; -1"}, True), ({"layer": "-1", "level": "-1;0"}, False), ({"layer": "-1", "level": "0"}, False),
        ({"level": "-1"}, False), ({"layer": "-1", "subway": "yes"}, True), ({"layer": "-1", "station": "subway"}, True),
        ({"layer": "-1", "parking": "underground"}, True), ({"tunnel": "passage"}, True), ({"tunnel": "flooded"}, True),
        ({"building:levels": "0", "building:levels:underground": "2"}, True),
        ({"building:levels": "0", "building:levels:underground": "2", "height": "4"}, False),
        ({"building:levels": "0", "building:levels:underground": "2", "roof:levels": "1"}, False),
        ({"building:levels": "0", "building:levels:underground": "2", "roof:levels": "0"}, True), ({"building:levels": "0"}, False),
        ({"building:levels": "3", "building:levels:underground": "2"}, False), ({"tunnel": "yes"}, True),
        ({"tunnel": "culvert"}, True), ({"indoor": "room"}, True), ({"railway": "subway"}, False),
        ({"railway": "subway", "tunnel": "yes"}, True), ({"railway": "subway", "layer": "-1"}, True),
        ({}, False), ({"layer": "1"}, False), ({"layer": "0"}, False), ({"layer": "ground"}, False), ({"tunnel": "no"}, False),
        ({"tunnel": "building_passage"}, False), ({"indoor": "no"}, False), ({"railway": "subway", "bridge": "viaduct"}, False),
        ({"railway": "rail"}, False), ({"location": "overground"}, False),
    ],
)  # fmt: skip
def test_is_underground(tags, below):
    assert is_underground({"building": "yes", **tags}) is below


@pytest.mark.parametrize(
    ("tags", "level"),
    [
        ({}, 0), ({"layer": "3"}, 0), ({"bridge": "no", "layer": "2"}, 0),
        ({"bridge": "yes"}, 1), ({"bridge": "viaduct"}, 1), ({"bridge": "yes", "layer": "1"}, 1), ({"bridge": "yes", "layer": "3"}, 3),
        ({"bridge": "yes", "layer": "0"}, 1), ({"bridge": "yes", "layer": "2.0"}, 2), ({"bridge": "yes", "layer": "up"}, 1),
        ({"bridge": "yes", "layer": "40"}, HIGHEST_LEVEL), ({"bridge": "yes", "layer": "inf"}, 1),
        ({"bridge": "yes", "layer": "nan"}, 1),
    ],
)  # fmt: skip
def test_bridges_are_raised_by_their_layer(tags, level):
    assert bridge_level({"highway": "primary", **tags}) == level


def test_a_car_park_under_the_ground_is_none():
    assert CLASSES[class_of_area({"amenity": "parking"})].name == "areas_service"
    assert class_of_area({"amenity": "parking", "parking": "underground"}) is None
