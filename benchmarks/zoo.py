"""Compares modalities, heads, fusions, cloud encoders and poolings: trains each on the same data, with the same budget and several seeds.

Finished runs are not repeated, so an interrupted comparison continues where it stopped. Each run has one thread; `--jobs` run side by side.

example: python -m benchmarks.zoo config/zoo.yaml --seeds 0 1 2 --jobs 2 --groups modality heads
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from config.cloud_settings import CLOUDS
from config.fusion_settings import FUSIONS
from config.pooling_settings import MAP_POOLINGS, POINT_POOLINGS
from config.schema import read_config
from utils.arguments import Parser, count, seed
from utils.errors import InputError, run_command
from utils.progress import progress

TILE_ONLY, CLOUD_ONLY = ("model.cloud=null", "model.fusion=null"), ("model.tile=null", "model.fusion=null")
SHOWN = ("recall@1", "recall@5", "recall@10", "within_25m")
# Sizes of cloud networks that compare with the recipe's DGCNN: 8 neighbours, layers of about its widths, and networks that thin the cloud
# keep one point in four.
SIZES: dict[str, dict[str, Any]] = {
    "pointnet": {"widths": [32, 32, 32, 64]},
    "pointnet2": {"widths": [32, 64, 128], "strides": [2, 2]},
    "pct": {"widths": [32, 64, 128]},
    "point_transformer": {"widths": [32, 64, 128], "strides": [2, 2], "attention_width": 32},
    "graph_pointnet2": {"widths": [32, 64, 128], "strides": [2, 2]},
    "buildings": {"widths": [64, 64, 64]},
}


def variants() -> dict[str, dict[str, tuple[str, ...]]]:
    """By group and name, the overrides of a recipe that has a tile, a DGCNN and the fusion `add`."""
    cartesian = ("model.tile.polar=false", "model.tile.pooling.sectors=1", "model.cloud.pooling.sectors=1")
    # Each of these leaves the pooling of one branch unread; a recipe may not set what nothing reads.
    one_pooling = {"pixel_to_point": ("model.tile.pooling.sectors=1",), "point_to_pixel": ("model.cloud.pooling.sectors=1",)}
    linear = tuple(f"model.{name}.head=linear" for name in ("panorama", "tile", "cloud"))
    return {
        "cloud encoder and fusion": {
            f"{cloud}, {fusion}": (*_cloud(cloud), *(() if fusion == "add" else (f"model.fusion={fusion}",)))
            for cloud in ("dgcnn", "pointnet") for fusion in ("add", "cross_attention")
        },
        "modality": {"tile": TILE_ONLY, "cloud": CLOUD_ONLY, "tile and cloud": ()},
        "heads": {
            "norm, tile": TILE_ONLY, "linear, tile": (*TILE_ONLY, *linear[:2]), "norm, tile and cloud": (), "linear, tile and cloud": linear
        },
        "fusion, polar tiles and sectors": {
            name: () if name == "add" else (f"model.fusion={name}", *one_pooling.get(name, ()))
            for name, entry in FUSIONS.items() if entry.polar
        },
        "fusion, Cartesian tiles, no sectors": {
            name: (*cartesian, f"model.fusion={name}") for name in ("add", "pixel_to_point", "2to3", "3to2")
        },
        "cloud encoder, cloud alone": {name: (*CLOUD_ONLY, *_cloud(name)) for name in CLOUDS},
        "pooling of points, cloud alone": {
            "max by sector": CLOUD_ONLY,
            **{name: (*CLOUD_ONLY, f"model.cloud.pooling={{name: {name}}}") for name in POINT_POOLINGS},
        },
        "pooling of panoramas, tile alone": {
            "mean by sector": TILE_ONLY,
            "mean by sector, circular": (*TILE_ONLY, "model.panorama.circular=true"),
            **{name: (*TILE_ONLY, f"model.panorama.pooling={{name: {name}}}")
               for name, entry in MAP_POOLINGS.items() if entry.reads == "map"},
        },
    }  # fmt: skip


def _cloud(encoder: str) -> tuple[str, ...]:
    """Overrides that replace the recipe's DGCNN by another network of about its size."""
    if encoder == "dgcnn":
        return ()
    entry = CLOUDS[encoder]
    same = {key: value for key, value in {"features": 128, "neighbors": 8}.items() if hasattr(entry.settings(encoder), key)}
    settings = json.dumps({"name": encoder, **same, **SIZES.get(encoder, {})})
    return (f"model.cloud.encoder={settings}",) if entry.reads == "points" else (f"model.cloud={{encoder: {settings}}}",)


