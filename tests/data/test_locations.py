"""Locations: what a CSV may say, the published tables, and places sampled along the streets."""

import re

import numpy as np
import pandas as pd
import pytest

from data.areas.sample_streets import _thin, apart_from, sample_streets
from data.city import CityMap
from data.locations import Locations, read_locations
from data.osm.build import build_map
from utils.classes import INDEX
from utils.errors import InputError
from utils.georeference import EXTENT_M
from utils.projection import Projection

HEADER = "id,lat,lon,heading_deg\n"


@pytest.fixture
def csv(tmp_path, small_city):
    """Writes rows (id, x, y, heading) as a CSV of degrees."""

    def write(*rows, header=HEADER):
        lines = []
        for name, x, y, heading in rows:
            lat, lon = small_city.projection.inverse(x, y)
            lines.append(f"{name},{lat:.9f},{lon:.9f},{heading}\n")
        (tmp_path / "places.csv").write_text(header + "".join(lines))
        return tmp_path / "places.csv"

    return write


def assert_refused(path, city, *words):
    with pytest.raises(InputError) as caught:
        read_locations(path, city)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("header", ["", HEADER, "pano_id,latitude,longitude,yaw\n", "ID, Lat ,lon,heading\n"])
def test_with_and_without_header(csv, small_city, header):
    places = read_locations(csv(("007", 10, -20, 90), ("b", -200, 100.5, -45), header=header), small_city)
    assert places.ids.tolist() == ["007", "b"]
    assert np.allclose(places.xy, [(10, -20), (-200, 100.5)], atol=1e-3)
    assert places.heading_deg.tolist() == [90, 315]
    assert len(places) == 2 and len(places[[1]]) == 1 and places[[1]].ids[0] == "b"


def test_columns_in_any_order_and_more_of_them(tmp_path, small_city):
    lat, lon = small_city.projection.inverse(5.0, 6.0)
    (tmp_path / "p.csv").write_text(f"lon,note,heading_deg,id,lat\n{lon},hello,12,a,{lat}\n")
    places = read_locations(tmp_path / "p.csv", small_city)
    assert np.allclose(places.xy, [(5, 6)], atol=1e-6) and places.heading_deg.tolist() == [12]


def test_written_and_read_again(csv, small_city, tmp_path):
    places = read_locations(csv(("007", 10, -20, 90.25), ("x y", 3, 4, 5)), small_city)
    places.to_csv(tmp_path / "again.csv")
    again = read_locations(tmp_path / "again.csv", small_city)
    assert again.ids.tolist() == ["007", "x y"]
    assert np.allclose(again.xy, places.xy, atol=1e-6) and np.array_equal(again.heading_deg, places.heading_deg)


def test_missing_and_empty_files(tmp_path, small_city):
    assert_refused(tmp_path / "no.csv", small_city, "no such file")
    assert_refused(tmp_path, small_city, "no such file")
    for text in ("", "\n\n"):
        (tmp_path / "empty.csv").write_text(text)
        assert_refused(tmp_path / "empty.csv", small_city)
    (tmp_path / "header.csv").write_text(HEADER)
    assert_refused(tmp_path / "header.csv", small_city, "no locations")


