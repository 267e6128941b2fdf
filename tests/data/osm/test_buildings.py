"""Volumes: parts replace the outline where they stand, and heights that no tag states are random."""

import numpy as np
import pytest
import shapely

from data.osm.buildings import GROUND_M, build_volumes
from data.osm.heights import (
    BY_HEIGHT,
    BY_LEVELS,
    LOW_HEIGHT_M,
    METRES_PER_LEVEL,
    NO_HEIGHT,
    SHARE_UP_TO_LEVEL,
)
from data.osm.roofs import DOME, FLAT, GABLED, HIPPED, MANSARD, PITCH, PYRAMIDAL, SKILLION
from data.osm.store import BUILDING

OUTLINE = (-20, -20, 20, 20)
BOUNDS = (-100.0, -100.0, 100.0, 100.0)
AREA_ERROR = 2.0  # m²: coordinates in a file are rounded to a centimetre


@pytest.fixture
def volumes_of(read, tmp_path, new_extract):
    """Volumes of an outline 40 m × 40 m, 10 m high unless its tags say otherwise, with the given parts (rectangle, tags)."""

    def build(*parts, outline=None, seed=0):
        extract = new_extract(100, 100)
        extract.box(*OUTLINE, {"building": "yes", **({"height": "10"} if outline is None else outline)})
        for rectangle, tags in parts:
            extract.box(*rectangle, {"building:part": "yes", **tags})
        return build_volumes(*read(extract.write(tmp_path / "parts.osm")).all("building"), BOUNDS, seed)

    return build


def record(**fields):
    """One building, 10 m high unless told otherwise."""
    row = np.zeros(1, BUILDING)
    row["id"], row["top_m"], row["source"], row["roof_m"], row["direction_deg"] = 1, 10.0, BY_HEIGHT, np.nan, np.nan
    for name, value in fields.items():
        row[name] = value
    return row


def volumes(polygons, *records, seed=0, bounds=BOUNDS):
    return build_volumes(np.array(polygons, object), np.concatenate(records), bounds, seed)


def extents(volumes):
    """Bottom, top, id and area of each volume, to the next 5 m²."""
    rows = zip(volumes.bottom_m, volumes.top_m, volumes.ids, shapely.area(volumes.polygons), strict=True)
    return sorted((round(float(bottom), 2), round(float(top), 2), int(i), 5 * round(area / 5)) for bottom, top, i, area in rows)


def by_top(volumes):
    return {float(top): p.area for p, top in zip(volumes.polygons, volumes.top_m, strict=True)}


def test_outline_without_parts(volumes_of):
    made = volumes_of()
    assert by_top(made) == pytest.approx({10: 1600}, abs=AREA_ERROR)
    assert made.source.tolist() == [BY_HEIGHT] and made.part.tolist() == [False] and made.eaves_m.tolist() == [10]


def test_full_cover_replaces_the_outline(volumes_of):
    made = volumes_of(((-20, -20, 0, 20), {"height": "30"}), ((0, -20, 20, 20), {"height": "50"}))
    assert by_top(made) == pytest.approx({30: 800, 50: 800}, abs=AREA_ERROR) and made.part.all()


def test_nearly_full_cover_replaces_the_outline(volumes_of):
    assert by_top(volumes_of(((-20, -20, 17, 20), {"height": "30"}))) == pytest.approx({30: 1480}, abs=AREA_ERROR)
    assert by_top(volumes_of(((-20, -20, 14, 20), {"height": "30"}))) == pytest.approx({30: 1360, 10: 240}, abs=AREA_ERROR)


def test_partial_cover_leaves_the_rest(volumes_of):
    made = volumes_of(((-20, -20, 0, 20), {"height": "30"}))
    assert by_top(made) == pytest.approx({30: 800, 10: 800}, abs=AREA_ERROR)
    assert made.polygons[0].intersection(made.polygons[1]).area < 1e-6


def test_parts_may_overlap_and_reach_beyond(volumes_of):
    made = volumes_of(((-40, -20, 0, 20), {"height": "30"}), ((-10, -5, 5, 5), {"height": "40", "min_height": "30"}))
    assert by_top(made[made.part]) == pytest.approx({30: 1600, 40: 150}, abs=AREA_ERROR)
    assert by_top(made[~made.part]) == pytest.approx({30: 50, 10: 800 - 50}, abs=AREA_ERROR)  # below the higher part, and beside both


