"""Convolutions that wrap round behind the viewer: turning a panorama by a multiple of the stride turns the feature map."""

import pytest
import torch
from torch import nn

from config.image_settings import IMAGES
from config.reader import from_mapping
from config.schema import PanoramaConfig
from models.images.image_encoder import ImageEncoder
from tests.models.conftest import BACKBONES, image

CONVOLUTIONS = [name for name in BACKBONES if not IMAGES[name].tokens]


def backbone(name: str, **settings) -> nn.Module:
    torch.manual_seed(0)
    network = ImageEncoder(from_mapping(PanoramaConfig, image(name, **settings), "test"), None).backbone
    for key, parameter in network.named_parameters():
        if key.endswith("gamma"):  # ConvNeXt scales its blocks by 1e-6 at first, which would hide them
            nn.init.ones_(parameter)
    return network.double().eval()


@torch.no_grad()
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_turned_panorama_turns_the_feature_map(name):
    closed, plain = backbone(name, circular=True), backbone(name)
    assert all(torch.equal(a, b) for a, b in zip(closed.state_dict().values(), plain.state_dict().values(), strict=True))
    assert list(closed.state_dict()) == list(plain.state_dict())
    images = torch.rand(1, 3, closed.stride * 2, closed.stride * 4, dtype=torch.double)
    features = closed(images)[0]
    for columns in (1, 3, -2):
        turned = images.roll(columns * closed.stride, 3)
        torch.testing.assert_close(closed(turned)[0], features.roll(columns, 3), rtol=1e-9, atol=1e-9)
    assert (plain(images.roll(plain.stride, 3))[0] - plain(images)[0].roll(1, 3)).abs().max() > 1e-3


@torch.no_grad()
def test_it_is_the_panorama_seen_as_part_of_an_endless_one():
    """The wrapped map equals the middle third of a plain backbone's map of three panoramas side by side, far from their ends."""
    closed, plain = backbone("resnet18", circular=True, network={"stages": 2}), backbone("resnet18", network={"stages": 2})
    images = torch.rand(1, 3, 32, 256, dtype=torch.double)
    three = plain(torch.cat([images] * 3, 3))[0]
    torch.testing.assert_close(closed(images)[0], three[..., 32:64], rtol=1e-9, atol=1e-9)


def test_gradients_pass_the_seam():
    closed = backbone("resnet18", circular=True)
    images = torch.rand(1, 3, 32, 64, dtype=torch.double, requires_grad=True)
    closed(images)[0][..., 0].sum().backward()
    assert images.grad[..., -1].any()
