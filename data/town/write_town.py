"""A demo town, written as real OpenStreetMap XML, so that everything from extract to model runs without a download.

Its streets, river and railway come from `data.town.streets`, what stands between them from `data.town.blocks`.
"""

from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import shapely
from shapely.geometry import LineString, Point, Polygon, box

from data.town.blocks import GRID_M, ROAD_WIDTH_M, Feature, fill_block, polygons, surfaces, tree_tags
from data.town.streets import Grid, railway, river, streets, underground
from utils.atomic import atomic_file
from utils.projection import Projection

HEAD = '<osm version="0.6" generator="data.town">'
MIN_EXTENT_M = 600  # below this no row is left beside the river and the railway


def write_town(path: Path, seed: int = 0, width_m: float = 2600, height_m: float = 1500, origin=(48.0, 9.0)) -> None:
    """Writes a town as `.osm`; the same arguments give the same bytes.

    Args:
        seed: another seed is another town.
        width_m, height_m: its extent from west to east and from south to north.
        origin: latitude and longitude of its centre.
    """
    if min(width_m, height_m) < MIN_EXTENT_M:
        raise ValueError(f"a town of {width_m:g} m x {height_m:g} m is too small: {MIN_EXTENT_M} m at least")
    rng = np.random.default_rng(seed)
    frame = box(-width_m / 2, -height_m / 2, width_m / 2, height_m / 2)
    grid = Grid(rng, width_m, height_m)
    features = [*streets(rng, grid, frame), *river(grid, frame), *railway(grid, frame)]
    density = _density(rng, width_m, height_m)
    barred = [g.buffer(3) for g, tags in features if g.geom_type == "Polygon"]  # river and railway
    walkable = [g for g, tags in features if "highway" in tags and not {"tunnel", "bridge"} & tags.keys()]
    ground = shapely.difference(frame, shapely.union_all([*surfaces(features), *barred]), grid_size=GRID_M)
    for block in polygons(ground):
        features += fill_block(rng, block, frame.exterior, shapely.get_coordinates(walkable), density)
    features += _street_trees(rng, features)
    features += underground(rng, grid, frame)
    _write(Path(path), features, Projection(*origin), frame)


def _density(rng, width_m: float, height_m: float):
    """A function (x, y) -> 0 ... 1: cores from west to east, so that each area has high and low parts."""
    n = max(2, round(width_m / 450))
    x_core = ((np.arange(n) + rng.uniform(0.2, 0.8, n)) / n - 0.5) * width_m
    y_core = rng.uniform(-0.35, 0.35, n) * height_m
    radius_m, peak = rng.uniform(120, 320, n), rng.uniform(0.5, 1, n)
    return lambda x, y: float((peak * np.exp(-((x_core - x) ** 2 + (y_core - y) ** 2) / radius_m**2)).max())


def _street_trees(rng, features: list[Feature]) -> list[Feature]:
    """Trees one to two metres beside some roadways, single or as rows, where nothing else stands."""
    obstacles = [g for g, tags in features if g.geom_type == "Polygon"
                 and ({"building", "natural"} & tags.keys() or tags.get("landuse") == "railway")]  # fmt: skip
    tree = shapely.STRtree([*surfaces(features), *obstacles])
    trees = []
    for line, tags in features:
        width_m = ROAD_WIDTH_M.get(tags.get("highway", ""), 0)
        if line.geom_type != "LineString" or width_m < 4 or "bridge" in tags:
            continue
        for side in (-1, 1):
            if rng.random() < 0.5:
                continue
            stations = np.arange(rng.uniform(3, 12), line.length, rng.uniform(7, 16))
            at, ahead = (shapely.get_coordinates(shapely.line_interpolate_point(line, stations + d)) for d in (0, 0.1))
            along = (ahead - at) / np.maximum(np.hypot(*(ahead - at).T), 1e-9)[:, None]
            spots = at + side * (width_m / 2 + rng.uniform(1, 2)) * np.column_stack([along[:, 1], -along[:, 0]])
            free = np.ones(len(spots), bool)
            free[tree.query(shapely.points(spots), "dwithin", 0.9)[0]] = False
            runs = [spots[list(run)] for kept, run in groupby(range(len(spots)), key=free.__getitem__) if kept]
            if rng.random() < 0.25:
                trees += [(LineString(run), {"natural": "tree_row"}) for run in runs if len(run) > 2]
            else:
                trees += [(Point(spot), tree_tags(rng)) for run in runs for spot in run if rng.random() < 0.9]
    return trees


def is_town(path: Path) -> bool:
    """Whether a file was written by `write_town`."""
    with open(path, "rb") as file:
        return HEAD.encode() in file.read(200)


def _write(path: Path, features: list[Feature], projection: Projection, frame: Polygon) -> None:
    """Writes nodes, ways and multipolygon relations; equal coordinates become one node, so crossings are shared."""
    coordinates = shapely.get_coordinates([geometry for geometry, _ in features])
    places = [f'lat="{lat:.7f}" lon="{lon:.7f}"' for lat, lon in zip(*projection.inverse(*coordinates.T), strict=True)]
    node_ids = {place: number for number, place in enumerate(dict.fromkeys(places), 1)}
    node_tags: dict[int, dict[str, str]] = {}
    ways: list[tuple[list[int], dict[str, str]]] = []
    relations, used = [], 0
    for geometry, tags in features:
        rings = [geometry.exterior, *geometry.interiors] if geometry.geom_type == "Polygon" else [geometry]
        first_way = len(ways) + 1
        for ring in rings:
            refs = [node_ids[place] for place in places[used : used + len(ring.coords)]]
            used += len(refs)
            if geometry.geom_type == "Point":
                node_tags.setdefault(refs[0], {}).update(tags)
            else:
                ways.append(([ref for ref, _ in groupby(refs)], tags if len(rings) == 1 else {}))
        if len(rings) > 1:
            relations.append((range(first_way, len(ways) + 1), {"type": "multipolygon", **tags}))
    corners = np.column_stack(projection.inverse(*shapely.get_coordinates(frame).T))
    (south, west), (north, east) = corners.min(0), corners.max(0)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', HEAD]
    lines.append(f'<bounds minlat="{south:.7f}" minlon="{west:.7f}" maxlat="{north:.7f}" maxlon="{east:.7f}"/>')
    for place, number in node_ids.items():
        lines.append(f'<node id="{number}" version="1" {place}>{_tags(node_tags.get(number, {}))}</node>')
    for number, (refs, tags) in enumerate(ways, 1):
        body = "".join(f'<nd ref="{ref}"/>' for ref in refs)
        lines.append(f'<way id="{number}" version="1">{body}{_tags(tags)}</way>')
    for number, (members, tags) in enumerate(relations, 1):
        roles = ["outer"] + ["inner"] * (len(members) - 1)
        body = "".join(f'<member type="way" ref="{m}" role="{role}"/>' for m, role in zip(members, roles, strict=True))
        lines.append(f'<relation id="{number}" version="1">{body}{_tags(tags)}</relation>')
    with atomic_file(path) as temporary:
        temporary.write_bytes("\n".join([*lines, "</osm>", ""]).encode())


def _tags(tags: dict[str, str]) -> str:
    return "".join(f"<tag k={quoteattr(key)} v={quoteattr(value)}/>" for key, value in tags.items())
