"""A run of a tiny model as training writes it, and calls of commands."""

from functools import partial
from pathlib import Path

import pytest
import torch

from config.reader import to_yaml
from config.schema import read_config
from models.checkpoint import save_checkpoint
from models.model import build_model
from tests.training.conftest import datasets  # noqa: F401
from tests.training.tiny import write_recipe


@pytest.fixture
def run(tmp_path, datasets) -> Path:  # noqa: F811
    """A run's folder with two checkpoints of different weights: `best` of epoch 1 and `last` of epoch 2."""
    config = read_config(write_recipe(tmp_path, datasets))
    path = tmp_path / "runs/tiny"
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(to_yaml(config))
    for epoch, name in enumerate(("best", "last"), start=1):
        weights = build_model(config.model, epoch, torch.device("cpu")).state_dict()
        save_checkpoint(path / f"checkpoints/{name}.safetensors", {f"model.{k}": v for k, v in weights.items()}, {"epoch": epoch})
    return path


@pytest.fixture
def call(main, call_main):
    """Runs the command of the fixture `main`; returns its exit status and what it printed to stdout and stderr."""
    return partial(call_main, main)


@pytest.fixture
def refusal(call):
    """The message of a refused call, which is one line, prints nothing else and has status 2."""

    def refusal(*arguments):
        status, out, err = call(*arguments)
        assert (status, out) == (2, "") and err.startswith("error: ") and err.count("\n") == 1, (status, out, err)
        return err.removeprefix("error: ").strip()

    return refusal
