"""One step of the online localizer beside a reference implementation in plain Python, on the same drive, in the same run.

example: python -m benchmarks.online_filter --embeddings MES_hudsonriver5k.mat
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks.naive_filter import States, naive_start, naive_step
from eval.routes.graphs.random_routes import random_routes
from eval.routes.inputs import read_inputs
from eval.routes.localizers.observation import PairModel
from eval.routes.localizers.online import Motion, OnlineLocalizer
from utils.arguments import Parser, count
from utils.errors import run_command

T = TypeVar("T")


class Clock:
    """Collects wall and CPU times of calls in milliseconds."""

    def __init__(self):
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def __call__(self, work: Callable[..., T], *arguments: Any) -> T:
        """What the call returns."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = work(*arguments)
        self.wall.append(1000 * (time.perf_counter() - wall))
        self.cpu.append(1000 * (time.process_time() - cpu))
        return result

    def row(self, name: str) -> str:
        """A line of the table: number of calls, median and largest wall time, median CPU time."""
        return f"{name:<16}{len(self.wall):>7}{np.median(self.wall):>13.3f}{max(self.wall):>12.3f}{np.median(self.cpu):>15.3f}"


def main() -> None:
    parser = Parser(prog="python -m benchmarks.online_filter", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, required=True, metavar="FILE", help="published .mat, with the graph of its places")
    parser.add_argument("--reference-steps", type=count, default=5, metavar="N",
                        help="number of steps that the reference implementation takes, at most 39 (default 5)")  # fmt: skip
    args = parser.parse_args()
    inputs = read_inputs(args.embeddings)
    drives = inputs.query[random_routes(inputs.map.graph, 25, 40, np.random.default_rng(0))]
    localizer, fast, reference, apart = OnlineLocalizer(inputs.map), Clock(), Clock(), 0.0
    localizer.step(drives[0, 0]), localizer.step(drives[0, 1])  # compiles
    for drive in drives:
        localizer.reset()
        for query in drive:
            fast(localizer.step, query)
    localizer.reset()
    first = localizer.step(drives[0, 0])
    belief = naive_start(inputs.map, PairModel(), drives[0, 0].astype(float))
    apart = max(apart, np.abs(_by_place(belief, len(first)) - first).max())
    for before, query in zip(drives[0, : args.reference_steps].astype(float), drives[0, 1:].astype(float), strict=False):
        belief = reference(naive_step, inputs.map, PairModel(), Motion(), belief, before, query)
        apart = max(apart, np.abs(_by_place(belief, len(first)) - localizer.step(query)).max())
    print(f"{len(first):,} places, {len(localizer.origin):,} edges, {drives.shape[2]} dimensions")
    print(f"{'':<16}{'steps':>7}{'ms (median)':>13}{'ms (most)':>12}{'CPU ms (med.)':>15}")
    print(fast.row("fast"))
    print(reference.row("reference") + f"   ratio {np.median(reference.wall) / np.median(fast.wall):,.0f}")
    print(f"largest difference of a place's probability: {apart:.1e}")
    if apart > 1e-9:
        sys.exit(1)


def _by_place(belief: States, n: int) -> np.ndarray:
    """(n,) probability of each place, whatever the direction."""
    probability = np.zeros(n)
    for (_, place), value in belief.items():
        probability[place] += value
    return probability


if __name__ == "__main__":
    run_command(main)
