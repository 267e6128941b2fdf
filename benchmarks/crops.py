"""The cloud index of many places beside a reference implementation, in the same run."""

import argparse
import os
import time
from pathlib import Path

import numpy as np

from data.areas.cloud_index import cloud_index
from data.city import CityMap
from data.locations import Locations, read_locations
from utils.arguments import Parser, count
from utils.errors import run_command
from utils.georeference import EXTENT_M
from utils.parallel import in_order
from utils.progress import progress


def main() -> None:
    args = _parse()
    city = CityMap(args.city)
    locations = read_locations(args.locations, city)[: args.places]
    compare_cloud_index(city, locations, args.points, args.baseline_places, args.processes)


def compare_cloud_index(city: CityMap, locations: Locations, count: int, baseline_places: int, processes: int | None = None) -> float:
    """Builds the cloud index of all places in parallel, and of some of them by the reference implementation; prints what both cost.

    Args:
        count: points of a place.
        baseline_places: number of places that the reference implementation computes, spread evenly over the list.
        processes: worker processes; default: one for each core.

    Returns:
        CPU time of the reference implementation divided by that of the cloud index, on the places that both computed.

    Raises:
        RuntimeError: the two differ in the points of a place.
    """
    n = len(locations)
    print(f"{n:,} places × {count:,} points of {len(city.points):,}")

    def place(i: int) -> tuple[CityMap, float, float, float, int]:
        return city, locations.x[i], locations.y[i], locations.heading_deg[i], count

    start = time.perf_counter()
    cloud_index(*place(0))
    print(f"compiled in {time.perf_counter() - start:.1f} s")

    start, cpu_start = time.perf_counter(), _cpu_seconds()
    indexed = list(progress(in_order(lambda i: _timed(cloud_index, place(i)), n, processes), total=n, desc="places", unit=" places"))
    wall, cpu = time.perf_counter() - start, _cpu_seconds() - cpu_start
    print(f"cloud index: {wall:.1f} s wall, {cpu:.1f} s CPU, {1000 * cpu / n:.2f} ms CPU a place")

    chosen = np.unique(np.linspace(0, n - 1, baseline_places).round().astype(int))
    fast = slow = 0.0
    for i in progress(chosen, desc="reference", unit=" places"):
        expected, seconds = _timed(reference_cloud_index, place(i))
        slow += seconds
        fast += indexed[i][1]
        if not np.array_equal(indexed[i][0], expected):
            raise RuntimeError(f"location {str(locations.ids[i])!r}: the cloud index differs from the reference implementation's")
    fast, slow = 1000 * fast / len(chosen), 1000 * slow / len(chosen)
    print(f"on {len(chosen)} of the places, with the same points in the same order: reference {slow:.1f} ms CPU a place, "
          f"cloud index {fast:.2f} ms; {slow / fast:.0f} × less")  # fmt: skip
    return slow / fast


def reference_cloud_index(city: CityMap, x: float, y: float, heading_deg: float, count: int) -> np.ndarray:
    """As `cloud_index`, but compares all points of the city, and samples farthest points by the textbook's loop."""
    points, half, heading = np.asarray(city.points), EXTENT_M / 2, np.radians(heading_deg)
    sine, cosine = np.sin(heading), np.cos(heading)
    reach = half * (abs(sine) + abs(cosine)) + 0.01  # half the width of the turned square; the centimetre covers rounding to float32
    near = (points[:, 0] > x - reach) & (points[:, 0] < x + reach) & (points[:, 1] > y - reach) & (points[:, 1] < y + reach)
    near = np.flatnonzero(near)
    local = points[near] - (x, y, 0.0)
    right, ahead = cosine * local[:, 0] - sine * local[:, 1], sine * local[:, 0] + cosine * local[:, 1]
    inside = (np.abs(right) < half) & (np.abs(ahead) < half)
    indices, local = near[inside].astype(np.int32), local[inside].astype(np.float32)
    if not len(indices):
        return indices
    first = int((local[:, 0] ** 2 + local[:, 1] ** 2 + local[:, 2] ** 2).argmin())
    return np.resize(indices[textbook_order(local, min(count, len(local)), first)], count)


def textbook_order(points: np.ndarray, count: int, first: int) -> np.ndarray:
    """Farthest point sampling by the textbook's loop: points (N, 3) float32 → (count,) indices, `first` first."""
    x, y, z = points.T.copy()  # in columns, several times faster in numpy than rows of three
    nearest = np.full(len(points), np.inf, np.float32)
    picks = np.full(count, first)
    for step in range(1, count):
        last = picks[step - 1]
        dx, dy, dz = x - x[last], y - y[last], z - z[last]
        nearest = np.minimum(nearest, dx * dx + dy * dy + dz * dz)
        picks[step] = nearest.argmax()
    return picks


def _timed(function, arguments: tuple) -> tuple[np.ndarray, float]:
    """What the function returns, and the seconds of CPU that it took."""
    start = time.process_time()
    return function(*arguments), time.process_time() - start


def _cpu_seconds() -> float:
    """Of this process, and of those that it started and that have ended."""
    return sum(os.times()[:4])


def _parse() -> argparse.Namespace:
    example = "python -m benchmarks.crops --city datasets/manhattan --locations wallstreet5kU.csv"
    parser = Parser(prog="python -m benchmarks.crops", description=__doc__, epilog=f"example: {example}")
    parser.add_argument("--city", type=Path, required=True, help="the city's folder, e.g. datasets/manhattan")
    parser.add_argument("--locations", type=Path, required=True, metavar="CSV", help="the places: id, latitude, longitude, heading[, city]")
    parser.add_argument("--places", type=count, metavar="N", help="only the first N places (default: all)")
    parser.add_argument("--points", type=count, default=4096, help="points of a place (default 4096)")
    parser.add_argument("--baseline-places", type=count, default=20, metavar="N",
                        help="number of places that the reference implementation computes (default 20)")  # fmt: skip
    parser.add_argument("--processes", type=count, help="worker processes of the cloud index (default: one for each core)")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
