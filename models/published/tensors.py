"""Converts published layers on points: convolutions of kernel size 1 become linear layers, biases before a norm move into its mean."""

import torch
from torch import Tensor

from models.published.take import take, take_all, take_point_norm
from utils.errors import InputError

Tensors = dict[str, Tensor]


def take_matrix(state: Tensors, name: str, rows: int | None = None, columns: int | None = None) -> Tensor:
    """Takes the weight of a linear layer, or of a convolution of kernel size 1, as a matrix.

    Raises:
        InputError: it is missing, or has another shape.
    """
    tensor = take(state, name)
    fits = tensor.dim() >= 2 and rows in (None, tensor.shape[0]) and columns in (None, tensor.shape[1])
    if not fits or any(size != 1 for size in tensor.shape[2:]):
        shape = ", ".join("any" if size is None else str(size) for size in (rows, columns))
        raise InputError(f"{name} has the shape {tuple(tensor.shape)}, expected ({shape}) and a kernel of size 1")
    return tensor.flatten(1)


def take_linear(state: Tensors, name: str, to: str, rows: int | None, columns: int) -> Tensors:
    """Takes a linear layer with a bias."""
    weight = take_matrix(state, f"{name}.weight", rows, columns)
    return {f"{to}.weight": weight, f"{to}.bias": take(state, f"{name}.bias", weight.shape[:1])}


def take_dense(state: Tensors, name: str, norm: str, to: str, rows: int | None, columns: int | None, at: str | None = None) -> Tensors:
    """Takes a linear layer, with or without a bias, and the norm after it.

    Args:
        name, norm: published names of the two.
        to: new name of the two as one `models.clouds.layers.dense`.
        at: new name of the norm, if it is not part of `to`.
    """
    weight, at = take_matrix(state, f"{name}.weight", rows, columns), at or f"{to}.1"
    tensors = {f"{to}.0.weight": weight} | take_point_norm(state, norm, at, len(weight))
    if f"{name}.bias" in state:
        mean = f"{at}.norm.running_mean"
        tensors[mean] = tensors[mean] - take(state, f"{name}.bias", weight.shape[:1])
    return tensors


def drop_second_names(state: Tensors, second: str, first: str) -> None:
    """Removes tensors under a second prefix that repeat those under a first one.

    Raises:
        InputError: their values differ.
    """
    for key, tensor in take_all(state, second).items():
        if f"{first}{key}" in state and not torch.equal(state[f"{first}{key}"], tensor):
            raise InputError(f"{first}{key} and {second}{key} should be one tensor under two names, but their values differ")
