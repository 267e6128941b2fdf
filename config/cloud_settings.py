"""Networks for clouds, and their settings.

They are built as `Class(settings, width_in)` and map positions (B, P, 3) and inputs (B, P, width_in) to features (B, Q, features) and the
index (B, Q) of the points that were kept, or None if all were. Those with reads="graph" map inputs (N, width_in) of the nodes of B places,
and their utils.batch.PlaceGraph, to (B, features).
"""

from dataclasses import dataclass
from typing import Literal

from config.components import Entry, Settings, require, whole_numbers


@dataclass(frozen=True)
class CloudEntry(Entry):
    """A network for clouds; see this module's docstring."""

    settings: type["CloudSettings"]
    reads: str = "points"  # or graph


@dataclass
class CloudSettings(Settings):
    """Base of all settings of networks for clouds. It checks settings by name; each network has some of them."""

    def __post_init__(self):
        for key in ("widths", "strides"):
            values = getattr(self, key, [1])
            require(not values or min(values) > 0, f"{key} is {values}, it takes positive numbers")
        require(getattr(self, "widths", [1]) != [], "widths is [], it takes at least one positive width")
        if hasattr(self, "widths") and hasattr(self, "strides"):
            require(len(self.widths) == len(self.strides) + 1,
                    f"widths is {self.widths} and strides is {self.strides}; there must be one width more than strides")  # fmt: skip
        for key, what in (("features", "width"), ("attention_width", "width"), ("neighbors", "whole number"), ("radius", "number")):
            value = getattr(self, key, 1)
            require(not isinstance(value, int | float) or value > 0, f"{key} is {value}, it takes a positive {what}")


@dataclass
class PointNetSettings(CloudSettings):
    """PointNet: the same layers on every point."""

    widths: list[int] = whole_numbers(64, 64, 64, 128)  # of the layers
    features: int = 512  # width of a point's feature


@dataclass
class DGCNNSettings(CloudSettings):
    """DGCNN: edge convolutions on a graph of nearest neighbours."""

    neighbors: int = 20  # nearest neighbours of each point, itself included
    widths: list[int] = whole_numbers(64, 64, 128, 256)  # of the edge convolutions
    features: int = 512  # width of a point's feature
    dynamic: bool = True  # build a new graph from the features before every further layer; false keeps the first graph
    graph: Literal["positions", "inputs"] = "positions"  # space of the first graph; inputs: positions and classes (paper)


@dataclass
class PointNet2Settings(CloudSettings):
    """PointNet++: levels that thin the cloud, each with features of the balls around the kept points."""

    neighbors: int = 32  # most points in a ball
    radius: float = 0.2  # of the first level's balls, in units of the scaled coordinates, by default 76 m; it doubles at each level
    strides: list[int] = whole_numbers(2, 4)  # each level keeps one point out of this many
    widths: list[int] = whole_numbers(64, 128, 256)  # of the first level's layers, then of each level's output
    features: int = 512  # width of a point's feature


@dataclass
class PCTSettings(CloudSettings):
    """Point Cloud Transformer: embeddings of neighbours thin the cloud, then the points that are left attend to each other."""

    neighbors: int = 20  # of a point in each embedding
    strides: list[int] = whole_numbers(2, 2)  # each embedding keeps one point out of this many
    widths: list[int] = whole_numbers(64, 128, 256)  # of the first layers, then of each embedding's output
    features: int = 512  # width of a point's feature


@dataclass
class PointTransformerSettings(CloudSettings):
    """Point Transformer: levels that thin the cloud, each with attention to neighbours."""

    neighbors: int = 20  # to which a point attends
    strides: list[int] = whole_numbers(4, 4, 4)  # each level keeps one point out of this many
    widths: list[int] = whole_numbers(32, 64, 128, 256)  # of each level, one more than strides
    attention_width: int = 512  # inside the attention
    features: int = 512  # width of a point's feature


@dataclass
class BuildingGraphSettings(CloudSettings):
    """Attention on the graph of buildings and streets around a place. It reads no points."""

    widths: list[int] = whole_numbers(64, 64, 64)  # of the layers
    features: int = 512  # width of a place's features


CLOUDS = {
    "dgcnn": CloudEntry("models.clouds.dgcnn:DGCNN", DGCNNSettings, paper="dgcnn"),
    "pointnet": CloudEntry("models.clouds.pointnet:PointNet", PointNetSettings, paper="pointnet"),
    "pointnet2": CloudEntry("models.clouds.pointnet2:PointNet2", PointNet2Settings, paper="pointnetssg"),
    "pct": CloudEntry("models.clouds.pct:PCT", PCTSettings, paper="pct"),
    "point_transformer": CloudEntry("models.clouds.point_transformer:PointTransformer", PointTransformerSettings, paper="pt2"),
    "graph_pointnet2": CloudEntry(
        "models.clouds.graph_pointnet2:GraphPointNet2", PointNet2Settings, "PointNet++ by torch-geometric; levels keep the first points"
    ),
    "buildings": CloudEntry("models.clouds.building_graph:BuildingGraph", BuildingGraphSettings, reads="graph"),
}
