"""Building blocks of networks on points: layers on each point, thinning, and features of neighbourhoods."""

from itertools import pairwise

from torch import Tensor, nn

from models.neighbors import ball_query, farthest_points, gather_rows, nearest_neighbors


class PointNorm(nn.Module):
    """Batch norm of the channels in the last axis, over all other axes.

    It contains a BatchNorm1d instead of extending it: tools that replace batch norms (by synchronised ones) then keep the axes right.
    """

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) → (..., C)."""
        return self.norm(x.flatten(0, -2)).reshape(x.shape)


def dense(width_in: int, width_out: int, slope: float = 0.0) -> nn.Sequential:
    """Linear layer, norm and leaky ReLU on the last axis. With slope 0 it is a ReLU."""
    return nn.Sequential(nn.Linear(width_in, width_out, bias=False), PointNorm(width_out), nn.LeakyReLU(slope))


def mlp(widths: list[int]) -> nn.Sequential:
    """`dense` layers from each width to the next."""
    return nn.Sequential(*(dense(a, b) for a, b in pairwise(widths)))


class FarthestSampling(nn.Module):
    """Keeps one point in `stride`, by farthest point sampling.

    Attributes:
        start: index of the first pick: one for all clouds, or (B,) with one for each. Clouds are stored in farthest-point order, so from
            0 the picks are simply the first points.
    """

    def __init__(self, stride: int):
        super().__init__()
        self.stride, self.start = stride, 0

    def forward(self, positions: Tensor) -> Tensor:
        """positions (B, P, 3) → index (B, Q), Q = P / stride, at least 1."""
        return farthest_points(positions, max(1, positions.shape[1] // self.stride), self.start)


class SetAbstraction(nn.Module):
    """Thins a cloud. Each kept point i gets the maximum over its neighbours j of an MLP of [x_j − x_i, f_j] (PointNet++, section 3.2).

    Args:
        stride: one point in this many is kept.
        neighbors: of each kept point, at most; fewer if the cloud has fewer points.
        width_in: width of the features; may be 0.
        widths: of the MLP's layers.
        radius: neighbours are the first points within it; None: the nearest points.
    """

    def __init__(self, stride: int, neighbors: int, width_in: int, widths: list[int], radius: float | None = None):
        super().__init__()
        self.sample, self.neighbors, self.radius = FarthestSampling(stride), neighbors, radius
        # The first layer is linear, so features are mapped once per point, before they are gathered for the edges. Offsets are mapped
        # on the edges, because in bfloat16 a difference of mapped positions would be too coarse.
        self.offset = nn.Linear(3, widths[0], bias=False)
        self.feature = nn.Linear(width_in, widths[0], bias=False) if width_in else None
        self.rest = nn.Sequential(PointNorm(widths[0]), nn.ReLU(), mlp(widths))

    def forward(self, positions: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """positions (B, P, 3), features (B, P, width_in) → index of the kept points (B, Q), their positions (B, Q, 3) and features."""
        kept = self.sample(positions)
        centres, k = gather_rows(positions, kept), min(self.neighbors, positions.shape[1])
        if self.radius is None:
            index = nearest_neighbors(positions, k, centres)
        else:
            index = ball_query(positions, centres, self.radius, k)
        edges = self.offset(gather_rows(positions, index) - centres[:, :, None])  # B,Q,k,C
        if self.feature is not None:
            edges = edges + gather_rows(self.feature(features), index)
        return kept, centres, self.rest(edges).amax(2)


def index_in_cloud(before: Tensor | None, kept: Tensor) -> Tensor:
    """Index `kept` (B, R) into a thinned cloud → index (B, R) into the full cloud.

    Args:
        before: (B, Q) index of the thinned cloud's points in the full cloud; None: it was not thinned.
    """
    return kept if before is None else before.gather(1, kept)
