"""Heads: the last layers of a tower, from the width of a pooling or a fusion to the width of the embedding."""

from torch import nn

from utils.errors import InputError


def make_head(kind: str, width: int, dim: int, of: str = "") -> nn.Module:
    """(B, width) → (B, dim).

    Args:
        kind: norm: a linear layer and batch norm, which removes what all places have in common and lets the branches of a fusion start
            with equal weight; linear; mlp: linear, batch norm, ReLU, dropout, linear; none: no layer, width and dim must agree.
        of: what the head belongs to, for the message.

    Raises:
        InputError: kind is none, and the widths differ.
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
