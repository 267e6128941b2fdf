"""Poolings, and what each takes.

Of feature maps: `Class(settings, channels, rows, columns)`, (B, C, h, w) → (B, width). Of points: `Class(settings, channels)`, features
(B, Q, C) and positions (B, Q, 3) → (B, width).
"""

from dataclasses import dataclass

from config.components import Entry, Settings, require


@dataclass(frozen=True)
class PoolingEntry(Entry):
    """See the module."""

    reads: str = "map"  # or tokens: a transformer's class tokens (B, T, C), `Class(settings, channels, 1, T)`


@dataclass
class SectorSettings(Settings):
    """A pooling that can tell directions apart."""

    sectors: int = 1  # of the horizon, each pooled by itself; 1 pools globally

    def __post_init__(self):
        require(self.sectors >= 1, f"sectors is {self.sectors}, it takes 1 or more")


@dataclass
class FlatSettings(Settings):
    """A layer on the whole feature map."""

    hidden: int = 512  # width of the layer

    def __post_init__(self):
        require(self.hidden > 0, f"hidden is {self.hidden}, it takes at least 1")


_GEM = "generalised mean with a learned exponent"
_NETVLAD = "differences from learned centres, by soft assignment"
MAP_POOLINGS = {
    "mean": PoolingEntry("models.poolings:MapMean", SectorSettings, "the mean; by sector with rows kept apart"),
    "gem": PoolingEntry("models.poolings:GeM", about=_GEM),
    "netvlad": PoolingEntry("models.poolings:NetVLAD", about=_NETVLAD),
    "safa": PoolingEntry("models.poolings:SAFA", about="eight learned weightings of the positions", paper="resnet_safa"),
    "flat": PoolingEntry("models.poolings:Flat", FlatSettings, paper="resnet"),
    "token": PoolingEntry("models.poolings:ClassTokens", about="a transformer's class tokens", paper="deit, vit", reads="tokens"),
}
POINT_POOLINGS = {
    "max": PoolingEntry("models.poolings:PointMax", SectorSettings, "the maximum, in each sector"),
    "mean": PoolingEntry("models.poolings:Mean", about="the mean"),
    "max_mean": PoolingEntry("models.poolings:MaxMean", about="maximum and mean, side by side"),
    "gem": PoolingEntry("models.poolings:GeM", about=_GEM),
    "netvlad": PoolingEntry("models.poolings:NetVLAD", about=_NETVLAD),
}


def sectors_of(settings: Settings) -> int:
    """Sectors that a pooling tells apart; 1 for a global one."""
    return settings.sectors if isinstance(settings, SectorSettings) else 1
