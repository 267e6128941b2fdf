"""A small dataset in the published layout, written without any of the project's own code for it.

Two cities, three places, four areas: `eastU` (the two of alpha), `farU` (the one of beta), `eastU_farU` (both, by its parts).
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

RADIUS_M = 6_378_137.0
ORIGINS = {"alpha": (40.7424436, -73.9816155), "beta": (-33.9, 151.2)}
AREAS = {"eastU": "alpha", "farU": "beta"}
BUILDING, ROAD, WATER = 4, 13, 19


class Place(NamedTuple):
    """A place and the tower that it sees 50 m away."""

    id: str
    city: str
    x: float
    y: float
    heading: float
    bearing: float  # of the tower, clockwise from north
    tile: int


PLACES = (
    Place("looks_north", "alpha", 120.25, -340.5, 0.0, 90.0, 7),
    Place("-looks-30", "alpha", 420.0, -160.0, 30.0, 0.0, 54321),
    Place("far", "beta", -1000.0, 2000.0, 200.0, 315.0, 7),
)


def degrees(place: Place) -> tuple[float, float]:
    """Latitude and longitude of a place (Snyder 1987, eq. 8-6 and 8-7)."""
    lat0, lon0 = ORIGINS[place.city]
    d, x = place.y / RADIUS_M + math.radians(lat0), place.x / RADIUS_M
    return math.degrees(math.asin(math.sin(d) / math.cosh(x))), lon0 + math.degrees(math.atan2(math.sinh(x), math.cos(d)))


def scene(place: Place, rng) -> tuple[list, list]:
    """Points east, north, up and classes: a tower 60 m high, a road under the place, and water from 40 m north of it on."""
    points, classes = [], []
    for east in np.arange(-130, 131, 5.0):
        for north in np.arange(-130, 131, 5.0):
            points.append((place.x + east, place.y + north, 0.0))
            classes.append(WATER if north > 40 else ROAD)
    a = math.radians(place.bearing)
    for dx, dy, up in rng.uniform((-8, -8, 0), (8, 8, 60), (500, 3)):
        points.append((place.x + 50 * math.sin(a) + dx, place.y + 50 * math.cos(a) + dy, up))
        classes.append(BUILDING)
    return points, classes


def picture(height: int, width: int, spot: tuple[float, float]) -> Image.Image:
    """Dark green with a white disc around spot (column, row, shares of width and height)."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    image = np.full((height, width, 3), (10, 40, 20), np.uint8)
    image[np.hypot(columns - spot[0] * width, rows - spot[1] * height) < height / 16] = 255
    return Image.fromarray(image)


def write_dataset(root: Path, combined_tables: bool = False, combined_index: bool = False, dtype=np.float32) -> Path:
    """Writes the dataset; optionally with combined tables, or one index folder, for the combined area instead of its parts'."""
    rng, stored = np.random.default_rng(0), {}
    for city in ORIGINS:
        points, classes = (sum((scene(p, rng)[k] for p in PLACES if p.city == city), []) for k in (0, 1))
        points = np.array(points)
        order = rng.permutation(len(points))
        published = np.empty((len(points), 3), dtype)
        published[:, 0], published[:, 1], published[:, 2] = points[order, 0], points[order, 2], -points[order, 1]
        (root / city).mkdir(parents=True)
        np.save(root / city / f"{city}U.npy", published)
        (root / city / f"{city}U.csv").write_text("".join(f"{classes[i]}\n" for i in order))
        stored[city] = published
    (root / "csv").mkdir()
    tables = {"": [], "_xy": [], "_set": []}
    for area, city in AREAS.items():
        own = [p for p in PLACES if p.city == city]
        for place in own:
            write_place(root, place, "eastU_farU_idx" if combined_index else f"{area}_idx", stored[city])
        rows = {
            "": [f"{p.id},{degrees(p)[0]!r},{degrees(p)[1]!r},{p.heading},{p.city}\n" for p in own],
            "_xy": [f"{p.id},{p.x!r},{-p.y!r},{p.heading},{p.city}\n" for p in own],
            "_set": [f"{p.city},{p.tile}\n" for p in own],
        }
        for ending, lines in rows.items():
            tables[ending] += lines
            if not combined_tables:
                (root / "csv" / f"{area}{ending}.csv").write_text("".join(lines))
    if combined_tables:
        for ending, lines in tables.items():
            (root / "csv" / f"eastU_farU{ending}.csv").write_text("".join(lines))
    return root


def write_place(root: Path, place: Place, index_folder: str, stored: np.ndarray) -> None:
    """Writes a place's index, tile and panorama."""
    near = [i for i, (x, _, z) in enumerate(stored.tolist()) if abs(x - place.x) < 114 and abs(z + place.y) < 114]
    seen = math.radians(place.bearing - place.heading)  # clockwise from ahead
    files = {
        root / index_folder / f"{place.id}.npy": lambda path: np.save(path, np.array(near)),
        root / f"jpegs_{place.city}_2019" / f"{place.id}.jpg":
            lambda path: picture(128, 256, ((seen / (2 * math.pi) + 0.5) % 1, 0.5)).save(path, quality=95),
        root / f"tiles_{place.city}_2019/z18" / f"{place.tile:05d}.png":
            lambda path: picture(256, 256, (0.5 + 50 * math.sin(seen) / 152, 0.5 - 50 * math.cos(seen) / 152)).convert("RGBA").save(path),
    }  # fmt: skip
    for path, save in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path)