def test_part_inside_leaves_a_ring(volumes_of):
    made = volumes_of(((-5, -5, 5, 5), {"height": "30"}))
    assert by_top(made) == pytest.approx({30: 100, 10: 1500}, abs=AREA_ERROR)
    assert len(made.polygons[made.top_m == 10][0].interiors) == 1


def test_slivers_between_part_and_outline_vanish(volumes_of):
    made = volumes_of(((-19.8, -20, 0, 20), {"height": "30"}))  # leaves a strip of 0.2 m beside the part
    assert shapely.area(made.polygons[made.top_m == 10]) == pytest.approx([800], abs=AREA_ERROR)


def test_what_parts_leave_in_two_pieces_is_two_volumes_of_one_building(volumes_of):
    made = volumes_of(((-5, -20, 5, 20), {"height": "30"}))
    assert shapely.area(made.polygons[made.top_m == 10]) == pytest.approx([600, 600], abs=AREA_ERROR)
    assert len(set(made.ids[made.top_m == 10].tolist())) == 1


def test_the_outline_fills_what_is_below_a_raised_part(volumes_of):
    made = volumes_of(((-20, -20, 0, 20), {"height": "30", "min_height": "6"}))
    assert extents(made) == [(0, 6, 1, 800), (0, 10, 1, 800), (6, 30, 2, 800)]
    assert made.covered.tolist() == (made.top_m == 6).tolist() and shapely.area(made.on_ground) == pytest.approx([800] * 2, abs=AREA_ERROR)
    assert not made.hovering.any()


def test_what_begins_a_step_above_the_ground_stands_on_it():
    polygons = [shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 10)]
    made = volumes(polygons, record(bottom_m=GROUND_M - 0.1), record(id=2, bottom_m=GROUND_M))
    assert [p.bounds[0] for p in made.on_ground] == [0]


def test_a_part_without_a_height_is_as_high_as_its_outline(volumes_of):
    inside, beside = ((-20, -20, 0, 20), {}), ((50, 50, 60, 60), {})
    made = volumes_of(inside, beside, outline={"building:levels": "9"})
    within = made.part & (shapely.area(made.polygons) > 400)
    assert made.top_m[within].tolist() == [27] and made.source[within].tolist() == [BY_LEVELS]
    alone = made.part & (shapely.area(made.polygons) < 400)
    assert made.source[alone].tolist() == [NO_HEIGHT] and made.top_m[alone][0] <= 15


def test_a_part_that_only_touches_an_outline_does_not_take_its_height(volumes_of):
    made = volumes_of(((20, -20, 40, 20), {}), outline={"height": "77"})
    assert made.source[made.part].tolist() == [NO_HEIGHT] and made.top_m[made.part][0] <= 15


def test_a_part_without_a_height_takes_what_its_outline_draws(volumes_of):
    made = volumes_of(((-20, -20, 0, 20), {}), outline={})
    assert len(made.top_m) == 2 and made.top_m[0] == made.top_m[1] and made.source.tolist() == [NO_HEIGHT] * 2


def test_a_part_that_begins_above_its_outlines_top_gets_a_default_height(volumes_of):
    made = volumes_of(((-20, -20, 0, 20), {"min_height": "12"}))
    assert by_top(made[~made.part]) == pytest.approx({10: 800, 12: 800}, abs=AREA_ERROR)
    assert made.bottom_m[made.part].tolist() == [12] and made.top_m[made.part][0] in 12 + METRES_PER_LEVEL * np.arange(1, 6)


