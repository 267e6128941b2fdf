"""Every position of a feature map for itself."""

from torch import nn


class Flat(nn.Sequential):
    """The flattened map through norm, ReLU and a linear layer, then norm and ReLU: with a linear head the plain head of
    arXiv 2308.05993, whose `hidden` is 1,024 for panoramas and 512 for tiles. (B, C, h, w) → (B, hidden)."""

    def __init__(self, config, channels: int, rows: int, columns: int):
        numbers, width = channels * rows * columns, config.hidden
        super().__init__(nn.Flatten(), nn.BatchNorm1d(numbers), nn.ReLU(), nn.Linear(numbers, width), nn.BatchNorm1d(width), nn.ReLU())
        self.width = width
