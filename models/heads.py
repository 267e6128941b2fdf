"""Heads: from the width of a pooling or a fusion to the width that is asked for."""

from torch import nn

from utils.errors import InputError


def make_head(kind: str, width: int, dim: int, of: str = "") -> nn.Module:
    """(B, width) → (B, dim).

    Args:
        kind: norm: linear and batch norm, so that what all places have in common goes and branches that a fusion joins start with equal
            weight; linear; mlp: linear, norm, ReLU, dropout, linear; none: nothing, the widths must agree.
        of: what the head belongs to, for the message.

    Raises:
        InputError: none, and the widths differ.
    """
    if kind == "norm":
        return nn.Sequential(nn.Linear(width, dim, bias=False), nn.BatchNorm1d(dim))
    if kind == "linear":
        return nn.Linear(width, dim)
    if kind == "mlp":
        return nn.Sequential(
            nn.Linear(width, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(dim, dim)
        )
    if width != dim:
        raise InputError(f"{of} gives {width:,} numbers and has head: none, but embedding_dim is {dim:,}; set one of the two")
    return nn.Identity()
