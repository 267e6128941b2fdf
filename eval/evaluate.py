"""Measures a run on areas, or a file of embeddings.

examples: python -m eval.evaluate --run runs/demo
          python -m eval.evaluate --embeddings runs/demo/evaluation/demo/test/embeddings.npz
"""

import argparse
import json
import zipfile
from pathlib import Path

import numpy as np
import torch

from config.schema import Config
from eval.embed import evaluate_area
from eval.metrics import retrieval_metrics, table
from models.checkpoint import choose_device, load_run
from models.model import GroundToMap
from utils.atomic import atomic_file
from utils.errors import InputError, run_command


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m eval.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=Path, metavar="RUN_DIR", help="folder of a run, e.g. runs/demo")
    source.add_argument("--embeddings", type=Path, metavar="NPZ", help="file with `query` and `reference` (N, D), and x, y for metres")
    parser.add_argument("--areas", nargs="+", metavar="AREA", help="with --run: areas to measure (default: the run's test areas)")
    parser.add_argument("--checkpoint", choices=("best", "last"), default="best", help="with --run (default best on the validation area)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default auto)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the metrics there, one object an area")
    args = parser.parse_args()
    if args.run:
        device = choose_device(args.device)
        config, model, epoch = load_run(args.run, args.checkpoint, device)
        metrics = evaluate_run(args.run, config, model, args.areas or config.data.test, device)
        print(f"{args.run}, checkpoint {args.checkpoint} of epoch {epoch}")
    else:
        metrics = {args.embeddings.stem: evaluate_embeddings(args.embeddings)}
    if args.json:
        with atomic_file(args.json) as temporary:
            temporary.write_text(json.dumps(metrics, indent=2) + "\n")
    print(table(metrics))
    if args.run:
        print(f"metrics and embeddings: {args.run / 'evaluation'}")


def evaluate_run(run: Path, config: Config, model: GroundToMap, areas: list[str], device: torch.device) -> dict[str, dict]:
    """Metrics of each area; its files are written to `run/evaluation/<area>`."""
    return {area: evaluate_area(model, config, area, device, run / "evaluation" / area) for area in areas}


def evaluate_embeddings(path: Path) -> dict[str, float]:
    """Metrics of an `.npz` file of embeddings.

    Raises:
        InputError: the file is missing, no such archive, or its arrays do not fit together.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {k: archive[k] for k in ("query", "reference", "x", "y") if k in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError) as error:
        raise InputError(f"{path}: not an .npz file of embeddings ({error})") from None
    for key in ("query", "reference"):
        if key not in arrays or arrays[key].ndim != 2:
            raise InputError(f"{path}: needs arrays `query` and `reference` of shape (N, D); {key} is missing or has another shape")
    query, reference = torch.from_numpy(arrays["query"]), torch.from_numpy(arrays["reference"])
    if query.shape != reference.shape:
        raise InputError(f"{path}: query is {tuple(query.shape)} but reference is {tuple(reference.shape)}; rows must be the same places")
    xy = np.column_stack([arrays["x"], arrays["y"]]) if {"x", "y"} <= arrays.keys() else None
    return retrieval_metrics(query, reference, xy)


if __name__ == "__main__":
    run_command(main)
