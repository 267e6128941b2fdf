"""Converts published panorama and tile encoders (`image_fe.`, `tile_fe.`): ResNet with and without SAFA, DeiT, hybrid ViT."""

import re
from typing import Any

import torch
from torch import Tensor

from config.image_settings import IMAGES
from config.reader import from_mapping
from config.schema import PanoramaConfig, TileConfig
from models.images.backbone import map_size
from models.published.take import take, take_norm
from utils.errors import InputError

DEIT = "timm/deit_small_distilled_patch16_224"
HYBRID = (  # names in HybridViT, and the published ones
    (r"^stem\.conv\.", "transformer.embeddings.hybrid_model.root.conv."),
    (r"^stem\.norm\.", "transformer.embeddings.hybrid_model.root.gn."),
    (r"^stages\.(\d)\.(\d)\.", lambda m: f"transformer.embeddings.hybrid_model.body.block{int(m[1]) + 1}.unit{int(m[2]) + 1}."),
    (r"\.norm([123])\.", r".gn\1."),
    (r"\.shortcut\.conv\.", ".downsample."),
    (r"\.shortcut\.norm\.", ".gn_proj."),
    (r"^patches\.", "transformer.embeddings.patch_embeddings."),
    (r"^token$", "transformer.embeddings.cls_token"),
    (r"^positions$", "transformer.embeddings.position_embeddings"),
    (r"^layers\.", "transformer.encoder.layer."),
    (r"\.norm_query\.", ".attention_norm_1."),
    (r"\.norm_key\.", ".attention_norm_2."),
    (r"\.norm_mlp\.", ".ffn_norm."),
    (r"\.mlp\.0\.", ".ffn.fc1."),
    (r"\.mlp\.3\.", ".ffn.fc2."),
    (r"\.(query|key|value|out)\.", r".attn.\1."),
    (r"^norm\.", "transformer.encoder.encoder_norm."),
)


def panorama(state: dict[str, Tensor]) -> tuple[dict, dict[str, Tensor]]:
    """Settings of `model.panorama` and tensors of its ImageEncoder. Tensors that are used are removed from the state dict.

    Raises:
        InputError: the architecture is unknown, or a tensor is missing or has another shape.
    """
    return _encoder(state, tile=False)


def tile(state: dict[str, Tensor]) -> tuple[dict, dict[str, Tensor]]:
    """As `panorama`, for `model.tile`. The number of positions shows whether it is polar. Without a pooling it is a backbone only."""
    return _encoder(state, tile=True)


def _encoder(state: dict[str, Tensor], tile: bool) -> tuple[dict, dict[str, Tensor]]:
    if "resnet.conv1.weight" in state:
        return _resnet(state, tile)
    if "net.pos_embed" in state:
        settings = {"encoder": DEIT, "pooling": "token", "head": "linear"} | _size(state["net.pos_embed"].shape[1] - 2, 16, tile)
        return settings, _backbone(state, settings, tile, lambda name: name.replace("network.", "net.")) | _deit_head(state)
    if "net.transformer.embeddings.position_embeddings" in state:
        positions = state["net.transformer.embeddings.position_embeddings"].shape[1] - 1
        layers = sum(name.endswith(".attn.query.weight") for name in state)
        settings = {"encoder": {"name": "hybrid_vit", "layers": layers}, "pooling": "token", "head": "none"} | _size(positions, 16, tile)
        return settings, _backbone(state, settings, tile, _hybrid_name)
    raise InputError("no published image encoder: it has no resnet.conv1.weight, net.pos_embed or net.transformer")


def _resnet(state: dict[str, Tensor], tile: bool) -> tuple[dict, dict[str, Tensor]]:
    depth = 50 if "resnet.layer1.0.conv3.weight" in state else 34 if "resnet.layer1.2.conv1.weight" in state else 18
    settings: dict[str, Any] = {"encoder": f"resnet{depth}_paper"}
    tensors: dict[str, Tensor] = {}
    if "safa.w1" in state:
        positions = state["safa.w1"].shape[0]
        settings |= {"pooling": "safa", "head": "none"} | _size(positions, 32, tile)
        tensors |= safa(state, positions)
    elif "embnet.fc1.weight" in state:
        hidden, numbers = state["embnet.fc1.weight"].shape
        settings |= {"pooling": {"name": "flat", "hidden": hidden}, "head": "linear"} | _size(numbers // 512, 32, tile)
        tensors |= take_norm(state, "embnet.bn1", "pool.1") | take_norm(state, "embnet.bn2", "pool.4")
        for name, new, shape in (("fc1", "pool.3", (hidden, numbers)), ("fc2", "head", (None, hidden))):
            tensors[f"{new}.weight"] = take(state, f"embnet.{name}.weight", shape)
            tensors[f"{new}.bias"] = take(state, f"embnet.{name}.bias", tensors[f"{new}.weight"].shape[:1])
    else:
        settings |= {"height": 224}  # convolutions take any size; this is the published one
    return settings, _backbone(state, settings, tile, lambda name: "resnet." + name.replace("neck.", "layer5.")) | tensors


def safa(state: dict[str, Tensor], positions: int) -> dict[str, Tensor]:
    """Takes the tensors `safa.`, the pooling of a feature map with this many positions, and renames them to `pool.`."""
    half = positions // 2
    shapes = {"w1": (positions, half, 8), "b1": (1, half, 8), "w2": (half, positions, 8), "b2": (1, positions, 8)}
    kinds = {"w": "weight", "b": "bias"}
    return {f"pool.{kinds[name[0]]}{name[1]}": take(state, f"safa.{name}", shape) for name, shape in shapes.items()}


def _deit_head(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """One linear head on both tokens. The published one is the mean of two: on the class token and on the distillation token."""
    weights = [take(state, f"net.{head}.weight", (None, 384)) / 2 for head in ("head", "head_dist")]
    biases = [take(state, f"net.{head}.bias", weights[0].shape[:1]) / 2 for head in ("head", "head_dist")]
    if weights[0].shape != weights[1].shape:
        raise InputError("net.head and net.head_dist differ in width")
    return {"head.weight": torch.cat(weights, 1), "head.bias": biases[0] + biases[1]}


def _size(positions: int, stride: int, tile: bool) -> dict:
    """Height of the input whose feature map has this many positions; for tiles also whether they are polar."""
    rows, columns = map_size(positions)
    if rows == columns and not tile:
        raise InputError(f"a panorama's feature map of {positions} positions is square; it must be twice as wide as high")
    size: dict[str, Any] = {"height": rows * stride}
    return size | ({"polar": rows != columns} if tile else {})


def _backbone(state: dict[str, Tensor], settings: dict, tile: bool, published) -> dict[str, Tensor]:
    """Takes the tensors of a backbone; `published` gives the published name of each."""
    config = from_mapping(TileConfig if tile else PanoramaConfig, settings, "checkpoint")
    with torch.device("meta"):
        expected = IMAGES[config.encoder.name].load()(config.encoder, (config.height, config.width)).state_dict()
    return {f"backbone.{name}": take(state, published(name), tuple(tensor.shape)) for name, tensor in expected.items()}


def _hybrid_name(name: str) -> str:
    for pattern, replacement in HYBRID:
        name = re.sub(pattern, replacement, name)
    return f"net.{name}"
