"""Published state dicts for small inputs and clouds. All tensors are zeros that take no memory."""

import functools

import pytest
import torch

from config.image_settings import IMAGES

FEATURES, CHANNELS, NORM = 6, 512, ("weight", "bias", "running_mean", "running_var")


def zeros(*shape: int) -> torch.Tensor:
    return torch.zeros(()).expand(shape)


def norm(name: str, width: int) -> dict[str, torch.Tensor]:
    return {f"{name}.{key}": zeros(width) for key in NORM} | {f"{name}.num_batches_tracked": torch.tensor(0)}


def conv(name: str, *shape: int) -> dict[str, torch.Tensor]:
    return {f"{name}.weight": zeros(*shape), f"{name}.bias": zeros(shape[0])}


@functools.cache
def resnet(depth: int, safa: int = 0) -> dict[str, torch.Tensor]:
    """A published ResNet, with SAFA over this many positions."""
    entry, name = IMAGES[f"resnet{depth}_paper"], f"resnet{depth}_paper"
    with torch.device("meta"):
        backbone = entry.load()(entry.settings(name), (32, 64))
    state = {f"resnet.{k.replace('neck.', 'layer5.')}": zeros(*v.shape) for k, v in backbone.state_dict().items()}
    return state | (safa_of(safa) if safa else {})


def safa_of(positions: int) -> dict[str, torch.Tensor]:
    half = positions // 2
    shapes = {"w1": (positions, half, 8), "b1": (1, half, 8), "w2": (half, positions, 8), "b2": (1, positions, 8)}
    return {f"safa.{name}": zeros(*shape) for name, shape in shapes.items()}


def pointnet(per_point: bool, features: int = FEATURES) -> dict[str, torch.Tensor]:
    """A published PointNet without classes. It gives `features` numbers per point, or is pooled to twice its last width."""
    state, widths = {}, [3, 4, 4, 4, 4, features // 2]
    for i in range(5):
        state |= {f"conv{i + 1}.weight": zeros(widths[i + 1], widths[i], 1)} | norm(f"bn{i + 1}", widths[i + 1])
    if per_point:
        state |= {"linear1.weight": zeros(7, features // 2, 1)} | norm("bn6", 7) | conv("linear2", features, 7, 1)
    return state


def lifts(name: str, width_in: int, axes: int) -> dict[str, torch.Tensor]:
    state = {}
    for i in range(3):
        state |= conv(f"{name}.{i}.conv_fn", FEATURES, FEATURES if i else width_in, *[1] * axes) | norm(f"{name}.{i}.norm_fn", FEATURES)
    return state


@pytest.fixture
def make_published():
    """A published model: fusion 2to3, 3to2, add, concat, tile or cloud; final block None, fc or mlp; depth of the panorama's ResNet.

    Its query embeddings have 4,096 numbers.
    """

    def make(fusion: str, final: str | None = None, depth: int = 50) -> dict[str, torch.Tensor]:
        dim, state = 8 * CHANNELS, {f"image_fe.{k}": v for k, v in resnet(depth, 2).items()}
        alone = fusion in ("2to3", "3to2")
        if fusion != "cloud":
            state |= {f"tile_fe.{k}": v for k, v in resnet(18, 0 if alone else 1 * 4).items()}
        if fusion != "tile":
            state |= {f"cloud_fe.{k}": v for k, v in pointnet(alone, FEATURES if alone else dim).items()}
        if fusion == "2to3":
            state |= lifts("mlps", CHANNELS, 1) | conv("fuser.conv_fn", 8 * FEATURES, 2 * FEATURES, 1)
        elif fusion == "3to2":
            state |= lifts("interp.mlps", FEATURES + 3, 2) | conv("fuser.conv_fn", CHANNELS, FEATURES + CHANNELS, 1, 1) | safa_of(28 * 28)
        width = {"2to3": 8 * FEATURES, "concat": 2 * dim}.get(fusion, dim)
        if final == "fc":
            state |= conv("final_net", dim, width)
        elif final == "mlp":
            state |= {"final_net.0.weight": zeros(dim, width)} | norm("final_net.1", dim) | conv("final_net.4", dim, dim)
        return state

    return make
