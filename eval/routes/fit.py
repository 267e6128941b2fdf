"""Fits the model of eval/routes/localizers/observation.py to an area with known places, and measures its confidence on another.

slope, variance: least squares over the places. correlation, reach: the accuracy of the path search on random routes, averaged over their
lengths; of what is within one standard error of the best, the least correlation (Breiman et al. 1984, the one-standard-error rule).
temperature: the mean log-probability that the online localizer gives to the true place, on drives with missed and repeated panoramas.

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
ROUNDING = 1e-10  # variance that comes from rounding alone, of float32; of published embeddings it is 0.2


def fit(query: np.ndarray, route_map: RouteMap, count: int = 1000, length: int = 20, drives: int = 100, seed: int = 0) -> PairModel:
    """The model of an area.

    Args:
        query: (N, D) of the panoramas at the map's N places.
        count, length: random routes for correlation and reach.
        drives: random routes for the temperature.

    Raises:
        InputError: fewer than two routes (an error of accuracy is needed); the graph has not so many of that length; an embedding is not
            finite; the panoramas are no different from the map (nothing is left that the model could describe).
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
    """The choice of least correlation (and of those the best) whose accuracy is within one standard error of the best choice's.

    Args:
        right: (C, R) accuracy of each choice on each route; the error is that of the paired difference.
        correlation: (C,) of the choices.
    """
    behind = right[right.mean(1).argmax()] - right  # C,R
    error = behind.std(1, ddof=1) / np.sqrt(behind.shape[1])
    within = np.flatnonzero(behind.mean(1) <= error)
    return int(within[np.lexsort((behind[within].mean(1), correlation[within]))[0]])


def report(query: np.ndarray, route_map: RouteMap, model: PairModel, count: int = 200, length: int = 40, seed: int = 1) -> str:
    """Text: how often the online localizer is right on simulated drives, and whether its confidence is."""
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
        if name.endswith("repeated") and "missed" in name:
            table = reliability(confidence, right)
    lines.append("confidence, fraction right (answers), with 10 % missed and 10 % repeated: "
                 + ", ".join(f"{mean:.2f} {accuracy:.2f} ({n})" for n, mean, accuracy in table))  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = Parser(prog="python -m eval.routes.fit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, required=True, metavar="FILE", help="of the area to fit: .npz, or a published .mat")
    parser.add_argument("--graph", type=Path, metavar="CSV|AREA|MAT", help="its places (default: the graph in the file of embeddings)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="embeddings of another area, to measure the fitted model on")
    parser.add_argument("--report-graph", type=Path, metavar="CSV|AREA|MAT", help="its places")
    parser.add_argument("--metric", choices=METRICS, help="as in python -m eval.routes")
    parser.add_argument("--routes", type=count, default=1000, metavar="N", help="random routes to fit with (default 1000)")
    parser.add_argument("--length", type=count, default=20, metavar="L", help="their places (default 20)")
    parser.add_argument("--seed", type=seed, default=0)
    args = parser.parse_args()
    if args.report_graph and not args.report:
        raise InputError("--report-graph is the graph of --report FILE; give that, too, or leave it out")
    area = read_inputs(args.embeddings, args.graph, metric=args.metric)
    model = fit(area.query, area.map, args.routes, args.length, seed=args.seed)
    print(f"fitted on {args.embeddings}: " + ", ".join(f"{k} {v:.3g}" for k, v in asdict(model).items()))
    if args.report:
        other = read_inputs(args.report, args.report_graph, metric=args.metric)
        print(f"on {args.report}:\n{report(other.query, other.map, model)}")


if __name__ == "__main__":
    run_command(main)
