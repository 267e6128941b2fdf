"""The encoders' benchmark: both ways give the same, and every encoder is measured."""

from argparse import Namespace

import pytest
import torch

from benchmarks.encoders import EdgeByEdge, build, default_names, run_one
from models.registry import CLOUDS

SIZES = Namespace(batch=2, points=64, height=32, repeat=1, device="cpu")


def test_edge_by_edge_is_the_same_network():
    model, inputs = build("dgcnn", SIZES)
    expected = model(*inputs)[0]
    model.network = EdgeByEdge(model.network)
    torch.testing.assert_close(model(*inputs)[0], expected, rtol=1e-4, atol=1e-4)  # in training: with the batch's statistics


@pytest.mark.parametrize("name", CLOUDS)
def test_clouds_are_measured(name):
    result = run_one(name, "ours", SIZES)
    assert result["wall_ms"] > 0 and result["parameters"] > 0 and len(result["output"]) == 512


def test_names():
    assert {*CLOUDS, "resnet18"} < {*default_names()} and not any(name.startswith("timm/") for name in default_names())
