"""Converts published fusions (concat, add, 2to3, 3to2) and final blocks of the map's tower (none, linear, MLP) of arXiv 2308.05993."""

from torch import Tensor

from config.image_settings import IMAGES
from models.published.images import safa
from models.published.take import take, take_norm, take_point_norm
from utils.errors import InputError

CHANNELS = 512  # of a published tile's feature map


def fusion(
    state: dict[str, Tensor], tile: dict | None, cloud: dict | None, dim: int, default_fusion: str
) -> tuple[dict, dict[str, Tensor]]:
    """Settings `fusion` and `head` of `model`, and the tensors of a GroundToMap outside of its encoders.

    Tensors that are used are removed from the state dict.

    Args:
        tile, cloud: settings of the map's encoders.
        dim: of the query's embedding.
        default_fusion: concat or add. Without a final block neither has tensors, so the state dict does not show which of them it is.

    Raises:
        InputError: a tensor is missing or has another shape, or an encoder is not of the kind that the fusion reads.
    """
    kind, head, fused, tensors, reference = None, "none", None, {}, dim
    final = next((name for name in ("final_net.weight", "final_net.0.weight") if name in state), "")
    if final == "final_net.weight":
        head, tensors = "linear", _linear(state, "final_net", "head", dim)
        fused = tensors["head.weight"].shape[1]
    elif final:
        head, first = "mlp", take(state, final, (dim, None))
        tensors = {"head.0.weight": first} | take_norm(state, "final_net.1", "head.1", dim) | _linear(state, "final_net.4", "head.4", dim)
        fused = first.shape[1]
    if tile and cloud:
        kind, joined = default_fusion if fused is None else "add" if fused == dim else "concat", {}
        reference = dim if kind == "add" else 2 * dim
        width = (cloud.get("paper", {}).get("projection") or [cloud["encoder"]["features"]])[-1]
        if "interp.mlps.0.conv_fn.weight" in state:
            _refuse_pooled("3to2", tile, cloud)
            kind, joined = "3to2", _lift(state, "interp.mlps", 3 + width, width, 2)
            joined |= _conv(state, "fuser.conv_fn", "join.0", CHANNELS, width + CHANNELS, 2)
            joined |= safa(state, (4 * tile["height"] // IMAGES[tile["encoder"]].stride) ** 2)
            reference = 8 * CHANNELS
        elif "mlps.0.conv_fn.weight" in state:
            _refuse_pooled("2to3", tile, cloud)
            kind, joined = "2to3", _lift(state, "mlps", CHANNELS, width, 1)
            joined |= _conv(state, "fuser.conv_fn", "join.0", 8 * width, 2 * width, 1)
            reference = 8 * width
        tensors |= {f"fusion.{name}": tensor for name, tensor in joined.items()}
    if fused not in (None, reference):
        before = f"fusion {kind}" if kind else "a single encoder"
        raise InputError(f"{final} has the shape {(dim, fused)}, expected {(dim, reference)} after {before}")
    return {"fusion": kind, "head": head}, tensors


def _refuse_pooled(kind: str, tile: dict, cloud: dict) -> None:
    """Refuses an encoder with a pooling if the fusion reads feature maps and points."""
    if "pooling" in tile:
        pooling = tile["pooling"] if isinstance(tile["pooling"], str) else tile["pooling"]["name"]
        name = {"safa": "safa.w1", "flat": "embnet.fc1.weight"}.get(pooling, "net.*")
        raise InputError(f"tile_fe.{name}: pools the tile, but there are tensors of fusion {kind}, which reads the feature map")
    if cloud.get("head", "none") != "none":
        raise InputError(f"cloud_fe.sa3.*: pools the cloud to one vector, but there are tensors of fusion {kind}, which reads its points")


def _lift(state: dict[str, Tensor], name: str, width_in: int, width: int, axes: int) -> dict[str, Tensor]:
    """Three convolutions, each with a norm. The bias of a convolution moves into the mean of its norm."""
    tensors: dict[str, Tensor] = {}
    for i in range(3):
        layer = _conv(state, f"{name}.{i}.conv_fn", f"lift.{i}.0", width, width if i else width_in, axes)
        norm = take_point_norm(state, f"{name}.{i}.norm_fn", f"lift.{i}.1", width)
        norm[f"lift.{i}.1.norm.running_mean"] = norm[f"lift.{i}.1.norm.running_mean"] - layer.pop(f"lift.{i}.0.bias")
        tensors |= layer | norm
    return tensors


def _conv(state: dict[str, Tensor], name: str, to: str, width: int, width_in: int, axes: int) -> dict[str, Tensor]:
    """A convolution of kernel size 1 along one or two axes, as a linear layer."""
    weight = take(state, f"{name}.weight", (width, width_in, *[1] * axes)).flatten(1)
    return {f"{to}.weight": weight, f"{to}.bias": take(state, f"{name}.bias", weight.shape[:1])}


def _linear(state: dict[str, Tensor], name: str, to: str, dim: int) -> dict[str, Tensor]:
    return {f"{to}.weight": take(state, f"{name}.weight", (dim, None)), f"{to}.bias": take(state, f"{name}.bias", (dim,))}
