"""Recognises a published model or encoder by the names and shapes of its tensors, and builds it from this project's classes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from config.reader import from_mapping
from config.schema import CloudConfig, ModelConfig, PanoramaConfig, TileConfig
from models.clouds.cloud_encoder import CloudEncoder
from models.images.image_encoder import ImageEncoder
from models.model import GroundToMap
from models.published.clouds import NETWORKS, cloud
from models.published.fusions import fusion
from models.published.images import panorama, tile
from models.published.take import take_all
from utils.errors import InputError

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Part:
    """An encoder of a published model."""

    prefix: str  # of its tensors' names in the published model
    convert: Callable[[Tensors], tuple[dict, Tensors]]  # gives settings and tensors
    config: type  # the settings' dataclass
    encoder: type[nn.Module]  # what it becomes


PARTS = {
    "panorama": Part("image_fe.", panorama, PanoramaConfig, ImageEncoder),
    "tile": Part("tile_fe.", tile, TileConfig, ImageEncoder),
    "cloud": Part("cloud_fe.", cloud, CloudConfig, CloudEncoder),
}


def recognise(state: Tensors, default_fusion: str) -> tuple[dict, Tensors]:
    """Settings and tensors of a published state dict.

    Args:
        state: of a model, with its encoders under image_fe., tile_fe. and cloud_fe.; or of a single encoder.
        default_fusion: add or concat, for a model whose tensors do not show which of the two it has.

    Returns:
        {"model": settings of a recipe's `model`}, or for an encoder {"part", "settings" of its section, "embedding_dim"}; and the tensors
        of the GroundToMap or the encoder.

    Raises:
        InputError: a tensor is missing, has another shape, or does not belong to the recognised network; the message names it.
    """
    if not any(name.startswith(part.prefix) for name in state for part in PARTS.values()):
        name = _single(state)
        settings, tensors = _take(PARTS[name], state, "")
        return {"part": name, "settings": settings, "embedding_dim": _dim(name, settings, tensors)}, tensors
    sections, tensors, state = {}, {}, dict(state)
    for name, part in PARTS.items():
        own = take_all(state, part.prefix)
        if own:
            sections[name], converted = _take(part, own, part.prefix)
            tensors |= {f"{name}.{key}": tensor for key, tensor in converted.items()}
    for needed in (("panorama",), ("tile", "cloud")):
        if not any(name in sections for name in needed):
            prefixes = " or ".join(PARTS[part].prefix for part in needed)
            raise InputError(f"no tensors begin with {prefixes}: neither a single encoder nor a model of panorama and map")
    dim = _dim("panorama", sections["panorama"], {k.removeprefix("panorama."): v for k, v in tensors.items()})
    if dim is None:
        raise InputError("image_fe.safa.w1 and image_fe.embnet.fc1.weight are missing: the panorama encoder has no pooling")
    settings, joined = fusion(state, sections.get("tile"), sections.get("cloud"), dim, default_fusion)
    _refuse(state, "")
    if "tile" in sections and "pooling" not in sections["tile"] and settings["fusion"] not in ("2to3", "3to2"):
        missing = "tile_fe.safa.w1 and tile_fe.embnet.fc1.weight are missing"
        raise InputError(f"{missing}: only fusions 2to3 and 3to2 take a tile encoder without a pooling")
    return {"model": sections | settings | {"embedding_dim": dim, "preprocessing": "paper"}}, tensors | joined


def build(info: dict, source: str) -> nn.Module:
    """The GroundToMap or encoder that `recognise` describes, with random weights.

    Raises:
        InputError: its parts do not fit together; `source` begins the message.
    """
    if "model" in info:
        config = from_mapping(ModelConfig, info["model"], source)
        sections = [section for section in (config.panorama, config.tile, config.cloud) if section]
    else:
        config = from_mapping(PARTS[info["part"]].config, info["settings"], source)
        sections = [config]
    for section in sections:
        section.weights = "none"
    with torch.random.fork_rng(devices=[]):
        return GroundToMap(config) if "model" in info else PARTS[info["part"]].encoder(config, info["embedding_dim"])


def describe(info: dict) -> str:
    """The architecture in one line."""
    model = info.get("model") or {info["part"]: info["settings"]}
    parts = [f"{name} {_name(model[name]['encoder'])} ({_pooled(name, model[name])})" for name in PARTS if model.get(name)]
    return ", ".join(parts + [f"{key} {model[key]}" for key in ("fusion", "head") if model.get(key)])


def _single(state: Tensors) -> str:
    """Which part a single encoder is.

    Published panorama encoders have a ResNet-50, or a transformer on maps twice as wide as high.

    Raises:
        InputError: it is not a published encoder.
    """
    if "resnet.conv1.weight" in state:
        return "panorama" if "resnet.layer1.0.conv3.weight" in state else "tile"
    if any(name.startswith("net.") for name in state):
        return "panorama" if _take(PARTS["tile"], state, "")[0].get("polar") else "tile"
    if any(mark in state for mark in NETWORKS):
        return "cloud"
    begins = list(dict.fromkeys(name.split(".")[0] for name in state))
    raise InputError(f"neither a published model nor a published encoder; its names begin with {', '.join(begins[:5])}"
                     + (", …" if len(begins) > 5 else ""))  # fmt: skip


def _take(part: Part, state: Tensors, prefix: str) -> tuple[dict, Tensors]:
    state = dict(state)
    try:
        settings, tensors = part.convert(state)
    except InputError as error:
        named = re.match(r"\S+\.\S+ ", str(error))  # the message begins with a tensor's name
        raise InputError(f"{prefix}{error}" if named or not prefix else f"{prefix.rstrip('.')}: {error}") from None
    except (IndexError, ValueError):  # a tensor is not the matrix that was expected
        raise InputError(f"{prefix or 'a single encoder'}: the shapes of its tensors do not match any published encoder") from None
    _refuse(state, prefix)
    return settings, tensors


def _refuse(state: Tensors, prefix: str) -> None:
    if state:
        names = ", ".join(prefix + name for name in list(state)[:3]) + (", …" if len(state) > 3 else "")
        raise InputError(f"{names}: not part of the published network of the other tensors ({len(state)} such tensors)")


def _pooled(name: str, settings: dict) -> str:
    """The pooling's name, or "features alone" for encoders of published fusions, which have no pooling."""
    has_pooling = "pooling" in settings if name != "cloud" else not settings["paper"].get("projection")
    return _name(settings["pooling"]) if has_pooling else "features alone"


def _name(component: str | dict) -> str:
    """The name of a component, which a recipe gives alone or with settings."""
    return component if isinstance(component, str) else component["name"]


def _dim(name: str, settings: dict, tensors: Tensors) -> int | None:
    """Width of an encoder's vector; None if it gives only features."""
    if _pooled(name, settings) == "features alone":
        return None
    if "head.weight" in tensors:
        return len(tensors["head.weight"])
    part = PARTS[name]
    with torch.device("meta"):
        encoder: Any = part.encoder(from_mapping(part.config, settings, name), 0)
    return encoder.dim
