"""The encoders' benchmark: fast and reference implementations agree, and every encoder is measured."""

from argparse import Namespace

import pytest
import torch

from benchmarks.encoders import build_encoder, default_names, run_one
from benchmarks.reference import reference_implementation
from config.cloud_settings import CLOUDS

SIZES = Namespace(batch=4, points=64, height=32, repeat=1, device="cpu")


@pytest.mark.parametrize("name", [name for name in CLOUDS if name != "pointnet"])
def test_the_reference_is_the_same_network(name, monkeypatch):
    """In training, where norms take the batch's statistics; but for DGCNN, without the search of models.neighbors."""
    model, inputs = build_encoder(name, SIZES)
    expected, network = model(*inputs)[0], model.network
    with reference_implementation(model):
        assert model.network is not network or name not in ("dgcnn", "buildings")
        if name != "dgcnn":
            monkeypatch.delattr("models.neighbors.search_distances")
        torch.testing.assert_close(model(*inputs)[0], expected, rtol=1e-3, atol=1e-3)  # norms amplify rounding


@pytest.mark.parametrize("name", CLOUDS)
def test_clouds_are_measured(name):
    fast, reference = (run_one(name, way, SIZES) for way in ("fast", "reference"))
    assert fast["wall_ms"] > 0 and fast["parameters"] > 0 and len(fast["output"]) == 1024
    torch.testing.assert_close(torch.tensor(reference["output"]), torch.tensor(fast["output"]), rtol=1e-4, atol=1e-4)


def test_names():
    assert {*CLOUDS, "resnet18"} < {*default_names()} and not any(name.startswith("timm/") for name in default_names())
