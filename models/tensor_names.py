"""Tensors of checkpoints of earlier versions under the names of this one."""

from collections.abc import Collection

from torch import Tensor


def upgrade_names(tensors: dict[str, Tensor], expected: Collection[str]) -> dict[str, Tensor]:
    """Renames what format 1 (before version 0.12) named otherwise; other names stay.

    Backbones were called trunks, and norms of points were batch norms themselves, where now they hold one.

    Args:
        expected: names of the tensors that they are for.
    """
    return {_upgraded(name, expected): tensor for name, tensor in tensors.items()}


def _upgraded(name: str, expected: Collection[str]) -> str:
    parts = ["backbone" if part == "trunk" else part for part in name.split(".")]
    new, inside = ".".join(parts), ".".join([*parts[:-1], "norm", parts[-1]])
    if name in expected:
        return name
    return inside if inside in expected and new not in expected else new
