"""The published tables: real ones agree with their origin, and what does not fit together is refused by name."""

import numpy as np
import pytest

from data.sources.streetlearn.dataset_files import read_tile
from data.sources.streetlearn.dataset_tables import read_tables, recover_origin
from data.sources.streetlearn.layout import Layout
from tests.data.sources.streetlearn.published import ORIGINS, PLACES, RADIUS_M
from utils.errors import InputError

PUBLISHED_ORIGIN = (40.7424436, -73.9816155)  # of Manhattan


@pytest.mark.parametrize("area", ["hudsonriver5kU", "unionsquare5kU", "wallstreet5kU"])
def test_real_tables_agree_with_the_published_origin(shared_data, tmp_path, area):
    (tmp_path / "csv").symlink_to(shared_data / "streetlearn")
    tables = read_tables(Layout(tmp_path), area)
    assert tables.origins == {"manhattan": PUBLISHED_ORIGIN}
    assert len(tables) == 5000 and tables.residual_m.max() < 1e-6
    rows = [line.split(",") for line in (tmp_path / f"csv/{area}_xy.csv").read_text().splitlines()]
    assert tables.locations.x.tolist() == [float(r[1]) for r in rows] and tables.locations.y.tolist() == [-float(r[2]) for r in rows]
    assert tables.locations.heading_deg.tolist() == [float(r[3]) for r in rows]
    rows = [line.split(",") for line in (tmp_path / f"csv/{area}.csv").read_text().splitlines()]
    assert tables.locations.lat.tolist() == [float(r[1]) for r in rows] and tables.locations.lon.tolist() == [float(r[2]) for r in rows]


def test_the_real_tile_of_the_readme(shared_data, tmp_path):
    (tmp_path / "csv").symlink_to(shared_data / "streetlearn")
    assert read_tables(Layout(tmp_path), "unionsquare5kU").tile[1] == 46265
    tile = read_tile(shared_data / "streetlearn/tile_46265.png")
    assert tile.shape == (256, 256, 3) and tile.dtype == np.uint8 and tile.std() > 10
    assert Layout(tmp_path).areas() == ["hudsonriver5kU", "unionsquare5kU", "wallstreet5kU"]


