"""PointNeXt (Qian et al., PointNeXt: Revisiting PointNet++ with Improved Training and Scaling Strategies, 2022)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from config.schema import CloudConfig
from models.clouds.layers import PointNorm, dense
from models.neighbors import ball_query, neighbor_max

EXPANSION = 4


class BallMax(nn.Module):
    """Max over the points j in a ball of radius r about i of W·[(p_j − p_i) / r, x_j], then norm and ReLU.

    W is one matrix for each of the two, so the products are taken per point, and as in EdgeConv (dgcnn.py) norm and ReLU follow the
    maximum. A ball with more than k points gives its first k: of a cloud in farthest-point order a sample that covers the ball.
    """

    def __init__(self, width_in: int, width_out: int, radius: float, k: int):
        super().__init__()
        self.radius, self.k = radius, k
        self.offset = nn.Linear(3, width_out, bias=False)
        self.feature = nn.Linear(width_in, width_out, bias=False)
        self.norm = PointNorm(width_out)

    def forward(self, positions: Tensor, x: Tensor, count: int) -> Tensor:
        """positions (B, P, 3), x (B, P, C) → (B, count, C') of the first `count` points."""
        index = ball_query(positions, positions[:, :count], self.radius, min(self.k, x.shape[1]))
        with torch.autocast(x.device.type, enabled=False):  # a difference of mapped positions would lose the digits of bfloat16
            offset = self.offset(positions / self.radius)
        edges = neighbor_max(self.feature(x) + offset, index) - offset[:, :count]
        return self.norm(edges).relu()


class InvertedResidual(nn.Module):
    """Inverted residual MLP: neighbours first, at the block's own width, then a wider layer on each point, and the input added."""

    def __init__(self, width: int, radius: float, k: int):
        super().__init__()
        self.neighbors = BallMax(width, width, radius, k)
        self.widen = dense(width, EXPANSION * width)
        self.narrow = nn.Sequential(nn.Linear(EXPANSION * width, width, bias=False), PointNorm(width))

    def forward(self, positions: Tensor, x: Tensor) -> Tensor:
        """positions (B, P, 3), x (B, P, C) → (B, P, C)."""
        return (x + self.narrow(self.widen(self.neighbors(positions, x, x.shape[1])))).relu()


class PointNeXt(nn.Module):
    """Stem, then levels that each thin the points (set abstraction) and refine the rest (inverted residual MLP).

    Clouds come in farthest-point order, so their first points are the sample and none is drawn.

    Args:
        config: strides; radius of the first level's balls, twice as large in the block that follows and in the next level's; the most
            points of a ball; widths: of the stem and of each level; features.
        width_in: width of the inputs.

    Attributes:
        features: width of a point's feature.
    """

    def __init__(self, config: CloudConfig, width_in: int):
        super().__init__()
        self.strides, self.features, radius = config.strides, config.features, config.radius
        self.stem = dense(width_in, config.widths[0])
        self.levels = nn.ModuleList()
        for a, b in pairwise(config.widths):
            thin = BallMax(a, b, radius, config.neighbors)
            radius *= 2
            self.levels.append(nn.ModuleDict({"thin": thin, "refine": InvertedResidual(b, radius, config.neighbors)}))
        self.last = dense(config.widths[-1], self.features)

    def forward(self, positions: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """positions (B, P, 3), inputs (B, P, width_in) → features (B, Q, features) of the first Q points, and their index (B, Q)."""
        x = self.stem(inputs)
        for stride, level in zip(self.strides, self.levels, strict=True):
            count = max(1, x.shape[1] // stride)
            x = level["thin"](positions, x, count)
            positions = positions[:, :count]
            x = level["refine"](positions, x)
        return self.last(x), torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1)
