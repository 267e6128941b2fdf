"""One step of the online localizer beside the same filter in plain Python, on the same drive, in the same run.

example: python -m benchmarks.online_filter --embeddings MES_hudsonriver5k.mat
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from eval.routes.graphs.random_routes import random_routes
from eval.routes.inputs import read_inputs
from eval.routes.localizers.observation import PairModel
from eval.routes.localizers.online import Motion, OnlineLocalizer
from tests.eval.routes.naive import naive_start, naive_step
from utils.arguments import Parser
from utils.errors import run_command


class Clock:
    """Collects milliseconds on the clock and of CPU."""

    def __init__(self):
        self.wall, self.cpu = [], []

    def __call__(self, work):
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.wall.append(1000 * (time.perf_counter() - wall))
        self.cpu.append(1000 * (time.process_time() - cpu))
        return result

    def row(self, name: str) -> str:
        return f"{name:<16}{len(self.wall):>7}{np.median(self.wall):>13.3f}{max(self.wall):>12.3f}{np.median(self.cpu):>15.3f}"


def main() -> None:
    parser = Parser(prog="python -m benchmarks.online_filter", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, required=True)
    parser.add_argument("--naive-steps", type=int, default=5, help="how many the plain filter takes (default 5)")
    args = parser.parse_args()
    inputs = read_inputs(args.embeddings)
    drives = inputs.query[random_routes(inputs.map.graph, 25, 40, np.random.default_rng(0))]
    localizer, ours, plain, apart = OnlineLocalizer(inputs.map), Clock(), Clock(), 0.0
    localizer.step(drives[0, 0]), localizer.step(drives[0, 1])  # compiles
    for drive in drives:
        localizer.reset()
        for query in drive:
            ours(lambda q=query: localizer.step(q))
    localizer.reset()
    first = localizer.step(drives[0, 0])
    belief = naive_start(inputs.map, PairModel(), drives[0, 0].astype(float))
    apart = max(apart, np.abs(_by_place(belief, len(first)) - first).max())
    for before, query in zip(drives[0, : args.naive_steps].astype(float), drives[0, 1:].astype(float), strict=False):
        belief = plain(lambda b=belief, y=before, z=query: naive_step(inputs.map, PairModel(), Motion(), b, y, z))
        apart = max(apart, np.abs(_by_place(belief, len(first)) - localizer.step(query)).max())
    print(f"{len(first):,} places, {len(localizer.origin):,} edges, {drives.shape[2]} dimensions")
    print(f"{'':<16}{'steps':>7}{'ms (median)':>13}{'ms (most)':>12}{'CPU ms (med.)':>15}")
    print(ours.row("this localizer"))
    if plain.wall:
        print(plain.row("plain Python") + f"   ratio {np.median(plain.wall) / np.median(ours.wall):,.0f}")
        print(f"largest difference of a place's probability: {apart:.1e}")
        if apart > 1e-9:
            sys.exit(1)


def _by_place(belief: dict, n: int) -> np.ndarray:
    probability = np.zeros(n)
    for (_, place), value in belief.items():
        probability[place] += value
    return probability


if __name__ == "__main__":
    run_command(main)
