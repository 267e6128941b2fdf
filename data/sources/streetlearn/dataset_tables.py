"""The three tables of an area in the published layout: places, their metres and their tiles; and the origin that the metres imply."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.locations import MOST_METRES, Locations, read_location_table
from data.sources.streetlearn.layout import TABLES, Layout
from utils.errors import InputError
from utils.names import check_folder_names
from utils.projection import EARTH_RADIUS_M, Projection
from utils.tables import Table, read_table

MOST_TILE = 10**9
MOST_RESIDUAL_M = 0.005  # the published tables agree with their origin to 1e-9 m


@dataclass
class Tables:
    """The places of an area; arrays of one length n, in the order of the files."""

    locations: Locations  # x east, y north
    city: np.ndarray  # str
    tile: np.ndarray  # int64, number of the tile's file
    origins: dict[str, tuple[float, float]]  # of each city: latitude and longitude of its metres' (0, 0)
    residual_m: np.ndarray  # between x, y and what latitude, longitude and origin give

    def __len__(self) -> int:
        return len(self.locations)


def read_tables(layout: Layout, area: str) -> Tables:
    """Reads and compares the three tables of an area.

    Raises:
        InputError: a table is missing or malformed, or they do not list the same places.
    """
    files = {ending: layout.tables(area, ending) for ending in TABLES}
    places = pd.concat([read_location_table(file) for file in files[""]], ignore_index=True)
    metres = pd.concat([_read_metres(file) for file in files["_xy"]])
    tiles = pd.concat([_read_tiles(file) for file in files["_set"]])
    names = [files[ending][0] for ending in TABLES]
    if "city" not in places.columns:
        raise InputError(f"{names[0]}: the fifth column, the city, is missing")
    if not len(places) == len(metres) == len(tiles):
        raise InputError(
            f"{names[0]}: {len(places):,} rows, but {len(metres):,} in {names[1].name} and {len(tiles):,} in {names[2].name}; "
            "the three tables list the same places in the same order: get them again"
        )
    for column, other, name in (("id", metres, names[1]), ("city", metres, names[1]), ("heading_deg", metres, names[1]),
                                ("city", tiles, names[2])):  # fmt: skip
        differs = np.flatnonzero(places[column].to_numpy() != other[column].to_numpy())
        if len(differs):
            i = differs[0]
            raise InputError(
                f"{name}: {column} of row {i + 1} is '{other[column].iloc[i]}', but '{places[column].iloc[i]}' in "
                f"{names[0].name} ({len(differs):,} such rows); they list the same places in the same order: get them again"
            )
    repeated = places["id"][places["id"].duplicated()]
    if len(repeated):
        raise InputError(f"{names[0]}: id {repeated.iloc[0]!r} is a place of several parts; ids must be unique")
    check_folder_names(names[0], "city", places["city"].unique())
    lat, lon, heading = (places[c].to_numpy() for c in ("lat", "lon", "heading_deg"))
    locations = Locations(places["id"].to_numpy(str), lat, lon, heading % 360, metres["x"].to_numpy(), -metres["z"].to_numpy())
    city = places["city"].to_numpy(str)
    origins, residual = {}, np.zeros(len(city))
    for name in np.unique(city):
        rows = city == name
        origins[str(name)], residual[rows] = recover_origin(lat[rows], lon[rows], locations.x[rows], locations.y[rows])
    return Tables(locations, city, tiles["tile"].to_numpy(), origins, residual)


def recover_origin(lat, lon, x, y) -> tuple[tuple[float, float], np.ndarray]:
    """The origin about which places in degrees have these metres (x east, y north), and how far each disagrees with it.

    Solves the projection (utils/projection.py) for its origin, place by place: tanh(x/R) = cos φ sin(λ − λ₀) and
    y/R + φ₀ = atan2(tan φ, cos(λ − λ₀)). Their median is right even if a minority of the places is wrong.

    Args:
        lat, lon, x, y: (n,).

    Returns:
        latitude and longitude in degrees, and (n,) metres.
    """
    phi = np.radians(lat)
    east = np.arcsin(np.clip(np.tanh(x / EARTH_RADIUS_M) / np.cos(phi), -1, 1))
    lat0 = np.median(np.degrees(np.arctan2(np.tan(phi), np.cos(east)) - y / EARTH_RADIUS_M))
    lon0 = np.median(lon - np.degrees(east))
    origin = round(float(lat0), 12), round(float(lon0), 12)  # 1e-7 m: any of the places give the same origin
    there_x, there_y = Projection(*origin).forward(lat, lon)
    return origin, np.hypot(there_x - x, there_y - y)


def _read_metres(path: Path) -> pd.DataFrame:
    table = _read_columns(path, ["id", "x", "z", "heading_deg", "city"])
    metres = {name: table.numbers(name, -MOST_METRES, MOST_METRES, "metres") for name in ("x", "z")}
    heading_deg = table.numbers("heading_deg", -360, 720, "in decimal degrees")
    return pd.DataFrame({"id": table.cells("id"), **metres, "heading_deg": heading_deg, "city": table.cells("city")})


def _read_tiles(path: Path) -> pd.DataFrame:
    table = _read_columns(path, ["city", "tile"])
    return pd.DataFrame({"city": table.cells("city"), "tile": table.whole_numbers("tile", 0, MOST_TILE)})


def _read_columns(path: Path, columns: list[str]) -> Table:
    table = read_table(path, "places")
    if len(table.names) != len(columns):
        raise InputError(f"{path}: {len(table.names)} columns; expected {', '.join(columns)}, without header")
    table.names = columns
    return table
