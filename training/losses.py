"""Losses over query and reference embeddings of the same places, in float32."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from config.schema import LossConfig


def infonce(query: Tensor, reference: Tensor, temperature: float, ignore: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE (van den Oord et al., 2018, eq. 4): cross-entropy of cosine similarities over the temperature, both directions.

    Args:
        query, reference: (B, D) raw embeddings; row i of both is the same place.
        ignore: (B, B) bool, pairs that are neither positive nor negative; the diagonal is never ignored.
    """
    logits = functional.normalize(query.float()) @ functional.normalize(reference.float()).T / temperature
    if ignore is not None:
        logits = logits.masked_fill(_off_diagonal(ignore), float("-inf"))
    target = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


def triplet(query: Tensor, reference: Tensor, margin: float, ignore: Tensor | None = None) -> Tensor:
    """Soft triplet loss: mean of softplus(d_ii − d_ij + margin) over all negatives j, both directions (arXiv 2308.05993).

    d is the Euclidean distance of normalised embeddings. Arguments as for `infonce`.
    """
    cosine = functional.normalize(query.float()) @ functional.normalize(reference.float()).T
    distance = (2 - 2 * cosine).clamp_min(1e-12).sqrt()
    positive = distance.diagonal()
    negative = ~torch.eye(len(distance), dtype=torch.bool, device=distance.device)
    if ignore is not None:
        negative &= ~ignore
    if not negative.any():
        return distance.sum() * 0.0
    from_query = functional.softplus(positive[:, None] - distance + margin)[negative]
    from_reference = functional.softplus(positive[None, :] - distance + margin)[negative]
    return (from_query.mean() + from_reference.mean()) / 2


def two_view_loss(loss: Callable[[Tensor, Tensor], Tensor], query: Tensor, reference: Tensor, weights: tuple[float, ...]) -> Tensor:
    """Three terms over two views of the same places, as published with arXiv 2308.05993.

    Args:
        loss: of two sets of embeddings (B, D), e.g. infonce at some temperature.
        query, reference: (2, B, D) raw embeddings: of either view, the places in the same order.
        weights: of mean query against mean reference (means of the raw embeddings), reference against reference, query against query.
    """
    pairs = ((query.mean(0), reference.mean(0)), tuple(reference), tuple(query))
    return sum(weight * loss(*pair) for weight, pair in zip(weights, pairs, strict=True) if weight)


def same_places(position: Tensor, city: Tensor, radius_m: float) -> Tensor:
    """Pairs of places nearer than a radius: (B, 2) metres and (B,) city → (B, B) bool."""
    near = torch.cdist(position, position) < radius_m
    return near & (city[:, None] == city[None, :])


def matching_loss(config: LossConfig, query: Tensor, reference: Tensor, position: Tensor, city: Tensor) -> Tensor:
    """The recipe's loss for a batch."""
    ignore = same_places(position, city, config.same_place_m)
    if config.name == "infonce":
        return infonce(query, reference, config.temperature, ignore)
    return triplet(query, reference, config.margin, ignore)


def _off_diagonal(mask: Tensor) -> Tensor:
    return mask & ~torch.eye(len(mask), dtype=torch.bool, device=mask.device)
