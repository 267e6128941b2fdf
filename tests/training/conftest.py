"""A tiny city to train on, and a recipe for it."""

from pathlib import Path

import pytest

from config.schema import Config, read_config
from tests.training.tiny import write_datasets, write_recipe


@pytest.fixture(scope="session")
def datasets(tmp_path_factory) -> Path:
    """The data root of tests/training/tiny.py. Tests must not change it."""
    return write_datasets(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def configure(tmp_path, datasets):
    """The tiny recipe's configuration with overrides; runs are in tmp_path/runs."""
    recipe = write_recipe(tmp_path, datasets)
    return lambda *overrides: read_config(recipe, overrides)


@pytest.fixture
def tile_only(tmp_path, datasets) -> Config:
    """The smallest model: a panorama and a Cartesian tile, two epochs."""
    path = write_recipe(tmp_path, datasets, tile={"height": 16, "encoder": {"stages": 2}})
    return read_config(path, ["model.panorama.height=16", "training.epochs=2"])
