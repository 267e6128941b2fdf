"""Fusion by addition."""

from torch import Tensor, nn


class Add(nn.Module):
    """The sum of both branches' vectors (arXiv 2308.05993, add)."""

    def __init__(self, config, tile: nn.Module, cloud: nn.Module):
        super().__init__()
        self.width = tile.dim

    def forward(self, tile: tuple[Tensor, Tensor], cloud: tuple[Tensor, Tensor | None], points: Tensor | None) -> Tensor:
        """tile: vector (B, D) and map; cloud: vector (B, D) and point features → (B, D)."""
        return tile[0] + cloud[0]
