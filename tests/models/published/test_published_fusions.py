"""Converted layers of the published fusions give what convolution, norm and leaky ReLU give."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.clouds.layers import dense
from models.published.fusions import CHANNELS, fusion
from tests.models.published.conftest import FEATURES, conv, lifts, safa_of


@torch.no_grad()
@pytest.mark.parametrize(("kind", "axes", "width_in"), [("2to3", 1, CHANNELS), ("3to2", 2, FEATURES + 3)])
def test_layers(kind, axes, width_in):
    name, join = ("mlps", (8 * FEATURES, 2 * FEATURES)) if kind == "2to3" else ("interp.mlps", (CHANNELS, FEATURES + CHANNELS))
    state = lifts(name, width_in, axes) | conv("fuser.conv_fn", *join, *[1] * axes) | ({} if kind == "2to3" else safa_of(4 * 4))
    generator = torch.Generator().manual_seed(0)
    state = {k: torch.rand(v.shape, generator=generator) + 0.1 if v.is_floating_point() else v for k, v in state.items()}
    left = dict(state)
    settings, tensors = fusion(left, {"encoder": "resnet18_paper", "height": 32}, {"encoder": {"features": FEATURES}}, 9, "add")
    assert not left and settings == {"fusion": kind, "head": "none"}

    lift = nn.Sequential(*(dense(width, FEATURES, 0.1) for width in (width_in, FEATURES, FEATURES))).eval()
    lift.load_state_dict({k.removeprefix("fusion.lift."): v for k, v in tensors.items() if k.startswith("fusion.lift.")})
    x = torch.rand(2, width_in, 5, generator=generator)
    expected = x
    for i in range(3):
        weight, bias = state[f"{name}.{i}.conv_fn.weight"].flatten(1)[..., None], state[f"{name}.{i}.conv_fn.bias"]
        mean, var, scale, shift = (state[f"{name}.{i}.norm_fn.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        expected = functional.leaky_relu(functional.batch_norm(functional.conv1d(expected, weight, bias), mean, var, scale, shift), 0.1)
    torch.testing.assert_close(lift(x.mT).mT, expected)
    assert torch.equal(tensors["fusion.join.0.weight"], state["fuser.conv_fn.weight"].flatten(1))
    assert torch.equal(tensors["fusion.join.0.bias"], state["fuser.conv_fn.bias"])
    assert kind == "2to3" or torch.equal(tensors["fusion.pool.weight2"], state["safa.w2"])
