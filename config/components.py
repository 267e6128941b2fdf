"""Every encoder, pooling and fusion by the name that recipes use: one line each, and the tests cover it.

The configuration reads this without loading any network: what a component takes and what it can be combined with stands here, its code
is imported when a model is built.
"""

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from utils.errors import InputError


@dataclass(frozen=True)
class Entry:
    """A component.

    Attributes:
        path: `module:Class`.
        settings: keys of its section of a recipe that not every component takes, with its defaults.
        published: its name in the published system (arXiv 2308.05993); empty where it has none.
        package: an optional package that it needs.
    """

    path: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    published: str = ""
    package: str = ""

    def load(self) -> type:
        """The class.

        Raises:
            InputError: its optional package is not installed.
        """
        module, name = self.path.split(":")
        try:
            return getattr(importlib.import_module(module), name)
        except ImportError as error:
            if not self.package:
                raise
            raise InputError(f"{name} needs the package {self.package} ({error}); install it: pip install {self.package}") from None


@dataclass(frozen=True)
class ImageEntry(Entry):
    """A trunk for panoramas and tiles: a models.images.backbone.Trunk, `Class(config)`."""

    stride: int = 0  # 0: 2 ** (stages + 1); without stages it is known when the network is built
    tokens: int = 0  # class tokens of a transformer
    imagenet: bool = True  # has weights: imagenet


@dataclass(frozen=True)
class CloudEntry(Entry):
    """A network for clouds: `Class(config, width_in)`, positions (B, P, 3) and inputs (B, P, width_in) → features (B, Q, features) and
    the index (B, Q) of the points that were kept, None for all. With reads="graph" inputs (N, width_in) of the nodes of B places and their
    utils.batch.PlaceGraph → (B, features)."""

    reads: str = "points"


@dataclass(frozen=True)
class PoolingEntry(Entry):
    """Of feature maps: `Class(config, channels, rows, columns)`, (B, C, h, w) → (B, width). Of points: `Class(config, channels)`,
    features (B, Q, C) and positions (B, Q, 3) → (B, width)."""

    sectors: bool = False  # can pool sectors of the horizon apart
    reads: str = "map"  # of an image trunk; or tokens: a transformer's class tokens (B, T, C), `Class(config, channels, 1, T)`


@dataclass(frozen=True)
class FusionEntry(Entry):
    """`Class(config, tile, cloud)` with both encoders; forward(tile, cloud, points) → (B, width)."""

    reads: str = "vectors"  # of the branches; or features: the tile's feature map and the points' features
    polar: bool = True  # can place points on polar tiles
    # of one that reads features: keys that it leaves unread of the sections tile and cloud, beside their heads
    unread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


