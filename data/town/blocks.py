"""What stands between the streets of the demo town: buildings lot by lot, gardens, parking, parks, ponds and trees.

Everything is a `Feature`: a shapely geometry in local metres and its OSM tags.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import shapely
from shapely.affinity import affine_transform
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

Feature = tuple[shapely.Geometry, dict[str, str]]
ROAD_WIDTH_M = {
    "primary": 14, "secondary": 11, "tertiary": 9, "residential": 8, "unclassified": 7, "service": 4, "pedestrian": 6,
    "footway": 2, "cycleway": 2.5, "steps": 2.5,
}  # fmt: skip
GRID_M = 0.02  # corners are snapped to it: overlays on a grid are robust, and neighbours share their corners
ROAD_CLEARANCE_M = 3.0  # between a road's surface and the nearest wall
MIN_LOT_M2 = 40
MIN_HEIGHT_M, MAX_HEIGHT_M = 4.0, 60.0


class Style(NamedTuple):
    """How the lots along one side of a block are built on; ranges in metres."""

    width_m: tuple[float, float]
    depth_m: tuple[float, float]
    gap_m: tuple[float, float]
    setback_m: tuple[float, float]  # behind the clearance
    open_share: float  # lots that stay gardens, parking or grass
    rise: float  # height relative to the neighbourhood's
    shapes: tuple[str, ...]
    kinds: tuple[str, ...]


STYLES = {
    "terrace": Style((8, 22), (10, 16), (0, 0), (0, 2), 0.06, 1.1, ("full", "l", "u"), ("apartments", "retail")),
    "villas": Style((9, 16), (8, 14), (4, 12), (0, 5), 0.15, 0.55, ("full", "l", "t"), ("house", "detached", "yes")),
    "mixed": Style((12, 32), (10, 22), (0, 9), (0, 5), 0.15, 1.0, ("full", "l", "u", "t"), ("yes", "residential")),
    "halls": Style((32, 70), (22, 45), (8, 18), (0, 5), 0.2, 0.8, ("full", "u", "court"), ("school", "industrial")),
    "courts": Style((28, 60), (26, 44), (0, 10), (0, 2), 0.1, 1.2, ("court", "court", "u", "l"), ("civic", "yes")),
    "towers": Style((16, 34), (16, 30), (12, 30), (0, 5), 0.2, 2.2, ("full", "full", "l", "t"), ("office", "hotel")),
}
YARD = Style((10, 30), (6, 14), (0, 0), (0, 0), 0.0, 0.4, ("full", "l"), ("garage", "shed", "yes"))
# Weights of the uses of a block, in the outskirts (first) and in the core (second); every use occurs in both.
BLOCKS = {
    "terrace": (13, 26), "villas": (32, 5), "mixed": (22, 20), "halls": (11, 8), "courts": (4, 17), "towers": (4, 13),
    "park": (8, 6), "plaza": (2, 3), "woodland": (3, 1),
}  # fmt: skip
PARK_USES = (({"natural": "water", "water": "pond"}, 0.7), ({"natural": "wood"}, 0.5), ({"landuse": "flowerbed"}, 0.4))
OPEN_LOTS = ({"leisure": "garden"}, {"leisure": "garden"}, {"landuse": "grass"}, {"amenity": "parking"})


def polygons(geometry) -> list[Polygon]:
    """The polygons of a geometry, without slivers."""
    return [p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon" and p.area > 4]


def surfaces(features: list[Feature]) -> np.ndarray:
    """The surface of each road that is not in a tunnel."""
    roads = [(g, ROAD_WIDTH_M[t["highway"]]) for g, t in features if "highway" in t and "tunnel" not in t]
    return np.array([g if g.geom_type == "Polygon" else g.buffer(width_m / 2, quad_segs=3) for g, width_m in roads])


def _grown(shape, margin_m: float):
    """Mitred buffers of a polygon or an array; valid, which those of GEOS are not always."""
    grown = shapely.buffer(shape, margin_m, join_style="mitre")
    return shapely.make_valid(grown, method="structure", keep_collapsed=False)


def _within(shape, ground) -> MultiPolygon:
    """The part of a shape that lies on some ground; only areas, where a plain overlay may add stray lines."""
    return MultiPolygon(polygons(shapely.intersection(shape, ground, grid_size=GRID_M)))


def _without(ground, taken, gap_m: float = 0.0) -> MultiPolygon:
    """The ground at least gap_m from what is taken. The gap is 0 or at least 1 m, as polygons may vanish in smaller buffers."""
    taken = shapely.union_all(_grown(np.array(taken, dtype=object), gap_m) if gap_m else taken, grid_size=GRID_M)
    return MultiPolygon(polygons(shapely.difference(ground, taken, grid_size=GRID_M)))


def fill_block(rng, block: Polygon, outside: Polygon, crossings: np.ndarray, density: Callable) -> list[Feature]:
    """Fills the ground between some streets.

    Args:
        block: the free ground.
        outside: a frame around the town; no houses are lined up along it.
        crossings: (n, 2) street points from which footways may enter.
        density: (x, y) to 0 (outskirts) … 1 (core).
    """
    centre = block.representative_point()
    if block.area < 500:
        return [(block, {"landuse": "grass"})]
    low, high = np.array(list(BLOCKS.values()), float).T
    weights = low + density(centre.x, centre.y) * (high - low)
    kind = "villas" if block.area > 40_000 else list(BLOCKS)[rng.choice(len(weights), p=weights / weights.sum())]
    if kind == "park":
        return _park(rng, block, crossings, density)
    if kind == "woodland":
        return [(block, {"natural": "wood"}), *_scattered_trees(rng, block, 120)]
    if kind == "plaza" and block.area < 9_000:
        pavilion = _pavilion(rng, block, density)
        trees = _scattered_trees(rng, _without(block, [g for g, _ in pavilion]), 250)
        return [(block, {"highway": "pedestrian", "area": "yes"}), *pavilion, *trees]
    kind = kind if kind in STYLES else "mixed"
    sites = polygons(shapely.set_precision(_grown(block, -ROAD_CLEARANCE_M).simplify(0.5), GRID_M))
    return [feature for site in sites for feature in _built_block(rng, site, outside, kind, density)]


def _built_block(rng, site: Polygon, outside: Polygon, kind: str, density) -> list[Feature]:
    features: list[Feature] = []
    taken: list = []
    site = shapely.orient_polygons(site)  # the site lies left of each of its rings
    shapely.prepare(site)
    for ring in (site.exterior, *site.interiors):
        for p, q in pairwise(ring.coords):
            if outside.distance(LineString([p, q])) > 2 * ROAD_CLEARANCE_M:
                # Some sides differ from the rest of their block, so that no two corners of the town look alike.
                style = STYLES[kind if rng.random() < 0.7 else str(rng.choice(list(STYLES)))]
                features += _row_of_lots(rng, np.array(p), np.array(q), site, style, taken, density)
    yards = _without(site, taken, 3)
    for yard in _within(_grown(_grown(yards, -3), 3), yards).geoms:
        if yard.area > 8_000:
            features += _countryside(rng, yard)
        elif yard.area > 150:
            features += _yard(rng, yard, density)
    return features


def _row_of_lots(rng, p, q, site, style: Style, taken: list, density) -> list[Feature]:
    """Lots from p to q; what they cover is appended to `taken`."""
    length = np.hypot(*(q - p))
    u = (q - p) / max(length, 1e-9)
    n = np.array([-u[1], u[0]])
    features, s, line = [], rng.uniform(0, 4) if style.gap_m[1] else 0.0, rng.uniform(*style.setback_m)
    while length - s > 7:
        width = min(rng.uniform(*style.width_m), length - s)
        if length - s - width < 7 and style.gap_m[1] == 0:
            width = length - s
        depth, gap = rng.uniform(*style.depth_m), round(rng.uniform(*style.gap_m))
        setback = rng.uniform(*style.setback_m) if style.gap_m[1] else line
        frame = _frame(p + s * u + setback * n, u * width, n * depth)
        s += width + gap
        if rng.random() < style.open_share:
            tags, outline = OPEN_LOTS[rng.integers(len(OPEN_LOTS))], box(0, 0, 1, 1.3)
            lot = _largest_free(affine_transform(outline, frame), site, taken, 1.0)
            built = [] if lot is None else [(lot, tags)]
        else:
            lot = _largest_free(affine_transform(_outline(rng, style.shapes), frame), site, taken, min(gap, 3.0))
            built = [] if lot is None else _building(rng, lot, frame, style, density)
        if built:
            taken.append(lot)
            features += built
    return features


def _frame(corner, u, v) -> list[float]:
    """Affine map of the unit square to the parallelogram at `corner` spanned by u and v."""
    return [u[0], v[0], u[1], v[1], corner[0], corner[1]]


def _outline(rng, shapes) -> Polygon:
    """A footprint in the unit square, its street front at v = 0."""
    a, b, wing = rng.uniform(0.3, 0.55), rng.uniform(0.4, 0.65), rng.uniform(0.24, 0.36)
    front, back = 1 - wing, [(1, 1), (0, 1)]
    corners = {
        "full": [(0, 0), (1, 0), *back],
        "l": [(0, 0), (1, 0), (1, b), (a, b), (a, 1), (0, 1)],
        "u": [(0, 0), (1, 0), (1, 1), (front, 1), (front, b), (wing, b), (wing, 1), (0, 1)],
        "t": [(0, 0), (1, 0), (1, b), (front, b), (front, 1), (wing, 1), (wing, b), (0, b)],
        "court": [(0, 0), (1, 0), *back],
    }
    shape = str(rng.choice(shapes))
    outline = Polygon(corners[shape], [box(wing, wing, front, front).exterior.coords] if shape == "court" else None)
    return affine_transform(outline, [-1, 0, 0, 1, 1, 0]) if rng.random() < 0.5 else outline


def _largest_free(shape: Polygon, site: Polygon, taken: list, gap_m: float) -> Polygon | None:
    """What remains of a footprint inside the site and beside its neighbours; None if that is too small."""
    near = np.array(taken, dtype=object)
    near = near[shapely.dwithin(near, shape, gap_m)] if len(near) else near
    if len(near) == 0 and site.contains(shape):
        return shapely.set_precision(shape, GRID_M)
    free = _without(shape if site.contains(shape) else _within(shape, site), near, gap_m)
    if free.area < MIN_LOT_M2:
        return None
    free = _within(_grown(_grown(free, -1.8), 1.8), free)  # nothing too thin
    return max((p for p in free.geoms if p.area > MIN_LOT_M2), key=lambda p: p.area, default=None)


def _building(rng, footprint: Polygon, frame, style: Style, density) -> list[Feature]:
    """A building; tall ones are often an outline with parts of several heights."""
    spot = footprint.representative_point()
    typical = 9 + 24 * density(spot.x, spot.y)
    height = float(np.clip(typical * style.rise * rng.lognormal(0, 0.4), MIN_HEIGHT_M, MAX_HEIGHT_M))
    kind = str(rng.choice(style.kinds))
    if height < 18 or footprint.area < 200 or rng.random() < 0.5:
        return [(footprint, {"building": kind, **_height_tags(rng, height)})]
    body = height - rng.uniform(3, 9) if height > 30 else height  # the rest is a crown on top
    cuts = [0, *np.sort(rng.uniform(0.25, 0.75, rng.integers(1, 3))), 1]
    strips = [box(left, -1, right, 2) for left, right in pairwise(cuts)]
    tops = [body * share for share in rng.permutation([1, *rng.uniform(0.3, 0.85, len(strips) - 1)])]
    parts = [(strip, {"height": f"{max(MIN_HEIGHT_M, top):.1f}"}) for strip, top in zip(strips, tops, strict=True)]
    if body < height:
        parts.append((box(0.2, 0.2, 0.7, 0.7), {"min_height": f"{body:.1f}", "height": f"{height:.1f}"}))
    features = [(footprint, {"building": kind, "height": f"{height:.1f}"})]
    for outline, tags in parts:
        part = _within(footprint, affine_transform(outline, frame))
        features += [(p, {"building:part": "yes", **tags}) for p in part.geoms]
    return features


def _height_tags(rng, height: float) -> dict[str, str]:
    """The ways in which mappers state a height, or forget to."""
    way = rng.random()
    if way < 0.45:
        return {"height": (f"{height:.0f}", f"{height:.1f}", f"{height:.0f} m")[int(way / 0.15)]}
    return {"building:levels": str(max(1, round(height / 3)))} if way < 0.94 else {}


def _pavilion(rng, ground: Polygon, density) -> list[Feature]:
    """One building standing free inside some ground."""
    spot, angle = ground.representative_point(), rng.uniform(0, np.pi)
    u = np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(*YARD.width_m)
    v = np.array([-np.sin(angle), np.cos(angle)]) * rng.uniform(*YARD.depth_m)
    frame = _frame(np.array([spot.x, spot.y]) - (u + v) / 2, u, v)
    site = ground.buffer(-ROAD_CLEARANCE_M)
    footprint = _largest_free(affine_transform(_outline(rng, YARD.shapes), frame), site, [], 0)
    return [] if footprint is None else _building(rng, footprint, frame, YARD, density)


def _yard(rng, yard: Polygon, density) -> list[Feature]:
    use = rng.random()
    ground = [(yard, OPEN_LOTS[rng.integers(len(OPEN_LOTS))])] if use < 0.75 else []
    building = _pavilion(rng, yard, density) if use > 0.45 else []
    clear = _without(yard, [g for g, _ in building])
    return [*ground, *building, *(_scattered_trees(rng, clear, 350) if rng.random() < 0.5 else [])]


def _countryside(rng, ground: Polygon) -> list[Feature]:
    """Woods, meadows and ponds over a large open ground."""
    uses = ({"natural": "wood"}, {"natural": "water"}, {"landuse": "forest"}, {"landuse": "meadow"})
    features: list[Feature] = []
    taken: list = []
    for x, y in _points_in(rng, ground, 8_000):
        use = uses[rng.integers(len(uses))]
        patch = _without(_within(_blob(rng, x, y, rng.uniform(15, 60)), ground), taken, 2)
        features += [(p, use) for p in patch.geoms]
        taken.append(patch)
    return features + _scattered_trees(rng, _without(ground, taken), 900)


def _park(rng, block: Polygon, crossings: np.ndarray, density) -> list[Feature]:
    """A park: footways from the streets to a common point, a pond, a grove, a pavilion and trees."""
    features = [(block, {"leisure": "park"})]
    centre = block.representative_point()
    doors = crossings[shapely.dwithin(shapely.points(crossings), block, 9)]
    for door in rng.permutation(doors)[: rng.integers(3, 6)]:
        middle = (door + [centre.x, centre.y]) / 2 + rng.uniform(-9, 9, 2)
        path = LineString([door, middle, (centre.x, centre.y)])
        inside = block.union(Point(door).buffer(1 + 1.5 * block.distance(Point(door))))
        if path.within(inside):  # and not across a neighbouring block
            features.append((path, {"highway": "footway"}))
    free = _without(block.buffer(-2), surfaces(features), 1)
    for use, chance in PARK_USES:
        if rng.random() < chance and not free.is_empty:
            x, y = _points_in(rng, free, free.area)[0]
            patch = _within(_blob(rng, x, y, rng.uniform(8, 26)), free)
            features += [(p, use) for p in patch.geoms]
            free = _without(free, [patch], 1) if "water" in use else free
    ground = max(free.geoms, key=lambda p: p.area, default=None)
    building = _pavilion(rng, ground, density) if ground is not None and rng.random() < 0.4 else []
    return features + building + _scattered_trees(rng, _without(free, [g for g, _ in building]), rng.uniform(90, 500))


def _blob(rng, x: float, y: float, radius_m: float) -> Polygon:
    angle = np.linspace(0, 2 * np.pi, 17)[:-1]
    lobes, phase = rng.uniform(0.05, 0.3, 2), rng.uniform(0, 2 * np.pi, 2)
    r = radius_m * (1 + lobes[0] * np.sin(2 * angle + phase[0]) + lobes[1] * np.sin(3 * angle + phase[1]))
    return Polygon(np.column_stack([x + r * np.cos(angle), y + r * np.sin(angle)]))


def _points_in(rng, ground, area_each_m2: float) -> np.ndarray:
    """Random points, one for each so many square metres and at least one."""
    x0, y0, x1, y1 = ground.bounds
    shapely.prepare(ground)
    points = rng.uniform((x0, y0), (x1, y1), (1 + int((x1 - x0) * (y1 - y0) / area_each_m2), 2))
    points = points[shapely.contains_xy(ground, points)]
    return points if len(points) else shapely.get_coordinates(ground.representative_point())


def _scattered_trees(rng, ground, area_each_m2: float) -> list[Feature]:
    ground = ground.buffer(-1.5)
    return [] if ground.is_empty else [(Point(p), tree_tags(rng)) for p in _points_in(rng, ground, area_each_m2)]


def tree_tags(rng) -> dict[str, str]:
    """A tree, its height stated or not."""
    return {"natural": "tree", **({"height": f"{rng.uniform(4, 18):.1f}"} if rng.random() < 0.5 else {})}
