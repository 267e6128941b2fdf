"""Neighbour search and sampling in batched clouds: plain PyTorch for CPU and GPU, with the results of the naive loops, ties included."""

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

CHUNK = 2**18  # distances at a time, about 20 bytes each: small enough for a CPU's cache, and so faster than all at once
GPU_CHUNK = 2**24  # fewer and larger kernels


def search_distances(search: Callable[[Tensor], Tensor], points: Tensor, queries: Tensor) -> Tensor:
    """Applies a search to the squared Euclidean distances of all queries from the points of their cloud.

    Distances are float32, also under autocast, and carry no gradients. In up to three dimensions they are the sum of the squared
    differences in the order of the axes, equal to a naive loop to the last bit. In more dimensions that would be many times slower, so
    they are |q|² − 2 q·p + |p|² in float64 (which autocast leaves alone), rounded to float32: zero for coincident points, and exact for
    coordinates on a common grid.

    Memory beyond points, queries and result: CHUNK distances (GPU_CHUNK on a GPU), or the distances of one query if those are more.

    Args:
        search: maps distances (b, q, P), of all queries of some clouds or of some queries of one cloud, to results (b, q, k).
        points: (B, P, D); queries: (B, Q, D).

    Returns:
        (B, Q, k).
    """
    points, queries = points.detach().float(), queries.detach().float()
    distances = _differences
    if points.shape[2] > 3:
        points, queries, distances = *_factors(points, queries), _product
    if torch.compiler.is_exporting():  # the number of chunks would fix the batch size of the exported program
        return search(distances(points, queries))
    chunk = CHUNK if points.device.type == "cpu" else GPU_CHUNK
    clouds, step = (max(1, chunk // max(1, size)) for size in (points.shape[1] * queries.shape[1], points.shape[1]))
    pairs = zip(points.split(clouds), queries.split(clouds), strict=True)
    return torch.cat([torch.cat([search(distances(p, part)) for part in q.split(step, 1)], 1) for p, q in pairs])


def _differences(points: Tensor, queries: Tensor) -> Tensor:
    squares = ((q[:, :, None] - p[:, None, :]).square_() for p, q in zip(points.unbind(2), queries.unbind(2), strict=True))
    return reduce(lambda total, square: square.add_(total), squares)


def _factors(points: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (p, 1, |p|²) and (−2 q, |q|², 1): their dot products are the squared distances."""
    points, queries = points.double(), queries.double()
    centre = points.mean(1, keepdim=True)
    points, queries = points - centre, queries - centre
    shrink = 1 - 2.0**-44  # more than the rounding error, so that coincident points come out below zero, where clamping makes them zero
    of_points, of_queries = (x.square().sum(2, keepdim=True) * shrink for x in (points, queries))
    right = torch.cat([points, torch.ones_like(of_points), of_points], 2)
    return right, torch.cat([-2 * queries, of_queries, torch.ones_like(of_queries)], 2)


def _product(points: Tensor, queries: Tensor) -> Tensor:
    return (queries @ points.transpose(1, 2)).float().clamp_(min=0)


def check_count(points: Tensor, count: int, name: str) -> None:
    """Raises ValueError if the clouds (B, P, D) are empty or have fewer than `count` points."""
    if points.shape[1] == 0:
        raise ValueError("the cloud is empty: it takes at least one point")
    if not 1 <= count <= points.shape[1]:
        raise ValueError(f"{name} is {count}, it takes 1 to the number of points ({points.shape[1]})")


def nearest_neighbors(points: Tensor, k: int, queries: Tensor | None = None) -> Tensor:
    """The k nearest points of every query. Of equally distant points, those with the lower index come first.

    Precision and memory: see `search_distances`.

    Args:
        points: (B, P, D).
        k: 1 to P.
        queries: (B, Q, D); None: the points, each of which finds itself first (or a coincident point with a lower index).

    Returns:
        (B, Q, k) int64 indices of points, nearest first.

    Raises:
        ValueError: the cloud is empty, or k is out of range.
    """
    check_count(points, k, "k")
    # torch.topk breaks ties arbitrarily, so no two keys may be equal. The index goes into the 29 bits by which float64 exceeds float32:
    # it changes a distance by far less than the step to the next float32. For a distance of zero the offset is the key.
    index = torch.arange(points.shape[1], dtype=torch.float64, device=points.device)
    scale, offset = 1 + index * 2.0**-52, index * 1e-300

    def search(distances: Tensor) -> Tensor:
        key = (distances * scale).add_(offset)
        if not torch.compiler.is_exporting():  # as integers, in the same order, keys compare twice as fast; ONNX cannot reinterpret them
            key = key.view(torch.int64)
        return key.topk(k, dim=-1, largest=False).indices

    return search_distances(search, points, points if queries is None else queries)


def ball_query(points: Tensor, queries: Tensor, radius: float, k: int) -> Tensor:
    """For each query, the first k points by index that are no farther away than the radius.

    This is the grouping of PointNet++ (Qi et al., 2017, section 3.2) as in its authors' code: where a ball has fewer than k points, its
    first point is repeated. A query with an empty ball gets its nearest point, k times. Precision and memory: see `search_distances`.

    Args:
        points: (B, P, D); queries: (B, Q, D).
        radius: in the units of the points.
        k: 1 to P.

    Returns:
        (B, Q, k) int64 indices of points.

    Raises:
        ValueError: the cloud is empty, k is out of range, or the radius is negative.
    """
    check_count(points, k, "k")
    if not radius >= 0:
        raise ValueError(f"radius is {radius}, it takes a number of at least 0")
    limit = torch.tensor(radius, dtype=torch.float32).square()  # rounded like the distances, so that a point on the sphere is inside
    none = points.shape[1]
    index = torch.arange(none, device=points.device)

    def search(distances: Tensor) -> Tensor:
        found = torch.where(distances <= limit, index, none).topk(k, dim=-1, largest=False).values
        first = found[..., :1]
        first = torch.where(first < none, first, distances.argmin(-1, keepdim=True))
        return torch.where(found < none, found, first)

    return search_distances(search, points, queries)


def farthest_points(points: Tensor, count: int, start: int | Tensor = 0) -> Tensor:
    """Farthest point sampling (Eldar et al., 1997): each pick is the point farthest from all earlier picks; ties go to the lower index.

    Distances are squared differences in float32, summed in the order of the axes. The picks are those of the naive loop and of
    `data.areas.farthest_order`.

    Args:
        points: (B, P, 3).
        count: number of picks, 1 to P.
        start: index of the first pick, 0 to P − 1: one for all clouds, or (B,) int64 with one for each.

    Returns:
        (B, count) int64 indices in the order of picking; the first is the start.

    Raises:
        ValueError: the cloud is empty, or count or a start for all clouds is out of range.
    """
    check_count(points, count, "count")
    if isinstance(start, int):
        if not 0 <= start < points.shape[1]:
            raise ValueError(f"start is {start}, it takes 0 to {points.shape[1] - 1}")
        start = torch.full(points.shape[:1], start, device=points.device)
    axes = points.detach().float().transpose(1, 2).contiguous()  # B,3,P
    pick, picks, nearest = start[:, None], [start], None
    for _ in range(count - 1):
        x, y, z = (axes - axes.gather(2, pick[:, None].expand(-1, 3, -1))).square_().unbind(1)
        distance = x + y + z
        nearest = distance if nearest is None else torch.minimum(nearest, distance)
        pick = nearest.argmax(1, keepdim=True)
        picks.append(pick[:, 0])
    return torch.stack(picks, 1)


def three_nearest_interpolation(points: Tensor, features: Tensor, queries: Tensor) -> Tensor:
    """Mean of the features of the three nearest points, weighted by the inverse of the squared distance (PointNet++, eq. 2, p = 2, k = 3).

    A query that coincides with a point gets exactly its feature (if it coincides with several, their mean), as in the limit.
    Gradients flow into the features only.

    Args:
        points: (B, Q, 3); if there are only one or two, all are used.
        features: (B, Q, C) of the points.
        queries: (B, P, 3).

    Returns:
        (B, P, C) in the dtype of the features.

    Raises:
        ValueError: the cloud is empty.
    """
    points, queries = points.detach().float(), queries.detach().float()
    index = nearest_neighbors(points, max(1, min(3, points.shape[1])), queries)
    squared = (gather_rows(points, index) - queries[..., None, :]).square().sum(-1)  # B,P,3
    nearest = squared.amin(-1, keepdim=True)
    # Divided by the nearest distance, so that no distance is too small to invert. Equal ones may be 0 / 0, hence the mask.
    weight = (nearest / squared).masked_fill(squared == nearest, 1)
    weight = weight / weight.sum(-1, keepdim=True)
    terms = (w[..., None] * gather_rows(features, i) for w, i in zip(weight.unbind(-1), index.unbind(-1), strict=True))
    return reduce(torch.add, terms).to(features.dtype)


def gather_rows(features: Tensor, index: Tensor) -> Tensor:
    """Picks rows of each cloud's features. Gradients flow into the features.

    Args:
        features: (B, P, C); index: (B, ...) int64.

    Returns:
        (B, ..., C).
    """
    rows = features.reshape(-1, features.shape[-1])
    return rows.index_select(0, _flat(features, index).flatten()).view(*index.shape, rows.shape[1])


def _flat(features: Tensor, index: Tensor) -> Tensor:
    """Indices (B, ...) into features (B, P, C) as indices into their B·P rows."""
    batch, points = features.shape[:2]
    return index + torch.arange(batch, device=index.device).mul(points).view(-1, *[1] * (index.ndim - 1))


class _NeighborMax(torch.autograd.Function):
    """Maximum over gathered rows. For the gradient it keeps only the winner's index, not the k times larger tensor of edges."""

    @staticmethod
    def forward(ctx, rows: Tensor, index: Tensor) -> Tensor:
        best, winner = rows[index[:, 0]], index[:, :1].expand(-1, rows.shape[1])
        for j in range(1, index.shape[1]):
            candidate = rows[index[:, j]]
            better = candidate > best
            best = torch.where(better, candidate, best)
            winner = torch.where(better, index[:, j : j + 1], winner)
        ctx.save_for_backward(winner)
        ctx.rows = rows.shape[0]
        return best

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (winner,) = ctx.saved_tensors
        total = torch.zeros(ctx.rows, gradient.shape[1], dtype=torch.promote_types(gradient.dtype, torch.float32), device=gradient.device)
        return total.scatter_add_(0, winner, gradient.to(total.dtype)).to(gradient.dtype), None


def neighbor_max(features: Tensor, index: Tensor) -> Tensor:
    """Channel-wise maximum over each point's neighbours; the first neighbour wins ties.

    Args:
        features: (B, P, C); index: (B, Q, k) from nearest_neighbors or ball_query.

    Returns:
        (B, Q, C).
    """
    rows = features.reshape(-1, features.shape[-1])
    return _NeighborMax.apply(rows, _flat(features, index).flatten(0, 1)).view(*index.shape[:2], rows.shape[1])
