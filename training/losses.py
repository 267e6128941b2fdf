"""Losses over the similarities of query and reference embeddings, in float32.

A loss is built as `Class(settings)` and called with

    similarity: (Q, R) cosine similarities of Q queries with R references.
    positive: (Q,) int64, the column of each query's own reference.
    ignore: (Q, R) bool, pairs that are neither positive nor negative; None: no such pairs. Own references are never ignored.

Losses work in both directions: each query is compared with all references, and each query's own reference with all queries.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from config.learning_settings import InfoNCESettings, TripletSettings

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class InfoNCE:
    """Symmetric InfoNCE (van den Oord et al., 2018, eq. 4): cross-entropy of the similarities divided by the temperature."""

    def __init__(self, settings: InfoNCESettings):
        self.temperature = settings.temperature

    def __call__(self, similarity: Tensor, positive: Tensor, ignore: Tensor | None = None) -> Tensor:
        logits = similarity / self.temperature
        negative = negatives(similarity, positive, ignore)
        own = torch.arange(len(positive), device=positive.device)
        of_queries = logits.masked_fill(~negative & ~_own(logits, positive), float("-inf"))
        diagonal = torch.eye(len(positive), dtype=torch.bool, device=positive.device)
        of_references = logits[:, positive].masked_fill(~negative[:, positive] & ~diagonal, float("-inf"))
        return (functional.cross_entropy(of_queries, positive) + functional.cross_entropy(of_references.T, own)) / 2


class Triplet:
    """Soft triplet loss: mean of softplus(d⁺ − d⁻ + margin) over all negatives (arXiv 2308.05993).

    d is the Euclidean distance of normalised embeddings.
    """

    def __init__(self, settings: TripletSettings):
        self.margin = settings.margin

    def __call__(self, similarity: Tensor, positive: Tensor, ignore: Tensor | None = None) -> Tensor:
        distance = (2 - 2 * similarity).clamp_min(1e-12).sqrt()
        negative = negatives(similarity, positive, ignore)
        own = distance.gather(1, positive[:, None])  # Q,1
        pairs = ((own - distance)[negative], (own.T - distance[:, positive])[negative[:, positive]])
        directions = [functional.softplus(differences + self.margin).mean() for differences in pairs if len(differences)]
        return torch.stack(directions).mean() if directions else distance.sum() * 0.0


def cosine_similarity(query: Tensor, reference: Tensor) -> Tensor:
    """(Q, R) cosine similarities, in float32, of embeddings (Q, D) and (R, D), which need not be normalised."""
    return functional.normalize(query.float()) @ functional.normalize(reference.float()).T


def negatives(similarity: Tensor, positive: Tensor, ignore: Tensor | None = None) -> Tensor:
    """(Q, R) bool: the references that are negatives of each query. Arguments: see the module."""
    negative = ~_own(similarity, positive)
    return negative if ignore is None else negative & ~ignore


def _own(similarity: Tensor, positive: Tensor) -> Tensor:
    """(Q, R) bool: each query's own reference."""
    return torch.zeros_like(similarity, dtype=torch.bool).scatter_(1, positive[:, None], True)


def same_places(position: Tensor, city: Tensor, radius_m: float) -> Tensor:
    """Pairs of places in the same city that are closer than a radius: (B, 2) metres and (B,) city → (B, B) bool."""
    near = torch.cdist(position, position) < radius_m
    return near & (city[:, None] == city[None, :])
