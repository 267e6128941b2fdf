"""Fits the model of eval/routes/localizers/observation.py to an area with known places, and measures it on another area.

slope, variance: least squares over the places. correlation, reach: the highest accuracy of the path search on random routes, averaged over
route lengths; of the choices within one standard error of the best, the one of least correlation (the one-standard-error rule, Breiman et
al. 1984). temperature: the highest mean log-probability that the online localizer gives to the true place, on drives with missed and
repeated panoramas.

example: python -m eval.routes.fit --embeddings MES_unionsquare5k.mat --report MES_hudsonriver5k.mat
"""

import argparse
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import numpy as np

from eval.metrics import METRICS
from eval.routes.graphs.drives import disturbed, kidnapped
from eval.routes.graphs.random_routes import random_routes
from eval.routes.inputs import read_inputs
from eval.routes.localizers.likelihood import LikelihoodSearch
from eval.routes.localizers.localizer import RouteMap
from eval.routes.localizers.observation import PairModel
from eval.routes.localizers.online import OnlineLocalizer
from eval.routes.results.accuracy import true_tails
from eval.routes.results.calibration import calibration_error, follow, reliability
from utils.arguments import Parser, count, seed
from utils.errors import InputError, run_command

CORRELATIONS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85)
REACHES = (0.85, 1.2, 1.7)
TEMPERATURES = (0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4)
ROUNDING = 1e-10  # variance that rounding to float32 alone can cause; published embeddings have 0.2


def fit(query: np.ndarray, route_map: RouteMap, count: int = 1000, length: int = 20, drives: int = 100, seed: int = 0) -> PairModel:
    """Fits the model to an area.

    Args:
        query: (N, D) embeddings of the panoramas at the N places of the map.
        count, length: number of random routes for correlation and reach, and of their places.
        drives: number of these routes for the temperature.
        seed: of the random routes and drives.

    Raises:
        InputError: fewer than two routes, which have no standard error; the graph has fewer routes of that length; an embedding is not
            finite; query and reference embeddings are the same, so there is no residual to fit a model to.
    """
    if count < 2:
        raise InputError(f"--routes {count}: a fit needs two random routes or more")
    route_map.check(query)
    reference = np.asarray(route_map.reference, np.float64)
    slope = float((query * reference).sum() / (reference**2).sum())
    variance = float(((query - slope * reference) ** 2).sum(1).mean() / reference.var(0).sum())
    if variance < ROUNDING:
        raise InputError("the query embeddings are the reference embeddings (or multiples of them): there is no residual to fit a model "
                         "to; give embeddings of panoramas as `query`")  # fmt: skip
    model = replace(PairModel(), slope=slope, variance=variance)
    routes = random_routes(route_map.graph, count, length, np.random.default_rng(seed))
    grid, right = list(product(CORRELATIONS, REACHES)), []
    for correlation, reach in grid:
        candidate = replace(model, correlation=correlation, reach=reach)
        tails = LikelihoodSearch(route_map, model=candidate).locate(query[routes])
        right.append((tails == true_tails(routes)).all(2).mean(1))
    correlation, reach = grid[least_within_error(np.array(right), np.array(grid)[:, 0])]
    model = replace(model, correlation=correlation, reach=reach)
    simulated = disturbed(routes[:drives], np.random.default_rng(seed))

    def score(temperature: float) -> float:
        return follow(OnlineLocalizer(route_map, replace(model, temperature=temperature)), query, simulated)[2].mean()

    return replace(model, temperature=max(TEMPERATURES, key=score))


def least_within_error(right: np.ndarray, correlation: np.ndarray) -> int:
    """The choice of least correlation whose accuracy is within one standard error of the best; of several, the most accurate.

    Args:
        right: (C, R) accuracy of each choice on each route. The standard error is that of the difference from the best choice.
        correlation: (C,) of the choices.
    """
    behind = right[right.mean(1).argmax()] - right  # C,R
    error = behind.std(1, ddof=1) / np.sqrt(behind.shape[1])
    within = np.flatnonzero(behind.mean(1) <= error)
    return int(within[np.lexsort((behind[within].mean(1), correlation[within]))[0]])


def drive_report(query: np.ndarray, route_map: RouteMap, model: PairModel, count: int = 200, length: int = 40, seed: int = 1) -> str:
    """A table of how often the online localizer is right on simulated drives, and how well its confidence is calibrated."""
    routes, lines = random_routes(route_map.graph, count, length, np.random.default_rng(seed)), []
    localizer = OnlineLocalizer(route_map, model)
    disturbance = {
        "as they are": list(routes), "10 % missed": disturbed(routes, np.random.default_rng(seed), 0.1, 0),
        "10 % repeated": disturbed(routes, np.random.default_rng(seed), 0, 0.1),
        "10 % missed, 10 % repeated": disturbed(routes, np.random.default_rng(seed)), "put down elsewhere": kidnapped(routes),
    }  # fmt: skip
    lines.append(f"{count} drives of {length} places, all panoramas{'':<4}right %   calibration error   sure (≥ 0.9) %   right when sure %")
    for name, drives in disturbance.items():
        confidence, right, _ = follow(localizer, query, drives)
        sure = confidence >= 0.9
        lines.append(f"{name:<42}{100 * right.mean():>8.1f}{calibration_error(confidence, right):>20.3f}{100 * sure.mean():>18.1f}"
                     f"{100 * right[sure].mean() if sure.any() else np.nan:>20.1f}")  # fmt: skip
        if name == "10 % missed, 10 % repeated":
            bins = reliability(confidence, right)
    lines.append("confidence, fraction right (answers), with 10 % missed and 10 % repeated: "
                 + ", ".join(f"{mean:.2f} {accuracy:.2f} ({n})" for n, mean, accuracy in bins))  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = Parser(prog="python -m eval.routes.fit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--embeddings", type=Path, required=True, metavar="FILE", help="of the area to fit the model to: .npz, or a published .mat")
    add("--graph", type=Path, metavar="CSV|AREA|MAT", help="graph of its places, as in python -m eval.routes (default: the graph in the "
        "file of embeddings)")  # fmt: skip
    add("--report", type=Path, metavar="FILE", help="embeddings of another area to measure the fitted model on")
    add("--report-graph", type=Path, metavar="CSV|AREA|MAT", help="graph of its places (default: the graph in its file)")
    add("--metric", choices=METRICS, help="as in python -m eval.routes")
    add("--routes", type=count, default=1000, metavar="N", help="number of random routes to fit with (default 1000)")
    add("--length", type=count, default=20, metavar="L", help="number of places of each route (default 20)")
    add("--seed", type=seed, default=0, help="seed of the random routes (default 0)")
    args = parser.parse_args()
    if args.report_graph and not args.report:
        raise InputError("--report-graph is the graph of --report FILE; give --report too, or leave both out")
    area = read_inputs(args.embeddings, args.graph, metric=args.metric)
    model = fit(area.query, area.map, args.routes, args.length, seed=args.seed)
    print(f"fitted on {args.embeddings}: " + ", ".join(f"{k} {v:.3g}" for k, v in asdict(model).items()))
    if args.report:
        other = read_inputs(args.report, args.report_graph, metric=args.metric)
        print(f"on {args.report}:\n{drive_report(other.query, other.map, model)}")


if __name__ == "__main__":
    run_command(main)