@pytest.mark.parametrize(
    ("text", "column"),
    [("id,lat,heading_deg\na,1,2\n", "lon"), ("id,lat,lon\na,1,2\n", "heading_deg"), ("lat,lon,heading_deg\n1,2,3\n", "id"),
     ("a,-33.9,151.2\n", "heading_deg"), ("a\n", "lat")],
)  # fmt: skip
def test_missing_column(tmp_path, small_city, text, column):
    (tmp_path / "p.csv").write_text(text)
    assert_refused(tmp_path / "p.csv", small_city, f"column {column!r} is missing")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a,91,151.2,0", ("lat is", "'91'", "from -90 to 90")), ("a,-33.9,181,0", ("lon is",)),
        ("a,-33.9,151.2,721", ("heading_deg is",)),
        ("a,nan,151.2,0", ("lat is",)), ("a,,151.2,0", ("lat is",)), ("a,-33.9,east,0", ("lon is", "'east'")),
        ("a,-33.9,151.2,inf", ("heading_deg",)), ("a,-33.9,151.2,", ("heading_deg",)), ("a,151.2,-33.9,0", ("lat is",)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("header", ["", HEADER])
def test_values_out_of_range(tmp_path, small_city, row, words, header):
    (tmp_path / "p.csv").write_text(f"{header}good,-33.9,151.2,0\n{row}\n")
    assert_refused(tmp_path / "p.csv", small_city, *words)


def test_repeated_ids(csv, small_city):
    assert_refused(csv(("a", 0, 0, 0), ("b", 1, 1, 0), ("a", 2, 2, 0)), small_city, "line 4: id is 'a'", "in line 2, too")


def test_outside_the_map(csv, small_city):
    assert_refused(csv(("in", 0, 0, 0), ("out", 401, 0, 0), ("far", 0, -90_000, 0)), small_city, "2 of 3", "'out'", "outside the map")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01\x80", b'a,"1,2\n', b"a,1,2,3\nb,1,2,3,4,5,6\n"])
def test_what_is_no_table(tmp_path, small_city, content):
    (tmp_path / "p.csv").write_bytes(content)
    assert_refused(tmp_path / "p.csv", small_city)


def test_published_table(shared_data, west_village):
    """The format without header, on a map whose bounds and origin are made to fit."""
    path = shared_data / "streetlearn/wallstreet5kU.csv"
    assert_refused(path, west_village, "outside the map")
    city = type(west_village)(west_village.path.parent)
    city.projection = type(city.projection)(40.7424436, -73.9816155)
    city.info = city.info | {"bounds": [-10_000, -10_000, 10_000, 10_000]}
    places = read_locations(path, city)
    published = pd.read_csv(shared_data / "streetlearn/wallstreet5kU_xy.csv", header=None)
    assert places.ids.tolist() == published[0].tolist()
    assert np.abs(places.x - published[1]).max() < 1e-6 and np.abs(places.y + published[2]).max() < 1e-6
    assert np.array_equal(places.heading_deg, published[3] % 360)


def sampled(city, every_m=10.0, bbox=None, seed=0):
    return sample_streets(city, every_m, bbox, "s", np.random.default_rng(seed))


def test_samples_lie_on_streets_inside_the_margin(small_city):
    places = sampled(small_city)
    to_vertical = np.abs(places.x[:, None] - (-240, -80, 80, 240)).min(1)
    to_horizontal = np.abs(places.y[:, None] - (-160, 0, 160)).min(1)
    assert np.minimum(to_vertical, to_horizontal).max() < 0.05
    margin = EXTENT_M / np.sqrt(2)
    assert np.abs(places.x).max() < 400 - margin and np.abs(places.y).max() < 300 - margin
    metres = 4 * 2 * (300 - margin) + 3 * 2 * (400 - margin)
    assert 0.9 * metres / 10 < len(places) < 1.05 * metres / 10
    assert np.allclose(small_city.projection.forward(places.lat, places.lon), places.xy.T, atol=1e-6)
    assert len(set(places.ids)) == len(places) and places.ids[0] == "s-000000"


def test_samples_look_along_the_street_both_ways(small_city):
    places = sampled(small_city)
    on_vertical = np.abs(places.x[:, None] - (-240, -80, 80, 240)).min(1) < 0.05
    on_horizontal = np.abs(places.y[:, None] - (-160, 0, 160)).min(1) < 0.05
    north_south = np.round(places.heading_deg[on_vertical & ~on_horizontal], 1) % 360
    east_west = np.round(places.heading_deg[on_horizontal & ~on_vertical], 1)
    assert set(north_south) == {0, 180} and set(east_west) == {90, 270}
    assert 0.3 < (north_south == 0).mean() < 0.7
    assert ((places.heading_deg >= 0) & (places.heading_deg < 360)).all()


@pytest.mark.parametrize("every_m", [7.0, 25.0])
def test_samples_keep_their_distance(small_city, every_m):
    places = sampled(small_city, every_m)
    distance = np.hypot(*(places.xy[:, None] - places.xy[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(places))
    assert distance.min() >= every_m / 2
    along = np.sort(places.y[np.abs(places.x - 80) < 0.05])
    assert np.median(np.diff(along)) == pytest.approx(every_m, abs=0.01)


def test_samples_in_a_box(small_city):
    lat0, lon0 = small_city.projection.inverse(-100.0, -50.0)
    lat1, lon1 = small_city.projection.inverse(120.0, 170.0)
    inside = sampled(small_city, bbox=(float(lat0), float(lon0), float(lat1), float(lon1)))
    everywhere = sampled(small_city)
    expected = (np.abs(everywhere.x - 10) < 110) & (np.abs(everywhere.y - 60) < 110)
    assert {tuple(p) for p in np.round(inside.xy, 3)} == {tuple(p) for p in np.round(everywhere.xy[expected], 3)}
    assert 0 < len(inside) < len(everywhere)


def test_no_street_in_the_box(small_city, tower_city):
    with pytest.raises(InputError, match="no drivable street"):
        sampled(small_city, bbox=(10, 10, 11, 11))
    with pytest.raises(InputError, match="no drivable street"):
        sampled(tower_city)


def test_samples_avoid_buildings(west_village):
    places = sampled(west_village, 5.0)
    column, row = west_village.georeference.to_pixels(places.xy).astype(int).T
    assert len(places) > 300
    assert (west_village.ground[row, column] != INDEX["buildings"]).all()


def test_scattered_samples_stay_beside_their_street(small_city):
    straight = sampled(small_city, 20.0)
    places = sample_streets(small_city, 20.0, None, "s", np.random.default_rng(0), 4.0)
    to_vertical = np.abs(places.x[:, None] - (-240, -80, 80, 240)).min(1)
    to_horizontal = np.abs(places.y[:, None] - (-160, 0, 160)).min(1)
    aside = np.minimum(to_vertical, to_horizontal)
    assert aside.max() < 4.05 and 1.5 < aside.mean() < 2.5
    north_south = (places.heading_deg % 180 < 1) | (places.heading_deg % 180 > 179)
    assert (to_vertical[north_south] < 4.05).all() and (to_horizontal[~north_south] < 4.05).all()
    assert abs(len(places) - len(straight)) < 0.1 * len(straight)


def test_seed_decides_the_samples(small_city):
    first, again, other = (sampled(small_city, seed=seed).heading_deg for seed in (5, 5, 6))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("others", [0, 1, 40, 1200])
def test_apart_from_against_a_loop(others):
    rng = np.random.default_rng(0)

    def places(n):
        x, y = rng.uniform(-1000, 1000, (2, n))
        return Locations(np.arange(n).astype(str), x, y, x, x, y)

    locations, taken = places(300), places(others)
    radius = 300 / np.sqrt(others + 1)
    kept = [i for i in range(300) if all(np.hypot(locations.x[i] - a, locations.y[i] - b) >= radius for a, b in taken.xy)]
    assert apart_from(locations, taken, radius).ids.tolist() == [str(i) for i in kept]
    assert others == 0 or 0 < len(kept) < 300


def test_places_exactly_as_far_as_asked_are_apart():
    x, y = np.array([(3.0, 4.0), (3.0, 3.99), (50.0, 0.0)]).T
    locations, taken = Locations(np.array(["a", "b", "c"]), x, y, x, x, y), Locations(np.array(["o"]), *np.zeros((5, 1)))
    assert apart_from(locations, taken, 5.0).ids.tolist() == ["a", "c"]


@pytest.mark.parametrize("grid_m", [1.0, 1e-9])  # on a grid many places are exactly as far apart as asked
@pytest.mark.parametrize("radius_m", [3.0, 5.0, 40.0])
def test_thinning_against_a_loop(radius_m, grid_m):
    rng = np.random.default_rng(0)
    xy = np.round(rng.uniform(0, 60, (400, 2)) / grid_m) * grid_m
    candidates, kept = np.flatnonzero(rng.random(400) < 0.8), []
    for i in candidates:
        if all(np.hypot(*(xy[i] - xy[j])) >= radius_m for j in kept):
            kept.append(i)
    assert _thin(xy, candidates, radius_m).tolist() == kept and 1 < len(kept) < len(candidates)
    assert len(_thin(xy, candidates[:0], radius_m)) == 0


def test_swapped_latitude_and_longitude_are_named(tmp_path, west_village):
    (tmp_path / "p.csv").write_text("a,-74.005,40.736,0\n")
    assert_refused(tmp_path / "p.csv", west_village, "'a'", "look swapped")
    (tmp_path / "p.csv").write_text("a,41.5,-74.005,0\n")
    assert_refused(tmp_path / "p.csv", west_village, "use an extract that covers them")


def test_longitudes_over_the_antimeridian_stay_within_180(tmp_path, new_extract):
    extract = new_extract(400, 200)
    extract.projection = Projection(-17.0, 180.0)
    extract.way([(-400, 0), (400, 0)], {"highway": "residential"})
    for x in (-399, 395):
        extract.box(x, -199, x + 4, 199, {"building": "yes"})
    path = extract.write(tmp_path / "taveuni.osm", bounds=False)
    path.write_text(re.sub(r'lon="(18\d\.\d+)"', lambda m: f'lon="{float(m[1]) - 360:.9f}"', path.read_text()))
    build_map(path, tmp_path / "city")
    lon = sample_streets(CityMap(tmp_path / "city"), 20, None, "x", np.random.default_rng(0)).lon
    assert (lon < -179.99).any() and (lon > 179.99).any() and (np.abs(lon) <= 180).all()
