"""A network on the graph of buildings and streets around a place, built with torch-geometric."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv
from torch_geometric.utils import scatter

from config.cloud_settings import BuildingGraphSettings
from utils.batch import FEATURES, PlaceGraph
from utils.georeference import EXTENT_M

HEADS = 4
_POSITION = [FEATURES.index("right"), FEATURES.index("ahead")]


class NeighborAttention(nn.Module):
    """Attention to neighbours (Brody et al., How Attentive are Graph Attention Networks?, 2022, eq. 7), a residual, norm and ReLU.

    The attention also sees direction and distance to each neighbour. The norm is a layer norm because a batch may hold one node, or none.
    """

    def __init__(self, width_in: int, width_out: int):
        super().__init__()
        self.attend = GATv2Conv(width_in, width_out, HEADS, concat=False, add_self_loops=False, edge_dim=3, residual=True)
        self.norm = nn.LayerNorm(width_out)

    def forward(self, x: Tensor, edges: Tensor, offset: Tensor) -> Tensor:
        """x (N, C), edges (2, E), offset (E, 3): right, ahead and length → (N, C')."""
        return self.norm(self.attend(x, edges, offset)).relu()


class BuildingGraph(nn.Module):
    """Layers of attention, joined to one feature per node. Half of its channels are pooled over a place by maximum, half by mean.

    Args:
        settings: widths of the layers, features.
        width_in: width of the inputs.

    Attributes:
        features: width of a place's features.
    """

    def __init__(self, settings: BuildingGraphSettings, width_in: int):
        super().__init__()
        self.features, widths = settings.features, settings.widths
        self.enter = nn.Sequential(nn.Linear(width_in, widths[0]), nn.LayerNorm(widths[0]), nn.ReLU())
        self.layers = nn.ModuleList(NeighborAttention(a, b) for a, b in pairwise([widths[0], *widths]))
        self.join = nn.Sequential(nn.Linear(widths[0] + sum(widths), self.features), nn.ReLU())

    def forward(self, inputs: Tensor, graph: PlaceGraph) -> Tensor:
        """inputs (N, width_in) of the nodes of B places → (B, features); zeros where a place has no nodes."""
        sender, receiver = graph.edges
        position = graph.nodes[:, _POSITION] / (EXTENT_M / 2)
        offset = position[sender] - position[receiver]
        offset = torch.cat([offset, offset.norm(dim=1, keepdim=True)], dim=1)
        outputs = [self.enter(inputs)]
        for layer in self.layers:
            outputs.append(layer(outputs[-1], graph.edges, offset))
        joined = self.join(torch.cat(outputs, dim=1)).float()  # a mean over hundreds of nodes in bfloat16 would lose most of them
        for_max, for_mean = joined.tensor_split(2, dim=1)
        pooled = [scatter(x, graph.place, 0, graph.places, how) for x, how in ((for_max, "max"), (for_mean, "mean"))]
        return torch.cat(pooled, dim=1)
