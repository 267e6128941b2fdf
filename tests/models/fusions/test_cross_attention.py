"""Cross-attention between pixels and points."""

import math

import torch

from models.fusions.cross_attention import HEADS, WIDTH, TokenAttention, position_waves
from utils.frames import tile_grid


@torch.no_grad()
def test_attention_against_a_loop():
    torch.manual_seed(0)
    block = TokenAttention()
    tokens, others = torch.randn(2, 3, WIDTH), torch.randn(2, 5, WIDTH)
    size, expected = WIDTH // HEADS, torch.zeros(2, 3, WIDTH)
    query, key, value = block.query(block.norm(tokens)), block.key(block.norm_others(others)), block.value(block.norm_others(others))
    for b in range(2):
        for i in range(3):
            for head in range(HEADS):
                s = slice(head * size, (head + 1) * size)
                weights = torch.softmax(torch.stack([query[b, i, s] @ key[b, j, s] / math.sqrt(size) for j in range(5)]), 0)
                expected[b, i, s] = sum(weights[j] * value[b, j, s] for j in range(5))
    expected = tokens + block.out(expected)
    expected = expected + block.own(block.norm_own(expected))
    torch.testing.assert_close(block(tokens, others), expected, rtol=1e-4, atol=1e-5)


def test_positions_tell_places_apart():
    """Near positions are similar and far ones are not, all over the tile. The longest wave is twice the tile's width."""
    line = torch.linspace(-76, 76, 153)
    places = torch.cartesian_prod(line[::8], line[::8])[None]
    waves = position_waves(places)[0]
    similar = waves @ waves.T / waves.square().sum(1)
    distance = torch.cdist(places[0], places[0])
    assert (similar[distance > 20] < 0.95).all() and (similar.diagonal() > 0.999).all()
    assert (position_waves(torch.tensor([[[0.0, 0], [1, 0]]]))[0].diff(dim=0).norm() / waves[0].norm()) < 0.2


@torch.no_grad()
def test_tiles_and_points_lie_in_one_frame(make_fusion, make_inputs):
    """A pixel has the same waves as a point at its position."""
    for polar in (False, True):
        fusion = make_fusion("cross_attention", polar)
        at = tile_grid(2, 4 if polar else 2, polar).flatten(0, 1)[None]
        torch.testing.assert_close(fusion.cells, position_waves(at))


@torch.no_grad()
def test_pixels_have_places(make_fusion, make_inputs):
    """Both poolings ignore the order of pixels, so only position waves tell them apart."""
    fusion, (tile, cloud, points) = make_fusion("cross_attention"), make_inputs()
    assert not torch.allclose(fusion((None, tile[1].flip(2)), cloud, points), fusion(tile, cloud, points))
