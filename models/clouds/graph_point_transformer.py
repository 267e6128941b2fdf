"""Point Transformer (Zhao et al., 2021) with the convolution of torch-geometric."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch_geometric.nn import PointTransformerConv

from config.schema import CloudConfig
from models.clouds.graph_edges import edges_of
from models.clouds.layers import dense
from models.neighbors import nearest_neighbors, neighbor_max


class Block(nn.Module):
    """Vector attention among neighbours (eq. 3) between two layers on each point, and the input added."""

    def __init__(self, width: int):
        super().__init__()
        offset = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, width))
        # no bias at the end: the softmax over neighbours takes away what they have in common
        relation = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width, bias=False))
        self.enter, self.leave = dense(width, width), nn.Linear(width, width)
        self.attend = PointTransformerConv(width, width, offset, relation, add_self_loops=False)

    def forward(self, positions: Tensor, x: Tensor, edges: Tensor) -> Tensor:
        """positions (N, 3), x (N, C), edges (2, E) → (N, C)."""
        return x + self.leave(self.attend(self.enter(x), positions, edges))


class GraphPointTransformer(nn.Module):
    """A block on all points, then levels that thin the points, each kept one with the maximum over its neighbours, and a block on the rest.

    Clouds come in farthest-point order, so their first points are the sample and none is drawn.

    Args:
        config: neighbours, strides; widths: of the first block and of each level; features.
        width_in: width of the inputs.

    Attributes:
        features: width of a point's feature.
    """

    def __init__(self, config: CloudConfig, width_in: int):
        super().__init__()
        self.k, self.strides, self.features = config.neighbors, config.strides, config.features
        self.layers = nn.ModuleList(dense(a, b) for a, b in pairwise([width_in, *config.widths]))
        self.blocks = nn.ModuleList(Block(width) for width in config.widths)
        self.last = dense(config.widths[-1], self.features)

    def forward(self, positions: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """positions (B, P, 3), inputs (B, P, width_in) → features (B, Q, features) of the first Q points, and their index (B, Q)."""
        x = self._attend(0, positions, self.layers[0](inputs))
        for i, stride in enumerate(self.strides, 1):
            points = positions.shape[1]
            centres = positions[:, : max(1, points // stride)]
            x = neighbor_max(self.layers[i](x), nearest_neighbors(positions, min(self.k, points), centres))
            positions = centres
            x = self._attend(i, positions, x)
        return self.last(x), torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1)

    def _attend(self, i: int, positions: Tensor, x: Tensor) -> Tensor:
        """Block i among the nearest neighbours: positions (B, P, 3), x (B, P, C) → (B, P, C)."""
        points = x.shape[1]
        edges = edges_of(nearest_neighbors(positions, min(self.k, points)), points)
        return self.blocks[i](positions.flatten(0, 1), x.flatten(0, 1), edges).unflatten(0, x.shape[:2])
