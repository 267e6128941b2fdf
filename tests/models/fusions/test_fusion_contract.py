"""The contract of fusions."""

import pytest
import torch

from config.fusion_settings import FUSIONS
from config.reader import from_mapping
from config.schema import ModelConfig
from utils.errors import InputError

KINDS = [(name, polar) for name, entry in FUSIONS.items() for polar in (False, True) if entry.polar or not polar]
FEATURES = [kind for kind in KINDS if FUSIONS[kind[0]].reads == "features"]


@torch.no_grad()
@pytest.mark.parametrize(("name", "polar"), KINDS)
@pytest.mark.parametrize("widths", [{}, {"channels": 3, "features": 11, "dim": 9, "rows": 3}, {"channels": 8, "features": 2, "dim": 1}])
def test_any_width(name, polar, widths, make_fusion, make_inputs):
    fusion = make_fusion(name, polar, **widths)
    output = fusion(*make_inputs(polar, **widths))
    assert output.shape == (3, fusion.width) and output.isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize(("name", "polar"), KINDS)
def test_reads_both_branches(name, polar, make_fusion, make_inputs):
    fusion, inputs, others = make_fusion(name, polar), make_inputs(polar), make_inputs(polar, seed=1)
    output = fusion(*inputs)
    for i in range(2):
        changed = [*inputs]
        changed[i] = others[i]
        assert not torch.allclose(fusion(*changed), output)


@torch.no_grad()
@pytest.mark.parametrize(("name", "polar"), FEATURES)
def test_points_have_places_but_no_order(name, polar, make_fusion, make_inputs):
    fusion, (tile, (_, features), points) = make_fusion(name, polar), make_inputs(polar)
    output, order = fusion(tile, (None, features), points), torch.randperm(points.shape[1])
    torch.testing.assert_close(fusion(tile, (None, features[:, order]), points[:, order]), output, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(fusion(tile, (None, features), points[:, order]), output)


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name, polar in FEATURES if polar])
def test_sectors(name, make_fusion, make_inputs):
    """When the viewer turns round, ahead and behind swap, and nothing is lost."""
    fusion, (tile, cloud, points) = make_fusion(name, True, sectors=4), make_inputs(True)
    output = fusion(tile, cloud, points)
    turned = fusion((None, tile[1].roll(2, 3)), cloud, points * torch.tensor([-1.0, -1, 1]))
    assert output.shape == (3, fusion.width) and not torch.allclose(turned, output)
    if name == "pixel_to_point":  # the others also depend on directions
        torch.testing.assert_close(turned.sort().values, output.sort().values, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fusion": "2to3", "tile": {"polar": True}}, "fusion is '2to3', which, as in the paper, takes only Cartesian tiles"),
        ({"fusion": "3to2", "tile": {"polar": True}}, "fusion is '3to2', which, as in the paper, takes only Cartesian tiles"),
        ({"fusion": "3to2", "cloud": None}, "fusion is '3to2', but there is no cloud encoder to fuse"),
        ({"fusion": "ad"}, "fusion is 'ad', it takes one of .*; did you mean 'add'"),
        ({"tile": {"encoder": "hybrid_vit", "pooling": "token"}, "fusion": "cross_attention"}, "tile.pooling token pools class tokens"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(InputError, match=message):
        from_mapping(ModelConfig, {"panorama": {}, "tile": {}, "cloud": {}} | change, "recipe")
