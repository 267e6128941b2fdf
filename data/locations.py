"""Places, and reading them from a CSV of real locations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.city import CityMap
from utils.errors import InputError
from utils.names import check_folder_names
from utils.tables import Table, read_table

STREETLEARN_COLUMNS = ("id", "lat", "lon", "heading_deg", "city")  # the published files have no header
MOST_METRES = 20_000_000  # from a city's origin: half way round the earth
_RANGES = {"lat": (-90, 90), "lon": (-180, 180), "heading_deg": (0, 360)} | dict.fromkeys("xy", (-MOST_METRES, MOST_METRES))
_ALIASES = {"pano_id": "id", "latitude": "lat", "longitude": "lon", "lng": "lon", "heading": "heading_deg", "yaw": "heading_deg"}


@dataclass
class Locations:
    """Places; arrays of one length n. x east, y north in metres about the city's origin; heading clockwise from north."""

    ids: np.ndarray  # str
    lat: np.ndarray
    lon: np.ndarray
    heading_deg: np.ndarray  # in [0, 360)
    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, selection) -> "Locations":
        return Locations(*(getattr(self, f)[selection] for f in ("ids", "lat", "lon", "heading_deg", "x", "y")))

    @property
    def xy(self) -> np.ndarray:
        """(n, 2) metres."""
        return np.column_stack([self.x, self.y])

    @classmethod
    def from_csv(cls, path: Path) -> "Locations":
        """Reads what `to_csv` wrote.

        Raises:
            InputError: the file is missing or damaged, or an id cannot name a file or repeats.
        """
        cells = read_table(path, "an area's locations")
        cells.take_header()
        cells.require(("id", *_RANGES), "build the area again")
        _check_ids(cells)
        return cls(cells.text("id"), *(cells.numbers(name, low, high) for name, (low, high) in _RANGES.items()))

    def to_csv(self, path: Path) -> None:
        """Writes the columns id, lat, lon, heading_deg, x, y with a header."""
        pd.DataFrame(vars(self)).rename(columns={"ids": "id"}).to_csv(path, index=False)


def read_locations(path: Path, city: CityMap) -> Locations:
    """Reads real locations and places them on a city's map.

    The file is the published StreetLearn table (no header: id, latitude, longitude, heading in degrees clockwise from north, city), or
    has a header with the columns id, lat, lon, heading_deg in any order.

    Raises:
        InputError: the file is missing or empty, a column is missing, a value is not a number or out of range, an id repeats, or places
            lie outside the map.
    """
    path = Path(path)
    table = read_location_table(path)
    lat, lon = table["lat"].to_numpy(), table["lon"].to_numpy()
    x, y = city.projection.forward(lat, lon)
    x0, y0, x1, y1 = city.info["bounds"]
    outside = np.flatnonzero((x < x0) | (x > x1) | (y < y0) | (y > y1))
    if len(outside):
        row = table.iloc[outside[0]]
        (south, north), (west, east) = city.projection.inverse([x0, x1], [y0, y1])
        swapped = south <= row["lon"] <= north and west <= row["lat"] <= east
        remedy = "latitude and longitude look swapped" if swapped else "use an extract that covers them, or remove them"
        raise InputError(
            f"{path}: {len(outside)} of {len(table)} locations lie outside the map {city.path}, {south:.4f} to {north:.4f}, "
            f"{west:.4f} to {east:.4f} (the first: {row['id']!r} at {row['lat']}, {row['lon']}); {remedy}"
        )
    return Locations(table["id"].to_numpy(str), lat, lon, table["heading_deg"].to_numpy() % 360, x, y)


def read_location_table(path: Path) -> pd.DataFrame:
    """The rows of a file of locations (see `read_locations`): id, lat, lon, heading_deg[, city], checked but not yet placed on a map.

    Raises:
        InputError: as `read_locations`, except for places outside the map.
    """
    cells = _read_columns(path)
    _check_ids(cells)
    table = pd.DataFrame({name: cells.text(name) for name in ("id", "city") if name in cells.names}, dtype=object)
    for column, low, high in (("lat", -90, 90), ("lon", -180, 180), ("heading_deg", -360, 720)):
        table[column] = cells.numbers(column, low, high, "in decimal degrees")
    return table


def _check_ids(cells: Table) -> None:
    ids = pd.Series(cells.cells("id"), dtype=object)
    check_folder_names(cells.path, "id", ids)
    repeated = np.flatnonzero(ids.duplicated())
    if len(repeated):
        line = cells.lines[int((ids == ids[repeated[0]]).argmax())]
        cells.refuse(repeated[0], "id", f"so it is in line {line}, too ({len(repeated):,} repeated rows); ids must be unique")


def _read_columns(path: Path) -> Table:
    table = read_table(path, "locations")
    remedy = "expected id, latitude, longitude, heading[, city] in this order, or a header with id, lat, lon, heading_deg"
    if {"id", "pano_id", *STREETLEARN_COLUMNS[1:3], "latitude", "longitude", "lng"} & set(table.first()):
        table.take_header(_ALIASES)
    else:
        if len(table.names) > len(STREETLEARN_COLUMNS):
            raise InputError(f"{path}: {len(table.names)} columns, no header; {remedy} (decimal commas need semicolons between cells)")
        table.names = list(STREETLEARN_COLUMNS[: len(table.names)])
    table.require(STREETLEARN_COLUMNS[:4], remedy)
    if not len(table):
        raise InputError(f"{path}: no locations in this file")
    return table