@pytest.mark.parametrize("origin", [(40.44234695, -79.97231925), (-33.9, 151.2), (0.0, 0.0), (59.3, 179.99)])
def test_origin_is_recovered_from_few_places_and_outliers_are_found(origin):
    """Places made by the sphere's geometry itself: rotate the origin's meridian to the equator of a Mercator projection."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-15_000, 15_000, (2, 7))
    d = y / RADIUS_M + np.radians(origin[0])
    lat = np.degrees(np.arcsin(np.sin(d) / np.cosh(x / RADIUS_M)))
    lon = origin[1] + np.degrees(np.arctan2(np.sinh(x / RADIUS_M), np.cos(d)))
    found, residual = recover_origin(lat, lon, x, y)
    assert found == pytest.approx(origin, abs=1e-11) and residual.max() < 1e-6
    x[2] += 0.02
    y[5] = -y[5]
    found, residual = recover_origin(lat, lon, x, y)
    assert found == pytest.approx(origin, abs=1e-11)
    assert np.flatnonzero(residual > 0.005).tolist() == [2, 5] and residual[2] == pytest.approx(0.02, abs=1e-4)


def test_small_dataset(pristine):
    layout = Layout(pristine)
    assert layout.areas() == ["eastU", "farU"]
    tables = read_tables(layout, "eastU_farU")
    assert tables.locations.ids.tolist() == [p.id for p in PLACES] and tables.city.tolist() == [p.city for p in PLACES]
    assert tables.locations.y.tolist() == [p.y for p in PLACES] and tables.tile.tolist() == [p.tile for p in PLACES]
    for city, origin in ORIGINS.items():
        assert tables.origins[city] == pytest.approx(origin, abs=1e-11)


def edit(path, change):
    rows = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("".join(",".join(row) + "\n" for row in change(rows)))


@pytest.mark.parametrize(("table", "change", "message"), [
    ("", lambda r: r[:1], "eastU.csv: 1 rows, but 2 in eastU_xy.csv and 2 in eastU_set.csv"),
    ("_xy", lambda r: r[:1], "2 rows, but 1 in eastU_xy.csv"),
    ("_set", lambda r: r + r[:1], "and 3 in eastU_set.csv"),
    ("_xy", lambda r: r[::-1], "eastU_xy.csv: id of row 1 is '-looks-30', but 'looks_north' in eastU.csv .2 such rows"),
    ("_set", lambda r: [["beta", "7"], r[1]], "eastU_set.csv: city of row 1 is 'beta'"),
    ("_xy", lambda r: [r[0], [*r[1][:3], "31.0", r[1][4]]], "heading_deg of row 2 is '31.0', but '30.0'"),
    ("_xy", lambda r: [r[0], ["-looks-30", "east", *r[1][2:]]], "eastU_xy.csv: line 2: x is 'east'"),
    ("_xy", lambda r: [r[0], [r[1][0], "inf", *r[1][2:]]], "eastU_xy.csv: line 2: x is 'inf'"),
    ("_set", lambda r: [["alpha", "7.5"], r[1]], "line 1: tile is '7.5'; it must be a whole number"),
    ("_set", lambda r: [["alpha", "-7"], r[1]], "line 1: tile is '-7'"),
    ("_set", lambda r: [[*row, "x"] for row in r], "eastU_set.csv: 3 columns; expected city, tile"),
    ("", lambda r: [row[:4] for row in r], "eastU.csv: the fifth column, the city, is missing"),
    ("", lambda r: [["looks_north", "x", *r[0][2:]], r[1]], "eastU.csv: line 1: lat is 'x'"),
    ("", lambda r: [], "eastU.csv: empty"),
    ("_set", lambda r: [], "eastU_set.csv: empty"),
])  # fmt: skip
def test_tables_that_do_not_fit_together(root, table, change, message):
    edit(root / f"csv/eastU{table}.csv", change)
    with pytest.raises(InputError, match=message) as caught:
        read_tables(Layout(root), "eastU")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../escape", "", ".hidden"])
def test_names_that_lead_elsewhere(root, name):
    for table in ("", "_xy"):
        edit(root / f"csv/eastU{table}.csv", lambda rows: [[name, *rows[0][1:]], rows[1]])
    with pytest.raises(InputError, match="eastU.csv"):
        read_tables(Layout(root), "eastU")


def test_cities_that_lead_elsewhere(root):
    for table, column in (("", 4), ("_xy", 4), ("_set", 0)):
        edit(root / f"csv/eastU{table}.csv", lambda rows, c=column: [[*r[:c], "../alpha", *r[c + 1 :]] for r in rows])
    with pytest.raises(InputError, match="city '../alpha' cannot name a file"):
        read_tables(Layout(root), "eastU")


def test_missing_tables(root, tmp_path):
    (root / "csv/eastU_xy.csv").unlink()
    with pytest.raises(InputError, match="eastU_xy.csv: no such table; areas with tables here: eastU, farU"):
        read_tables(Layout(root), "eastU")
    with pytest.raises(InputError, match="eastU_farU_xy.csv: no such table"):
        read_tables(Layout(root), "eastU_farU")
    with pytest.raises(InputError, match="csv: no tables here"):
        read_tables(Layout(tmp_path / "nowhere"), "eastU")


def test_one_place_in_both_parts(root):
    for table in ("", "_xy", "_set"):
        (root / f"csv/farU{table}.csv").write_text((root / f"csv/eastU{table}.csv").read_text())
    with pytest.raises(InputError, match="is a place of several parts"):
        read_tables(Layout(root), "eastU_farU")
