"""Reads and writes files of routes and of turns."""

from pathlib import Path
from typing import Any

import numpy as np

from eval.matlab import read_mat
from eval.routes.graphs.route_graph import RouteGraph
from utils.arrays import read_arrays
from utils.atomic import atomic_file
from utils.errors import InputError
from utils.tables import read_table

MOST_PLACES = 2**31 - 1  # of a graph


def read_routes(path: Path, graph: RouteGraph) -> np.ndarray:
    """Reads routes of one length through a graph.

    Args:
        path: a published `.mat` with `test_route`, whose places are counted from 1; or an `.npz` with `routes`, or a CSV without a
            header and with one route a line, whose places are rows of the embeddings, counted from 0.

    Returns:
        (R, L) int32 places, counted from 0.

    Raises:
        InputError: the file is missing, damaged or no table of whole numbers; a route leaves the graph or passes a place twice.
    """
    routes, first = _read_table(path, "test_route", "routes", "routes"), int(Path(path).suffix == ".mat")
    bad = (routes < first) | (routes >= len(graph) + first) | (routes % 1 != 0)
    if bad.any():
        route, step = np.argwhere(bad)[0]
        raise InputError(
            f"{path}: route {route + 1} passes place {routes[route, step]:g}; "
            f"with {len(graph)} places they must be whole numbers from {first} to {len(graph) - 1 + first}"
        )
    routes = routes.astype(np.int32) - first
    left = ~graph.has_edge(routes[:, :-1], routes[:, 1:])
    if left.any():
        route, step = np.argwhere(left)[0]
        a, b = routes[route, step : step + 2] + first
        raise InputError(
            f"{path}: route {route + 1} leaves the graph: no edge from place {a} to {b} (step {step + 1}); "
            "are routes and embeddings of the same area?"
        )
    ordered = np.sort(routes, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]).any(1)
    if twice.any():
        raise InputError(f"{path}: route {twice.argmax() + 1} passes a place twice; the search knows simple paths only")
    return routes


def read_turns(path: Path, routes: int, length: int) -> np.ndarray:
    """Reads the observed turns between the steps of routes.

    Args:
        path: a published `.mat` with `test_turn`, an `.npz` with `turns`, or a CSV without a header; 1 where the heading changes.
        routes, length: R and L of the routes that they belong to.

    Returns:
        (R, L − 1) bool.

    Raises:
        InputError: the file is missing, damaged or of another shape, or holds other values than 0 and 1.
    """
    turns = _read_table(path, "test_turn", "turns", "turns")
    if turns.shape != (routes, length - 1):
        raise InputError(f"{path}: turns are {turns.shape}; {routes} routes of {length} places have {(routes, length - 1)}")
    if not np.isin(turns, (0, 1)).all():
        raise InputError(f"{path}: turns must be 0 or 1, found {turns[~np.isin(turns, (0, 1))][0]:g}")
    return turns.astype(bool)


def write_table(path: Path, name: str, rows: np.ndarray) -> None:
    """Writes routes or turns (R, …) as `.npz` with an array `name`, or as CSV, by the suffix."""
    with atomic_file(path) as temporary:
        if path.suffix == ".npz":
            arrays: dict[str, Any] = {name: rows}
            with open(temporary, "wb") as file:
                np.savez(file, **arrays)
        else:
            np.savetxt(temporary, rows, "%d", ",")


def _read_table(path: Path, mat_name: str, npz_name: str, what: str) -> np.ndarray:
    """The table (R, L) float64 of a file of `what`; `mat_name` and `npz_name` are the names of its array."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file of {what}")
    if path.suffix == ".mat":
        table = read_mat(path, mat_name)
    elif path.suffix == ".npz":
        try:
            arrays = read_arrays(path, [npz_name])
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: no array {npz_name!r} to read ({' '.join(str(error).split())})") from None
        if npz_name not in arrays:
            raise InputError(f"{path}: no array {npz_name!r} in this file; numpy.savez(FILE, {npz_name}=…) writes it")
        table = arrays[npz_name]
    else:
        cells = read_table(path, what)
        table = np.column_stack([cells.whole_numbers(name, 0, MOST_PLACES) for name in cells.names])
    kinds = "fiu" if path.suffix == ".mat" else "iu" if what == "routes" else "iub"  # MATLAB stores numbers as floats
    if table.ndim != 2 or not table.size or table.dtype.kind not in kinds or not np.isfinite(table).all():
        raise InputError(
            f"{path}: {what} are {table.dtype}{table.shape}; they must be a table of whole numbers, one route a line, all of one length"
        )
    return table.astype(np.float64)
