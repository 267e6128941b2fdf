"""The paper's route search beside a reference implementation in numpy, one route at a time, in the same run.

example: python -m benchmarks.route_search --embeddings MES_hudsonriver5k.mat --routes hudsonriver5k_routes_500.mat --reference-routes 10
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from eval.routes.inputs import read_inputs
from eval.routes.localizers.localizer import TAIL, RouteMap
from eval.routes.localizers.paper import PaperSearch
from eval.routes.route_files import read_routes
from utils.arguments import Parser, count
from utils.errors import run_command

T = TypeVar("T")


def reference_search(query: np.ndarray, route_map: RouteMap, keep_percent: float) -> np.ndarray:
    """The search with whole paths as rows of an array: query (R, L, D) → (R, L, TAIL) last places of the best path after each step."""
    return np.stack([_search_one(drive, route_map, keep_percent) for drive in query])


def _search_one(query: np.ndarray, route_map: RouteMap, keep_percent: float) -> np.ndarray:
    reference, graph = route_map.reference.astype(np.float64), route_map.graph
    paths, score = np.arange(len(reference))[:, None], np.zeros(len(reference))
    tails = np.full((len(query), TAIL), -1)
    for t, q in enumerate(query.astype(np.float64)):
        if t:
            degree = np.diff(graph.start)[paths[:, -1]]
            row = np.repeat(np.arange(len(paths)), degree)
            first = np.repeat(graph.start[paths[:, -1]] - np.concatenate([[0], np.cumsum(degree)[:-1]]), degree)
            ahead = graph.neighbor[first + np.arange(len(row))]
            new = (paths[row] != ahead[:, None]).all(1)
            paths, score = np.column_stack([paths[row[new]], ahead[new]]), score[row[new]]
        score = score + np.sqrt(((q - reference) ** 2).sum(1))[paths[:, -1]]
        order = np.argsort(score, kind="stable")
        if len(order) > 100:
            order = order[: int(len(order) * keep_percent / 100)]
        paths, score = paths[order], score[order]
        last = paths[0, -TAIL:]
        tails[t, TAIL - len(last) :] = last
    return tails


def timed(work: Callable[..., T], *arguments: Any) -> tuple[T, float, float]:
    """What a call returns, its wall time and its CPU time in seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work(*arguments)
    return result, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = Parser(prog="python -m benchmarks.route_search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, required=True, metavar="FILE", help="published .mat, with the graph of its places")
    parser.add_argument("--routes", type=Path, required=True, metavar="FILE", help="routes through that graph: .mat, .npz or CSV")
    parser.add_argument("--keep", type=float, nargs="+", default=[100.0, 50.0], metavar="PERCENT",
                        help="percentages of candidates that survive a step, each measured (default 100 50)")  # fmt: skip
    parser.add_argument("--reference-routes", type=count, default=10, metavar="N",
                        help="number of routes that the reference implementation searches (default 10)")  # fmt: skip
    args = parser.parse_args()
    inputs = read_inputs(args.embeddings)
    query = inputs.query[read_routes(args.routes, inputs.map.graph)]
    few = query[: args.reference_routes]
    print(f"{'':22}{'routes':>8}{'wall s':>9}{'CPU s':>9}{'ms a route':>12}{'ratio':>8}")
    for keep in args.keep:
        search = PaperSearch(inputs.map, keep)
        _, wall, cpu = timed(search.locate, query[:1, :2])
        print(f"{f'{keep:g} % kept: compile':22}{1:8}{wall:9.2f}{cpu:9.2f}")
        expected, wall, cpu = timed(reference_search, few, inputs.map, keep)
        each = wall / len(few)
        print(f"{'  reference':22}{len(few):8}{wall:9.2f}{cpu:9.2f}{1000 * each:12.1f}{1:8.0f}")
        found, wall, cpu = timed(search.locate, query)
        print(f"{'  fast':22}{len(query):8}{wall:9.2f}{cpu:9.2f}{1000 * wall / len(query):12.1f}{each * len(query) / wall:8.0f}")
        same = (found[: len(few)] == expected).all()
        print(f"  the same paths: {'yes' if same else 'NO'}")
        if not same:
            sys.exit(1)


if __name__ == "__main__":
    run_command(main)
