"""Random shapes, and what a stored map is compared by."""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import shapely
from hypothesis import strategies as st


def star(rng: np.random.Generator, centre=(0.0, 0.0), radius_m: float = 40.0, corners: int = 9) -> shapely.Polygon:
    """A random polygon whose corners are all seen from the centre, no nearer to it than half the radius."""
    angles = (np.arange(corners) + rng.uniform(0, 0.8, corners)) * 2 * math.pi / corners
    radii = rng.uniform(0.5, 1.0, corners) * radius_m
    return shapely.Polygon(np.column_stack([np.cos(angles), np.sin(angles)]) * radii[:, None] + centre)


def holed(rng: np.random.Generator, centre=(0.0, 0.0), radius_m: float = 40.0) -> shapely.Polygon:
    """A random star with up to three holes."""
    polygon = star(rng, centre, radius_m, int(rng.integers(3, 14)))
    for _ in range(rng.integers(0, 4)):
        hole = star(rng, centre + rng.uniform(-0.3, 0.3, 2) * radius_m, rng.uniform(0.03, 0.25) * radius_m, int(rng.integers(3, 8)))
        if polygon.buffer(-0.5).contains(hole) and not shapely.dwithin(polygon.boundary, hole, 0.5):
            polygon = polygon.difference(hole)
    return polygon


rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)
holed_polygons = rngs.map(holed)


def digests(city: Path) -> dict[str, str]:
    """The bytes of every file of a city's map, but map.json."""
    files = sorted(p for p in (Path(city) / "map").iterdir() if p.name != "map.json")
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def facts(city: Path) -> dict:
    """map.json, but for the name and the bytes of the extract."""
    return {k: v for k, v in json.loads((Path(city) / "map/map.json").read_text()).items() if k != "source"}


def assert_same_map(city: Path, other: Path) -> None:
    """All arrays and tables are bit-identical, and map.json says the same."""
    assert digests(city) == digests(other)
    assert facts(city) == facts(other)


def class_at(city, lat: float, lon: float) -> int:
    """The class of the ground of a map at a latitude and longitude."""
    x, y = city.projection.forward(lat, lon)
    column, row = city.georeference.to_pixels((x, y)).astype(int)
    return int(city.ground[row, column])
