"""The ways of the demo town: a jittered grid of streets bent by a smooth warp, diagonal avenues, a river and a railway.

River and railway flow west to east in two gaps between rows of the grid, so that areas cut apart by x all hold both.
"""

from collections import Counter
from itertools import groupby, pairwise

import numpy as np
import shapely
from shapely.geometry import LineString, Point, Polygon, box

from data.town.blocks import ROAD_WIDTH_M, Feature, polygons

ARTERIES = ("primary", "secondary", "tertiary")
# Local streets: weight, and how many blocks such a stretch lasts.
LOCAL = {"residential": (0.66, 6), "unclassified": (0.08, 4), "service": (0.07, 2), "pedestrian": (0.07, 2),
         "footway": (0.05, 1), "cycleway": (0.04, 2), "steps": (0.03, 1)}  # fmt: skip
NAMES = (
    ("Mill", "Oak", "Castle", "Station", "Garden", "Church", "Linden", "Harbour", "Rose", "Tanner", "Market", "Elm",
     "Bishop", "Copper", "Meadow", "Abbey", "Weaver", "Fox", "Poplar", "Bridge", "Saddler", "Swan", "Hazel", "Prince"),
    ("Street", "Lane", "Road", "Row", "Avenue", "Way", "Rise", "Gate"),
)  # fmt: skip


class Grid:
    """Street corners: `nodes` (columns, rows, 2) in metres; the river and the rail each lie between two rows."""

    def __init__(self, rng, width_m: float, height_m: float):
        columns, rows = (self._spacings(rng, extent + 160) for extent in (width_m, height_m))
        self.river_row, self.rail_row = round(0.3 * len(rows)), round(0.7 * len(rows))
        rows[self.river_row], rows[self.rail_row] = 120, 80
        self.x, self.y = (np.cumsum([0, *steps]) - np.sum(steps) / 2 for steps in (columns, rows))
        wavelength, angle = rng.uniform(450, 1300, (2, 3)), rng.uniform(0, 2 * np.pi, (2, 3))
        wave_x, wave_y, phase = np.cos(angle) / wavelength, np.sin(angle) / wavelength, rng.uniform(0, 1, (2, 3))
        height = wavelength / 28 * min(1, height_m / 1000, width_m / 1000)  # the river stays in a small town
        self._waves = np.stack([height, wave_x, wave_y, phase], 1)  # (x and y, four quantities, three waves)
        jitter = rng.uniform(-15, 15, (len(self.x), len(self.y), 2))
        for row in (self.river_row, self.rail_row):
            jitter[:, row : row + 2] = 0  # both banks stay parallel
        self.nodes = self.warp(*np.meshgrid(self.x, self.y, indexing="ij")) + jitter
        self.fine_x = np.interp(np.arange(0, len(self.x) - 0.9, 0.25), np.arange(len(self.x)), self.x)
        self.river_phase = rng.uniform(0, 2 * np.pi)

    @staticmethod
    def _spacings(rng, extent_m: float) -> np.ndarray:
        steps = rng.uniform(60, 140, 200)
        return steps[: max(5, np.searchsorted(np.cumsum(steps), extent_m))]

    def warp(self, x, y) -> np.ndarray:
        """Grid to town coordinates, (…, 2)."""
        x, y = np.broadcast_arrays(np.asarray(x, float)[..., None], np.asarray(y, float)[..., None])
        shift = [(a * np.sin(2 * np.pi * (x * kx + y * ky + phase))).sum(-1) for a, kx, ky, phase in self._waves]
        return np.stack([x[..., 0] + shift[0], y[..., 0] + shift[1]], -1)

    def bank(self, x, offset_m: float, side: int) -> np.ndarray:
        """Points so far landward of the river's southern (side -1) or northern (+1) bank."""
        half = 15 + 4 * np.sin(np.asarray(x) / 170 + self.river_phase)
        return self.warp(x, (self.y[self.river_row] + self.y[self.river_row + 1]) / 2 + side * (half + offset_m))

    def rail(self, x, offset_m: float = 0) -> np.ndarray:
        """Points so far north of the railway's track."""
        return self.warp(x, (self.y[self.rail_row] + self.y[self.rail_row + 1]) / 2 + offset_m)


