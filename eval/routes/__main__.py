"""Localizes routes: sequences of panoramas along a graph of places. Reports, by route length, how often the last five places are right.

examples: python -m eval.routes --embeddings MES_hudsonriver5k.mat --routes hudsonriver5k_routes_500.mat --keep 50
          python -m eval.routes --embeddings runs/demo/evaluation/demo/test/embeddings.npz --graph datasets/demo/test \\
              --generate 500 --length 40 --turns headings --keep 50 --figure accuracy.png --animate 1 --out route.gif
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from eval.metrics import METRICS
from eval.routes.graphs.random_routes import random_routes
from eval.routes.graphs.turns import turns_of
from eval.routes.inputs import read_inputs
from eval.routes.localizers.localizer import LOCALIZERS, build_localizer
from eval.routes.results.accuracy import top1_accuracy
from eval.routes.results.animate import animate, check_animation
from eval.routes.results.figure import check_figure, draw_accuracy
from eval.routes.route_files import read_routes, read_turns, write_table
from utils.arguments import Parser, count, seed
from utils.atomic import atomic_file
from utils.errors import InputError, run_command
from utils.outputs import check_files

# First lines of the CSV files that this command writes, and may replace. Earlier versions wrote `published` for `paper`.
TABLE = r"route_length,(paper|published)(,\w+)?"
ROUTES = r"(0|[1-9]\d{0,9})(,(0|[1-9]\d{0,9}))*"
SHOWN = (1, 2, 3, 5, 10, 15, 20, 30, 40)  # route lengths of the table


def main() -> None:
    args = _parser().parse_args()
    _check_options(args)
    _check_outputs(args)
    curves = check_figure(args.figure, args.paper_curves, args.embeddings, args.keep) if args.figure else {}
    inputs = read_inputs(args.embeddings, args.graph, args.locations, args.metric, args.unlabelled)
    graph, heading_deg = inputs.map.graph, inputs.map.heading_deg
    if args.generate:
        routes = random_routes(graph, args.generate, args.length, np.random.default_rng(args.seed or 0))
    else:
        routes = read_routes(args.routes, graph)
    turns = None
    if args.turns is not None:
        if heading_deg is None:
            raise InputError(f"--turns {args.turns}: the places have no headings to compare turns with; give --locations CSV")
        turns = turns_of(routes, heading_deg) if args.turns == "headings" else read_turns(Path(args.turns), *routes.shape)
    if args.animate:
        check_animation(args.out, inputs)
        if args.animate > len(routes):
            raise InputError(f"--animate {args.animate}: routes are counted from 1 to {len(routes)}")

    accuracy = {}
    for name in dict.fromkeys(("paper", args.localizer)):
        localizer = build_localizer(name, inputs.map, args.keep)
        accuracy[name] = top1_accuracy(localizer.locate(inputs.query[routes], turns), routes)
    settings = {
        "embeddings": _text(args.embeddings), "graph": _text(args.graph or args.embeddings), "places": len(graph),
        "routes": _text(args.routes), "generated": args.generate, "seed": (args.seed or 0) if args.generate else None, "count": len(routes),
        "length": routes.shape[1], "turns": args.turns, "keep_percent": args.keep, "localizer": args.localizer, "metric": inputs.metric,
        "unlabelled": _text(args.unlabelled),
    }  # fmt: skip
    _write(args, settings, accuracy, routes)
    print(
        f"{args.embeddings}: {len(routes)} routes of {routes.shape[1]} places among {len(graph):,}; "
        f"turns {'not used' if turns is None else 'used'}, {args.keep:g} % kept; top-1 accuracy in % by route length"
    )
    print(_table(accuracy, routes.shape[1]))
    if args.figure:
        draw_accuracy(args.figure, accuracy, curves, f"{args.embeddings.stem}, {args.keep:g} % of candidates kept")
        print(f"figure: {args.figure.resolve()}")
    if args.animate:
        row = args.animate - 1
        title = f"localizer {args.localizer}, route {args.animate}"
        animate(args.out, inputs, localizer, routes[row], None if turns is None else turns[row], title)
        print(f"animation of route {args.animate}: {args.out.resolve()}")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m eval.routes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--embeddings", type=Path, required=True, metavar="FILE", help=".npz with `query` and `reference` (N, D), or a published .mat")
    add("--graph", type=Path, metavar="CSV|AREA|MAT", help="which places come next after each: a CSV of edges `from,to` (rows of the "
        "embeddings, counted from 0); the folder of an area, whose places are joined along the roads of its map; or a published .mat "
        "(default: the graph in the file of embeddings)")  # fmt: skip
    add("--locations", type=Path, metavar="CSV", help="the places in the order of the embeddings, for headings and drawing")
    add("--metric", choices=METRICS, help="cosine: embeddings are normalised first; euclidean: they are compared as they are (default: "
        "what the file of embeddings says; where it says nothing, cosine for .npz and euclidean for .mat)")  # fmt: skip
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--routes", type=Path, metavar="FILE", help="published .mat (places counted from 1), or CSV or .npz (from 0)")
    source.add_argument("--generate", type=count, metavar="N", help="N random routes in the place of a file; needs --length")
    add("--length", type=count, metavar="L", help="with --generate: number of places of each route")
    add("--seed", type=seed, help="with --generate: seed of the random routes (default 0)")
    add("--save-routes", type=Path, metavar="FILE", help="write the routes to this .npz or CSV (places counted from 0)")
    add("--turns", metavar="FILE", help="use observed turns: a file, or the word `headings` to take them from the places' headings")
    add("--keep", type=float, default=100.0, metavar="PERCENT", help="where a step has more than 100 candidates, the percentage of them "
        "that survives (default 100)")  # fmt: skip
    add("--localizer", choices=list(LOCALIZERS), default="paper", help="localizer to show beside `paper`, the baseline (default: `paper` "
        "alone)")  # fmt: skip
    add("--unlabelled", type=Path, metavar="FILE", help="with --localizer hubness: embeddings whose `query` rows are panoramas of unknown "
        "places; they show which references are hubs")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write top1_accuracy by route length, and the settings")
    add("--csv", type=Path, metavar="FILE", help="write the accuracy of each localizer by route length")
    add("--figure", type=Path, metavar="FILE", help="draw accuracy against route length as .png, .svg or .pdf")
    add("--paper-curves", type=Path, metavar="CSV", help="with --figure: published curves to draw dashed (columns area, embedding, "
        "kept_percent, route_length, top1_accuracy_percent)")  # fmt: skip
    add("--animate", type=count, metavar="ROUTE", help="animate this route (counted from 1) with the places that the localizer believes "
        "in; needs --out")  # fmt: skip
    add("--out", type=Path, metavar="FILE", help="with --animate: the .gif or .html to write")
    return parser


def _check_options(args: argparse.Namespace) -> None:
    """Refuses options that do not go together."""
    if bool(args.animate) != bool(args.out):
        raise InputError("--animate ROUTE and --out FILE.gif (or .html) belong together")
    if args.generate and not args.length:
        raise InputError("--generate N needs --length L, the places of a route")
    if not args.generate and (args.length or args.seed is not None):
        raise InputError(f"--{'length' if args.length else 'seed'} is for --generate N; a file of routes is read as it is")
    if args.paper_curves and not args.figure:
        raise InputError("--paper-curves CSV is drawn into a figure; give --figure FILE.png too")
    if args.localizer == "hubness" and not args.unlabelled:
        raise InputError("--localizer hubness needs --unlabelled FILE: embeddings of panoramas that show which references are hubs")
    if args.unlabelled and args.localizer != "hubness":
        raise InputError("--unlabelled FILE is for --localizer hubness; the other localizers use the panoramas of the drive alone")


def _check_outputs(args: argparse.Namespace) -> None:
    """Refuses, before the work, outputs that would replace an input or the file of another program."""
    outputs = {"--json": args.json, "--csv": args.csv, "--save-routes": args.save_routes, "--figure": args.figure, "--out": args.out}
    turns_file = None if args.turns == "headings" else args.turns
    read = [args.embeddings, args.graph, args.locations, args.routes, turns_file, args.unlabelled, args.paper_curves]
    if args.graph and args.graph.is_dir():  # the files of the area and of its city's map
        read += [*args.graph.iterdir(), *(args.graph.resolve().parent / "map").glob("*")]
    tables = {"--csv": TABLE, "--save-routes": ROUTES}
    if args.save_routes and args.save_routes.suffix == ".npz":
        del tables["--save-routes"]
    check_files(outputs, read, tables)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _table(accuracy: dict[str, np.ndarray], length: int) -> str:
    lengths = [n for n in SHOWN if n < length] + [length]
    width = max(map(len, ("localizer", *accuracy)))
    lines = [f"{'localizer':<{width}}" + "".join(f"{n:>7}" for n in lengths)]
    lines.append("─" * len(lines[0]))
    for name, values in accuracy.items():
        lines.append(f"{name:<{width}}" + "".join(f"{values[n - 1]:7.1f}" for n in lengths))
    return "\n".join(lines)


def _write(args: argparse.Namespace, settings: dict, accuracy: dict[str, np.ndarray], routes: np.ndarray) -> None:
    if args.json:
        result = {"top1_accuracy": accuracy[args.localizer].round(6).tolist(), **settings}
        if args.localizer != "paper":
            result["paper_top1_accuracy"] = accuracy["paper"].round(6).tolist()
        with atomic_file(args.json) as temporary:
            temporary.write_text(json.dumps(result, indent=2) + "\n")
    if args.csv:
        with atomic_file(args.csv) as temporary:
            rows = {"route_length": np.arange(1, routes.shape[1] + 1), **{k: v.round(6) for k, v in accuracy.items()}}
            pd.DataFrame(rows).to_csv(temporary, index=False)
    if args.save_routes:
        write_table(args.save_routes, "routes", routes)


if __name__ == "__main__":
    run_command(main)
