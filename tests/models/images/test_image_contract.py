"""The contract of image encoders, for every backbone and pooling."""

import pytest
import torch

from config.image_settings import IMAGES
from config.pooling_settings import MAP_POOLINGS
from config.reader import from_mapping
from config.schema import PanoramaConfig, TileConfig
from models.images.image_encoder import ImageEncoder
from tests.models.conftest import BACKBONES, image, pooled
from utils.errors import InputError


def encoder(settings=None, dim=9, polar=None, **changes):
    """A small encoder of panoramas, or of tiles if `polar` is given, and images for it."""
    torch.manual_seed(0)
    tile = {} if polar is None else {"polar": polar}
    config = from_mapping(PanoramaConfig if polar is None else TileConfig, (settings or image()) | changes | tile, "test")
    return ImageEncoder(config, dim), torch.rand(2, 3, config.height, config.width)


CASES = {name: image(name) for name in BACKBONES} | {f"pool-{name}": pooled(name) for name in MAP_POOLINGS}


@pytest.mark.parametrize("polar", [None, False])
@pytest.mark.parametrize("case", CASES)
def test_shapes_and_gradients(case, polar):
    model, images = encoder(CASES[case], polar=polar)
    vector, features = model(images)
    assert vector.shape == (2, 9)
    stride = model.backbone.stride
    assert features.shape == (2, model.channels, images.shape[2] // stride, images.shape[3] // stride)
    (vector * torch.randn_like(vector)).sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), key


@torch.no_grad()
@pytest.mark.parametrize("name", BACKBONES)
def test_a_feature_map_alone(name):
    model, images = encoder(image(name), dim=None)
    vector, features = model.eval()(images)
    assert vector is None and features.isfinite().all()
    assert not any(key.startswith(("pool", "head")) for key in model.state_dict())
    stated = IMAGES[name]
    assert model.backbone.tokens == stated.tokens and stated.stride in (model.backbone.stride, 0)


@torch.no_grad()
@pytest.mark.parametrize("pooling", MAP_POOLINGS)
def test_heads(pooling):
    model, images = encoder(pooled(pooling), head="mlp")
    assert model(images)[0].shape == (2, 9)
    model, images = encoder(pooled(pooling), head="none", dim=model.pool.width)
    features, tokens = model.eval().backbone(images)
    assert torch.equal(model(images)[0], model.pool(tokens if MAP_POOLINGS[pooling].reads == "tokens" else features))


def test_widths_that_differ_without_a_head():
    with pytest.raises(InputError, match="gives 128 numbers and has head: none, but embedding_dim is 9"):
        encoder(head="none")
