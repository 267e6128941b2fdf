"""The encoders' benchmark: both ways give the same, and every encoder is measured."""

from argparse import Namespace

import pytest
import torch

from benchmarks.encoders import build, default_names, run_one
from benchmarks.reference import straightforward
from config.components import CLOUDS

SIZES = Namespace(batch=4, points=64, height=32, repeat=1, device="cpu")


@pytest.mark.parametrize("name", [name for name in CLOUDS if name != "pointnet"])
def test_both_ways_are_the_same_network(name, monkeypatch):
    """In training, where norms take the batch's statistics; and the straightforward one has no neighbours from our search."""
    model, inputs = build(name, SIZES)
    expected, network = model(*inputs)[0], model.network
    with straightforward(model):
        assert model.network is not network or name not in ("dgcnn", "buildings")
        if name != "dgcnn":
            for module in ("nearest", "ball"):
                monkeypatch.delattr(f"models.neighbors.{module}.search_distances")
        torch.testing.assert_close(model(*inputs)[0], expected, rtol=1e-3, atol=1e-3)  # norms amplify rounding


@pytest.mark.parametrize("name", CLOUDS)
def test_clouds_are_measured(name):
    ours, plain = (run_one(name, way, SIZES) for way in ("ours", "straightforward"))
    assert ours["wall_ms"] > 0 and ours["parameters"] > 0 and len(ours["output"]) == 1024
    torch.testing.assert_close(torch.tensor(plain["output"]), torch.tensor(ours["output"]), rtol=1e-4, atol=1e-4)


def test_names():
    assert {*CLOUDS, "resnet18"} < {*default_names()} and not any(name.startswith("timm/") for name in default_names())
