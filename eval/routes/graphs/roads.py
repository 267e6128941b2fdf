"""The graph of an area's places along the roads of its map."""

import heapq

import numpy as np

from data.city import Streets
from eval.routes.graphs.route_graph import RouteGraph

SNAP_M = 20.0  # a place farther than this from every street is isolated; allows for half a wide avenue and inexact positions
REACH_M = 60.0  # neighbours are at most this far apart along the streets


def graph_along_roads(xy: np.ndarray, streets: Streets, snap_m: float = SNAP_M, reach_m: float = REACH_M) -> RouteGraph:
    """Two places are neighbours if a way of at most `reach_m` along the streets joins them and passes no third place.

    A place is moved to the nearest point of the nearest street. Streets meet where they share a corner, and where lines of one level cross.
    So neighbours are consecutive places of a street, and around a junction the first places of each street. All streets count as
    two-way, so the graph is symmetric. The neighbours of a place are ordered by distance.

    Args:
        xy: (N, 2) metres.
        streets: of the city map.
        snap_m: a place farther than this from every street is isolated.
    """
    corner_xy, segment = _segments(streets)
    links: list[list[tuple[int, float]]] = [[] for _ in range(len(corner_xy) + len(xy))]  # corners, then places: (node, metres)

    def link(a: int, b: int, metres: float) -> None:
        links[a].append((b, metres))
        links[b].append((a, metres))

    on, along, away = _snap(xy, corner_xy[segment])
    placed = np.flatnonzero(away <= snap_m)
    placed = placed[np.lexsort((placed, along[placed], on[placed]))]
    bounds = np.searchsorted(on[placed], np.arange(len(segment) + 1))
    for s, (a, b) in enumerate(segment.tolist()):
        last, at = a, 0.0
        for place in placed[bounds[s] : bounds[s + 1]].tolist():
            link(last, len(corner_xy) + place, along[place] - at)
            last, at = len(corner_xy) + place, along[place]
        link(last, b, float(np.hypot(*(corner_xy[b] - corner_xy[a]))) - at)
    neighbors = [_nearest_places(links, len(corner_xy), place, reach_m) for place in range(len(xy))]
    return RouteGraph.from_neighbors(neighbors, "roads of the map")


def _segments(streets: Streets) -> tuple[np.ndarray, np.ndarray]:
    """Straight pieces of streets, split where those of one level cross: corners (C, 2) in metres, and segments (S, 2), pairs of corners."""
    import shapely  # slow to import, and needed for these graphs only

    parts = [np.zeros((0, 2, 2))]
    line = np.repeat(np.arange(len(streets.start) - 1), np.diff(streets.start))
    for level in np.unique(streets.level):
        of_level = streets.level[line] == level
        lines = shapely.linestrings(streets.xy[of_level], indices=np.unique(line[of_level], return_inverse=True)[1])
        corners, line_of = shapely.get_coordinates(shapely.get_parts(shapely.node(shapely.multilinestrings(lines))), return_index=True)
        parts.append(np.stack([corners[:-1], corners[1:]], axis=1)[line_of[:-1] == line_of[1:]])
    pieces = np.concatenate(parts).round(3)  # to the millimetre, so that a corner of two lines is one
    corner_xy, corner = np.unique(pieces.reshape(-1, 2), axis=0, return_inverse=True)
    segment = np.unique(np.sort(corner.reshape(-1, 2), axis=1), axis=0)
    return corner_xy, segment[segment[:, 0] != segment[:, 1]]


def _snap(xy: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each place (N, 2): its nearest segment of (S, 2, 2), and in metres how far along that it lies and how far away; (N,) each."""
    import shapely

    if not len(ends):
        return np.zeros(len(xy), int), np.zeros(len(xy)), np.full(len(xy), np.inf)
    on = shapely.STRtree(shapely.linestrings(ends)).nearest(shapely.points(xy))
    first, step = ends[on, 0], ends[on, 1] - ends[on, 0]
    length = np.hypot(*step.T)
    along = (((xy - first) * step).sum(1) / length).clip(0, length)
    return on, along, np.hypot(*(xy - first - step * (along / length)[:, None]).T)


def _nearest_places(links: list[list[tuple[int, float]]], corners: int, place: int, reach_m: float) -> np.ndarray:
    """The places that can be reached from one without passing another, nearest first (Dijkstra's algorithm, stopped at places)."""
    best, queue, found = {}, [(0.0, corners + place)], []
    while queue:
        metres, node = heapq.heappop(queue)
        if node in best:
            continue
        best[node] = metres
        if node >= corners and node != corners + place:
            found.append(node - corners)
            continue
        for other, step in links[node]:
            if other not in best and metres + step <= reach_m:
                heapq.heappush(queue, (metres + step, other))
    return np.array(found, np.int32)
