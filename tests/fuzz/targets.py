"""What is damaged and who reads it: every reader by itself, and every command that reads files."""

import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from config.schema import read_config
from data.batches.place_batches import PlaceBatches
from data.city import CityMap
from data.locations import read_locations
from data.osm.build import build_map
from data.sources.photographs.photograph_files import read_photograph
from data.sources.streetlearn.dataset_tables import read_tables
from data.sources.streetlearn.layout import Layout
from eval.embeddings import read_embeddings
from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.results.figure import published_curves
from eval.routes.route_files import read_routes, read_turns
from models.checkpoint import load_run
from models.weights import read_tensors
from tests.fuzz import formats, mutations
from tests.fuzz.protobuf import PBF
from tests.fuzz.world import PLACES
from tests.warm import Result, call, forked
from utils.errors import InputError

MOST_SECONDS, MOST_BYTES = 20, 2 << 30
CPU = torch.device("cpu")
MUTATIONS = {
    ".osm": mutations.XML, ".gz": formats.GZ, ".bz2": formats.BZ2, ".pbf": PBF, ".csv": mutations.TABLE, ".npz": formats.NPZ,
    ".npy": formats.ARRAY, ".mat": formats.MAT, ".yaml": formats.YAML, ".json": formats.JSON, ".jsonl": formats.JSON,
    ".safetensors": formats.SAFETENSORS, ".pth": formats.PTH, ".png": formats.PNG, ".jpg": mutations.TEXT,
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A reader or a command.

    Attributes:
        files: patterns below the world's folder; one of the files is damaged, those of the same suffix lend pieces.
        folder: what is copied beside the damaged file, below the world's folder; None: nothing.
        read: reads the damaged file, given its path and the world.
        command: else, the command and its arguments.
    """

    name: str
    files: tuple[str, ...]
    folder: str | None = None
    read: Callable[[Path, Path], object] | None = None
    command: Callable[[Path, Path], list] | None = None

    def damaged(self, world: Path, seeds: list[int], into: Path) -> Path:
        """Writes the input that the seeds stand for: the first chooses the file, each of them makes one change."""
        paths = _files(world, self.files)
        path = random.Random(seeds[0]).choice(paths)
        data, others = path.read_bytes(), [other.read_bytes() for other in paths if other.suffix == path.suffix]
        for i, seed in enumerate(seeds):
            rng = random.Random(seed)
            try:
                data = rng.choice(MUTATIONS[path.suffix])(data, rng, others)
            except Exception:  # what an earlier change broke cannot be unpacked again
                if i == 0:
                    raise
                data = rng.choice(mutations.BYTES)(data, rng, others)
        if self.folder is None:
            result = into / path.name
        else:
            shutil.copytree(world / self.folder, into / self.folder, dirs_exist_ok=True)
            result = into / path.relative_to(world)
        result.write_bytes(data)
        return result

    def run(self, path: Path, world: Path) -> Result:
        """Reads a file in a fork."""
        if self.command is None:
            return forked(lambda: _refusable(lambda: self.read(path, world)), MOST_SECONDS, MOST_BYTES)
        return call(*self.command(path, world), cwd=path.parent, timeout_s=MOST_SECONDS, memory_bytes=MOST_BYTES)


def fault(result: Result, path: Path, command: bool) -> str | None:
    """What is wrong with how a damaged input was received; None where it was read, or refused in one line.

    A reader's line names the file; a command's may name another that no longer fits it.
    """
    if result.timed_out:
        return f"over {MOST_SECONDS} s"
    if result.memory > MOST_BYTES or result.err.startswith("error: out of memory"):
        return "over 2 GB"
    if result.status < 0:
        return f"crash by signal {-result.status}"
    lines = [line for line in result.err.splitlines() if line.strip()]
    if result.status == 0:
        return "a traceback beside exit status 0" if "Traceback" in result.err else None
    if result.status != 2 or "Traceback" in result.err:
        frames = [line.strip() for line in lines if line.startswith('  File "') and "/tests/" not in line and "site-packages" not in line]
        at = frames[-1].split("/")[-1].replace('", line ', ":").split(",")[0] if frames else ""
        return f"exit {result.status}: {(lines or ['nothing said'])[-1][:120]} ({at})"
    if len(lines) != 1 or not lines[0].startswith("error: "):
        return f"not one line but {len(lines)}: {lines[-1][:120] if lines else ''}"
    named = command or any(name in lines[0] for name in (path.name, path.parent.name, path.stem))
    return None if named else f"does not name the file: {lines[0][:120]}"


def _refusable(read: Callable[[], object]) -> None:
    """Unlike `run_command` forgives no other exception than InputError."""
    try:
        read()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


@cache
def _files(world: Path, patterns: tuple[str, ...]) -> list[Path]:
    found = sorted(path for pattern in patterns for path in world.glob(pattern) if path.is_file())
    assert found, patterns
    return found


def _graph() -> RouteGraph:
    return RouteGraph.from_neighbors([[j for j in (i - 1, i + 1) if 0 <= j < PLACES] for i in range(PLACES)], "a line")


def _map(path: Path, world: Path) -> None:
    build_map(path, path.parent / "city", density=0.05, metres_per_pixel=2.0, processes=1)


def _batch(path: Path, world: Path) -> None:
    """A batch of an area of the damaged copy, with tile and cloud."""
    root = _above(path, "data")
    model = read_config(world / "runs/tiny/config.yaml").model
    PlaceBatches(root, ["tiny/train"], model.inputs, CPU).batch(np.arange(24))


def _sampled(path: Path, world: Path) -> list:
    city = _above(path, "built")
    what = ["--every", 25, "--render", "--height", 8, "--points", 16, "--processes", 1]
    return ["data.prepare", "area", "--city", city, "--name", "new", *what]


def _routes(world: Path, **files) -> list:
    names = {"embeddings": world / "arrays/embeddings.npz", "graph": world / "tables/edges.csv", "routes": world / "tables/routes.csv"}
    return ["eval.routes", *(text for key, value in (names | files).items() for text in (f"--{key}", value))]


def _above(path: Path, name: str) -> Path:
    """The folder of that name around a file."""
    return next(folder for folder in path.parents if folder.name == name)


MAP = ("map.json", "points.npy", "classes.npy", "cell_start.npy", "raster.npy")
READERS = [
    Target("osm", ("extracts/small.osm",), read=_map),
    Target("osm.gz", ("extracts/small.osm.gz",), read=_map),
    Target("osm.bz2", ("extracts/small.osm.bz2",), read=_map),
    Target("osm.pbf", ("extracts/small.osm.pbf",), read=_map),
    Target("locations", ("tables/locations*.csv",), read=lambda p, w: read_locations(p, CityMap(w / "data/tiny"))),
    Target("edges", ("tables/edges.csv",), read=lambda p, w: RouteGraph.from_csv(p, PLACES)),
    Target("routes", ("tables/routes.csv", "arrays/routes.npz", "matlab/routes.mat"), read=lambda p, w: read_routes(p, _graph())),
    Target("turns", ("tables/turns.csv", "arrays/turns.npz", "matlab/turns.mat"), read=lambda p, w: read_turns(p, 5, 6)),
    Target("accuracies", ("tables/accuracy.csv",), read=lambda p, w: published_curves(p, Path("embeddings"), 100)),
    Target("embeddings", ("arrays/embeddings.npz", "arrays/embeddings.npz", "matlab/MES_*.mat"), read=lambda p, w: read_embeddings(p)),
    Target("recipe", ("tiny.yaml", "runs/tiny/config.yaml"), read=lambda p, w: read_config(p)),
    Target("map", tuple(f"data/tiny/map/{name}" for name in (*MAP, "map.json")), "data/tiny", _batch),
    Target("area", ("data/tiny/train/*", "data/tiny/train/area.json"), "data/tiny", _batch),
    Target("run", ("runs/tiny/config.yaml", "runs/tiny/checkpoints/best.safetensors"), "runs/tiny",
           lambda p, w: load_run(_above(p, "tiny"), "best", CPU)),
    Target("photograph", ("photos/*",), read=lambda p, w: read_photograph(p, 16)),
    Target("weights", ("weights/*",), read=lambda p, w: read_tensors(p)),
    Target("published tables", ("published/csv/*.csv",), "published", lambda p, w: read_tables(Layout(p.parents[1]), "eastU_farU")),
]  # fmt: skip
COMMANDS = [
    Target("command: map", ("extracts/*",), command=lambda p, w: [
        "data.prepare", "map", "--osm", p, "--out", "new city", "--density", 0.05, "--resolution", 2, "--processes", 1]),
    Target("command: area, locations", ("tables/built*.csv",), command=lambda p, w: [
        "data.prepare", "area", "--city", w / "data/built", "--name", "new", "--locations", p, "--render", "--height", 8]),
    Target("command: area of a map", ("data/built/map/*",), "data/built", command=_sampled),
    Target("command: preview", ("data/built/map/*", "data/built/area/*"), "data/built", command=lambda p, w: [
        "data.prepare", "preview", "--city", _above(p, "built"), "--name", "area", "--out", "preview.png"]),
    Target("command: check", ("published/**/*.*",), "published", command=lambda p, w: [
        "data.prepare", "check", "--root", _above(p, "published"), "--processes", 1]),
    Target("command: import", ("published/**/*.*",), "published", command=lambda p, w: [
        "data.prepare", "streetlearn", "--root", _above(p, "published"), "--area", "eastU_farU", "--skip", "--datasets", "imported",
        "--height", 8, "--points", 8, "--processes", 1]),
    Target("command: export", ("data/tiny/test/*", "data/tiny/map/*"), "data/tiny", command=lambda p, w: [
        "data.prepare", "export", "--layout", "streetlearn", "--city", _above(p, "tiny"), "--area", "test", "--root", "exported"]),
    Target("command: train", ("data/tiny/train/*", "data/tiny/map/*"), "data/tiny", command=lambda p, w: [
        "training.train", w / "tiny.yaml", "training.epochs=1", "runs=runs", f"data.root={_above(p, 'data')}"]),
    Target("command: train, recipe", ("tiny.yaml",), command=lambda p, w: ["training.train", p, "training.epochs=1", "runs=runs"]),
    Target("command: resume", ("runs/tiny/*.yaml", "runs/tiny/*.jsonl", "runs/tiny/checkpoints/*"), "runs/tiny", command=lambda p, w: [
        "training.train", w / "runs/tiny/config.yaml", "training.resume=true", f"runs={_above(p, 'runs')}"]),
    Target("command: evaluate", ("runs/tiny/config.yaml", "runs/tiny/checkpoints/best.safetensors"), "runs/tiny", command=lambda p, w: [
        "eval.evaluate", "--run", _above(p, "tiny"), "--device", "cpu"]),
    Target("command: evaluate embeddings", ("arrays/embeddings.npz", "matlab/MES_*.mat"), command=lambda p, w: [
        "eval.evaluate", "--embeddings", p]),
    Target("command: routes", ("tables/routes.csv", "arrays/routes.npz", "matlab/routes.mat"), command=lambda p, w: _routes(w, routes=p)),
    Target("command: routes, graph", ("tables/edges.csv", "matlab/MES_*.mat"), command=lambda p, w: _routes(w, graph=p)),
    Target("command: routes, embeddings", ("arrays/embeddings.npz",), command=lambda p, w: _routes(w, embeddings=p)),
    Target("command: published weights", ("weights/*",), command=lambda p, w: ["models.published", p, "converted.safetensors"]),
]  # fmt: skip
