"""PointNet++ (Qi et al., 2017) built with the convolution of torch-geometric."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch_geometric.nn import PointNetConv

from config.cloud_settings import PointNet2Settings
from models.clouds.layers import dense, mlp
from models.neighbors import ball_query


class GraphPointNet2(nn.Module):
    """Set abstractions. PointNet++'s last one, which takes all points at once, is the encoder's pooling.

    Clouds are in farthest-point order, so each level keeps the first points instead of sampling again.

    Args:
        settings: strides; radius of the first level's balls, which doubles at each level; neighbors, the most points in a ball; widths,
            where level i has layers of widths[i] and widths[i + 1] on every edge; features.
        width_in: width of the inputs.

    Attributes:
        features: width of a point's feature.
    """

    def __init__(self, settings: PointNet2Settings, width_in: int):
        super().__init__()
        self.k, self.radius, self.strides, self.features = settings.neighbors, settings.radius, settings.strides, settings.features
        before = [width_in, *settings.widths[1:]]
        levels = zip(before, pairwise(settings.widths), strict=False)
        self.levels = nn.ModuleList(PointNetConv(mlp([width + 3, a, b]), add_self_loops=False) for width, (a, b) in levels)
        self.last = dense(before[-1], self.features)

    def forward(self, positions: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """positions (B, P, 3), inputs (B, P, width_in) → features (B, Q, features) of the first Q points, and their index (B, Q)."""
        x, radius = inputs.flatten(0, 1), self.radius
        for stride, level in zip(self.strides, self.levels, strict=True):
            points = positions.shape[1]
            centres = positions[:, : max(1, points // stride)]
            edges = edges_of(ball_query(positions, centres, radius, min(self.k, points)), points)
            x = level((x, None), (positions.flatten(0, 1), centres.flatten(0, 1)), edges)
            positions, radius = centres, 2 * radius
        kept = torch.arange(positions.shape[1], device=x.device).expand(positions.shape[0], -1)
        return self.last(x).unflatten(0, kept.shape), kept


def edges_of(index: Tensor, points: int) -> Tensor:
    """The clouds of a batch as one graph without edges between clouds.

    Args:
        index: (B, Q, k) neighbours of each query among the points of its cloud.
        points: number of points in each cloud. Point p of cloud b is node b · points + p; query q is node b · Q + q.

    Returns:
        (2, B · Q · k) int64: neighbours, and the queries that receive their messages.
    """
    batch, queries, k = index.shape
    first = torch.arange(batch, device=index.device)[:, None, None] * points
    receivers = torch.arange(batch * queries, device=index.device).repeat_interleave(k)
    return torch.stack([(index + first).flatten(), receivers])
