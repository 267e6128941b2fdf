"""Measures how well a run, or a file of embeddings, finds places.

examples: python -m eval.evaluate --run runs/demo
          python -m eval.evaluate --embeddings runs/demo/evaluation/demo/test/embeddings.npz
"""

import argparse
import json
from pathlib import Path

import torch

from eval.embed import EVALUATION, evaluate_area
from eval.embeddings import read_embeddings
from eval.metrics import METRICS, metrics_table, retrieval_metrics
from models.checkpoint import LoadedRun, open_run
from utils.arguments import Parser, city_area
from utils.atomic import atomic_file
from utils.device import choose_device
from utils.errors import InputError, run_command
from utils.outputs import check_files, check_folder


def main() -> None:
    parser = Parser(prog="python -m eval.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=Path, metavar="RUN_DIR", help="folder of a run, e.g. runs/demo")
    source.add_argument(
        "--embeddings", type=Path, metavar="FILE", help=".npz with `query` and `reference` (N, D), and x, y for metres; or a published .mat"
    )
    parser.add_argument("--locations", type=Path, metavar="CSV",
                        help="with --embeddings: the places in the order of the embeddings, for metres")  # fmt: skip
    parser.add_argument(
        "--metric",
        choices=METRICS,
        help="with --embeddings: how they are compared (default: what the file says; where it says nothing, cosine for .npz and "
        "euclidean for .mat)",
    )
    parser.add_argument("--areas", type=city_area, nargs="+", metavar="AREA",
                        help="with --run: areas to measure (default: the run's test areas)")  # fmt: skip
    parser.add_argument(
        "--checkpoint",
        choices=("best", "last"),
        help="with --run: the checkpoint that was best on the validation area, or the last one (default best)",
    )
    parser.add_argument("--device", help="with --run: auto, cpu, cuda or cuda:N (default auto)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the metrics there too, one object for each area")
    args = parser.parse_args()
    for name in ("locations", "metric") if args.run else ("areas", "checkpoint", "device"):
        if getattr(args, name) is not None:
            raise InputError(f"--{name} is for --{'embeddings' if args.run else 'run'}, nothing reads it here; leave it out")
    if args.run:
        device = choose_device(args.device or "auto")
        loaded = open_run(args.run, args.checkpoint or "best", device)
        areas = args.areas or loaded.config.data.test
        check_files({"--json": args.json}, _used(args.run, loaded, areas))
        metrics = evaluate_run(args.run, loaded, areas, device)
        print(f"{args.run}, checkpoint {loaded.checkpoint} of epoch {loaded.epoch}; R and ≤ in %")
    else:
        check_files({"--json": args.json}, [args.embeddings, args.locations])
        places = read_embeddings(args.embeddings, args.locations)
        metric = args.metric or places.metric
        metrics = {args.embeddings.stem: retrieval_metrics(places.query, places.reference, places.xy, metric)}
    if args.json:
        with atomic_file(args.json) as temporary:
            temporary.write_text(json.dumps(metrics, indent=2) + "\n")
        print(f"metrics as JSON: {args.json.resolve()}")
    print(metrics_table(metrics))
    if args.run:
        print(f"metrics and embeddings: {evaluation_folder(args.run, loaded.checkpoint)}")


def evaluate_run(run: Path, loaded: LoadedRun, areas: list[str], device: torch.device) -> dict[str, dict]:
    """Metrics of each area. Its files are written to `run/evaluation/<area>`, or `run/evaluation-last/<area>` for the last checkpoint.

    Raises:
        InputError: as `evaluate_area`; a folder to be written holds something else, which is checked before the work.
    """
    checkpoint = {"name": loaded.checkpoint, "epoch": loaded.epoch, "sha256": loaded.sha256}
    folder = evaluation_folder(run, loaded.checkpoint)
    maps: dict[tuple, str] = {}  # hashes of city maps, shared by the areas
    for area in areas:
        check_folder(folder / area, EVALUATION)
    return {area: evaluate_area(loaded.model, loaded.config, area, device, folder / area, checkpoint, maps) for area in areas}


def _used(run: Path, loaded: LoadedRun, areas: list[str]) -> list[Path]:
    """Files that evaluating a run reads or writes."""
    written = [evaluation_folder(run, loaded.checkpoint) / area / name for area in areas for name in (EVALUATION.marker, *EVALUATION.files)]
    data = [Path(loaded.config.data.root) / area for area in areas]
    folders = (run, run / "checkpoints", *data, *(area.parent / "map" for area in data))
    return [*written, *(file for folder in folders for file in folder.glob("*"))]


def evaluation_folder(run: Path, checkpoint: str) -> Path:
    """Where the results of a checkpoint are written: each has a folder of its own, so none replaces the other's."""
    return run / ("evaluation" if checkpoint == "best" else f"evaluation-{checkpoint}")


if __name__ == "__main__":
    run_command(main)
