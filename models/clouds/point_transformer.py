"""Point Transformer (Zhao et al., Point Transformer, 2021)."""

from itertools import pairwise

from torch import Tensor, nn

from config.cloud_settings import PointTransformerSettings
from models.clouds.layers import SetAbstraction, dense, index_in_cloud
from models.neighbors import gather_rows, nearest_neighbors


class VectorAttention(nn.Module):
    """Attention to nearest neighbours with a weight per channel, added to the input (eq. 3). Weights and values also see the offsets."""

    def __init__(self, width: int, hidden: int, neighbors: int):
        super().__init__()
        self.neighbors = neighbors
        self.enter, self.leave = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.query, self.key, self.value = (nn.Linear(hidden, hidden, bias=False) for _ in range(3))
        self.offset = nn.Sequential(nn.Linear(3, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        # no bias at the end: the softmax over neighbours would cancel it
        self.relation = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden, bias=False))

    def forward(self, positions: Tensor, features: Tensor) -> Tensor:
        """positions (B, P, 3), features (B, P, C) → (B, P, C)."""
        index, x = nearest_neighbors(positions, min(self.neighbors, positions.shape[1])), self.enter(features)
        offset = self.offset(positions[:, :, None] - gather_rows(positions, index))  # B,P,k,hidden
        relation = self.relation(self.query(x)[:, :, None] - gather_rows(self.key(x), index) + offset)
        weight = (relation / relation.shape[-1] ** 0.5).softmax(2)
        return features + self.leave((weight * (gather_rows(self.value(x), index) + offset)).sum(2))


class PointTransformer(nn.Module):
    """Vector attention at several levels. Between levels, set abstractions of nearest neighbours thin the cloud.

    Args:
        settings: neighbors, strides, attention_width, widths (of each level), features.
        width_in: width of the inputs.

    Attributes:
        features: width of a point's feature.
    """

    def __init__(self, settings: PointTransformerSettings, width_in: int):
        super().__init__()
        self.features, widths, k = settings.features, settings.widths, settings.neighbors
        self.enter = nn.Sequential(nn.Linear(width_in, widths[0]), nn.ReLU(), nn.Linear(widths[0], widths[0]))
        self.attentions = nn.ModuleList(VectorAttention(width, settings.attention_width, k) for width in widths)
        levels = zip(settings.strides, pairwise(widths), strict=True)
        self.levels = nn.ModuleList(SetAbstraction(stride, k, a, [b, b]) for stride, (a, b) in levels)
        self.last = dense(widths[-1], self.features)

    def forward(self, positions: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """positions (B, P, 3), inputs (B, P, width_in) → features (B, Q, features) of the kept points (B, Q)."""
        kept: Tensor | None = None
        features = self.attentions[0](positions, self.enter(inputs))
        for level, attention in zip(self.levels, self.attentions[1:], strict=True):
            index, positions, features = level(positions, features)
            kept = index_in_cloud(kept, index)
            features = attention(positions, features)
        return self.last(features), kept
