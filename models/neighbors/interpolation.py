"""Features between points."""

from torch import Tensor

from models.neighbors.nearest import nearest_neighbors
from models.neighbors.rows import gather_rows


def three_nearest_interpolation(points: Tensor, features: Tensor, queries: Tensor) -> Tensor:
    """Mean of the features of the three nearest points, weighted by the inverse of the squared distance (PointNet++, eq. 2, p = 2, k = 3).

    A query that coincides with a point takes its feature exactly (with several of the three, their mean): the limit of the formula.
    Gradients flow into the features only.

    Args:
        points: (B, Q, 3); of one or two points all are used.
        features: (B, Q, C) of the points.
        queries: (B, P, 3).

    Returns:
        (B, P, C) in the type of the features.

    Raises:
        ValueError: an empty cloud.
    """
    points, queries = points.detach().float(), queries.detach().float()
    index = nearest_neighbors(points, max(1, min(3, points.shape[1])), queries)
    squared = (gather_rows(points, index) - queries[..., None, :]).square().sum(-1)  # B,P,3
    nearest = squared.amin(-1, keepdim=True)
    # Relative to the nearest, so that no distance is too small to be inverted; an equal one may be zero over zero.
    weight = (nearest / squared).masked_fill(squared == nearest, 1)
    weight = weight / weight.sum(-1, keepdim=True)
    total = sum(w[..., None] * gather_rows(features, i) for w, i in zip(weight.unbind(-1), index.unbind(-1), strict=True))
    return total.to(features.dtype)
