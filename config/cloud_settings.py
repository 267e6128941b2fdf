"""Networks for clouds, and what each takes.

Built as `Class(settings, width_in)`: positions (B, P, 3) and inputs (B, P, width_in) → features (B, Q, features) and the index (B, Q) of
the points that were kept, None for all. With reads="graph": inputs (N, width_in) of the nodes of B places and their
utils.batch.PlaceGraph → (B, features).
"""

from dataclasses import dataclass
from typing import Literal

from config.components import Entry, Settings, require, whole_numbers


@dataclass(frozen=True)
class CloudEntry(Entry):
    """See the module."""

    settings: type["CloudSettings"]
    reads: str = "points"  # or graph


@dataclass
class CloudSettings(Settings):
    """Settings of networks for clouds are checked here by their names; each network takes some of them."""

    def __post_init__(self):
        for key in ("widths", "strides"):
            values = getattr(self, key, [1])
            require(not values or min(values) > 0, f"{key} is {values}, it takes positive numbers")
        widths, strides = getattr(self, "widths", [1]), getattr(self, "strides", None)
        require(widths != [], "widths is [], it takes at least one positive width")
        require(strides is None or len(widths) == len(strides) + 1,
              f"widths is {widths} and strides is {strides}; it takes one width more than strides")  # fmt: skip
        for key in ("features", "attention_width"):
            require(getattr(self, key, 1) > 0, f"{key} is {getattr(self, key, 1)}, it takes a positive width")
        require(getattr(self, "neighbors", 1) >= 1, f"neighbors is {getattr(self, 'neighbors', 1)}, it takes at least 1")
        require(getattr(self, "radius", 1.0) > 0, f"radius is {getattr(self, 'radius', 1.0)}, it takes a positive number")


@dataclass
class PointNetSettings(CloudSettings):
    """The same layers on every point."""

    widths: list[int] = whole_numbers(64, 64, 64, 128)  # of the layers
    features: int = 512  # width of a point's feature


@dataclass
class DGCNNSettings(CloudSettings):
    """Edge convolutions on a graph of neighbours."""

    neighbors: int = 20  # k of the graph, the point itself included
    widths: list[int] = whole_numbers(64, 64, 128, 256)  # of the edge convolutions
    features: int = 512  # width of a point's feature
    dynamic: bool = True  # the graph is built again in feature space before every layer; false keeps the first one
    graph: Literal["positions", "inputs"] = "positions"  # what the first graph is built on; inputs: positions and classes (paper)


@dataclass
class PointNet2Settings(CloudSettings):
    """PointNet++: features of balls at levels that thin the cloud."""

    neighbors: int = 32  # the most points of a ball
    radius: float = 0.2  # of the first level's balls, in units of the scaled coordinates; it doubles at each level
    strides: list[int] = whole_numbers(2, 4)  # each level keeps one point in so many
    widths: list[int] = whole_numbers(64, 128, 256)  # of the first level's layers, and of each level's result
    features: int = 512  # width of a point's feature


@dataclass
class PCTSettings(CloudSettings):
    """Point Cloud Transformer: attention among the points that are left of a thinned cloud."""

    neighbors: int = 20  # of a neighbour embedding
    strides: list[int] = whole_numbers(2, 2)  # each embedding keeps one point in so many
    widths: list[int] = whole_numbers(64, 128, 256)  # of the first layers, and of each embedding
    features: int = 512  # width of a point's feature


@dataclass
class PointTransformerSettings(CloudSettings):
    """Attention among neighbours at levels that thin the cloud."""

    neighbors: int = 20  # that a point attends to
    strides: list[int] = whole_numbers(4, 4, 4)  # each level keeps one point in so many
    widths: list[int] = whole_numbers(32, 64, 128, 256)  # of the first level, and of each that follows
    attention_width: int = 512  # inside the attention
    features: int = 512  # width of a point's feature


@dataclass
class BuildingGraphSettings(CloudSettings):
    """Attention on the graph of buildings and streets around a place; it reads no points."""

    widths: list[int] = whole_numbers(64, 64, 64)  # of the layers
    features: int = 512  # width of a place's features


CLOUDS = {
    "dgcnn": CloudEntry("models.clouds.dgcnn:DGCNN", DGCNNSettings, paper="dgcnn"),
    "pointnet": CloudEntry("models.clouds.pointnet:PointNet", PointNetSettings, paper="pointnet"),
    "pointnet2": CloudEntry("models.clouds.pointnet2:PointNet2", PointNet2Settings, paper="pointnetssg"),
    "pct": CloudEntry("models.clouds.pct:PCT", PCTSettings, paper="pct"),
    "point_transformer": CloudEntry("models.clouds.point_transformer:PointTransformer", PointTransformerSettings, paper="pt2"),
    "graph_pointnet2": CloudEntry(
        "models.clouds.graph_pointnet2:GraphPointNet2", PointNet2Settings, "PointNet++ by torch-geometric, on samples that are stored"
    ),
    "buildings": CloudEntry("models.clouds.building_graph:BuildingGraph", BuildingGraphSettings, reads="graph"),
}
