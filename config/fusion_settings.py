"""Fusions of a tile and a cloud.

They are built as `Class(settings, tile, cloud)` with the two encoders; forward(tile, cloud, points) → (B, width).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from config.components import Entry


@dataclass(frozen=True)
class FusionEntry(Entry):
    """A fusion; see this module's docstring."""

    reads: str = "vectors"  # vectors: one of each encoder; features: the tile's feature map and the points' features
    polar: bool = True  # whether it takes polar tiles
    # For a fusion that reads features: settings in the sections tile and cloud that have no effect.
    unread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_HEADS = {"tile": ("head",), "cloud": ("head",)}
_TILE = _HEADS | {"tile": ("head", "pooling")}
_CLOUD = _HEADS | {"cloud": ("head", "pooling")}
_BOTH = _TILE | {"cloud": ("head", "pooling")}
_POINTS = "models.fusions.pixel_to_point"
_PIXELS = "models.fusions.point_to_pixel"
FUSIONS = {
    "concat": FusionEntry("models.fusions.vectors:Concat", about="both vectors, concatenated", paper="concat"),
    "add": FusionEntry("models.fusions.vectors:Add", about="the sum of both vectors", paper="add"),
    "pixel_to_point": FusionEntry(f"{_POINTS}:PixelToPoint", about="points get tile features", reads="features", unread=_TILE),
    "point_to_pixel": FusionEntry(
        f"{_PIXELS}:PointToPixel", about="pixels of the tile's map get features of their nearest points", reads="features", unread=_CLOUD
    ),
    "cross_attention": FusionEntry(
        "models.fusions.cross_attention:CrossAttention", about="pixels and points attend to each other", reads="features", unread=_HEADS
    ),
    # The two of the paper have a pooling of their own. 2to3 still reads the sectors of the cloud's pooling.
    "2to3": FusionEntry(
        f"{_POINTS}:PaperPixelToPoint", about="pixel_to_point as in the paper", paper="2to3",
        reads="features", polar=False, unread=_TILE | {"cloud": ("head", "pooling.name")},
    ),
    "3to2": FusionEntry(
        f"{_PIXELS}:PaperPointToPixel", about="point_to_pixel as in the paper", paper="3to2",
        reads="features", polar=False, unread=_BOTH,
    ),
}  # fmt: skip
