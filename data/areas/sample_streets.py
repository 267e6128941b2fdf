"""Places along the streets of a city map, and places apart from others."""

import numpy as np
from scipy.spatial import cKDTree

from data.city import CityMap
from data.locations import Locations
from utils.classes import INDEX
from utils.errors import InputError
from utils.georeference import EXTENT_M


def sample_streets(city: CityMap, every_m: float, bbox: tuple[float, float, float, float] | None, name: str,
                   rng: np.random.Generator, scatter_m: float = 0.0) -> Locations:  # fmt: skip
    """Places at equal steps along the drivable streets; they look along the street, in either direction at random.

    Args:
        every_m: step along the streets in metres; places nearer than half of it to one already taken are left out.
        bbox: south, west, north, east in degrees; default: the whole map, less the margin that a tile needs.
        name: prefix of the ids.
        scatter_m: places are moved sideways by up to this, at random: cars keep to a lane, and recorded positions err.

    Raises:
        InputError: no place lies in the box.
    """
    streets = city.streets
    step = np.diff(streets.xy, axis=0)
    step[streets.start[1:-1] - 1] = 0  # from the end of a line to the start of the next
    length = np.hypot(*step.T)
    reached = np.concatenate([[0], np.cumsum(length)])
    at = np.arange(every_m / 2, reached[-1], every_m)
    segment = (np.searchsorted(reached, at, side="right") - 1).clip(0, len(step) - 1)
    share = (at - reached[segment]) / np.maximum(length[segment], 1e-9)
    xy = streets.xy[segment] + share[:, None] * step[segment]
    heading = np.degrees(np.arctan2(step[segment, 0], step[segment, 1])) + 180 * rng.integers(0, 2, len(at))
    right = np.column_stack([step[segment, 1], -step[segment, 0]]) / np.maximum(length[segment], 1e-9)[:, None]
    xy += right * rng.uniform(-scatter_m, scatter_m, (len(at), 1))
    x0, y0, x1, y1 = city.info["bounds"]
    margin = EXTENT_M / np.sqrt(2)
    keep = (xy > (x0 + margin, y0 + margin)).all(1) & (xy < (x1 - margin, y1 - margin)).all(1)
    column, row = city.georeference.to_pixels(xy).astype(int).T
    keep &= city.ground[row.clip(0, city.ground.shape[0] - 1), column.clip(0, city.ground.shape[1] - 1)] != INDEX["buildings"]
    lat, lon = city.projection.inverse(*xy.T)
    lon = np.where(lon > 180, lon - 360, np.where(lon < -180, lon + 360, lon))  # the map may reach over the antimeridian
    if bbox is not None:
        south, west, north, east = bbox
        keep &= (lat >= south) & (lat <= north) & (lon >= west) & (lon <= east)
    chosen = _thin(xy, np.flatnonzero(keep), every_m / 2)
    if not len(chosen):
        raise InputError(
            f"{city.path}: no drivable street {'in --bbox (south,west,north,east in degrees)' if bbox else 'of this map'} "
            f"lies {margin:.0f} m or more inside the map's edge"
        )
    ids = np.array([f"{name}-{i:06d}" for i in range(len(chosen))])
    return Locations(ids, lat[chosen], lon[chosen], heading[chosen] % 360, *xy[chosen].T)


def _thin(xy: np.ndarray, candidates: np.ndarray, radius_m: float) -> np.ndarray:
    """Greedily keeps candidates that are at least radius_m from all kept before (two carriageways give one row of places)."""
    places = xy[candidates]
    near = cKDTree(places).query_pairs(radius_m, output_type="ndarray")  # the first before the second
    near = near[np.hypot(*(places[near[:, 0]] - places[near[:, 1]]).T) < radius_m]
    near = near[np.argsort(near[:, 0], kind="stable")]
    kept = np.ones(len(places), bool)
    for first, second in near.tolist():
        if kept[first]:
            kept[second] = False
    return candidates[kept]


def apart_from(locations: Locations, others: Locations, distance_m: float) -> Locations:
    """The locations that are at least distance_m from all others."""
    nearest_m, _ = cKDTree(others.xy).query(locations.xy)
    return locations[nearest_m >= distance_m]
