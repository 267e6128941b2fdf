"""Image encoders: heads against naive loops, strides of the backbones, and pretrained weights without a connection."""

from urllib.error import URLError

import pytest
import torch
from torch import nn

from config.image_settings import ResNetSettings
from config.schema import ImageEncoderConfig
from models.images.image_encoder import ImageEncoder, normalise
from models.images.torchvision_import import networks
from utils.errors import InputError


@pytest.mark.parametrize("encoder", ["resnet18", "resnet50"])
@pytest.mark.parametrize("stages", [2, 3, 4])
def test_stride_and_channels(encoder, stages):
    model = ImageEncoder(ImageEncoderConfig(ResNetSettings(encoder, stages), height=32), None).eval()
    with torch.no_grad():
        vector, features = model(torch.rand(1, 3, 32, 64))
    stride = 2 ** (stages + 1)
    assert vector is None and features.shape == (1, model.channels, 32 // stride, 64 // stride)
    assert model.channels == (64 if encoder == "resnet18" else 256) * 2 ** (stages - 1)


@torch.no_grad()
def test_the_backbone_is_the_resnet():
    torch.manual_seed(0)
    model = ImageEncoder(ImageEncoderConfig(height=32), 4).eval()
    torch.manual_seed(0)
    network = networks.resnet18().eval()
    images = torch.rand(2, 3, 32, 64)
    network.fc = nn.Identity()
    torch.testing.assert_close(model(images)[1].mean((2, 3)), network(images))


def test_normalise():
    images = torch.rand(2, 3, 4, 5)
    before = images.clone()
    for c, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
        torch.testing.assert_close(normalise(images)[:, c], (before[:, c] - mean) / std)
    assert torch.equal(images, before)


@pytest.mark.parametrize("error", [URLError("no route to host"), ConnectionResetError("reset by peer"), TimeoutError("timed out")])
def test_pretrained_weights_without_a_connection(monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    with pytest.raises(InputError, match="imagenet of resnet18 cannot be downloaded") as caught:
        ImageEncoder(ImageEncoderConfig(height=32, weights="imagenet"), 4)
    assert "\n" not in str(caught.value) and "weights: none" in str(caught.value)


def test_pretrained_weights_arrive(monkeypatch):
    published = {k: torch.full_like(v, 2) for k, v in networks.resnet18().state_dict().items()}
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *args, **kwargs: published)
    model = ImageEncoder(ImageEncoderConfig(height=32, weights="imagenet"), 4)
    assert all((v == 2).all() for v in model.backbone.state_dict().values())
