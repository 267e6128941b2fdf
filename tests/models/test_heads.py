"""Heads: widths, and what a norm removes."""

import pytest
import torch

from models.heads import make_head
from utils.errors import InputError


@pytest.mark.parametrize("kind", ["norm", "linear", "mlp"])
def test_widths(kind):
    assert make_head(kind, 6, 4)(torch.randn(5, 6)).shape == (5, 4)


def test_norm_takes_away_what_all_places_share_and_how_large_it_is():
    torch.manual_seed(0)
    head, vectors = make_head("norm", 6, 4), torch.randn(50, 6)
    expected = head(vectors)
    torch.testing.assert_close(head(30 * vectors + 100), expected, rtol=1e-3, atol=1e-3)
    assert expected.mean(0).abs().max() < 1e-5 and (expected.std(0) - 1).abs().max() < 0.02


def test_none_takes_its_own_width_only():
    vectors = torch.randn(5, 6)
    assert torch.equal(make_head("none", 6, 6)(vectors), vectors)
    with pytest.raises(InputError, match="model.tile gives 6 numbers and has head: none, but embedding_dim is 4"):
        make_head("none", 6, 4, "model.tile")
