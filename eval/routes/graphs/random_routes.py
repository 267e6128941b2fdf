"""Random routes: unique simple paths of one length through a graph of places."""

import numpy as np

from eval.routes.graphs.paths import TooManyPaths, path_tree
from eval.routes.graphs.route_graph import RouteGraph
from utils.errors import InputError
from utils.progress import progress

PATIENCE = 2000  # walks in a row without a new route, after which all paths are listed instead


def random_routes(graph: RouteGraph, count: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """Different routes found by random walks: a walk starts at any place and goes on to any neighbour that it has not passed.

    Walks that end too early are dropped. Where walks find nothing new for long, the remaining routes are drawn with equal probability from
    all other paths of the graph, so that even the last one can be found.

    Args:
        count: number of routes.
        length: number of places of each.
        rng: the same state gives the same routes.

    Returns:
        (count, length) int32.

    Raises:
        InputError: count or length is not positive, or the graph has fewer simple paths of that length.
    """
    if count < 1 or length < 1:
        raise InputError(f"{count} routes of {length} places: give at least 1 of both")
    if length > len(graph):
        raise InputError(f"routes of {length} places are longer than any path of the graph: it has {len(graph)} places")
    neighbors = [graph.neighbors(i).tolist() for i in range(len(graph))]
    found: dict[tuple[int, ...], bool] = {}  # an ordered set
    vain = 0
    with progress(total=count, desc="routes", unit=" routes") as bar:
        while len(found) < count and vain < PATIENCE:
            route = _walk(neighbors, length, rng)
            if route is None or route in found:
                vain += 1
                continue
            found[route], vain = True, 0
            bar.update()
    routes = np.array(list(found), np.int32).reshape(-1, length)
    if len(routes) < count:
        routes = np.concatenate([routes, _others(graph, routes, count - len(routes), rng)])
    return routes


def _walk(neighbors: list[list[int]], length: int, rng: np.random.Generator) -> tuple[int, ...] | None:
    route = {int(rng.integers(len(neighbors))): True}
    while len(route) < length:
        ahead = [place for place in neighbors[next(reversed(route))] if place not in route]
        if not ahead:
            return None
        route[ahead[rng.integers(len(ahead))] if len(ahead) > 1 else ahead[0]] = True
    return tuple(route)


def _others(graph: RouteGraph, taken: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` more routes, from all paths of the graph except the routes `taken` (R, L)."""
    length = taken.shape[1]
    try:
        tree = path_tree(graph, length)
    except TooManyPaths:
        raise InputError(
            f"{len(taken) + count} routes of {length} places: only {len(taken)} were found, and the last {PATIENCE:,} random "
            "walks found no more; ask for fewer or shorter routes"
        ) from None
    paths = np.empty((tree.level[-1] - tree.level[-2], length), np.int32)
    at = np.arange(tree.level[-2], tree.level[-1])
    for step in range(length - 1, -1, -1):
        paths[:, step], at = tree.place[at], tree.parent[at]
    if len(paths) < len(taken) + count:
        raise InputError(
            f"{len(taken) + count} routes of {length} places: the graph has {len(paths):,} simple paths of that length; "
            "ask for fewer or shorter routes"
        )
    known = {route.tobytes() for route in taken}
    free = np.flatnonzero([path.tobytes() not in known for path in paths])
    return paths[rng.choice(free, count, replace=False)]
