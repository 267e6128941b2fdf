"""Runs that were killed go on: the case of a kill in the first epoch, and a kill at another moment."""

import json
import os
import re
import signal
import subprocess
import sys
import time

from models.checkpoint import load_run
from tests.cases.conftest import ROOT
from tests.training.tiny import write_datasets, write_recipe

FILES = ("best.safetensors", "last.safetensors", "previous.safetensors")


def test_resume_after_first_epoch_kill(cases):
    """Either run of the name goes on, told by its configuration: the killed one from its start, the finished one from its end."""
    environment = os.environ | {"PROJ": str(ROOT), "PY": sys.executable}
    script = cases / "commands/resume_after_first_epoch_kill.sh"
    result = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, timeout=300)
    *_, second, first = result.stdout.splitlines()
    assert re.match(r"run: .*/runs/r-2 \(", second) and re.match(r"run: .*/runs/r \(", first), result.stdout + result.stderr


def test_a_newer_run_killed_in_its_first_epoch_does_not_stand_in_the_way(run, tmp_path):
    """Both of one configuration: the older one, killed about the checkpoint of its second epoch, goes on to the bit."""
    recipe = write_recipe(tmp_path, write_datasets(tmp_path / "data"), tile={"height": 16, "stages": 2})
    arguments = ["-m", "training.train", recipe, "model.panorama.height=16", "training.epochs=3"]
    assert run(*arguments, "name=whole").returncode == 0

    def kill_when(happened, *more):
        process = subprocess.Popen([sys.executable, *map(str, arguments), *more], cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        while not happened():
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()

    runs = tmp_path / "runs"
    lines = runs / "tiny/metrics.jsonl"
    kill_when(lambda: lines.is_file() and lines.read_text().count("\n") >= 2)
    kill_when((runs / "tiny-2/config.yaml").is_file)
    resumed = run(*arguments, "training.resume=true")
    assert resumed.returncode == 0 and f"run: {runs / 'tiny'} (" in resumed.stdout, resumed.stderr
    for name in FILES:
        assert (runs / "tiny/checkpoints" / name).read_bytes() == (runs / "whole/checkpoints" / name).read_bytes()
    assert [json.loads(line)["epoch"] for line in lines.read_text().splitlines()] == [1, 2, 3]
    assert load_run(runs / "tiny", "last", "cpu")[2] == 3


def test_a_disk_that_fills_while_a_checkpoint_is_written(tmp_path):
    """One line; the checkpoint before is whole, and the advice in the line works."""
    recipe = write_recipe(tmp_path, write_datasets(tmp_path / "data"), tile={"height": 16, "stages": 2})
    command = f"{sys.executable} -m training.train {recipe} model.panorama.height=16"

    def train(limit: str, *more: str):
        return subprocess.run(["bash", "-c", f"{limit} exec {command} {' '.join(more)}"], cwd=ROOT, capture_output=True, text=True,
                              env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=300)  # fmt: skip

    full = train("ulimit -f 10000;", "training.epochs=2")  # KiB: less than a checkpoint with the optimizer, more than one without
    errors = [line for line in full.stderr.splitlines() if line.strip()]
    assert full.returncode == 2 and len(errors) == 1 and "no space left" in errors[0] and "training.resume=true" in errors[0], full.stderr
    assert not list(tmp_path.rglob("*.partial*"))
    done = train("", "training.epochs=2", "training.resume=true")
    assert done.returncode == 0 and load_run(tmp_path / "runs/tiny", "last", "cpu")[2] == 2