def train_variant(recipe: Path, name: str, overrides: tuple[str, ...], number: int, runs: Path) -> dict[str, float] | None:
    """Trains the run `name` with seed `number` unless it is finished: its metrics on the first test area, None where it failed."""
    run, log = runs / f"{name}-{number}", runs / f"{name}-{number}.log"
    settings = _settings(name, overrides, number, runs)
    metrics = run / "evaluation" / read_config(recipe, settings).data.test[0] / "metrics.json"
    if run.exists():
        settings.append("training.resume=true")
    if not metrics.is_file():
        runs.mkdir(parents=True, exist_ok=True)
        with open(log, "w") as file:
            subprocess.run([sys.executable, "-m", "training.train", str(recipe), *settings], stdout=file, stderr=file,
                           env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)  # fmt: skip
    return json.loads(metrics.read_text()) if metrics.is_file() else None


def refuse_others(recipe: Path, name: str, overrides: tuple[str, ...], number: int, runs: Path) -> None:
    """InputError where a run of that name exists with another configuration."""
    run, config = runs / f"{name}-{number}", read_config(recipe, _settings(name, overrides, number, runs))
    if run.exists() and not ((run / "config.yaml").is_file() and read_config(run / "config.yaml") == config):
        raise InputError(f"{run}: is there already with another configuration; move it away, or give another folder with --runs")


def _settings(name: str, overrides: tuple[str, ...], number: int, runs: Path) -> list[str]:
    return [f"name={name}-{number}", f"runs={runs}", f"seed={number}", *overrides]


def _file_name(title: str) -> str:
    """A title without spaces and commas, for names of folders and the command line."""
    return title.replace(" ", "_").replace(",", "")


def main() -> None:
    parser = Parser(prog="python -m benchmarks.zoo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="what all runs share, e.g. config/zoo.yaml")
    parser.add_argument("--seeds", type=seed, nargs="+", default=[0, 1, 2], metavar="N", help="seeds of each variant (default 0 1 2)")
    parser.add_argument("--jobs", type=count, default=2, metavar="N", help="runs side by side (default 2)")
    parser.add_argument("--runs", type=Path, default=Path("runs/zoo"), metavar="FOLDER", help="folder of the runs (default runs/zoo)")
    choices = [_file_name(group) for group in variants()]
    parser.add_argument("--groups", type=_file_name, nargs="+", choices=choices, metavar="GROUP",
                        help=f"groups to compare (default: all): {' '.join(choices)}")  # fmt: skip
    args = parser.parse_args()
    groups = {group: named for group, named in variants().items() if not args.groups or _file_name(group) in args.groups}
    names = {overrides: _file_name(f"{group}-{name}")
             for group, named in reversed(variants().items()) for name, overrides in named.items()}  # fmt: skip
    used = dict.fromkeys(overrides for named in groups.values() for overrides in named.values())
    jobs = {(overrides, number): names[overrides] for number in args.seeds for overrides in used}
    for job, name in jobs.items():  # all are checked before the first is trained
        refuse_others(args.recipe, name, *job, args.runs)
    with ThreadPoolExecutor(args.jobs) as pool:
        futures = {job: pool.submit(train_variant, args.recipe, name, *job, args.runs) for job, name in jobs.items()}
        results = {job: f.result() for job, f in progress(futures.items(), desc="runs", unit=" runs")}
    for group, named in groups.items():
        print(f"\n{group}\n{'':28}" + "".join(f"{key:>16}" for key in SHOWN))
        for name, overrides in named.items():
            metrics = [results[overrides, number] for number in args.seeds]
            if None in metrics:
                print(f"{name:28}  failed, see {args.runs / jobs[overrides, args.seeds[metrics.index(None)]]}-*.log")
                continue
            cells = (f"{statistics.mean(v):.1f} ± {statistics.stdev(v) if len(v) > 1 else 0:.1f}"
                     for v in ([m[key] for m in metrics] for key in SHOWN))  # fmt: skip
            print(f"{name:28}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    run_command(main)
