"""Tensors of a published state dict, taken by name: what is missing, misshapen or left over is refused by name."""

from torch import Tensor

from utils.errors import InputError


def take(state: dict[str, Tensor], name: str, shape: tuple[int | None, ...] | None = None) -> Tensor:
    """Removes a tensor from the state dict and returns it.

    Args:
        shape: what it must be; None for any size.

    Raises:
        InputError: it is missing, or of another shape.
    """
    if name not in state:
        raise InputError(f"{name} is missing")
    tensor = state.pop(name)
    if shape is not None and (len(shape) != tensor.dim() or any(s not in (None, n) for s, n in zip(shape, tensor.shape, strict=True))):
        wanted = ", ".join("any" if s is None else str(s) for s in shape)
        raise InputError(f"{name} has the shape {tuple(tensor.shape)}, expected ({wanted})")
    return tensor


def take_all(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Removes all tensors whose name begins with a prefix and returns them without it."""
    names = [name for name in state if name.startswith(prefix)]
    return {name.removeprefix(prefix): state.pop(name) for name in names}


def take_point_norm(state: dict[str, Tensor], name: str, to: str, width: int | None = None) -> dict[str, Tensor]:
    """Takes a batch norm for our models.clouds.layers.PointNorm `to`, which holds it inside."""
    return take_norm(state, name, f"{to}.norm", width)


def take_norm(state: dict[str, Tensor], name: str, to: str, width: int | None = None) -> dict[str, Tensor]:
    """Takes the five tensors of a batch norm `name`, of a width, and names them after `to`."""
    norm = {f"{to}.{k}": take(state, f"{name}.{k}", (width,)) for k in ("weight", "bias", "running_mean", "running_var")}
    return norm | {f"{to}.num_batches_tracked": take(state, f"{name}.num_batches_tracked", ())}
