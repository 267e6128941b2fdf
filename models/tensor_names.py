"""Names of tensors in checkpoints of earlier versions."""

from collections.abc import Collection

from torch import Tensor


def upgrade_names(tensors: dict[str, Tensor], expected: Collection[str]) -> dict[str, Tensor]:
    """Renames tensors of format 1 (before version 0.12) that have other names now; all other names stay.

    Backbones were called trunks. Norms of points were batch norms; now they contain one.

    Args:
        expected: names of the model's tensors.
    """
    return {_upgraded(name, expected): tensor for name, tensor in tensors.items()}


def _upgraded(name: str, expected: Collection[str]) -> str:
    parts = ["backbone" if part == "trunk" else part for part in name.split(".")]
    renamed, inside_norm = ".".join(parts), ".".join([*parts[:-1], "norm", parts[-1]])
    if name in expected:
        return name
    return inside_norm if inside_norm in expected and renamed not in expected else renamed
