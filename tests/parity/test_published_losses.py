"""Published losses: value, each term, and gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from config.learning_settings import InfoNCESettings, TripletSettings
from training.losses import InfoNCE, Triplet, cosine_similarity

TERMS = ("img_map_loss", "map_loss", "image_loss")  # in the order of the weights


def loss_of(constructor: dict) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of two sets of embeddings (B, D), whose rows are the same places."""
    if "temperature" in constructor:
        loss = InfoNCE(InfoNCESettings("infonce", temperature=constructor["temperature"]))
    else:
        loss = Triplet(TripletSettings("triplet", margin=constructor["margin"]))
    return lambda query, reference: loss(cosine_similarity(query, reference), torch.arange(len(query)))


def terms_of(loss: Callable[[Tensor, Tensor], Tensor], query: Tensor, reference: Tensor) -> list[Tensor]:
    """The published terms for two views (2, B, D) of the same places: of the mean embeddings, of references only, of queries only."""
    return [loss(query.mean(0), reference.mean(0)), loss(*reference), loss(*query)]


@pytest.mark.parity("e_infonce*", "e_triplet*")
def test_value_terms_and_gradients(published):
    constructor = published.spec["constructor"]
    reference, query = (torch.from_numpy(published.inputs[name]).requires_grad_() for name in ("embedding", "image_embedding"))
    views = (rows.view(2, len(rows) // 2, -1) for rows in (query, reference))  # the first half are first views
    terms = terms_of(loss_of(constructor), *views)
    value = sum(weight * term for weight, term in zip(constructor["weights"], terms, strict=True))
    value.backward()
    published.compare("loss", value, 1e-6)
    published.compare("grad_embedding", reference.grad, 1e-5)
    published.compare("grad_image_embedding", query.grad, 1e-5)
    for name, term in zip(TERMS, terms, strict=True):
        assert term.item() == pytest.approx(published.spec["parts"][name], rel=1e-5), name