def drawn(n, seed, **fields):
    boxes = shapely.box(np.arange(n) % 100, np.arange(n) // 100, np.arange(n) % 100 + 0.8, np.arange(n) // 100 + 0.8)
    records = [record(id=i, top_m=np.nan, source=NO_HEIGHT, **fields) for i in range(-n // 2, n - n // 2)]
    return volumes(boxes, *records, seed=seed)


def test_default_heights_follow_the_stated_distribution():
    levels = drawn(4000, seed=0).top_m / METRES_PER_LEVEL
    shares = np.diff([0, *SHARE_UP_TO_LEVEL, 1])
    counts = np.array([(levels == k).sum() for k in range(1, 6)])
    assert counts.sum() == 4000
    assert ((counts - 4000 * shares) ** 2 / (4000 * shares)).sum() < 18.5  # chi-square, 4 degrees of freedom: 0.1 % lie above
    assert (drawn(50, seed=0, low=True).top_m == LOW_HEIGHT_M).all()


def test_default_heights_belong_to_the_building():
    first, again, other = drawn(400, 0), drawn(400, 0), drawn(400, 1)
    assert np.array_equal(first.top_m, again.top_m)
    assert 0.1 < (first.top_m == other.top_m).mean() < 0.4  # by chance: 24 %
    fewer = volumes(first.polygons[::7], *(record(id=i, top_m=np.nan, source=NO_HEIGHT) for i in first.ids[::7]))
    assert np.array_equal(fewer.top_m, first.top_m[::7])


HOUSE = shapely.box(0, 0, 20, 10)


@pytest.mark.parametrize(
    ("fields", "eaves", "top"),
    [
        (dict(roof=GABLED, roof_m=4.0), 6, 10),  # `height` includes the roof
        (dict(roof=GABLED), 10 - 5 * PITCH, 10),  # 35° over half the width
        (dict(roof=DOME), 5, 10),  # half the width
        (dict(roof=PYRAMIDAL, top_m=6.0), 3, 6),  # a roof by default fills at most half of the building
        (dict(roof=GABLED, top_m=6.0, bottom_m=4.0), 5, 6),
        (dict(roof=GABLED, roof_m=10.0), 0, 10),
        (dict(roof=GABLED, source=BY_LEVELS), 10, 10 + 5 * PITCH),  # levels do not count the roof
        (dict(roof=HIPPED, source=BY_LEVELS, roof_m=3.0), 7, 10),  # but a stated one is in the top already
        (dict(roof=FLAT, source=BY_LEVELS), 10, 10),
        (dict(roof=GABLED, source=BY_LEVELS, top_m=3.0), 3, 6),  # by default at most as high as its walls
        (dict(roof=GABLED, angle_deg=45.0, source=BY_LEVELS), 10, 15),  # what is stated is not bounded
        (dict(roof=GABLED, angle_deg=45.0), 5, 10), (dict(roof=GABLED, angle_deg=80.0), 0, 10),
        (dict(roof=GABLED, angle_deg=45.0, across=True, source=BY_LEVELS), 10, 20),
        (dict(roof=SKILLION, angle_deg=45.0, direction_deg=90.0, source=BY_LEVELS), 10, 30),
        (dict(roof=GABLED, angle_deg=45.0, roof_m=2.0), 8, 10),
    ],
)  # fmt: skip
def test_where_walls_end_and_roofs_begin(fields, eaves, top):
    made = volumes([HOUSE], record(**fields))
    assert (made.eaves_m[0], made.top_m[0]) == pytest.approx((eaves, top))
    assert made.roof.tolist() == [fields["roof"]]


@pytest.mark.parametrize(("roof", "source", "height"), [
    (GABLED, BY_LEVELS, 6.0), (MANSARD, BY_LEVELS, 6.0), (PYRAMIDAL, BY_HEIGHT, 6.0), (DOME, BY_LEVELS, 20.0),
])  # fmt: skip
def test_a_roof_by_default_has_at_most_two_storeys_but_for_domes(roof, source, height):
    made = volumes([shapely.box(-40, -20, 40, 20)], record(roof=roof, source=source, top_m=60.0))
    assert made.top_m[0] - made.eaves_m[0] == pytest.approx(height)


@pytest.mark.parametrize("fields", [dict(roof_m=0.0), dict(roof=DOME)])
def test_what_is_flat_is_called_flat(fields):
    court = HOUSE.difference(shapely.box(5, 4, 8, 6))  # bears no dome
    made = volumes([court], record(**{"roof": GABLED, **fields}))
    assert made.roof.tolist() == [FLAT] and made.eaves_m.tolist() == made.top_m.tolist() == [10]


def test_a_shaped_roof_needs_a_whole_piece():
    part = shapely.box(0, 0, 5, 10)
    made = volumes([HOUSE, part], record(roof=GABLED), record(id=2, part=True, top_m=20.0, roof=PYRAMIDAL))
    assert dict(zip(made.ids.tolist(), made.roof.tolist(), strict=True)) == {1: FLAT, 2: PYRAMIDAL}
    assert made.eaves_m[made.ids == 1].tolist() == [10]
    cut = volumes([HOUSE], record(roof=GABLED), bounds=(3.0, -50.0, 50.0, 50.0))
    assert cut.roof.tolist() == [FLAT] and cut.polygons[0].area == pytest.approx(170)


def test_volumes_are_cut_at_the_edge_of_the_map(read, tmp_path, new_extract):
    extract = new_extract(100, 100)
    number = extract.box(80, -10, 120, 10, {"building": "yes"})
    made = build_volumes(*read(extract.write(tmp_path / "edge.osm")).all("building"), BOUNDS, 0)
    assert made.ids.tolist() == [number] and made.source.tolist() == [NO_HEIGHT]
    assert np.allclose(made.polygons[0].bounds, (80, -10, 100, 10), atol=0.05)


def test_what_lies_beyond_the_map_is_no_volume():
    made = volumes([shapely.box(100, 0, 120, 10), HOUSE], record(), record(id=2))
    assert made.ids.tolist() == [2]


def test_volumes_do_not_depend_on_what_stands_elsewhere(read, small_extract):
    polygons, records = read(small_extract).all("building")
    bounds = (-400.0, -300.0, 400.0, 300.0)
    whole = build_volumes(polygons, records, bounds, 0)
    near = shapely.get_x(shapely.centroid(polygons)) > -30
    part = build_volumes(polygons[near], records[near], bounds, 0)
    same = whole[np.isin(whole.ids, part.ids)]
    assert shapely.to_wkb(same.polygons).tolist() == shapely.to_wkb(part.polygons).tolist()
    assert np.array_equal(same.top_m, part.top_m) and np.array_equal(same.ids, part.ids)


def test_no_buildings():
    made = build_volumes(np.array([], object), np.zeros(0, BUILDING), BOUNDS, 0)
    assert len(made) == 0 and len(made.on_ground) == 0


def test_real_volumes_are_plain_polygons_of_positive_height(read, shared_data):
    reading = read(shared_data / "osm/west-village.osm.pbf")
    polygons, records = reading.all("building")
    made = build_volumes(polygons, records, reading.store.blocks.geo.bounds, 0)
    assert len(made) > 1_500
    assert (shapely.get_type_id(made.polygons) == shapely.GeometryType.POLYGON).all() and shapely.is_valid(made.polygons).all()
    assert (made.top_m > made.bottom_m).all() and (made.bottom_m >= 0).all()
    assert (made.bottom_m <= made.eaves_m).all() and (made.eaves_m <= made.top_m).all()
    assert set(made.ids.tolist()) <= set(records["id"].tolist())


def test_parts_belong_to_the_outline_they_stand_in(volumes_of):
    """Not to an outline that they only reach into. All pieces of an outline belong to it."""
    made = volumes_of(((-20, -20, -10, 20), {}), ((10, -20, 20, 20), {"height": "30"}), ((15, 20, 60, 40), {"height": "5"}))
    assert sorted(made.building[~made.part]) == [1] and sorted(zip(made.ids[made.part], made.building[made.part], strict=True)) == [
        (2, 1), (3, 1), (4, 4)]  # fmt: skip


@pytest.mark.parametrize("others", [0, 5, 30, 100])
def test_a_part_in_two_outlines_belongs_to_the_later(others):
    """Whatever else there is."""
    rng = np.random.default_rng(others)
    shapes = [shapely.box(0, 0, 30, 30), shapely.box(1, 1, 29, 29), shapely.box(5, 5, 10, 10)]
    rows = [record(id=1, top_m=10.0), record(id=2, top_m=20.0), record(id=3, top_m=np.nan, part=True)]
    for i in range(others):
        shapes.append(shapely.box(*(corner := rng.uniform(-90, 80, 2)), *(corner + rng.uniform(1, 9, 2))))
        rows.append(record(id=4 + i, part=bool(i % 2)))
    made = volumes(shapes, *rows)
    assert made.building[made.ids == 3].tolist() == [2] and made.top_m[made.ids == 3].tolist() == [20]


SQUARE = shapely.box(-20, -20, 20, 20)
WEST, EAST = shapely.box(-20, -20, 0, 20), shapely.box(0, -20, 20, 20)


def part(number, bottom, top, **fields):
    return record(id=number, part=True, bottom_m=bottom, top_m=top, **fields)


def test_a_building_of_upper_storeys_stands_on_its_outline():
    """An outline that parts cover almost completely still stands below them."""
    made = volumes([SQUARE, shapely.box(-20, -20, 18, 20)], record(top_m=6.0, source=BY_LEVELS), part(2, 6.0, 12.0))
    assert extents(made) == [(0, 6, 1, 1520), (6, 12, 2, 1520)]
    low = volumes([SQUARE, SQUARE], record(top_m=6.0, bottom_m=3.0), part(2, 6.0, 12.0))
    assert extents(low) == [(3, 6, 1, 1600), (6, 12, 2, 1600)]  # the whole building begins at 3 m


def test_gaps_are_filled_down_to_what_stands_below():
    """A tower over a podium over half of the plan; part 4 stands on both, part 5 on the roof of part 4."""
    made = volumes([SQUARE, WEST, shapely.box(-10, -20, 10, 20), shapely.box(-5, -20, 5, 20)], record(top_m=np.nan, source=NO_HEIGHT),
                   part(3, 0.0, 10.0), part(4, 20.0, 30.0), part(5, 40.0, 50.0))  # fmt: skip
    assert extents(made) == [(0, 10, 1, 400), (0, 10, 3, 800), (0, 20, 1, 400), (10, 20, 1, 400), (20, 30, 4, 800), (30, 40, 1, 400),
                             (40, 50, 5, 400)]  # fmt: skip


def test_an_outline_with_the_height_of_its_highest_part_is_no_box_around_it():
    """Beside its parts it is as high as the lowest part on the ground; if none is, as the lowest underside."""
    tower, spire = shapely.box(-10, -10, 10, 10), shapely.box(-2, -2, 2, 2)
    for top, source in ((541.0, BY_HEIGHT), (np.nan, NO_HEIGHT)):
        made = volumes([SQUARE, WEST, tower, spire], record(top_m=top, source=source), part(2, 0.0, 60.0), part(3, 0.0, 417.0),
                       part(4, 417.0, 541.0))  # fmt: skip
        assert extents(made) == [(0, 60, 1, 600), (0, 60, 2, 800), (0, 417, 3, 400), (417, 541, 4, 15)]
        alone = volumes([SQUARE, shapely.box(-18, -18, 18, 18)], record(top_m=top, source=source), part(2, 80.0, 541.0))
        assert extents(alone) == [(0, 80, 1, 305), (0, 80, 1, 1295), (80, 541, 2, 1295)]
    other = volumes([SQUARE, WEST], record(top_m=100.0), part(2, 0.0, 60.0))
    assert extents(other) == [(0, 60, 2, 800), (0, 100, 1, 800)]


def test_a_tower_lifts_no_block():
    """If parts leave most of an outline that states no height, it is at most as high as the default."""
    tower = shapely.box(-4, -4, 4, 4)
    made = volumes([SQUARE, tower], record(top_m=np.nan, source=NO_HEIGHT), part(2, 0.0, 60.0))
    block = made.top_m[made.ids == 1]
    assert made.top_m[made.ids == 2] == 60 and len(block) == 1 and block[0] <= 5 * METRES_PER_LEVEL
    shed = volumes([SQUARE, tower], record(top_m=np.nan, source=NO_HEIGHT), part(2, 0.0, 2.0))
    assert extents(shed) == [(0, 2, 1, 1535), (0, 2, 2, 65)]


def test_beside_a_slab_an_outline_keeps_its_height():
    """Slabs do not count when the outline's height is compared with that of its highest part."""
    polygons = [SQUARE, shapely.box(-20, -20, -10, 20), shapely.box(-10, -20, 0, 20), shapely.box(10, -20, 20, 20)]
    rest = volumes(polygons, record(top_m=30.0), part(2, 0.0, 30.0), part(3, 0.0, 12.0), part(4, 0.0, 40.0, slab=True))
    assert extents(rest) == [(0, 12, 1, 400), (0, 12, 3, 400), (0, 30, 2, 400), (39.7, 40, 4, 400)]


def test_a_default_height_adds_no_storey_above_parts():
    low = volumes([SQUARE, SQUARE], record(top_m=np.nan, source=NO_HEIGHT), part(2, 0.0, 1.0))
    assert extents(low) == [(0, 1, 2, 1600)]


def test_above_its_parts_an_outline_adds_nothing_unless_they_cover_it_and_none_reaches_its_height():
    assert extents(volumes([SQUARE, WEST], record(top_m=20.0), part(2, 0.0, 5.0))) == [(0, 5, 2, 800), (0, 20, 1, 800)]
    made = volumes([SQUARE, WEST, EAST], record(top_m=20.0), part(2, 0.0, 5.0), part(3, 0.0, 9.0))
    assert extents(made) == [(0, 5, 2, 800), (0, 9, 3, 800), (9, 20, 1, 800)]
    pointed = volumes([SQUARE, SQUARE], record(top_m=20.0), part(2, 0.0, 12.0, roof=PYRAMIDAL))
    assert extents(pointed) == [(0, 12, 2, 1600)]


def test_a_part_takes_nothing_from_another_building():
    """Part 3 lies in outline 1 and reaches into its neighbour; part 4 lies in no outline."""
    made = volumes([SQUARE, shapely.box(20, -20, 60, 20), shapely.box(0, -20, 30, 20), shapely.box(55, -20, 75, 20)], record(),
                   record(id=2), part(3, 0.0, 30.0), part(4, 8.0, 30.0))  # fmt: skip
    assert extents(made) == [(0, 10, 1, 800), (0, 10, 2, 1600), (0, 30, 3, 1200), (8, 30, 4, 800)]
    assert sorted(zip(made.ids, made.building, strict=True)) == [(1, 1), (2, 2), (3, 1), (4, 4)]


def test_a_relation_wins_over_containment():
    inner = shapely.box(-15, -15, 15, 15)
    rows = record(building=1), record(id=2, top_m=20.0), part(3, 0.0, 30.0, building=1)
    made = volumes([SQUARE, inner, shapely.box(-5, -5, 5, 5)], *rows)
    assert extents(made) == [(0, 10, 1, 1500), (0, 20, 2, 900), (0, 30, 3, 100)] and made.building[made.ids == 3].tolist() == [1]
    rows[2]["building"] = 0
    made = volumes([SQUARE, inner, shapely.box(-5, -5, 5, 5)], *rows)
    assert extents(made) == [(0, 10, 1, 1600), (0, 20, 2, 800), (0, 30, 3, 100)] and made.building[made.ids == 3].tolist() == [2]


def test_what_is_tagged_as_both_is_a_part_in_a_larger_building_and_of_itself():
    dome = shapely.box(-6, -6, 6, 6)
    made = volumes([SQUARE, shapely.box(-10, -10, 10, 10), dome], record(top_m=13.0), part(2, 0.0, 20.0),
                   record(id=3, top_m=38.0, both=True))  # fmt: skip
    assert extents(made) == [(0, 13, 1, 1200), (0, 20, 2, 400), (0, 38, 3, 145)] and made.part[made.ids == 3].all()
    podium = volumes([SQUARE, dome], record(top_m=13.0, both=True, roof=GABLED, roof_m=2.0), part(2, 20.0, 38.0))
    assert extents(podium) == [(0, 13, 1, 1600), (11, 20, 1, 145), (20, 38, 2, 145)]  # from the eaves on: the gable does not reach up to it
    assert podium.part.tolist() == [True, True, True] and set(podium.building.tolist()) == {1}
    alone = volumes([SQUARE], record(both=True))
    assert extents(alone) == [(0, 10, 1, 1600)] and not alone.part.any()
    twins = volumes([SQUARE, SQUARE], record(both=True), record(id=2, both=True, top_m=20.0))
    assert extents(twins) == [(0, 10, 1, 1600), (0, 20, 2, 1600)] and set(twins.building.tolist()) == {1}


@pytest.mark.parametrize(("fields", "bottom", "eaves", "top"), [
    (dict(top_m=6.0), 5.7, 6, 6), (dict(top_m=6.0, bottom_m=5.0), 5, 6, 6), (dict(top_m=0.2), 0, 0.2, 0.2),
    (dict(top_m=6.0, roof=GABLED, roof_m=2.0), 3.7, 4, 6), (dict(top_m=6.0, roof=GABLED), 5.7, 6, 6),
    (dict(top_m=np.nan, source=NO_HEIGHT, low=True), 2.7, 3, 3),
])  # fmt: skip
def test_slabs(fields, bottom, eaves, top):
    made = volumes([HOUSE], record(slab=True, **fields))
    assert (made.bottom_m[0], made.eaves_m[0], made.top_m[0]) == pytest.approx((bottom, eaves, top))


def test_a_roof_by_its_angle_is_bounded():
    hall = volumes([SQUARE], record(top_m=3.0, source=BY_LEVELS, roof=GABLED, angle_deg=80.0))
    assert (hall.eaves_m[0], hall.top_m[0]) == (3, 33)


def test_a_part_of_a_building_that_is_itself_a_part_belongs_to_the_larger():
    inner, tower = shapely.box(-10, -10, 10, 10), shapely.box(-5, -5, 5, 5)
    made = volumes([SQUARE, inner, tower], record(top_m=6.0), record(id=2, top_m=9.0, both=True), part(3, 0.0, 20.0))
    assert set(made.building.tolist()) == {1} and made.part.tolist() == [True, True, False]


def test_the_height_that_a_spire_states_is_not_that_of_the_roof_beside_it():
    """A part of less than a hundredth of its outline."""
    spire = shapely.box(15, -2, 17, 2)
    made = volumes([SQUARE, spire], record(top_m=30.0, roof=GABLED, roof_m=4.0), part(2, 12.0, 30.0))
    assert extents(made) == [(0, 12, 1, 10), (0, 12, 1, 1590), (12, 30, 2, 10)] and set(made.roof.tolist()) == {FLAT}


def test_below_slabs_it_is_open_unless_nothing_else_of_the_building_stands():
    made = volumes([SQUARE, WEST, EAST], record(top_m=6.0), part(2, 0.0, 4.0), part(3, 0.0, 6.0, slab=True))
    assert extents(made) == [(0, 4, 2, 800), (5.7, 6, 3, 800)]
    porch = volumes([SQUARE, shapely.box(-20, -20, -15, 20)], record(), part(2, 0.0, 4.0, slab=True))
    assert extents(porch) == [(0, 10, 1, 1400), (3.7, 4, 2, 200)]
    roofed = volumes([SQUARE, SQUARE], record(top_m=8.0), part(2, 6.0, 8.0, slab=True))
    assert extents(roofed) == [(0, 6, 1, 1600), (6, 8, 2, 1600)]


def test_parts_thinner_than_drawing_noise_stand_too():
    made = volumes([SQUARE, shapely.box(-18, 0, 18, 0.4)], record(top_m=6.0), part(2, 6.0, 12.0))
    assert extents(made) == [(0, 6, 1, 15), (0, 6, 1, 1585), (6, 12, 2, 15)] and not made.hovering.any()


def test_what_hovers():
    made = volumes([WEST, EAST, shapely.box(50, 0, 60, 10)], part(1, 8.0, 10.0), part(2, 8.0, 10.0), record(id=3, bottom_m=5.0))
    assert made.hovering.tolist() == [True, True, False]  # a building that begins there is meant to
    stack = volumes([WEST, WEST, WEST], part(1, 0.0, 10.0), part(2, 10.4, 20.0), part(3, 20.6, 30.0))
    assert stack.hovering.tolist() == [False, False, True]
