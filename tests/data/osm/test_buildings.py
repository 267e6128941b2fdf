"""Prisms: parts replace the outline where they stand."""

import numpy as np
import pytest
import shapely

from data.osm.buildings import build_prisms
from data.osm.extract import read_extract

OUTLINE = (-20, -20, 20, 20)
AREA_ERROR = 2.0  # m²: coordinates in a file are rounded to a centimetre


@pytest.fixture
def prisms_of(tmp_path, new_extract):
    """Prisms of an outline 40 m × 40 m and 10 m high with the given parts (rectangle, tags)."""

    def build(*parts):
        extract = new_extract(100, 100)
        extract.box(*OUTLINE, {"building": "yes", "height": "10"})
        for rectangle, tags in parts:
            extract.box(*rectangle, {"building:part": "yes", **tags})
        return build_prisms(read_extract(extract.write(tmp_path / "parts.osm")))

    return build


def by_top(prisms):
    return {float(top): p.area for p, top in zip(prisms.polygons, prisms.top_m, strict=True)}


def test_outline_without_parts(prisms_of):
    prisms = prisms_of()
    assert by_top(prisms) == pytest.approx({10: 1600}, abs=AREA_ERROR)
    assert prisms.tagged.tolist() == [True]


def test_full_cover_replaces_the_outline(prisms_of):
    prisms = prisms_of(((-20, -20, 0, 20), {"height": "30"}), ((0, -20, 20, 20), {"height": "50"}))
    assert by_top(prisms) == pytest.approx({30: 800, 50: 800}, abs=AREA_ERROR)


def test_nearly_full_cover_replaces_the_outline(prisms_of):
    assert by_top(prisms_of(((-20, -20, 18, 20), {"height": "30"}))) == pytest.approx({30: 1520}, abs=AREA_ERROR)


def test_partial_cover_leaves_the_rest(prisms_of):
    prisms = prisms_of(((-20, -20, 0, 20), {"height": "30"}))
    assert by_top(prisms) == pytest.approx({30: 800, 10: 800}, abs=AREA_ERROR)
    assert prisms.polygons[0].intersection(prisms.polygons[1]).area < 1e-6


def test_part_inside_leaves_a_ring(prisms_of):
    prisms = prisms_of(((-5, -5, 5, 5), {"height": "30"}))
    assert by_top(prisms) == pytest.approx({30: 100, 10: 1500}, abs=AREA_ERROR)
    assert len(prisms.polygons[prisms.top_m == 10][0].interiors) == 1


def test_slivers_between_part_and_outline_vanish(prisms_of):
    prisms = prisms_of(((-19.8, -20, 0, 20), {"height": "30"}))  # leaves a strip of 0.2 m beside the part
    rest = prisms.polygons[prisms.top_m == 10]
    assert [p.area for p in rest] == pytest.approx([800], abs=AREA_ERROR)


def test_raised_part_does_not_touch_the_ground(prisms_of):
    prisms = prisms_of(((-20, -20, 0, 20), {"height": "30", "min_height": "6"}))
    assert sorted(prisms.bottom_m) == [0, 6]
    assert [p.area for p in prisms.on_ground] == pytest.approx([800], abs=AREA_ERROR)


def test_prisms_are_clipped_to_the_extract(tmp_path, new_extract):
    extract = new_extract(100, 100)
    number = extract.box(80, -10, 120, 10, {"building": "yes"})
    prisms = build_prisms(read_extract(extract.write(tmp_path / "edge.osm")))
    assert prisms.ids.tolist() == [number] and not prisms.tagged[0]
    assert np.allclose(prisms.polygons[0].bounds, (80, -10, 100, 10), atol=0.05)


def test_real_prisms_are_plain_polygons_of_positive_height(lower_manhattan):
    prisms = build_prisms(lower_manhattan)
    assert len(prisms.polygons) > 12_000
    assert (shapely.get_type_id(prisms.polygons) == shapely.GeometryType.POLYGON).all()
    assert (prisms.top_m > prisms.bottom_m).all() and (prisms.bottom_m >= 0).all()
    assert set(prisms.ids.tolist()) <= set(lower_manhattan.building_ids.tolist())
    assert 380 < prisms.top_m.max() < 600  # One World Trade Center
