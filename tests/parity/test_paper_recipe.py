"""The recipe `paper` is the published model: the network that its published weights fit."""

from pathlib import Path

import pytest
import torch

from config.reader import from_mapping
from config.schema import ModelConfig, read_config
from models.model import GroundToMap
from models.published.assemble import recognise

RECIPE = Path(__file__).resolve().parents[2] / "config/paper.yaml"
READ = {"panorama": ("encoder", "height", "circular", "pooling", "head", "sectors"), "tile": ("encoder", "height", "polar", "circular"),
        "cloud": ("encoder", "points", "neighbors", "widths", "features", "graph", "dynamic", "projection", "projection_slope", "classes",
                  "scale")}  # fmt: skip


@pytest.mark.parity("d_full_2to3")
def test_the_recipe_builds_what_published_weights_fit(published):
    info, tensors = recognise(published.state_dict(), "add")
    theirs, ours = from_mapping(ModelConfig, info["model"], "published"), read_config(RECIPE).model
    for key in ("fusion", "head", "embedding_dim", "preprocessing"):
        assert getattr(ours, key) == getattr(theirs, key)
    for section, keys in READ.items():
        for key in keys:
            assert getattr(getattr(ours, section), key) == getattr(getattr(theirs, section), key), (section, key)
    ours.panorama.weights = ours.tile.weights = "none"
    with torch.device("meta"):
        expected = GroundToMap(ours).state_dict()
    assert {k: v.shape for k, v in expected.items()} == {k: v.shape for k, v in tensors.items()}
