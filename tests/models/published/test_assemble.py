"""Published models are recognised by their tensors only, and tensors that do not fit are refused by their published names."""

import pytest
import torch

from models.published.assemble import build, describe, recognise
from tests.models.published.conftest import resnet
from utils.errors import InputError

HEADS = {None: "none", "fc": "linear", "mlp": "mlp"}
# Without a final block the reference would have another width than the query, or concat could not be told from add.
MODELS = [(fusion, final) for fusion in ("2to3", "3to2", "add", "concat", "tile", "cloud") for final in (None, "fc", "mlp")]


def shapes(tensors):
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


@pytest.mark.parametrize(("fusion", "final"), MODELS)
def test_recognised(fusion, final, make_published):
    info, tensors = recognise(make_published(fusion, final), "concat" if fusion == "concat" else "add")
    model = info["model"]
    assert model["fusion"] == (None if fusion in ("tile", "cloud") else fusion) and model["head"] == HEADS[final]
    assert (model["preprocessing"], model["embedding_dim"], "tile" in model, "cloud" in model) == (
        "paper", 4096, fusion != "cloud", fusion != "tile")  # fmt: skip
    with torch.device("meta"):
        network = build(info, "test")
    assert shapes(network.state_dict()) == shapes(tensors)
    assert "panorama resnet50_paper (safa)" in describe(info) and f"head {HEADS[final]}" in describe(info)
    assert network.reference_dim == (4096 if final or fusion in ("3to2", "add", "tile", "cloud") else network.fusion.width)


@pytest.mark.parametrize("default_fusion", ["add", "concat"])
def test_a_final_block_tells_more_than_the_caller(default_fusion, make_published):
    for fusion in ("add", "concat"):
        assert recognise(make_published(fusion, "fc", depth=18), default_fusion)[0]["model"]["fusion"] == fusion
    assert recognise(make_published("add", depth=18), default_fusion)[0]["model"]["fusion"] == default_fusion


NAMES = {
    "2to3": ("image_fe.resnet.layer5.0.weight", "image_fe.safa.b2", "tile_fe.resnet.conv1.weight", "cloud_fe.bn3.running_var",
             "mlps.1.conv_fn.weight", "mlps.2.norm_fn.running_mean", "fuser.conv_fn.bias"),
    "3to2": ("interp.mlps.2.conv_fn.bias", "interp.mlps.0.norm_fn.weight", "fuser.conv_fn.weight", "safa.w2"),
    "add": ("final_net.1.running_var", "final_net.4.weight"),
}  # fmt: skip


@pytest.mark.parametrize(("fusion", "name"), [(fusion, name) for fusion, names in NAMES.items() for name in names])
def test_missing_misshapen_and_unknown_tensors_are_named(fusion, name, make_published):
    state = make_published(fusion, "mlp" if fusion == "add" else None, depth=18)
    missing = "tile_fe: no published image encoder: it has no resnet" if name.endswith("conv1.weight") else f"{name} is missing"
    other = (2, *state[name].shape[1:])
    for changed, message in (
        ({k: v for k, v in state.items() if k != name}, missing),
        (state | {name: torch.zeros(3, 2)}, f"{name} has the shape (3, 2), expected ("),
        (state | {name: torch.zeros(other)}, f"{name} has the shape {other}, expected ("),
        (state | {f"{name}_2": torch.zeros(1)}, f"{name}_2: not part of the published network of the other tensors (1 such tensors)"),
    ):
        with pytest.raises(InputError) as caught:
            recognise(changed, "add")
        assert str(caught.value).startswith(message)


def test_parts_that_do_not_make_a_model(make_published):
    state = make_published("add", depth=18)
    for prefixes, missing in ((("tile_fe.", "cloud_fe."), "image_fe."), (("image_fe.",), "tile_fe. or cloud_fe.")):
        with pytest.raises(InputError, match=f"no tensors begin with {missing}"):
            recognise({k: v for k, v in state.items() if k.startswith(prefixes)}, "add")
    tensors = make_published("2to3", depth=18)
    with pytest.raises(InputError, match="^mlps.0.conv_fn.weight, .*not part of the published network"):
        recognise({k: v for k, v in tensors.items() if not k.startswith("cloud_fe.")}, "add")
    with pytest.raises(InputError, match="^neither a published model nor a published encoder; its names begin with a, conv2, .*, …$"):
        recognise({f"{name}.weight": torch.zeros(1) for name in ("a", "conv2", "c", "d", "e", "f")}, "add")


@pytest.mark.parametrize(
    ("fusion", "final", "expected"),
    [("2to3", "fc", 48), ("3to2", "mlp", 4096), ("add", "mlp", 8192), ("concat", "fc", 8192), ("tile", "fc", 4096)],
)
def test_final_blocks_of_an_odd_width(fusion, final, expected, make_published):
    name = "final_net.weight" if final == "fc" else "final_net.0.weight"
    state = make_published(fusion, final, depth=18) | {name: torch.zeros(()).expand(4096, 100)}
    with pytest.raises(InputError) as caught:
        recognise(state, "add")
    assert str(caught.value).startswith(f"{name} has the shape (4096, 100), expected (4096, {expected}) after ")


def test_encoders_that_the_fusion_does_not_read(make_published):
    pooled = {f"tile_fe.{k}": v for k, v in resnet(18, 4).items()}
    for fusion in ("2to3", "3to2"):
        with pytest.raises(InputError, match=f"^tile_fe.safa.w1: pools the tile, but there are tensors of fusion {fusion}"):
            recognise(make_published(fusion, depth=18) | pooled, "add")
    for fusion in ("add", "tile"):
        state = {k: v for k, v in make_published(fusion, depth=18).items() if not k.startswith("tile_fe.safa.")}
        with pytest.raises(InputError, match="^tile_fe.safa.w1 and tile_fe.embnet.fc1.weight are missing"):
            recognise(state, "add")
    state = {k: v for k, v in make_published("add", depth=18).items() if not k.startswith("image_fe.safa.")}
    with pytest.raises(InputError, match="^image_fe.safa.w1 and image_fe.embnet.fc1.weight are missing"):
        recognise(state, "add")


def test_vectors_that_cannot_be_added(make_published):
    state = make_published("add", depth=18) | {"cloud_fe.conv5.weight": torch.zeros(8, 4, 1)}
    state |= {k: torch.zeros(8) for k in state if k.startswith("cloud_fe.bn5.") and state[k].dim()}
    info, _ = recognise(state, "add")
    with pytest.raises(InputError, match="model.cloud gives 16 numbers .* embedding_dim is 4,096"):
        build(info, "test")
