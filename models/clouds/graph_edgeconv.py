"""Edge convolutions of torch-geometric on a fixed graph of neighbours."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch_geometric.nn import EdgeConv

from config.schema import CloudConfig
from models.clouds.graph_edges import edges_of
from models.clouds.layers import dense
from models.neighbors import nearest_neighbors


class GraphEdgeConv(nn.Module):
    """Edge convolutions (Wang et al., 2019, eq. 7) on the nearest neighbours in space, joined to per-point features.

    Every product is taken on edges, as it is written. `dgcnn` with `dynamic: false` takes them per point: the same function, but that
    its norms in training have statistics of the maxima and not of all edges.

    Args:
        config: neighbours, widths, features.
        width_in: width of the inputs.

    Attributes:
        features: width of a point's feature.
    """

    def __init__(self, config: CloudConfig, width_in: int):
        super().__init__()
        self.k, self.features = config.neighbors, config.features
        self.layers = nn.ModuleList(EdgeConv(dense(2 * a, b, 0.2)) for a, b in pairwise([width_in, *config.widths]))
        self.join = dense(sum(config.widths), self.features, 0.2)

    def forward(self, positions: Tensor, inputs: Tensor) -> tuple[Tensor, None]:
        """positions (B, P, 3), inputs (B, P, width_in) → features (B, P, features) of all points."""
        points = positions.shape[1]
        edges = edges_of(nearest_neighbors(positions, min(self.k, points)), points)
        x, outputs = inputs.flatten(0, 1), []
        for layer in self.layers:
            x = layer(x, edges)
            outputs.append(x)
        return self.join(torch.cat(outputs, dim=-1)).unflatten(0, inputs.shape[:2]), None
