"""Runs that were killed, or whose disk was full, go on: the case of a kill in the first epoch, and others by hand."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from config.schema import read_config
from models.checkpoint import load_run
from tests.cases.conftest import ROOT
from tests.training.tiny import write_datasets, write_recipe
from training.run_folder import run_folder
from training.train import train

CPU = torch.device("cpu")
FILES = ("best.safetensors", "last.safetensors", "previous.safetensors")
SMALL = ("model.panorama.height=16", "training.epochs=3")


@pytest.fixture
def recipe(tmp_path) -> Path:
    return write_recipe(tmp_path, write_datasets(tmp_path / "data"), tile={"height": 16, "stages": 2})


def start(recipe: Path, limit: str = "") -> subprocess.Popen:
    command = f"{limit} exec {sys.executable} -m training.train {recipe} {' '.join(SMALL)}"
    return subprocess.Popen(["bash", "-c", command], cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip


def test_resume_after_first_epoch_kill(cases):
    """Either run of the name goes on, told by its configuration: the killed one from its start, the finished one from its end."""
    environment = os.environ | {"PROJ": str(ROOT), "PY": sys.executable}
    script = cases / "commands/resume_after_first_epoch_kill.sh"
    result = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, timeout=600)
    *_, second, first = result.stdout.splitlines()
    assert re.match(r"run: .*/runs/r-2 \(", second) and re.match(r"run: .*/runs/r \(", first), result.stdout + result.stderr


def test_a_newer_run_killed_in_its_first_epoch_does_not_stand_in_the_way(recipe, tmp_path):
    """Both of one configuration: the older one, killed about the checkpoint of its second epoch, goes on to the bit."""
    whole, runs = train(read_config(recipe, [*SMALL, "name=whole"]), CPU), tmp_path / "runs"
    lines, process = runs / "tiny/metrics.jsonl", start(recipe)
    while not (lines.is_file() and lines.read_text().count("\n") >= 2):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with run_folder(read_config(recipe, SMALL)) as newer:
        assert newer.name == "tiny-2"
    run = train(read_config(recipe, [*SMALL, "training.resume=true"]), CPU)
    assert run == runs / "tiny"
    assert all((run / "checkpoints" / name).read_bytes() == (whole / "checkpoints" / name).read_bytes() for name in FILES)
    assert [json.loads(line)["epoch"] for line in lines.read_text().splitlines()] == [1, 2, 3]


def test_a_disk_that_fills_while_a_checkpoint_is_written(recipe, tmp_path):
    """One line; nothing half-written stays, and the advice in the line works."""
    process = start(recipe, "ulimit -f 10000;")  # KiB: less than a checkpoint with the optimizer, more than one without
    errors = [line for line in process.communicate(timeout=600)[1].splitlines() if line.strip()]
    assert process.returncode == 2 and len(errors) == 1, errors
    assert "no space left" in errors[0] and "last.safetensors" in errors[0] and "training.resume=true" in errors[0]
    assert not list(tmp_path.rglob("*.partial*"))
    assert load_run(train(read_config(recipe, [*SMALL, "training.resume=true"]), CPU), "last", CPU)[2] == 3
