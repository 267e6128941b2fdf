"""The recipe `paper` describes the published model: the published weights fit its network."""

from pathlib import Path

import numpy as np
import pytest
import torch

from config.reader import from_mapping
from config.schema import ModelConfig, read_config
from models.model import GroundToMap
from models.published.assemble import recognise
from training.train import learning_rate

RECIPE = Path(__file__).resolve().parents[2] / "config/paper.yaml"
READ = {"panorama": ("encoder", "height", "circular", "pooling", "head"), "tile": ("encoder", "height", "polar", "circular"),
        "cloud": ("encoder", "points", "paper", "classes")}  # fmt: skip


@pytest.mark.parity("d_full_2to3")
def test_the_recipe_builds_what_published_weights_fit(published):
    info, tensors = recognise(published.state_dict(), "add")
    converted, recipe = from_mapping(ModelConfig, info["model"], "published"), read_config(RECIPE).model
    for key in ("fusion", "head", "embedding_dim", "preprocessing"):
        assert getattr(recipe, key) == getattr(converted, key)
    for section, keys in READ.items():
        for key in keys:
            assert getattr(getattr(recipe, section), key) == getattr(getattr(converted, section), key), (section, key)
    recipe.panorama.weights = recipe.tile.weights = "none"
    with torch.device("meta"):
        expected = GroundToMap(recipe).state_dict()
    assert {k: v.shape for k, v in expected.items()} == {k: v.shape for k, v in tensors.items()}


@pytest.mark.parity("e_lr_schedule")
def test_its_learning_rate_falls_as_published(published):
    """It falls with each step; the published one falls with each epoch and is up to two epochs ahead."""
    settings, steps = read_config(RECIPE).training, 10
    epochs = range(settings.epochs)
    rates = np.array([learning_rate(settings, epoch * steps, settings.epochs * steps) for epoch in epochs])
    expected = published.outputs["lr_f64"]
    assert rates.shape == expected.shape and np.abs(rates - expected).max() < 0.06 * expected.max()