def streets(rng, grid: Grid, frame: Polygon) -> list[Feature]:
    """Streets along the rows, columns and diagonals of the grid, with dead ends, bridges and level crossings."""
    inside = shapely.contains_xy(frame.buffer(-12), grid.nodes[..., 0], grid.nodes[..., 1])
    lines = [(kind, [(a, b) for a, b in pairwise(line) if inside[a] and inside[b]]) for kind, line in _lines(rng, grid)]
    missing = _missing_edges(rng, grid, lines)
    features = []
    for artery, edges in lines:
        stretches, left, previous = [], 0, None
        for a, b in edges:
            if left == 0 or a != previous:
                kind = artery or str(rng.choice(list(LOCAL), p=[w for w, _ in LOCAL.values()]))
                left = int(rng.integers(1, 1 + (12 if artery else LOCAL[kind][1])))
                name = " ".join(str(rng.choice(part)) for part in NAMES)
            left, previous = left - 1, b
            if (a, b) in missing:
                stretches.append(((), kind, name, ""))
                features += _remainder(rng, grid, a, b, name)
            else:
                stretches += _edge(rng, grid, a, b, kind, name)
        for (kind, name, bridge), run in groupby(stretches, key=lambda stretch: stretch[1:]):
            features += _ways(rng, [s[0] for s in run], kind, name, bridge)
        features += [(Point(grid.rail(grid.x[a[0]])), {"railway": "level_crossing"}) for a, b in edges
                     if _gap(grid, a, b) == "rail" and (a, b) not in missing]  # fmt: skip
    return features


