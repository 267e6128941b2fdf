"""Takes tensors out of a published state dict by name, so that what is missing, has another shape or is left over can be refused."""

from torch import Tensor

from utils.errors import InputError


def take(state: dict[str, Tensor], name: str, shape: tuple[int | None, ...] | None = None) -> Tensor:
    """Removes a tensor from the state dict and returns it.

    Args:
        shape: what it must be; None stands for any size, or for any shape.

    Raises:
        InputError: it is missing, or has another shape.
    """
    if name not in state:
        raise InputError(f"{name} is missing")
    tensor = state.pop(name)
    if shape is not None and (len(shape) != tensor.dim() or any(s not in (None, n) for s, n in zip(shape, tensor.shape, strict=True))):
        wanted = ", ".join("any" if s is None else str(s) for s in shape)
        raise InputError(f"{name} has the shape {tuple(tensor.shape)}, expected ({wanted})")
    return tensor


def take_all(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Removes all tensors whose names begin with a prefix, and returns them under names without it."""
    names = [name for name in state if name.startswith(prefix)]
    return {name.removeprefix(prefix): state.pop(name) for name in names}


def take_point_norm(state: dict[str, Tensor], name: str, to: str, width: int | None = None) -> dict[str, Tensor]:
    """Takes a batch norm for the models.clouds.layers.PointNorm `to`, which contains it."""
    return take_norm(state, name, f"{to}.norm", width)


def take_norm(state: dict[str, Tensor], name: str, to: str, width: int | None = None) -> dict[str, Tensor]:
    """Takes the five tensors of the batch norm `name`, of a given width, and renames them to `to`."""
    norm = {f"{to}.{k}": take(state, f"{name}.{k}", (width,)) for k in ("weight", "bias", "running_mean", "running_var")}
    return norm | {f"{to}.num_batches_tracked": take(state, f"{name}.num_batches_tracked", ())}
