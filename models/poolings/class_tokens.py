"""The class tokens of a transformer."""

from torch import Tensor, nn


class ClassTokens(nn.Module):
    """All class tokens side by side, (B, T, C) → (B, T · C)."""

    def __init__(self, config, channels: int, rows: int, columns: int):
        super().__init__()
        self.width = channels * rows * columns

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.flatten(1)
