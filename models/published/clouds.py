"""Converts published cloud encoders (`cloud_fe.`): PointNet, PointNet++, DGCNN, PCT, Point Transformer, with and without classes.

Where the published networks differ from this project's, the weights are changed to give the same results:

- Their axes are right, up, minus ahead, and they read 24 classes, not 25: see `_inputs`.
- Their edge convolutions multiply [f_j − f_i, f_i] by one matrix W; here it is split into W1·f_j + (W2 − W1)·f_i.
- They take the maximum over edges after the norm, not before it: see `_unsigned`.
- PointNet++ ends in a pooling to one point, whose maximum and mean, both the same vector, are then concatenated.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from models.published.take import take, take_point_norm
from models.published.tensors import Tensors, drop_second_names, take_dense, take_linear, take_matrix
from utils.classes import CLASSES, INDEX
from utils.errors import InputError

# The published networks read one-hot vectors of 24 classes. Of the 25 classes in the published data, coastlines have no points: points
# are sampled on triangles, and coastlines are exported as lines.
ABSENT = INDEX["coastlines"]


def cloud(state: Tensors) -> tuple[dict, Tensors]:
    """Settings of `model.cloud` and tensors of its CloudEncoder. Tensors that are used are removed from the state dict.

    Weights do not show the number of neighbours and the sampling; they are assumed to be the published ones. An encoder of point
    features, for fusions, has no head.

    Raises:
        InputError: the architecture is unknown; or a tensor is missing, has another shape, or has two values under two names.
    """
    for mark, convert in NETWORKS.items():
        if mark in state:
            settings, network, rest = convert(state)
            tensors = {f"network.{name}": tensor for name, tensor in network.items()} | rest
            one_hot = {"class_width": 0} if settings["classes"] else {}
            paper = {"scale": "unit"} | settings.pop("paper", {})
            return {"paper": paper, "pooling": "max_mean", "head": "none"} | one_hot | settings, tensors
    raise InputError(f"no published cloud encoder: it has none of {', '.join(NETWORKS)}")


def _pointnet(state: Tensors) -> tuple[dict, Tensors, Tensors]:
    tensors: Tensors = {}
    widths: list[int] = []
    for i in range(5):
        tensors |= take_dense(state, f"conv{i + 1}", f"bn{i + 1}", f"layers.{i}", None, widths[-1] if widths else None)
        widths.append(len(tensors[f"layers.{i}.0.weight"]))
    first = tensors["layers.0.0.weight"] = _inputs(tensors["layers.0.0.weight"])
    settings = {"encoder": {"name": "pointnet", "widths": widths[:-1], "features": widths[-1]}, "classes": first.shape[1] > 3}
    projection, rest = _projection(state, widths[-1], 0.0)
    return settings | projection, tensors, rest


def _dgcnn(state: Tensors) -> tuple[dict, Tensors, Tensors]:
    tensors: Tensors = {}
    rest: Tensors = {}
    classes, widths = "proj.weight" in state, []
    if classes:
        vectors = take_matrix(state, "proj.weight", 3, len(CLASSES) - 1).T
        rest["classes.vectors.weight"] = torch.cat([vectors[:ABSENT], torch.zeros(1, 3), vectors[ABSENT:]])
    width = 6 if classes else 3
    for i in range(4):
        drop_second_names(state, f"conv{i + 1}.1.", f"bn{i + 1}.")
        weight, to = take_matrix(state, f"conv{i + 1}.0.weight", None, 2 * width), f"layers.{i}"
        halves = [_axes(half) if i == 0 else half for half in weight.split(width, 1)]
        layer = {f"{to}.neighbor.weight": halves[0], f"{to}.centre.weight": halves[1] - halves[0]}
        tensors |= _unsigned(layer | take_point_norm(state, f"bn{i + 1}", f"{to}.norm", len(weight)), f"{to}.norm")
        width = len(weight)
        widths.append(width)
    drop_second_names(state, "conv5.1.", "bn5.")
    tensors |= take_dense(state, "conv5.0", "bn5", "join", None, sum(widths))
    features = len(tensors["join.0.weight"])
    settings = {"encoder": {"name": "dgcnn", "graph": "inputs", "widths": widths, "features": features}, "classes": classes}
    settings |= {"class_width": 3} if classes else {}
    projection, projected = _projection(state, features, 0.1)
    return settings | projection, tensors, rest | projected


def _pointnet2(state: Tensors) -> tuple[dict, Tensors, Tensors]:
    tensors: Tensors = {}
    widths, width = [], 0
    for i in range(2):
        tensors |= _abstraction(state, f"sa{i + 1}.", f"levels.{i}", width or None, 3)
        widths.append(len(tensors[f"levels.{i}.offset.weight"]))
        width = len(tensors[f"levels.{i}.rest.2.1.0.weight"])
    classes = "levels.0.feature.weight" in tensors
    for i, (rows, columns) in enumerate(((width, 3 + width), (2 * width, width), (None, 2 * width))):
        tensors |= take_dense(state, f"sa3.mlp_convs.{i}", f"sa3.mlp_bns.{i}", f"last.{i}", rows, columns)
    tensors["last.0.0.weight"] = _axes(tensors["last.0.0.weight"])
    features = len(tensors["last.2.0.weight"])
    settings = {"encoder": {"name": "pointnet2", "widths": [*widths, width], "features": features}, "classes": classes}
    twice = {"head.weight": torch.eye(features).repeat(2, 1), "head.bias": torch.zeros(2 * features)}
    return settings | {"pooling": "max", "head": "linear"}, tensors, twice


def _pct(state: Tensors) -> tuple[dict, Tensors, Tensors]:
    tensors = take_dense(state, "conv1", "bn1", "enter.0", None, None)
    widths = [len(tensors["enter.0.0.weight"])]
    first = tensors["enter.0.0.weight"] = _inputs(tensors["enter.0.0.weight"])
    tensors |= take_dense(state, "conv2", "bn2", "enter.1", widths[0], widths[0])
    for i in range(2):
        name, to = f"gather_local_{i}", f"levels.{i}"
        weight = take_matrix(state, f"{name}.conv1.weight", None, 2 * widths[-1])
        near, centre = weight.split(widths[-1], 1)
        widths.append(len(weight))
        tensors |= {f"{to}.neighbor.weight": near, f"{to}.centre.weight": centre - near}
        tensors |= take_point_norm(state, f"{name}.bn1", f"{to}.rest.0", widths[-1])
        tensors |= take_dense(state, f"{name}.conv2", f"{name}.bn2", f"{to}.rest.2", widths[-1], widths[-1])
    width = widths[-1]
    for i in range(2):
        tensors |= take_dense(state, f"pt_last.conv{i + 1}", f"pt_last.bn{i + 1}", f"before.{i}", width, width)
    for i in range(4):
        name, to = f"pt_last.sa{i + 1}", f"attentions.{i}"
        drop_second_names(state, f"{name}.k_conv.", f"{name}.q_conv.")
        tensors[f"{to}.query.weight"] = take_matrix(state, f"{name}.q_conv.weight", width // 4, width)
        tensors |= take_linear(state, f"{name}.v_conv", f"{to}.value", width, width)
        tensors |= take_dense(state, f"{name}.trans_conv", f"{name}.after_norm", f"{to}.difference", width, width)
    tensors |= take_dense(state, "conv_fuse.0", "conv_fuse.1", "last", None, 5 * width)
    encoder = {"name": "pct", "widths": widths, "features": len(tensors["last.0.weight"])}
    return {"encoder": encoder, "classes": first.shape[1] > 3}, tensors, {}


def _point_transformer(state: Tensors) -> tuple[dict, Tensors, Tensors]:
    first = _inputs(take_matrix(state, "backbone.fc1.0.weight"))
    tensors, widths = {"enter.0.weight": first, "enter.0.bias": take(state, "backbone.fc1.0.bias", (len(first),))}, [len(first)]
    tensors |= take_linear(state, "backbone.fc1.2", "enter.2", widths[0], widths[0])
    tensors |= _attention(state, "backbone.transformer1.", "attentions.0", widths[0])
    for i in range(3):
        tensors |= _abstraction(state, f"backbone.transition_downs.{i}.sa.", f"levels.{i}", widths[-1], 2)
        widths.append(len(tensors[f"levels.{i}.offset.weight"]))
        tensors |= _attention(state, f"backbone.transformers.{i}.", f"attentions.{i + 1}", widths[-1])
    tensors |= take_dense(state, "conv1", "bn1", "last", None, widths[-1])
    sizes = {"features": len(tensors["last.0.weight"]), "attention_width": len(tensors["attentions.0.query.weight"])}
    return {"encoder": {"name": "point_transformer", "widths": widths} | sizes, "classes": first.shape[1] > 3}, tensors, {}


NETWORKS: dict[str, Callable[[Tensors], tuple[dict, Tensors, Tensors]]] = {
    "backbone.fc1.0.weight": _point_transformer,
    "sa1.mlp_convs.0.weight": _pointnet2,
    "pt_last.conv1.weight": _pct,
    "conv1.0.weight": _dgcnn,
    "conv5.weight": _pointnet,
}


def _projection(state: Tensors, features: int, slope: float) -> tuple[dict, Tensors]:
    """The layers that an encoder of point features has after its network; empty for other encoders."""
    if "linear1.weight" not in state:
        return {}, {}
    tensors = take_dense(state, "linear1", "bn6", "project.0", None, features)
    hidden = len(tensors["project.0.0.weight"])
    tensors |= take_linear(state, "linear2", "project.1", None, hidden)
    return {"paper": {"projection": [hidden, len(tensors["project.1.bias"])], "slope": slope}}, tensors


def _abstraction(state: Tensors, name: str, to: str, width: int | None, layers: int) -> Tensors:
    """A set abstraction. Only a third layer may have another width.

    Args:
        width: of its input features; None: it reads the network's inputs.
    """
    tensors = take_dense(
        state, f"{name}mlp_convs.0", f"{name}mlp_bns.0", "first", None, None if width is None else 3 + width, f"{to}.rest.0"
    )
    first = (_inputs if width is None else _axes)(tensors.pop("first.0.weight"))
    tensors[f"{to}.offset.weight"] = first[:, :3]
    if first.shape[1] > 3:
        tensors[f"{to}.feature.weight"] = first[:, 3:]
    for i in range(1, layers):
        rows = None if i == 2 else len(first)
        tensors |= take_dense(state, f"{name}mlp_convs.{i}", f"{name}mlp_bns.{i}", f"{to}.rest.2.{i - 1}", rows, len(first))
    return tensors


def _attention(state: Tensors, name: str, to: str, width: int) -> Tensors:
    tensors = take_linear(state, f"{name}fc1", f"{to}.enter", None, width)
    hidden = len(tensors[f"{to}.enter.weight"])
    tensors |= take_linear(state, f"{name}fc2", f"{to}.leave", width, hidden)
    for new, published in (("query", "w_qs"), ("key", "w_ks"), ("value", "w_vs")):
        tensors[f"{to}.{new}.weight"] = take_matrix(state, f"{name}{published}.weight", hidden, hidden)
    tensors |= take_linear(state, f"{name}fc_delta.0", f"{to}.offset.0", hidden, 3)
    tensors[f"{to}.offset.0.weight"] = _axes(tensors[f"{to}.offset.0.weight"])
    tensors |= take_linear(state, f"{name}fc_delta.2", f"{to}.offset.2", hidden, hidden)
    for i in (0, 2):
        tensors |= take_linear(state, f"{name}fc_gamma.{i}", f"{to}.relation.{i}", hidden, hidden)
    del tensors[f"{to}.relation.2.bias"]  # the softmax over neighbours cancels it
    return tensors


def _unsigned(tensors: Tensors, norm: str) -> Tensors:
    """Moves the signs of an edge convolution's norm into its weights, so that no scale is negative.

    The published network takes the maximum over edges after the norm. With a negative scale that selects the smallest value before the
    norm, but DGCNN here takes the maximum before the norm.
    """
    sign = torch.where(tensors[f"{norm}.norm.weight"] < 0, -1.0, 1.0)
    for name, tensor in tensors.items():
        if tensor.dim() == 2:
            tensors[name] = tensor * sign[:, None]
        elif name in (f"{norm}.norm.weight", f"{norm}.norm.running_mean"):
            tensors[name] = tensor * sign
    return tensors


def _axes(weight: Tensor) -> Tensor:
    """A matrix (C, 3 + …) for inputs right, up, minus ahead, … as one for inputs right, ahead, up, …."""
    right, up, back, more = weight.tensor_split([1, 2, 3], 1)
    return torch.cat([right, -back, up, more], 1)


def _inputs(weight: Tensor) -> Tensor:
    """A matrix for the published inputs, coordinates and perhaps 24 classes, as one for this project's: zeros for the absent class.

    Raises:
        InputError: it reads another number of inputs.
    """
    columns = weight.shape[1]
    if columns not in (3, 2 + len(CLASSES)):
        raise InputError(f"the cloud encoder reads {columns} numbers a point, expected 3 or, with classes, {2 + len(CLASSES)}")
    before, after = _axes(weight).tensor_split([3 + ABSENT], 1)
    return torch.cat([before, torch.zeros(len(weight), 1), after], 1) if columns > 3 else before
