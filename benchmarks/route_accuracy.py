"""Accuracy of the localizers by route length on the published embeddings, fitted to one area and measured on the other, and vice versa.

example: python -m benchmarks.route_accuracy --data DIR --embeddings dgcnn2to3
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from eval.routes.fit import drive_report, fit
from eval.routes.graphs.drives import disturbed, kidnapped
from eval.routes.inputs import RouteInputs, read_inputs
from eval.routes.localizers.hubness import HubnessSearch
from eval.routes.localizers.likelihood import LikelihoodSearch
from eval.routes.localizers.observation import PairModel
from eval.routes.localizers.online import Motion, OnlineFilter
from eval.routes.localizers.paper import PaperSearch
from eval.routes.results.accuracy import top1_accuracy
from eval.routes.route_files import read_routes, read_turns
from utils.arguments import Parser
from utils.errors import run_command

AREAS = ("hudsonriver5k", "unionsquare5k")
LENGTHS = np.array([1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40])


def main() -> None:
    parser = Parser(prog="python -m benchmarks.route_accuracy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with published-embeddings and published-routes")
    parser.add_argument("--embeddings", nargs="+", default=["dgcnn2to3", "2d", "2dsafapolar"], metavar="NAME",
                        help="published embeddings (default: dgcnn2to3 2d 2dsafapolar)")  # fmt: skip
    args = parser.parse_args()
    for name in args.embeddings:
        inputs = {area: read_inputs(args.data / f"published-embeddings/{name}/MES_{area}.mat") for area in AREAS}
        for area, other in (AREAS, AREAS[::-1]):
            model = fit(inputs[other].query, inputs[other].map)
            _measure(args.data / "published-routes", name, area, inputs[area], other, inputs[other].query, model)


def _measure(folder: Path, name: str, area: str, inputs: RouteInputs, other: str, of_other: np.ndarray, model: PairModel) -> None:
    """Prints the tables of one area; `of_other` are the query embeddings (N, D) of the other area, on which `model` was fitted."""
    routes = read_routes(folder / f"{area}_routes_500.mat", inputs.map.graph)
    turns, query = read_turns(folder / f"{area}_turns_500_30.mat", *routes.shape), inputs.query[routes]
    fitted, default, paper = LikelihoodSearch(inputs.map, model=model), LikelihoodSearch(inputs.map), PaperSearch(inputs.map)
    online, steady = OnlineFilter(inputs.map, model=model), OnlineFilter(inputs.map, model=model, motion=Motion(stay=0, skip=0))
    half = np.random.default_rng(0).random(len(inputs.query)) < 0.5
    hubness = {
        unlabelled: HubnessSearch(replace(inputs.map, unlabelled=queries), model=model)
        for unlabelled, queries in (
            (f"all of {other}", of_other),
            (f"half of {area}", inputs.query[half]),
            (f"all of {area}", inputs.query),
        )
    }
    rows = {
        "paper": paper.locate(query), f"likelihood, fitted on {other}": fitted.locate(query),
        "likelihood, default": default.locate(query), f"online, fitted on {other}": online.locate(query),
        "online, no panorama missed or repeated": steady.locate(query),
        **{f"hubness from {unlabelled}": search.locate(query) for unlabelled, search in hubness.items()},
        "with turns: paper": paper.locate(query, turns), "with turns: likelihood, default": default.locate(query, turns),
        "with turns: online": online.locate(query, turns),
    }  # fmt: skip
    accuracy = {key: top1_accuracy(tails, routes) for key, tails in rows.items()}
    print(f"\n{name}, {area}; fitted on {other}: " + ", ".join(f"{k} {v:.3g}" for k, v in asdict(model).items()))
    print(f"{'route length':<40}" + "".join(f"{n:>7}" for n in LENGTHS) + "   worst against paper")
    for key, values in accuracy.items():
        behind = values - accuracy["with turns: paper" if key.startswith("with") else "paper"]
        print(f"{key:<40}" + "".join(f"{v:7.1f}" for v in values[LENGTHS - 1]) + f"{behind.min():8.1f} at {behind.argmin() + 1}")
    wrong = disturbed(routes, np.random.default_rng(0))
    shortest = min(map(len, wrong))
    for what, drives in (("10 % missed, 10 % repeated", np.stack([d[:shortest] for d in wrong])),
                         ("put down elsewhere after 20", np.stack(kidnapped(routes)))):  # fmt: skip
        print(f"present place right at the last panorama, {what} ({drives.shape[1]} panoramas): " + ", ".join(
            f"{key} {100 * (localizer.locate(inputs.query[drives])[:, -1, -1] == drives[:, -1]).mean():.1f}"
            for key, localizer in (("paper", paper), ("likelihood", fitted), ("online", online))
        ))  # fmt: skip
    print(drive_report(inputs.query, inputs.map, model), flush=True)


if __name__ == "__main__":
    run_command(main)
