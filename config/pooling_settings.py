"""Poolings, and their settings.

Poolings of feature maps are built as `Class(settings, channels, rows, columns)` and map (B, C, h, w) to (B, width). Poolings of points are
built as `Class(settings, channels)` and map features (B, Q, C) and positions (B, Q, 3) to (B, width).
"""

from dataclasses import dataclass

from config.components import Entry, Settings, require


@dataclass(frozen=True)
class PoolingEntry(Entry):
    """A pooling; see this module's docstring."""

    reads: str = "map"  # or tokens: class tokens (B, T, C) of a transformer; it is built as `Class(settings, channels, 1, T)`


@dataclass
class SectorSettings(Settings):
    """A pooling by sectors of the horizon, which can tell directions apart."""

    sectors: int = 1  # number of sectors, each pooled separately; 1 is a global pooling

    def __post_init__(self):
        require(self.sectors >= 1, f"sectors is {self.sectors}, it takes 1 or more")


@dataclass
class FlatSettings(Settings):
    """A layer on the flattened feature map."""

    hidden: int = 512  # width of the layer

    def __post_init__(self):
        require(self.hidden > 0, f"hidden is {self.hidden}, it takes at least 1")


_GEM = "generalised mean with a learned exponent"
_NETVLAD = "residuals to learned centres, by soft assignment"
MAP_POOLINGS = {
    "mean": PoolingEntry("models.poolings:MapMean", SectorSettings, "the mean; with several sectors, the mean of each row in each sector"),
    "gem": PoolingEntry("models.poolings:GeM", about=_GEM),
    "netvlad": PoolingEntry("models.poolings:NetVLAD", about=_NETVLAD),
    "safa": PoolingEntry("models.poolings:SAFA", about="eight weighted sums over the positions, with learned weights", paper="resnet_safa"),
    "flat": PoolingEntry("models.poolings:Flat", FlatSettings, paper="resnet"),
    "token": PoolingEntry("models.poolings:ClassTokens", about="a transformer's class tokens", paper="deit, vit", reads="tokens"),
}
POINT_POOLINGS = {
    "max": PoolingEntry("models.poolings:PointMax", SectorSettings, "the maximum, in each sector"),
    "mean": PoolingEntry("models.poolings:Mean", about="the mean"),
    "max_mean": PoolingEntry("models.poolings:MaxMean", about="maximum and mean, concatenated"),
    "gem": PoolingEntry("models.poolings:GeM", about=_GEM),
    "netvlad": PoolingEntry("models.poolings:NetVLAD", about=_NETVLAD),
}


def sectors_of(settings: Settings) -> int:
    """Number of sectors of a pooling; 1 for a global one."""
    return settings.sectors if isinstance(settings, SectorSettings) else 1
