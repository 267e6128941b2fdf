"""Trainings that are killed at any moment, or by a power cut, and resumed. They must end like one that was never interrupted.

example: python -m tests.training.kills --kills 20 --seed 1
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch._dynamo  # noqa: F401  # optimizers import it; here it is imported once, not in every fork

from tests.training.tiny import write_datasets, write_recipe
from tests.warm import Result, forked
from training import train
from utils.errors import run_command

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
TIMEOUT_S = 120


class Kill(NamedTuple):
    """When and how a training ends.

    Attributes:
        at: before the so-manieth of its events (see `Watch`).
        torn: a file that was about to get its name is half-written.
        cut: None: it is killed. `data`: the power is cut, what was not synced is gone. `names`: so are names that were not.
    """

    at: int
    torn: bool = False
    cut: str | None = None


class Watch:
    """Counts every change of a folder and every step of the optimizer, in the process that creates it.

    Args:
        folder: outside it nothing is counted.
        log: the events are written there, a line each.
        kill: ends the process.
    """

    def __init__(self, folder: Path, log: Path, kill: Kill | None = None):
        self.folder, self.kill, self.count, self.busy = os.path.realpath(folder), kill, 0, False
        self.log = open(log, "w", buffering=1)
        there = (path.stat() for path in folder.rglob("*") if path.is_file())
        self.synced = {(status.st_dev, status.st_ino): status.st_size for status in there}  # bytes of each file that are on disk
        self.unsynced_names: list[tuple[str, str | None, str | None]] = []  # new name, old name, what had the new name before
        self.aside = tempfile.mkdtemp(dir=log.parent)
        fsync, step = os.fsync, torch.optim.AdamW.step

        def synced(file) -> None:
            fsync(file)
            self._synced(os.fstat(file if isinstance(file, int) else file.fileno()))

        def stepped(optimizer, *args, **kwargs):
            if sum(len(group["params"]) for group in optimizer.param_groups) > 1:  # not the probe of training.state
                self._event("step", "")
            return step(optimizer, *args, **kwargs)

        os.fsync = os.fdatasync = synced
        torch.optim.AdamW.step = stepped
        sys.addaudithook(self._heard)

    def _heard(self, event: str, args: tuple) -> None:
        if self.busy or event not in ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate"):
            return
        paths = [os.path.abspath(os.fsdecode(arg)) for arg in args[:2] if isinstance(arg, (str, bytes, os.PathLike))]
        paths = [path for path in paths if os.path.realpath(path).startswith(self.folder + os.sep)]
        if not paths or "tfevents" in paths[0] or event == "open" and not args[2] & WRITING:  # TensorBoard writes from a thread
            return
        self.busy = True
        try:
            self._event(event, paths[-1], paths[0])
            if event in ("os.rename", "os.link"):
                self._renamed(paths[0], paths[-1], event == "os.link")
        finally:
            self.busy = False

    def _event(self, event: str, path: str, source: str = "") -> None:
        self.log.write(f"{event} {re.sub(r'partial-.*', 'partial', os.path.relpath(path, self.folder) if path else '')}\n")
        if self.kill and self.count == self.kill.at:
            self.busy = True
            # Only what is being written: an older, complete checkpoint that is moved aside now is already on disk.
            if self.kill.torn and event == "os.rename" and ".partial-" in os.path.basename(source) and os.path.isfile(source):
                os.truncate(source, os.path.getsize(source) // 2)
            if self.kill.cut:
                self._cut(self.kill.cut == "names")
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1

    def _renamed(self, source: str, target: str, link: bool) -> None:
        before = None
        if os.path.isfile(target):
            before = os.path.join(self.aside, str(self.count))
            os.link(target, before)
        self.unsynced_names.append((target, None if link else source, before))

    def _synced(self, status: os.stat_result) -> None:
        if stat.S_ISDIR(status.st_mode):
            here = [name for name in self.unsynced_names if os.path.samestat(os.stat(os.path.dirname(name[0])), status)]
            self.unsynced_names = [name for name in self.unsynced_names if name not in here]
        else:
            self.synced[status.st_dev, status.st_ino] = status.st_size

    def _cut(self, names: bool) -> None:
        """Leaves on disk only what a file system guarantees."""
        for target, source, before in reversed(self.unsynced_names if names else []):
            if os.path.lexists(target):
                os.rename(target, source) if source else os.unlink(target)
            if before:
                os.rename(before, target)
        for folder, _, files in os.walk(self.folder):
            for path in (os.path.join(folder, name) for name in files):
                status = os.stat(path)
                kept = self.synced.get((status.st_dev, status.st_ino), 0)
                if kept < status.st_size:
                    os.truncate(path, kept)


class Trainings:
    """Trainings of one recipe, each in a folder of its own.

    Args:
        folder: of everything.
        epochs: of each.
    """

    def __init__(self, folder: Path, epochs: int = 3):
        self.folder = folder
        self.recipe = write_recipe(folder, write_datasets(folder / "data"), tile={"height": 16, "encoder": {"stages": 2}})
        self.settings = ("model.panorama.height=16", f"training.epochs={epochs}")
        result = self.start("whole")
        assert result.status == 0, result.err
        self.whole = self.outcome("whole")
        self.events = (folder / "whole.log").read_text().splitlines()
        self.seconds, self.steps_an_epoch = result.seconds, len(self._steps("whole")) // epochs

    def start(self, name: str, *settings: str, kill: Kill | None = None, timeout_s: float = TIMEOUT_S) -> Result:
        """A training as `python -m training.train` does it; runs are in `folder/name`."""

        def work() -> None:
            (self.folder / name).mkdir(exist_ok=True)
            Watch(self.folder / name, self.folder / f"{name}.log", kill)
            sys.argv = ["training.train", str(self.recipe), *self.settings, f"runs={self.folder / name}", *settings]
            run_command(train.main)

        return forked(work, timeout_s)

    def outcome(self, name: str, run: str = "tiny") -> dict:
        """Everything in a run that must not depend on how often it was killed."""
        path = self.folder / name / run
        lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
        results = path / "evaluation/tiny/test"
        return {
            "best": (path / "checkpoints/best.safetensors").read_bytes(),
            "last": (path / "checkpoints/last.safetensors").read_bytes(),
            "metrics": [{k: v for k, v in line.items() if k not in ("seconds", "samples_per_second")} for line in lines],
            "evaluation": json.loads((results / "metrics.json").read_text())["recall@1"],
            "embeddings": np.load(results / "embeddings.npz")["query"].tobytes(),
            "files": sorted(str(p.relative_to(path)) for p in path.rglob("*") if "tfevents" not in p.name and "previous" not in p.name),
        }

    def trial(self, name: str, kill: Kill | None, after_s: float | None = None) -> str | None:
        """What differs after a kill and resuming; None if nothing does."""
        killed = self.start(name, kill=kill, timeout_s=TIMEOUT_S if after_s is None else after_s)
        if killed.status != -signal.SIGKILL and after_s is None:
            return f"was not killed: {killed.err[-300:]}"
        done, configured = self._steps(name), [path.stat().st_size > 0 for path in (self.folder / name).glob("*/config.yaml")]
        begun = any(configured) or len(done) > self.steps_an_epoch
        resumed, run = self.start(name, "training.resume=true"), "tiny"
        if resumed.status == 2 and not begun:  # there is nothing to resume
            resumed = self.start(name)
            run = max((self.folder / name).iterdir(), key=lambda path: path.stat().st_mtime_ns).name
        if resumed.status != 0:
            return f"cannot be resumed: {resumed.err[-300:]}"
        again = len(self._steps(name)) - (len(self._steps("whole")) - len(done))
        if again > self.steps_an_epoch:
            return f"{again} steps were made again"
        outcome = self.outcome(name, run)
        return ", ".join(key for key in self.whole if outcome[key] != self.whole[key]) or None

    def _steps(self, name: str) -> list[str]:
        return re.findall("^step", (self.folder / f"{name}.log").read_text(), re.MULTILINE)

    def find(self, event: str, nth: int = 0, **how) -> Kill:
        """The moment before the nth event that matches a regular expression."""
        return Kill([i for i, text in enumerate(self.events) if re.search(event, text)][nth], **how)


def moments(trainings: Trainings) -> dict[str, Callable[[], Kill]]:
    """The worst moments, by name."""
    find, rename = trainings.find, r"os\.rename .*"
    return {
        "in the first epoch": lambda: find("step", 1),
        "before the first checkpoint": lambda: find(rename + "best"),
        "between the first best and last": lambda: find(rename + "last"),
        "between metrics and checkpoint of the second epoch": lambda: find(rename + "last", 1),
        "while the second checkpoint is half-written": lambda: find(rename + "last", 1, torn=True),
        "in the last epoch": lambda: find("step", -1),
        "during the evaluation": lambda: find("evaluation", -1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.training.kills", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20, help="the worst moments, then random events and times in turn (default 20)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng, faults = random.Random(args.seed), 0
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        trainings = Trainings(Path(folder))
        worst = list(moments(trainings).items())
        for i in range(args.kills):
            after_s, name = None, str(i)
            if i < len(worst):
                what, kill = worst[i][0], worst[i][1]()
            elif i % 3 == 0:
                after_s, kill = rng.uniform(0.05, 0.95) * trainings.seconds, None
                what = f"after {after_s:.2f} s"
            else:
                kill = Kill(rng.randrange(len(trainings.events)), rng.random() < 0.5, rng.choice((None, "data", "names")))
                what = f"before {trainings.events[kill.at]!r}"
            found = trainings.trial(name, kill, after_s)
            faults += found is not None
            cut = f", power cut ({kill.cut} lost)" if kill and kill.cut else ""
            print(f"{what}{', torn' if kill and kill.torn else ''}{cut}: {found or 'resumed, identical'}", flush=True)
            shutil.rmtree(Path(folder) / name)
    print(f"{args.kills} kills, {args.kills - faults} resumed to identical weights, metrics and embeddings")
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
