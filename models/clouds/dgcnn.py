"""DGCNN (Wang et al., Dynamic Graph CNN for Learning on Point Clouds, 2019)."""

import torch
from torch import Tensor, nn

from config.cloud_settings import DGCNNSettings
from models.clouds.layers import PointNorm, dense
from models.neighbors import nearest_neighbors, neighbor_max


class EdgeConv(nn.Module):
    """One edge convolution: the maximum over neighbours j of W·[x_j − x_i, x_i], then norm and activation.

    W·[x_j − x_i, x_i] = W1·x_j + (W2 − W1)·x_i. So both products are computed once per point, and only the maximum is taken over edges.
    The paper takes it after norm and activation. For a norm with given statistics and a positive scale both orders agree.
    """

    def __init__(self, width_in: int, width_out: int):
        super().__init__()
        self.neighbor = nn.Linear(width_in, width_out, bias=False)
        self.centre = nn.Linear(width_in, width_out, bias=False)  # W2 − W1
        self.norm = PointNorm(width_out)

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        """x (B, P, C), index (B, P, k) → (B, P, C')."""
        edges = neighbor_max(self.neighbor(x), index) + self.centre(x)
        return nn.functional.leaky_relu(self.norm(edges), 0.2)


class DGCNN(nn.Module):
    """Edge convolutions on a neighbour graph. All their outputs are joined to a feature per point.

    Args:
        settings: neighbors, widths, features, graph (what the first graph is built on), dynamic (whether later layers build new ones).
        width_in: width of the inputs.

    Attributes:
        features: width of a point's feature.
    """

    def __init__(self, settings: DGCNNSettings, width_in: int):
        super().__init__()
        self.k, self.graph, self.dynamic, self.features = settings.neighbors, settings.graph, settings.dynamic, settings.features
        widths = [width_in, *settings.widths]
        self.layers = nn.ModuleList(EdgeConv(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True))
        self.join = dense(sum(settings.widths), self.features, 0.2)

    def forward(self, positions: Tensor, inputs: Tensor) -> tuple[Tensor, None]:
        """positions (B, P, 3), inputs (B, P, width_in) → features (B, P, features) of all points."""
        k = min(self.k, positions.shape[1])
        index, x, outputs = nearest_neighbors(inputs if self.graph == "inputs" else positions, k), inputs, []
        for i, layer in enumerate(self.layers):
            if i and self.dynamic:
                index = nearest_neighbors(x, k)
            x = layer(x, index)
            outputs.append(x)
        return self.join(torch.cat(outputs, dim=-1)), None
