"""Trains every cloud encoder, fusion and panorama pooling on the same data with the same budget and several seeds, and prints one table.

Runs that exist are not repeated, so an interrupted table goes on where it stopped. Each run has one thread; `--jobs` run side by side.

example: python -m benchmarks.zoo config/zoo.yaml --seeds 0 1 2 --jobs 2
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from config.reader import to_yaml
from config.schema import read_config
from models.registry import CLOUDS, FUSIONS, MAP_POOLINGS
from utils.arguments import count, seed
from utils.errors import run_command
from utils.progress import progress

TILE_ONLY, CLOUD_ONLY = ("model.cloud=null", "model.fusion=null"), ("model.tile=null", "model.fusion=null")
SHOWN = ("recall@1", "recall@5", "recall@10", "within_25m")
# Sizes of cloud networks that fit the recipe's own DGCNN: 8 neighbours, and layers of about its widths.
SIZES = {
    "pointnet": {"widths": [32, 32, 32, 64]},
    "pointnet2": {"widths": [32, 64, 128]},
    "pct": {"widths": [32, 64, 128]},
    "point_transformer": {"widths": [16, 32, 64, 128], "attention_width": 32},
    "pointnext": {"widths": [32, 64, 128]},
    "graph_edgeconv": {"widths": [32, 32, 64]},
    "graph_pointnet2": {"widths": [32, 64, 128]},
    "graph_point_transformer": {"widths": [32, 64]},
    "buildings": {"points": 1024, "sectors": 1},  # what the configuration takes for a network without points
}


def variants() -> dict[str, dict[str, tuple[str, ...]]]:
    """Groups of variants: name → overrides of the recipe, which itself has a tile, a DGCNN and concat."""
    cartesian = ("model.tile.polar=false", "model.tile.sectors=1", "model.cloud.sectors=1")
    return {
        "modality": {"tile": TILE_ONLY, "cloud": CLOUD_ONLY, "tile and cloud": ()},
        "cloud encoder, cloud alone": {name: (*CLOUD_ONLY, *_cloud(name)) for name in CLOUDS},
        "fusion, polar tiles and sectors": {
            name: () if name == "concat" else (f"model.fusion={name}",) for name, entry in FUSIONS.items() if entry.polar
        },
        "fusion, Cartesian tiles, no sectors": {
            name: (*cartesian, f"model.fusion={name}") for name in ("concat", "pixel_to_point", "2to3", "3to2")
        },
        "pooling of panoramas, tile alone": {
            "mean by sector": TILE_ONLY,
            "mean by sector, circular": (*TILE_ONLY, "model.panorama.circular=true"),
            **{name: (*TILE_ONLY, "model.panorama.sectors=1", f"model.panorama.pooling={name}")
               for name, entry in MAP_POOLINGS.items() if entry.reads == "map"},
        },
    }  # fmt: skip


def _cloud(encoder: str) -> tuple[str, ...]:
    """The recipe's cloud encoder replaced; what only its DGCNN takes goes."""
    if encoder == "dgcnn":
        return ()
    entry, sizes = CLOUDS[encoder], SIZES.get(encoder, {})
    own = {key: None for key in ("neighbors", "widths", "dynamic") if key not in entry.settings} | {"dynamic": None}
    return (f"model.cloud.encoder={encoder}", *(f"model.cloud.{key}={json.dumps(value)}" for key, value in (own | sizes).items()))


def train(recipe: Path, name: str, overrides: tuple[str, ...], number: int, runs: Path) -> dict[str, float] | None:
    """Metrics of a run on its first test area, None where it failed; trains it first unless it is there with the same configuration."""
    run, log = runs / f"{name}-{number}", runs / f"{name}-{number}.log"
    settings = [f"name={run.name}", f"runs={runs}", f"seed={number}", *overrides]
    config = read_config(recipe, settings)
    metrics = run / "evaluation" / config.data.test[0] / "metrics.json"
    if not metrics.is_file() or (run / "config.yaml").read_text() != to_yaml(config):
        shutil.rmtree(run, ignore_errors=True)
        runs.mkdir(parents=True, exist_ok=True)
        with open(log, "w") as file:
            subprocess.run([sys.executable, "-m", "training.train", str(recipe), *settings], stdout=file, stderr=file,
                           env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)  # fmt: skip
    return json.loads(metrics.read_text()) if metrics.is_file() else None


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.zoo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--seeds", type=seed, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=count, default=2, help="runs side by side (default 2)")
    parser.add_argument("--runs", type=Path, default=Path("runs/zoo"))
    parser.add_argument("--groups", nargs="+", choices=variants(), help="parts of the table (default all)")
    args = parser.parse_args()
    groups = {group: v for group, v in variants().items() if not args.groups or group in args.groups}
    jobs = {(overrides, number): f"{group}-{name}".replace(" ", "_").replace("/", "_").replace(",", "")
            for number in args.seeds for group, named in groups.items() for name, overrides in named.items()}  # fmt: skip
    with ThreadPoolExecutor(args.jobs) as pool:
        futures = {job: pool.submit(train, args.recipe, name, *job, args.runs) for job, name in jobs.items()}
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
