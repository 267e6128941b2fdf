"""Poolings, and what each takes.

Of feature maps: `Class(settings, channels, rows, columns)`, (B, C, h, w) → (B, width). Of points: `Class(settings, channels)`, features
(B, Q, C) and positions (B, Q, 3) → (B, width).
"""

from dataclasses import dataclass

from config.components import Entry, Settings, check


@dataclass(frozen=True)
class PoolingEntry(Entry):
    """See the module."""

    reads: str = "map"  # or tokens: a transformer's class tokens (B, T, C), `Class(settings, channels, 1, T)`


@dataclass
class SectorSettings(Settings):
    """A pooling that can tell directions apart."""

    sectors: int = 1  # of the horizon, each pooled by itself; 1 pools globally

    def __post_init__(self):
        check(self.sectors >= 1, f"sectors is {self.sectors}, it takes 1 or more")


@dataclass
class FlatSettings(Settings):
    """A layer on the whole feature map."""

    hidden: int = 512  # width of the layer

    def __post_init__(self):
        check(self.hidden > 0, f"hidden is {self.hidden}, it takes at least 1")


MAP_POOLINGS = {
    "mean": PoolingEntry("models.poolings:MapMean", SectorSettings),
    "gem": PoolingEntry("models.poolings:GeM"),
    "netvlad": PoolingEntry("models.poolings:NetVLAD"),
    "safa": PoolingEntry("models.poolings:SAFA", paper="resnet_safa"),
    "flat": PoolingEntry("models.poolings:Flat", FlatSettings, paper="resnet"),
    "token": PoolingEntry("models.poolings:ClassTokens", paper="deit, vit", reads="tokens"),
}
POINT_POOLINGS = {
    "max": PoolingEntry("models.poolings:PointMax", SectorSettings),
    "mean": PoolingEntry("models.poolings:Mean"),
    "max_mean": PoolingEntry("models.poolings:MaxMean"),
    "gem": PoolingEntry("models.poolings:GeM"),
    "netvlad": PoolingEntry("models.poolings:NetVLAD"),
}


def sectors_of(settings: Settings) -> int:
    """Sectors that a pooling tells apart; 1 for a global one."""
    return settings.sectors if isinstance(settings, SectorSettings) else 1
