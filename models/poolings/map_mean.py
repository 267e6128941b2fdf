"""Pooling of feature maps by the mean of all, or of each sector of the horizon."""

from torch import Tensor, nn

WIDTH = 64  # channels that are kept apart by sector


class MapMean(nn.Module):
    """Mean over the map; with more than one sector, mean over the columns of each, rows kept, after a reduction to 64 channels.

    What stands in which direction survives pooling by sectors, so a query and a reference can agree on it.
    """

    def __init__(self, config, channels: int, rows: int, columns: int):
        super().__init__()
        self.sectors = config.sectors
        self.reduce, self.width = None, channels
        if self.sectors > 1:
            self.reduce = nn.Sequential(nn.Conv2d(channels, WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True))
            self.width = WIDTH * rows * self.sectors

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → (B, width); w is a multiple of the number of sectors."""
        if self.reduce is None:
            return features.mean((2, 3))
        return self.reduce(features).unflatten(3, (self.sectors, -1)).mean(4).flatten(1)  # B,64,h,S
