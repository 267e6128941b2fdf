"""Networks of timm as backbones: their feature maps, and what is refused when they are built. timm's test models are tiny."""

import pytest
import torch

from config.components import Settings
from config.reader import from_mapping
from config.schema import PanoramaConfig, TileConfig
from models.images.image_encoder import ImageEncoder
from utils.errors import InputError

timm_backbone = pytest.importorskip("models.images.timm_backbone", reason="timm is not installed", exc_type=ImportError)


def build(name, height=64, dim=None, **settings):
    torch.manual_seed(0)
    config = from_mapping(PanoramaConfig, {"encoder": f"timm/{name}", "height": height} | settings, "test")
    return ImageEncoder(config, dim, name="model.panorama").eval()


@torch.no_grad()
@pytest.mark.parametrize(("name", "size"), [("test_convnext", {}), ("test_resnet", {}), ("test_vit", {"img_size": (64, 128)})])
def test_the_feature_map_is_timm_s(name, size):
    model = build(name)
    network = timm_backbone.timm.create_model(name, num_classes=0, **size).eval()
    network.load_state_dict(model.backbone.network.state_dict(), strict=False)
    images = torch.rand(2, 3, 64, 128)
    expected = network.forward_features(images)
    if name == "test_vit":
        expected = expected[:, 1:].transpose(1, 2).reshape(2, -1, 64 // 16, 128 // 16)
    features = model(images)[1]
    assert torch.equal(features, expected) and features.shape[1] == model.channels


@torch.no_grad()
def test_channels_last_networks():
    features = build("swin_s3_tiny_224")(torch.rand(1, 3, 64, 128))[1]
    assert features.shape == (1, 768, 2, 4)


@torch.no_grad()
def test_tiles_are_square():
    model = ImageEncoder(TileConfig(Settings("timm/test_vit"), 32, pooling=Settings("token"), head="none"), 64)
    vector, features = model(torch.rand(2, 3, 32, 32))
    assert vector.shape == (2, 64) and features.shape == (2, 64, 2, 2)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("test_vitt", {}, "encoder is 'timm/test_vitt', which timm .* does not have; did you mean 'timm/test_vit"),
        ("test_vit", {"height": 40}, "height is 40; timm/test_vit takes multiples of 16"),
        ("test_resnet", {"height": 100}, "height is 100; timm/test_resnet takes multiples of 32"),
        ("test_resnet", {"pooling": {"name": "mean", "sectors": 3}}, "pooling.sectors is 3; it must divide the 4 columns"),
        ("test_resnet", {"pooling": "token"}, "pooling is 'token', but timm/test_resnet has no class token"),
        ("test_vit", {"circular": True}, "circular is true, but timm/test_vit is a transformer"),
        ("test_convnext", {"circular": True, "height": 32}, "encoder is 'timm/test_convnext', which gives no feature map at height 32"),
        ("resnet18.a1_in2k", {}, "has no weights 'a1_in2k' of it; did you mean 'timm/resnet18' or 'timm/resnet18.a1_in1k'"),
        ("resnet18.", {}, "has no weights '' of it; did you mean 'timm/resnet18'"),
        ("nest_tiny", {}, "encoder is 'timm/nest_tiny', which cannot be built at height 64"),
        ("coat_tiny", {}, "encoder is 'timm/coat_tiny', which gives no feature map at height 64"),
        ("tf_efficientnet_b0", {"circular": True}, "but timm/tf_efficientnet_b0 is not made of convolutions with a fixed padding alone"),
        ("swin_s3_tiny_224", {"circular": True}, "but timm/swin_s3_tiny_224 is not made of convolutions with a fixed padding alone"),
    ],
)
def test_refusals(name, settings, message):
    with pytest.raises(InputError, match=message) as caught:
        build(name, **settings)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("model.panorama: ")


def test_building_leaves_norms_as_they_are_and_draws_as_many_random_numbers_circular_or_not():
    plain, closed = build("test_resnet").backbone, build("test_resnet", circular=True).backbone
    assert all(torch.equal(a, b) for a, b in zip(plain.state_dict().values(), closed.state_dict().values(), strict=True))
    assert plain.network.bn1.num_batches_tracked == 0
