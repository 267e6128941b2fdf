"""Fusions of a tile and a cloud.

Built as `Class(settings, tile, cloud)` with a `Branch` of each; forward(tile, cloud, points) → (B, width).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from config.components import Entry


@dataclass(frozen=True)
class FusionEntry(Entry):
    """See the module."""

    reads: str = "vectors"  # of the branches; or features: the tile's feature map and the points' features
    polar: bool = True  # can place points on polar tiles
    # Of a fusion that reads features: what it leaves unread in the sections tile and cloud.
    unread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_HEADS = {"tile": ("head",), "cloud": ("head",)}
_TILE = _HEADS | {"tile": ("head", "pooling")}
_CLOUD = _HEADS | {"cloud": ("head", "pooling")}
_BOTH = _TILE | {"cloud": ("head", "pooling")}
_POINTS = "models.fusions.pixel_to_point"
_PIXELS = "models.fusions.point_to_pixel"
FUSIONS = {
    "concat": FusionEntry("models.fusions.vectors:Concat", about="both vectors, side by side", paper="concat"),
    "add": FusionEntry("models.fusions.vectors:Add", about="the sum of both vectors", paper="add"),
    "pixel_to_point": FusionEntry(f"{_POINTS}:PixelToPoint", about="tile features under the points", reads="features", unread=_TILE),
    "point_to_pixel": FusionEntry(
        f"{_PIXELS}:PointToPixel", about="the nearest point of each pixel of the tile's map", reads="features", unread=_CLOUD
    ),
    "cross_attention": FusionEntry(
        "models.fusions.cross_attention:CrossAttention", about="pixels and points attend to each other", reads="features", unread=_HEADS
    ),
    # The paper's two bring a pooling of their own; of the cloud's pooling, 2to3 reads the sectors.
    "2to3": FusionEntry(
        f"{_POINTS}:PaperPixelToPoint", about="pixel_to_point with the paper's sizes", paper="2to3",
        reads="features", polar=False, unread=_TILE | {"cloud": ("head", "pooling.name")},
    ),
    "3to2": FusionEntry(
        f"{_PIXELS}:PaperPointToPixel", about="point_to_pixel with the paper's sizes", paper="3to2",
        reads="features", polar=False, unread=_BOTH,
    ),
}  # fmt: skip
