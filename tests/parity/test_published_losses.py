"""Published losses: value, each term, and gradients."""

from functools import partial

import pytest
import torch

from training.losses import infonce, triplet, two_view_loss

TERMS = ("img_map_loss", "map_loss", "image_loss")  # in the order of the weights


def loss_of(constructor):
    if "temperature" in constructor:
        return partial(infonce, temperature=constructor["temperature"])
    return partial(triplet, margin=constructor["margin"])


@pytest.mark.parity("e_infonce*", "e_triplet*")
def test_value_terms_and_gradients(published):
    constructor = published.spec["constructor"]
    loss, weights = loss_of(constructor), constructor["weights"]
    reference, query = (torch.from_numpy(published.inputs[name]).requires_grad_() for name in ("embedding", "image_embedding"))
    views = tuple(rows.view(2, len(rows) // 2, -1) for rows in (query, reference))  # the first half are first views
    value = two_view_loss(loss, *views, tuple(weights))
    value.backward()
    published.compare("loss", value, 1e-6)
    published.compare("grad_embedding", reference.grad, 1e-5)
    published.compare("grad_image_embedding", query.grad, 1e-5)
    for i, name in enumerate(TERMS):
        term = two_view_loss(loss, *views, tuple(float(i == j) for j in range(3)))
        assert term.item() == pytest.approx(published.spec["parts"][name], rel=1e-5), name