def _lines(rng, grid: Grid) -> list[tuple[str | None, list]]:
    """(kind or None for local streets, corners) of rows, columns and diagonal avenues."""
    n_x, n_y = len(grid.x), len(grid.y)
    # Arteries among the rows run through the whole town, so every area has all three kinds.
    main_rows = dict(zip(rng.permutation(np.arange(1, n_y - 1))[:3].tolist(), ARTERIES, strict=True))
    lines = [(main_rows.get(j), [(i, j) for i in range(n_x)]) for j in range(n_y)]
    kinds = rng.choice([*ARTERIES, ""], n_x, p=[0.08, 0.12, 0.15, 0.65]).tolist()
    lines += [(kinds[i] or None, [(i, j) for j in range(n_y)]) for i in range(n_x)]
    crossed = {(i, j) for j in (grid.river_row, grid.rail_row) for i in range(n_x)}
    for _ in range(n_x * n_y // 22):
        i, j, step = int(rng.integers(n_x)), int(rng.integers(n_y)), int(rng.choice([-1, 1]))
        line = [(i, j)]
        for _ in range(rng.integers(3, 8)):
            cell = (min(i, i + step), j)
            if not (0 <= i + step < n_x and j + 1 < n_y) or cell in crossed:
                break
            crossed.add(cell)  # one avenue a block: two would cross outside a corner
            i, j = i + step, j + 1
            line.append((i, j))
        lines.append((str(rng.choice(["secondary", "tertiary", ""])) or None, line))
    return lines


def _gap(grid: Grid, a, b) -> str | None:
    """What an edge crosses: "river", "rail" or nothing."""
    return {grid.river_row: "river", grid.rail_row: "rail"}.get(a[1]) if b[1] > a[1] else None


def _missing_edges(rng, grid: Grid, lines) -> set:
    """Edges of local streets left out, for larger blocks and T-junctions; every corner keeps two edges or more."""
    degree = Counter(corner for _, edges in lines for edge in edges for corner in edge)
    missing = set()
    for kind, edges in lines:
        for a, b in edges:
            chance = {"river": 0.65, "rail": 0.35, None: 0.24}[_gap(grid, a, b)]
            if kind is None and rng.random() < chance and min(degree[a], degree[b]) > 2:
                missing.add((a, b))
                degree.subtract((a, b))
    return missing


def _edge(rng, grid: Grid, a, b, kind: str, name: str) -> list:
    """One edge as stretches (points, kind, name, "bridge" or ""), straight or bent."""
    p, q, x = grid.nodes[a], grid.nodes[b], grid.x[a[0]]
    if _gap(grid, a, b) == "river":
        south, north = grid.bank(x, 9, -1), grid.bank(x, 9, 1)
        return [((p, south), kind, name, ""), ((south, north), kind, name, "bridge"), ((north, q), kind, name, "")]
    if _gap(grid, a, b) == "rail":
        return [((p, grid.rail(x), q), kind, name, "")]
    if rng.random() < 0.5:
        return [((p, q), kind, name, "")]
    bend = np.clip(rng.normal(0, 0.05), -0.07, 0.07) * np.array([p[1] - q[1], q[0] - p[0]])
    return [([p, *(p + t * (q - p) + 4 * t * (1 - t) * bend for t in (0.25, 0.5, 0.75)), q], kind, name, "")]


def _remainder(rng, grid: Grid, a, b, name: str) -> list[Feature]:
    """What stands in for a missing edge: a dead end, stairs to the river, a passage below the railway, or nothing."""
    p, q, x = grid.nodes[a], grid.nodes[b], grid.x[a[0]]
    if _gap(grid, a, b) == "river":
        path = grid.bank(x, 4, -1)
        landing = p + 0.6 * (path - p)
        return [(LineString([p, landing]), {"highway": "footway"}), (LineString([landing, path]), {"highway": "steps"})]
    if _gap(grid, a, b) == "rail":
        return [(LineString([p, q]), {"highway": "footway", "tunnel": "yes", "layer": "-1"})]
    if rng.random() < 0.55:
        return []
    kind = str(rng.choice(["residential", "service", "footway"]))
    return [(LineString([p, p + rng.uniform(0.3, 0.65) * (q - p)]), {"highway": kind, "name": name, "noexit": "yes"})]


def _ways(rng, stretches: list, kind: str, name: str, bridge: str) -> list[Feature]:
    """Joins stretches that follow each other to ways."""
    lines: list[list] = [[]]
    for points in stretches:
        if len(points) == 0 or (lines[-1] and not np.array_equal(lines[-1][-1], points[0])):
            lines.append([])
        lines[-1] += list(points[1:] if lines[-1] else points)
    tags = {"highway": kind, "name": name}
    if bridge:
        tags |= {"bridge": "yes", "layer": "1"}
    choice, width_m = rng.random(), ROAD_WIDTH_M[kind]
    if kind in ("residential", "unclassified", "tertiary") and rng.random() < 0.2:
        tags["oneway"] = "yes"
    if choice < 0.25 and width_m >= 7:
        tags["lanes"] = str(int(width_m // 3.4))
    elif choice < 0.4:
        tags["width"] = f"{width_m - rng.integers(0, 3) * 0.5:g}"
    return [(LineString(line), tags) for line in lines if line]


def river(grid: Grid, frame: Polygon) -> list[Feature]:
    """The river, a cycleway on its southern and a footway on its northern bank."""
    water = Polygon([*grid.bank(grid.fine_x, 0, -1), *grid.bank(grid.fine_x, 0, 1)[::-1]]).intersection(frame)
    features = [(p, {"natural": "water", "water": "river", "name": "Alder"}) for p in polygons(water)]
    for side, kind in ((-1, "cycleway"), (1, "footway")):
        path = grid.bank(grid.fine_x, 4, side)
        path = path[shapely.contains_xy(frame.buffer(-12), path)]
        features.append((LineString(path), {"highway": kind, "name": "River Walk"}))
    return features


def railway(grid: Grid, frame: Polygon) -> list[Feature]:
    """The railway's track and the ground that it lies on."""
    ground = Polygon([*grid.rail(grid.fine_x, -5), *grid.rail(grid.fine_x, 5)[::-1]]).intersection(frame)
    track = grid.rail(grid.fine_x)
    return [*((p, {"landuse": "railway"}) for p in polygons(ground)),
            (LineString(track[shapely.contains_xy(frame, track)]), {"railway": "rail", "gauge": "1435"})]  # fmt: skip


def underground(rng, grid: Grid, frame: Polygon) -> list[Feature]:
    """A subway line and garages below the streets: a reader that keeps them spoils its map."""
    line = grid.warp(grid.x, 120 * np.sin(grid.x / 300))
    line = LineString(line[shapely.contains_xy(frame, line)])
    features = [(line, {"railway": "subway", "tunnel": "yes", "layer": "-1"})]
    corners = grid.nodes.reshape(-1, 2)
    inner = corners[shapely.contains_xy(frame.buffer(-60), corners)]
    for x, y in rng.permutation(inner)[:12]:
        garage = {"building": "yes", "location": "underground", "layer": "-1"}
        features.append((box(x - 15, y - 12, x + 15, y + 12), garage))
    return features
