"""DGCNN cloud encoder (Wang et al., Dynamic Graph CNN for Learning on Point Clouds, 2019)."""

import torch
from torch import Tensor, nn

from config.schema import CloudConfig
from data.georeference import EXTENT_M
from data.osm.classes import CLASSES
from models.neighbors import nearest_neighbors, neighbor_max
from models.sectors import SectorMax

CLASS_WIDTH = 8


class EdgeConv(nn.Module):
    """One edge convolution: max over neighbours j of W·[x_j − x_i, x_i], then norm and activation.

    W·[x_j − x_i, x_i] = W1·x_j + (W2 − W1)·x_i, so both products are taken per point and the maximum over neighbours is all that is left
    to do on edges. Norm and activation follow the maximum: with a positive scale they commute with it.
    """

    def __init__(self, width_in: int, width_out: int):
        super().__init__()
        self.neighbor = nn.Linear(width_in, width_out, bias=False)
        self.centre = nn.Linear(width_in, width_out, bias=False)  # W2 − W1
        self.norm = nn.BatchNorm1d(width_out)

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        """x (B, P, C), index (B, P, k) → (B, P, C')."""
        edges = neighbor_max(self.neighbor(x), index) + self.centre(x)
        return nn.functional.leaky_relu(self.norm(edges.flatten(0, 1)).view_as(edges), 0.2)


class DGCNN(nn.Module):
    """Edge convolutions on a neighbour graph, joined to per-point features and pooled by sector.

    Coordinates enter as metres over 76 m, not normalised by each cloud's own size: sizes and heights are what a map knows.

    Args:
        config: points, neighbours, widths.
        dim: width of the vector; None for point features alone.

    Attributes:
        features: width of a point's feature.
    """

    def __init__(self, config: CloudConfig, dim: int | None):
        super().__init__()
        self.k, self.dynamic, self.features = config.neighbors, config.dynamic, config.features
        self.classes = nn.Embedding(len(CLASSES), CLASS_WIDTH) if config.classes else None
        widths = [3 + (CLASS_WIDTH if config.classes else 0), *config.widths]
        self.layers = nn.ModuleList(EdgeConv(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True))
        self.join = nn.Sequential(
            nn.Linear(sum(config.widths), self.features, bias=False), nn.BatchNorm1d(self.features), nn.LeakyReLU(0.2)
        )
        self.pool = SectorMax(config.sectors)
        self.linear = None if dim is None else nn.Linear(config.features * config.sectors, dim)

    def forward(self, cloud: Tensor, classes: Tensor) -> tuple[Tensor | None, Tensor]:
        """cloud (B, P, 3) metres right, ahead, up; classes (B, P) → vector (B, dim), point features (B, P, features)."""
        x = cloud / (EXTENT_M / 2)
        index = nearest_neighbors(x, self.k)
        if self.classes is not None:
            x = torch.cat([x, self.classes(classes.long())], dim=-1)
        outputs = []
        for i, layer in enumerate(self.layers):
            if i and self.dynamic:
                index = nearest_neighbors(x, self.k)
            x = layer(x, index)
            outputs.append(x)
        joined = torch.cat(outputs, dim=-1)
        features = self.join(joined.flatten(0, 1)).view(*joined.shape[:2], self.features)
        return None if self.linear is None else self.linear(self.pool(features, cloud)), features
