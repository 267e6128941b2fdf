"""PCT (Guo et al., PCT: Point Cloud Transformer, 2021)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from config.cloud_settings import PCTSettings
from models.clouds.layers import FarthestSampling, PointNorm, dense, index_in_cloud, mlp
from models.neighbors import gather_rows, nearest_neighbors

ATTENTIONS = 4


class NeighborEmbedding(nn.Module):
    """Thins a cloud. Each kept point i gets the maximum over its nearest neighbours j of two layers on [f_j − f_i, f_i] (section 3.3)."""

    def __init__(self, stride: int, neighbors: int, width_in: int, width_out: int):
        super().__init__()
        self.sample, self.neighbors = FarthestSampling(stride), neighbors
        # W·[f_j − f_i, f_i] = W1·f_j + (W2 − W1)·f_i
        self.neighbor = nn.Linear(width_in, width_out, bias=False)
        self.centre = nn.Linear(width_in, width_out, bias=False)  # W2 − W1
        self.rest = nn.Sequential(PointNorm(width_out), nn.ReLU(), dense(width_out, width_out))

    def forward(self, positions: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """positions (B, P, 3), features (B, P, C) → index of the kept points (B, Q), their positions (B, Q, 3) and features (B, Q, C')."""
        kept = self.sample(positions)
        centres = gather_rows(positions, kept)
        index = nearest_neighbors(positions, min(self.neighbors, positions.shape[1]), centres)
        edges = gather_rows(self.neighbor(features), index) + self.centre(gather_rows(features, kept))[:, :, None]  # B,Q,k,C'
        return kept, centres, self.rest(edges).amax(2)


class OffsetAttention(nn.Module):
    """Self-attention: a layer on the difference between its input and its result is added to the input (section 3.2).

    Queries and keys are the same.
    """

    def __init__(self, width: int):
        super().__init__()
        self.query = nn.Linear(width, max(1, width // 4), bias=False)
        self.value = nn.Linear(width, width)
        self.difference = dense(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, Q, C) → (B, Q, C)."""
        query = self.query(x)
        attention = (query @ query.transpose(1, 2)).softmax(-1)
        attention = attention / (1e-9 + attention.sum(1, keepdim=True))
        return x + self.difference(x - attention.transpose(1, 2) @ self.value(x))


class PCT(nn.Module):
    """Layers on each point, neighbour embeddings that thin the cloud, then offset attention among the points that are left.

    Args:
        settings: neighbors, strides, widths (of the first layers, then of each embedding), features.
        width_in: width of the inputs.

    Attributes:
        features: width of a point's feature.
    """

    def __init__(self, settings: PCTSettings, width_in: int):
        super().__init__()
        self.features, widths = settings.features, settings.widths
        self.enter = mlp([width_in, widths[0], widths[0]])
        levels = zip(settings.strides, pairwise(widths), strict=True)
        self.levels = nn.ModuleList(NeighborEmbedding(stride, settings.neighbors, a, b) for stride, (a, b) in levels)
        self.before = mlp([widths[-1]] * 3)
        self.attentions = nn.ModuleList(OffsetAttention(widths[-1]) for _ in range(ATTENTIONS))
        self.last = dense((ATTENTIONS + 1) * widths[-1], self.features, 0.2)

    def forward(self, positions: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """positions (B, P, 3), inputs (B, P, width_in) → features (B, Q, features) of the kept points (B, Q)."""
        kept: Tensor | None = None
        features = self.enter(inputs)
        for level in self.levels:
            index, positions, features = level(positions, features)
            kept = index_in_cloud(kept, index)
        x, attended = self.before(features), []
        for attention in self.attentions:
            x = attention(x)
            attended.append(x)
        return self.last(torch.cat([*attended, features], dim=-1)), kept
