"""Reduced cases of buildings, their parts and roofs, and a second one of each kind."""

import shlex
import sys

import numpy as np
import pandas as pd
import pytest
import shapely

from data.area import Area
from data.city import CityMap
from data.osm.build import build_map
from data.prepare import main
from data.render.panorama import Renderer
from data.surfaces import ROOF, UNDERSIDE, WALL
from utils.classes import INDEX


def mapped(results, tmp_path) -> tuple[pd.DataFrame, CityMap]:
    """buildings.csv and the map that the first command made in OUT."""
    assert all(result.returncode == 0 for result in results), results[-1].stderr
    city = CityMap(tmp_path / "OUT")
    return pd.read_csv(city.path / "buildings.csv"), city


@pytest.fixture
def build(tmp_path, new_extract):
    """Makes an extract with `fill(extract)` and builds its map."""

    def call(fill) -> tuple[pd.DataFrame, CityMap]:
        extract = new_extract(100, 80)
        fill(extract)
        build_map(extract.write(tmp_path / "input.osm"), tmp_path / "OUT", processes=1)
        return mapped([], tmp_path)

    return call


def heights_along(city: CityMap, x: float, y: float) -> list[float]:
    """Where a vertical line meets walls, roofs and undersides, from the ground upwards."""
    triangles = np.asarray(city.mesh["triangles"], np.float64)[np.isin(city.mesh["kind"], [WALL, ROOF, UNDERSIDE])]
    a, b, c = triangles.transpose(1, 0, 2)

    def double_area(p, q, r):
        return (q[:, 0] - p[:, 0]) * (r[:, 1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (r[:, 0] - p[:, 0])

    whole, spot = double_area(a, b, c), np.broadcast_to((x, y, 0), a.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.stack([double_area(b, c, spot), double_area(c, a, spot), double_area(a, b, spot)]) / whole
    inside = (np.abs(whole) > 1e-6) & (weights.min(0) > 0)
    return sorted({round(float(w @ t[:, 2]), 2) for w, t in zip(weights.T[inside], triangles[inside], strict=True)})


def test_building_and_part_on_one_way(run_case, tmp_path):
    table, _ = mapped(run_case("building_and_part_on_one_way"), tmp_path)
    assert table.top_m.tolist() == [13, 20, 38] and table.part.tolist() == [0, 1, 1]
    assert table.area_m2.tolist() == pytest.approx([1200, 400, 144], rel=0.01) and table.roof.tolist()[2] == "dome"


def test_an_outline_that_is_a_part_of_itself(build):
    """The body of a church tagged as both, its tower as a part, and a transept of the neighbour that reaches into it."""

    def fill(extract):
        extract.box(0, 0, 40, 20, {"building": "church", "building:part": "yes", "height": "14", "roof:shape": "gabled"})
        extract.box(0, 6, 8, 14, {"building:part": "tower", "height": "50", "min_height": "14"})
        extract.box(30, 15, 60, 60, {"building": "yes", "height": "9"})

    table, city = build(fill)
    assert sorted(table[["id", "bottom_m", "top_m"]].to_numpy().tolist()) == [[1, 0, 14], [1, 8, 14], [2, 14, 50], [3, 0, 9]]
    assert table.roof[table.bottom_m == 0].tolist() == ["gabled", "flat"]
    assert city.info["raised_parts"] == {"above the ground": 2, "with nothing below": 0}


def test_upper_storeys_part(run_case, tmp_path):
    table, city = mapped(run_case("upper_storeys_part"), tmp_path)
    assert sorted(zip(table.bottom_m, table.top_m, strict=True)) == [(0, 6), (6, 12)]
    middle = table[table.part == 1].iloc[0]
    assert heights_along(city, middle.x, middle.y) == [6, 12] and city.info["raised_parts"]["with nothing below"] == 0
    walls = np.asarray(city.mesh["triangles"])[np.asarray(city.mesh["kind"]) == WALL]
    assert walls[..., 2].min() == 0 and walls[..., 2].max() == 12


def test_storeys_over_a_lower_and_a_neighbouring_building(build):
    """Heights instead of levels, none on the outline, parts over half of it each; a relation names the outline of the third part."""

    def fill(extract):
        extract.box(0, 0, 40, 20, {"building": "yes"})
        extract.box(0, 0, 20, 20, {"building:part": "yes", "height": "5"})
        upper = extract.box(0, 0, 40, 20, {"building:part": "yes", "min_height": "9", "height": "20"})
        tower = extract.box(-30, 0, -10, 20, {"building": "yes", "height": "30"})
        bay = extract.box(-12, 5, 2, 15, {"building:part": "yes", "min_height": "9", "height": "12"})
        extract.relation([(tower, "outline"), (bay, "part")], {"type": "building"})
        assert upper == 3

    table, city = build(fill)
    assert heights_along(city, 10, 18) == [5, 9, 20] and heights_along(city, 30, 10) == [9, 20]
    assert heights_along(city, -25, 10) == [30] and heights_along(city, -5, 10) == [9, 12] and heights_along(city, -11, 10) == [9, 12]
    assert set(table[table.id == 1].bottom_m) == {0, 5}


def test_what_parts_leave_of_an_outline_stands_however_little_it_is(build):
    """A tower that is not a part, a twentieth of its building, and a podium beside storeys; but not a strip that inexact drawing leaves."""

    def fill(extract):
        extract.box(-95, 0, -15, 20, {"building": "yes", "height": "20"})
        extract.box(-95, 0, -20, 20, {"building:part": "yes", "height": "15"})
        extract.box(0, 0, 80, 20, {"building": "yes", "height": "20"})
        extract.box(0, 0, 75, 20, {"building:part": "yes", "min_height": "5", "height": "20"})
        extract.box(-95, 40, -15, 60, {"building": "yes", "height": "20"})
        extract.box(-95, 40.9, -15, 60, {"building:part": "yes", "height": "15"})

    table, city = build(fill)
    assert heights_along(city, -50, 9) == [15] and heights_along(city, -17, 9) == [20]
    assert heights_along(city, 30, 9) == [5, 20] and heights_along(city, 78, 9) == [5]
    assert heights_along(city, -50, 52) == [15, 20] and heights_along(city, -50, 40.4) == []
    assert len(table) == 7


def test_slabs_at_several_heights_stay_open_below(build):
    def fill(extract):
        extract.box(0, 0, 30, 10, {"building": "roof", "height": "8"})
        extract.box(0, 0, 10, 10, {"building:part": "roof", "height": "8"})
        extract.box(10, 0, 30, 10, {"building:part": "roof", "height": "12"})
        extract.way([(15, -60), (15, 60)], {"highway": "residential"})

    table, city = build(fill)
    assert heights_along(city, 5, 6) == [7.7, 8] and heights_along(city, 20, 6) == [11.7, 12] and len(table) == 2


def test_a_street_through_a_building_stays_open(build):
    """Below the storeys above it the outline is filled on both sides of the street, footways or not."""

    def fill(extract):
        extract.box(-20, -20, 20, 20, {"building": "yes", "height": "20"})
        extract.box(-20, -20, 20, 20, {"building:part": "yes", "min_height": "6", "height": "20"})
        extract.way([(-90, 0), (90, 0)], {"highway": "residential", "tunnel": "building_passage", "width": "8"})
        extract.way([(-90, 12), (90, 12)], {"highway": "footway"})

    table, city = build(fill)
    assert heights_along(city, 3, 1) == [6, 20] and heights_along(city, 3, 12) == heights_along(city, 3, -12) == [6, 20]
    assert sorted(zip(table.bottom_m, table.area_m2.round(-1), strict=True)) == [(0, 640), (0, 640), (6, 1600)]
    free = [Renderer(city, 8).free_spot(0.0, y) == (0.0, y) for y in (0.0, 12.0, -12.0)]
    assert free == [True, False, False]


def test_nothing_is_filled_where_the_whole_building_begins_above_the_ground(build):
    def fill(extract):
        extract.box(0, 0, 40, 10, {"building": "bridge", "min_height": "8", "height": "14"})
        extract.box(0, 0, 20, 10, {"building:part": "yes", "min_height": "10", "height": "16"})
        extract.way([(-90, 5), (90, 5)], {"highway": "residential"})

    _, city = build(fill)
    assert heights_along(city, 10, 5.5) == [8, 10, 16] and heights_along(city, 30, 5.5) == [8, 14]
    assert INDEX["buildings"] not in city.ground


def test_canopy(cases, tmp_path, monkeypatch, capsys):
    """Its commands, run in this process, where the renderer is compiled already."""
    monkeypatch.chdir(tmp_path)
    for path in (cases / "canopy").iterdir():
        (tmp_path / path.name).symlink_to(path)
    for line in (cases / "canopy/command.txt").read_text().splitlines():
        monkeypatch.setattr(sys, "argv", shlex.split(line)[2:])
        main()
    assert "inside buildings" not in capsys.readouterr().out
    city, area = CityMap(tmp_path / "OUT"), Area(tmp_path, "OUT/a")
    table = pd.read_csv(city.path / "buildings.csv")
    slab = table[table.id == 1].iloc[0]
    assert (slab.bottom_m, slab.top_m) == (5.7, 6) and heights_along(city, slab.x, slab.y) == [5.7, 6]
    row, column = np.array(city.ground.shape) // 2
    assert city.ground[row, column] == INDEX["roads_primary"] and area.info["cameras_moved"] == 0
    assert np.asarray(area.panoramas[0])[:8].std() < 15  # the underside right above, no sky
    assert (tmp_path / "view.png").stat().st_size > 10_000


@pytest.mark.parametrize(("tags", "bottom", "top"), [
    ({"building": "carport"}, 2.7, 3), ({"building:part": "roof", "height": "5"}, 4.7, 5),
    ({"building": "roof", "min_height": "4", "height": "7", "roof:shape": "gabled", "roof:height": "2"}, 4, 7),
])  # fmt: skip
def test_other_roofs_on_posts(build, tags, bottom, top):
    """A camera below stays, sees the road before it and the slab above it; the rest of the building is where it was."""

    def fill(extract):
        extract.way([(-90, 0), (90, 0)], {"highway": "service"})
        if "building:part" in tags:
            extract.box(-20, -10, 20, 40, {"building": "yes", "height": "5"})
        extract.box(-20, -10, 20, 10, tags)
        extract.box(60, 40, 80, 60, {"building": "yes", "height": "9"})

    table, city = build(fill)
    below = heights_along(city, 3, 0.5)
    assert below[0] == bottom and len(below) == 2 and below[1] <= top and table.top_m.tolist().count(top) >= 1
    assert Renderer(city, 8).free_spot(0.0, 0.0) == (0.0, 0.0)
    if "building:part" in tags:
        assert heights_along(city, 3, 30) == [5] and Renderer(city, 8).free_spot(0.0, 30.0) != (0.0, 30.0)
    assert city.graph.classes.tolist().count(INDEX["buildings"]) == 2


def test_roof_levels_zero(run_case, tmp_path):
    table, _ = mapped(run_case("roof_levels_zero"), tmp_path)
    assert (table.eaves_m < table.top_m).all() and table.roof.tolist() == ["gabled", "gabled"] and table.top_m.iloc[1] == 9
    assert table.eaves_m.iloc[0] == 6 and table.top_m.iloc[0] == pytest.approx(6 + 5 * np.tan(np.radians(35)), abs=0.05)


def test_other_roofs_without_a_height(build):
    """An angle, a part, a hipped roof of more levels; a stated height of 0 is flat and called so."""

    def fill(extract):
        houses = [{"roof:angle": "45", "roof:shape": "hipped"}, {"roof:angle": "45", "roof:shape": "skillion", "roof:direction": "S"},
                  {"roof:levels": "0.0", "roof:shape": "mansard"}, {"roof:height": "0", "roof:shape": "gabled"},
                  {"roof:levels": "0", "roof:shape": "onion"}]  # fmt: skip
        for i, tags in enumerate(houses):
            extract.box(30 * i - 80, 0, 30 * i - 60, 10, {"building": "house", "building:levels": "3", "roof:levels": "0", **tags})

    table, city = build(fill)
    assert table.roof.tolist() == ["hipped", "skillion", "mansard", "flat", "flat"] and table.eaves_m.tolist() == [9] * 5
    assert table.top_m.tolist() == pytest.approx([14, 19, 9 + 5 * np.tan(np.radians(35)), 9, 9], abs=0.05)
    assert heights_along(city, -40, 9.5)[0] > 18 and heights_along(city, -40, 0.5)[0] < 10  # falls to the south
    assert city.info["roofs_drawn_flat"] == {"onion": 1} and city.info["refused_values"] == {}


def test_roofs_that_their_outline_cannot_bear_are_counted_as_flat(build):
    """A pyramid over an L, a dome with a courtyard, a gabled slab of no height; a pyramid whose height is 0 is meant flat."""

    def fill(extract):
        shape = [(0, 0), (40, 0), (40, 10), (10, 10), (10, 40), (0, 40), (0, 0)]
        extract.way(shape, {"building": "yes", "building:levels": "3", "roof:shape": "pyramidal"})
        rings = extract.box(-60, 0, -20, 40), extract.box(-50, 10, -30, 30)
        extract.multipolygon(*rings, {"building": "yes", "height": "9", "roof:shape": "dome"})
        extract.way([(x, -y - 5) for x, y in shape], {"building": "yes", "height": "9", "roof:shape": "pyramidal", "roof:height": "0"})
        extract.way([(x - 60, -y - 5) for x, y in shape], {"building": "yes", "height": "9", "roof:shape": "gabled"})
        extract.box(60, 0, 80, 10, {"building": "roof", "height": "6", "roof:shape": "gabled"})
        extract.box(60, 20, 80, 30, {"building": "roof", "height": "6", "roof:shape": "hipped", "roof:height": "2"})

    table, city = build(fill)
    assert table.roof.tolist().count("flat") == 4 and city.info["roofs_drawn_flat"] == {"dome": 1, "gabled": 1, "pyramidal": 1}


def test_roof_of_a_wide_hall(run_case, tmp_path):
    table, _ = mapped(run_case("roof_of_a_wide_hall"), tmp_path)
    assert table[["eaves_m", "top_m"]].to_numpy().tolist() == [[3, 6]]


def test_roofs_of_other_wide_halls(build):
    """At most the walls' height and two storeys, also where the height is random."""

    def fill(extract):
        extract.box(-80, -60, 0, -10, {"building": "yes", "building:levels": "5", "roof:shape": "hipped"})
        extract.box(10, -60, 90, -10, {"building": "yes", "height": "8", "roof:shape": "pyramidal"})
        extract.box(-80, 0, 0, 60, {"building": "yes", "roof:shape": "round"})
        extract.box(10, 0, 90, 60, {"building": "yes", "building:levels": "1", "roof:shape": "skillion"})

    table, _ = build(fill)
    assert table.top_m.tolist()[:2] == [21, 8] and table.eaves_m.tolist()[:2] == [15, 4]
    rise = table.top_m - table.eaves_m
    assert rise[2] <= min(6, table.eaves_m[2]) and rise[3] == 3


def test_houses_of_roof_storeys_alone_stand_above_the_ground(build):
    def fill(extract):
        cellar = {"building": "house", "building:levels": "0", "building:levels:underground": "1"}
        for i, more in enumerate(({"roof:levels": "2"}, {"roof:height": "5"}, {"roof:levels": "0"}, {})):
            extract.box(20 * i, 0, 20 * i + 10, 10, cellar | more)

    table, city = build(fill)
    assert table.top_m.tolist()[:1] == [6] and table.id.tolist() == [1, 2] and city.info["dropped"]["underground"] == 2


def test_parts_of_a_relation_with_several_outlines_belong_where_they_lie(build):
    def fill(extract):
        outlines = [extract.box(x, 0, x + 20, 20, {"building": "yes", "height": "20"}) for x in (-40, 0)]
        tower = extract.box(5, 5, 15, 15, {"building:part": "yes", "height": "10"})
        extract.relation([*((o, "outline") for o in outlines), (tower, "part")], {"type": "building"})

    table, city = build(fill)
    assert sorted(table[["id", "top_m"]].to_numpy().tolist()) == [[1, 20], [2, 20], [3, 10]] and heights_along(city, 10, 10) == [10]


def test_what_hovers_does_not_depend_on_tiles(tmp_path, new_extract):
    """Raised U shapes, each on a leg below the point that is checked, which may be far from the middle."""
    extract = new_extract(600, 300)
    for i in range(12):
        x, y = 190 * (i % 6) - 560, 260 * (i // 6) - 250
        corners = [(0, 0), (150, 0), (150, 9), (9, 9), (9, 230), (150, 230), (150, 239), (0, 239), (0, 0)]
        u = shapely.Polygon([(x + a, y + b) for a, b in corners])
        leg = shapely.point_on_surface(u)
        extract.polygon(u, {"building:part": "yes", "min_height": "9", "height": "12"})
        extract.box(leg.x - 2, leg.y - 2, leg.x + 2, leg.y + 2, {"building": "yes", "height": "9"})
    path, found = extract.write(tmp_path / "u.osm"), []
    for tile_m in (1, 5000):
        build_map(path, tmp_path / str(tile_m), processes=1, density=0.01, tile_m=tile_m)
        found.append(CityMap(tmp_path / str(tile_m)).info["raised_parts"])
    assert found[0] == found[1] == {"above the ground": 12, "with nothing below": 0}


def test_what_is_too_small_for_a_volume_is_counted(build):
    def fill(extract):
        extract.box(0, 0, 20, 20, {"building": "yes", "height": "9"})
        extract.box(5, 5, 5.6, 5.6, {"building:part": "yes", "height": "12"})
        extract.box(30, 30, 30.5, 30.7, {"building": "yes", "height": "12"})

    table, city = build(fill)
    assert table.id.tolist() == [1] and city.info["dropped"] == {"buildings too small": 2}