IMAGES = {
    "resnet18": ImageEntry("models.images.resnet:ResNet", {"stages": 4}),
    "resnet34": ImageEntry("models.images.resnet:ResNet", {"stages": 4}),
    "resnet50": ImageEntry("models.images.resnet:ResNet", {"stages": 4}),
    "resnet18_published": ImageEntry("models.images.resnet:PublishedResNet", published="resnet, resnet_safa", stride=32),
    "resnet34_published": ImageEntry("models.images.resnet:PublishedResNet", published="resnet, resnet_safa", stride=32),
    "resnet50_published": ImageEntry("models.images.resnet:PublishedResNet", published="resnet, resnet_safa", stride=32),
    "hybrid_vit": ImageEntry("models.images.hybrid_vit:HybridViT", {"layers": 12}, "vit", stride=16, tokens=1, imagenet=False),
    "timm/deit_small_distilled_patch16_224": ImageEntry(
        "models.images.timm_backbone:TimmTrunk", published="deit", package="timm", stride=16, tokens=2
    ),
    "timm/convnext_atto": ImageEntry("models.images.timm_backbone:TimmTrunk", package="timm", stride=32),
    "timm/vit_small_patch14_dinov2": ImageEntry("models.images.timm_backbone:TimmTrunk", package="timm", stride=14, tokens=1),
}
TIMM = ImageEntry("models.images.timm_backbone:TimmTrunk", package="timm")  # timm/NAME, any other network of timm
MAP_POOLINGS = {
    "mean": PoolingEntry("models.poolings:MapMean", sectors=True),
    "gem": PoolingEntry("models.poolings:GeM"),
    "netvlad": PoolingEntry("models.poolings:NetVLAD"),
    "safa": PoolingEntry("models.poolings:SAFA", published="resnet_safa"),
    "flat": PoolingEntry("models.poolings:Flat", {"hidden": 512}, published="resnet"),
    "token": PoolingEntry("models.poolings:ClassTokens", published="deit, vit", reads="tokens"),
}
CLOUDS = {
    "dgcnn": CloudEntry(
        "models.clouds.dgcnn:DGCNN", {"neighbors": 20, "widths": [64, 64, 128, 256], "graph": "positions", "dynamic": True}, "dgcnn"
    ),
    "pointnet": CloudEntry("models.clouds.pointnet:PointNet", {"widths": [64, 64, 64, 128]}, "pointnet"),
    "pointnet2": CloudEntry(
        "models.clouds.pointnet2:PointNet2", {"neighbors": 32, "radius": 0.2, "strides": [2, 4], "widths": [64, 128, 256]}, "pointnetssg"
    ),
    "pct": CloudEntry("models.clouds.pct:PCT", {"neighbors": 20, "strides": [2, 2], "widths": [64, 128, 256]}, "pct"),
    "point_transformer": CloudEntry(
        "models.clouds.point_transformer:PointTransformer",
        {"neighbors": 20, "strides": [4, 4, 4], "widths": [32, 64, 128, 256], "attention_width": 512},
        "pt2",
    ),
    "graph_edgeconv": CloudEntry("models.clouds.graph_edgeconv:GraphEdgeConv", {"neighbors": 16, "widths": [64, 64, 128]}),
    "graph_pointnet2": CloudEntry(
        "models.clouds.graph_pointnet2:GraphPointNet2", {"neighbors": 32, "radius": 0.2, "strides": [2, 4], "widths": [64, 128, 256]}
    ),
    "graph_point_transformer": CloudEntry(
        "models.clouds.graph_point_transformer:GraphPointTransformer", {"neighbors": 16, "strides": [4], "widths": [64, 128]}
    ),
    "buildings": CloudEntry("models.clouds.building_graph:Buildings", {"widths": [64, 64, 64]}, reads="graph"),
}
POINT_POOLINGS = {
    "max": PoolingEntry("models.poolings:PointMax", sectors=True),
    "mean": PoolingEntry("models.poolings:Mean"),
    "max_mean": PoolingEntry("models.poolings:MaxMean"),
    "gem": PoolingEntry("models.poolings:GeM"),
    "netvlad": PoolingEntry("models.poolings:NetVLAD"),
}
POOLING = ("pooling", "hidden", "sectors")  # of what a fusion does not pool
FUSIONS = {
    "concat": FusionEntry("models.fusions.vectors:Concat", published="concat"),
    "add": FusionEntry("models.fusions.vectors:Add", published="add"),
    "pixel_to_point": FusionEntry("models.fusions.pixel_to_point:PixelToPoint", reads="features", unread={"tile": POOLING}),
    "point_to_pixel": FusionEntry("models.fusions.point_to_pixel:PointToPixel", reads="features", unread={"cloud": POOLING}),
    "cross_attention": FusionEntry("models.fusions.cross_attention:CrossAttention", reads="features"),
    # How these pool points is as published: the choice of a pooling is unread, too.
    "2to3": FusionEntry("models.fusions.pixel_to_point:PublishedPixelToPoint", reads="features", published="2to3", polar=False,
                        unread={"tile": POOLING, "cloud": ("pooling",)}),
    "3to2": FusionEntry("models.fusions.point_to_pixel:PublishedPointToPixel", reads="features", published="3to2", polar=False,
                        unread={"tile": POOLING, "cloud": POOLING}),
}  # fmt: skip


def known(registry: Mapping[str, Entry], key: str, name: str) -> Entry:
    """The component of a name.

    Raises:
        InputError: there is none; names the nearest known ones, also by their published names.
    """
    if name in registry:
        return registry[name]
    words: dict[str, list[str]] = {}  # what people call a component
    for ours, entry in registry.items():
        for word in (ours, ours.removeprefix("timm/"), *filter(None, entry.published.split(", "))):
            words.setdefault(word, []).append(ours)
    near = [name] if name in words else difflib.get_close_matches(name, words, n=2) or [word for word in words if name and name in word]
    found = list(dict.fromkeys(ours for word in near for ours in words[word]))[:3]
    hint = f"; did you mean {' or '.join(map(repr, found))}?" if found else ""
    raise InputError(f"{key} is {name!r}, it takes one of {', '.join(registry)}{hint}")


def image_entry(name: str) -> ImageEntry:
    """The trunk of a name; `timm/NAME` is any network of timm, looked up when it is built.

    Raises:
        InputError: there is none.
    """
    return TIMM if name.startswith("timm/") and name not in IMAGES else known(IMAGES, "encoder", name)
