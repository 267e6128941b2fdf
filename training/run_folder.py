"""The folder of a run. Only one process at a time can create it or train in it."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config.reader import to_yaml
from config.schema import Config, read_config
from config.upgrade import header
from utils.atomic import atomic_file, make_folder, sync
from utils.errors import InputError
from utils.lock import locked

MOST_RUNS = 10_000  # with the same name
FREE = {"name", "training.resume", "device", "runs"}  # settings that may change on resuming


@contextmanager
def run_folder(config: Config) -> Iterator[Path]:
    """Locks the folder of a run, and gives its path.

    A new run gets the first free folder of runs/<name>, runs/<name>-2, …, with its configuration in it. On resuming it is one of those
    with the same configuration: the newest with a checkpoint, or else the newest.

    Raises:
        InputError: there is no run to resume, or only runs of another configuration; or another process is training the run.
    """
    base = Path(config.runs)
    names = [config.name, *(f"{config.name}-{i}" for i in range(2, MOST_RUNS))]
    run = _resumed(base, names, config) if config.training.resume else _made(base, names)
    try:
        with locked(run / ".lock", f"{run}: another process is training this run; wait until it is done"):
            if not config.training.resume:
                with atomic_file(run / "config.yaml") as temporary:
                    temporary.write_text(header() + to_yaml(config), encoding="utf-8")
            yield run
    finally:
        with suppress(OSError):  # not empty: the run has begun
            run.rmdir()


def _made(base: Path, names: list[str]) -> Path:
    make_folder(base)
    taken = None
    for run in (base / name for name in names):
        try:
            run.mkdir()  # without checking first: another process may be about to take the same name
        except FileExistsError:
            taken = run
            continue
        sync(base)
        if taken:
            print(f"{taken} exists; this run is {run} (training.resume=true would continue the newest one with the same configuration)")
        return run
    raise InputError(f"{base}: holds {len(names):,} runs with the name {names[0]}; give this one another name")


def _resumed(base: Path, names: list[str], config: Config) -> Path:
    there = {path.parent.name for path in base.glob("*/config.yaml")}
    taken = [base / name for name in names if name in there]
    if not taken:
        raise InputError(f"{base / config.name}: no run to resume; start it without training.resume")
    others, unreadable = [], []
    for run in sorted(reversed(taken), key=lambda run: not _has_checkpoint(run)):  # newest first, runs with a checkpoint before others
        try:
            changed = _differences(config, read_config(run / "config.yaml"))
        except InputError as error:
            unreadable.append(error)
            continue
        if not changed:
            return run
        others.append(InputError(f"{run}: cannot resume under another configuration; changed: {', '.join(changed)}"))
    raise [*others, *unreadable][0]


def _has_checkpoint(run: Path) -> bool:
    return any((run / "checkpoints" / f"{name}.safetensors").is_file() for name in ("last", "previous"))


def _differences(new: Config, old: Config) -> list[str]:
    def flat(value, prefix: str = "") -> dict:
        if not isinstance(value, dict):
            return {prefix[:-1]: value}
        return {k: v for key in value for k, v in flat(value[key], f"{prefix}{key}.").items()}

    before, after = flat(dataclasses.asdict(old)), flat(dataclasses.asdict(new))
    return [f"{k} ({before.get(k)} → {after.get(k)})" for k in {**before, **after} if k not in FREE and before.get(k) != after.get(k)]
