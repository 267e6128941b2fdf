"""Published image encoders: the transformers, for which there are no published numbers, against their formulas; refusals."""

import math
from importlib.util import find_spec

import pytest
import torch
from torch.nn import functional

from config.components import Settings
from config.reader import from_mapping
from config.schema import PanoramaConfig, TileConfig
from models.images.image_encoder import ImageEncoder
from models.published import images
from utils.errors import InputError

pytestmark = pytest.mark.usefixtures("quick_weights")
needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed")


def convert(state, tile, dim):
    state = dict(state)
    settings, tensors = (images.tile if tile else images.panorama)(state)
    assert not state, f"left over: {', '.join(state)}"
    config = from_mapping(TileConfig if tile else PanoramaConfig, settings, "test")
    model = ImageEncoder(config, dim)
    model.load_state_dict(tensors)
    return model.eval(), config


def drawn(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=generator)
        state[name] = noise / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.1 * noise + name.endswith("weight")
    return state


@needs_timm
@torch.no_grad()
@pytest.mark.parametrize(("tile", "columns"), [(False, 64), (True, 32)])
def test_deit_is_the_mean_of_its_two_heads(tile, columns):
    from models.images import timm_backbone

    torch.manual_seed(0)
    network = timm_backbone.timm.create_model("deit_small_distilled_patch16_224", num_classes=6, img_size=(32, columns)).eval()
    for parameter in network.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))
    model, config = convert({f"net.{name}": tensor for name, tensor in network.state_dict().items()}, tile, 6)
    assert (config.height, config.width, getattr(config, "polar", True)) == (32, columns, not tile)
    batch = torch.randn(2, 3, 32, columns)
    x = network.forward_features(batch)
    expected = (network.head(x[:, 0]) + network.head_dist(x[:, 1])) / 2
    vector, features = model(batch)
    torch.testing.assert_close(vector, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(features[:, :, 1, 1], x[:, 2 + columns // 16 + 1])


def hybrid_shapes(layers: int, positions: int) -> dict[str, tuple[int, ...]]:
    def norm(name, width):
        return {f"{name}.weight": (width,), f"{name}.bias": (width,)}

    embeddings = "net.transformer.embeddings"
    shapes = {f"{embeddings}.hybrid_model.root.conv.weight": (64, 3, 7, 7)} | norm(f"{embeddings}.hybrid_model.root.gn", 64)
    width = 64
    for block, units in ((1, 3), (2, 4), (3, 9)):
        out = 128 << block
        for unit in range(1, units + 1):
            at, inner = f"{embeddings}.hybrid_model.body.block{block}.unit{unit}", out // 4
            shapes |= {f"{at}.conv1.weight": (inner, width, 1, 1), f"{at}.conv2.weight": (inner, inner, 3, 3)}
            shapes |= {f"{at}.conv3.weight": (out, inner, 1, 1)}
            shapes |= norm(f"{at}.gn1", inner) | norm(f"{at}.gn2", inner) | norm(f"{at}.gn3", out)
            if unit == 1:
                shapes |= {f"{at}.downsample.weight": (out, width, 1, 1)} | norm(f"{at}.gn_proj", out)
            width = out
    shapes |= {f"{embeddings}.patch_embeddings.weight": (768, 1024, 1, 1), f"{embeddings}.patch_embeddings.bias": (768,)}
    shapes |= {f"{embeddings}.position_embeddings": (1, positions + 1, 768), f"{embeddings}.cls_token": (1, 1, 768)}
    for i in range(layers):
        at = f"net.transformer.encoder.layer.{i}"
        for part in ("query", "key", "value", "out"):
            shapes |= {f"{at}.attn.{part}.weight": (768, 768), f"{at}.attn.{part}.bias": (768,)}
        shapes |= {f"{at}.ffn.fc1.weight": (3072, 768), f"{at}.ffn.fc1.bias": (3072,)}
        shapes |= {f"{at}.ffn.fc2.weight": (768, 3072), f"{at}.ffn.fc2.bias": (768,)}
        shapes |= norm(f"{at}.attention_norm_1", 768) | norm(f"{at}.attention_norm_2", 768) | norm(f"{at}.ffn_norm", 768)
    return shapes | norm("net.transformer.encoder.encoder_norm", 768)


def naive_hybrid(state, x, layers):
    """Class token and patch tokens of the published network from its state dict."""

    def get(name):
        return state[f"net.transformer.{name}"]

    def conv(x, name, stride=1):
        w = get(f"embeddings.hybrid_model.{name}.weight")
        rows = w.flatten(1)
        w = ((rows - rows.mean(1, keepdim=True)) / (rows.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()).view_as(w)
        return functional.conv2d(x, w, stride=stride, padding=w.shape[2] // 2)

    def group(x, name, groups=32, eps=1e-6):
        at = f"embeddings.hybrid_model.{name}"
        return functional.group_norm(x, groups, get(f"{at}.weight"), get(f"{at}.bias"), eps)

    def layer_norm(x, name):
        return functional.layer_norm(x, (768,), get(f"encoder.{name}.weight"), get(f"encoder.{name}.bias"), 1e-6)

    def linear(x, name):
        return x @ get(f"encoder.{name}.weight").T + get(f"encoder.{name}.bias")

    x = functional.max_pool2d(group(conv(x, "root.conv", 2), "root.gn").relu(), 3, 2, 1)
    for block, units in ((1, 3), (2, 4), (3, 9)):
        for unit in range(1, units + 1):
            at, stride = f"body.block{block}.unit{unit}", 2 if block > 1 and unit == 1 else 1
            y = group(conv(x, f"{at}.conv1"), f"{at}.gn1").relu()
            y = group(conv(y, f"{at}.conv2", stride), f"{at}.gn2").relu()
            y = group(conv(y, f"{at}.conv3"), f"{at}.gn3")
            if unit == 1:
                x = conv(x, f"{at}.downsample", stride)
                x = group(x, f"{at}.gn_proj", x.shape[1], 1e-5)
            x = (x + y).relu()
    x = functional.conv2d(x, get("embeddings.patch_embeddings.weight"), get("embeddings.patch_embeddings.bias")).flatten(2).transpose(1, 2)
    x = torch.cat([get("embeddings.cls_token").expand(len(x), 1, 768), x], 1) + get("embeddings.position_embeddings")
    inputs = [x]  # of the layers; the first takes its keys from its own input, every other from the input of the layer before
    for i in range(layers):
        at, x = f"layer.{i}", inputs[-1]
        y, k = layer_norm(x, f"{at}.attention_norm_1"), layer_norm(inputs[max(0, i - 1)], f"{at}.attention_norm_2")
        query, key, value = (linear(v, f"{at}.attn.{part}") for v, part in ((y, "query"), (k, "key"), (y, "value")))
        heads = []
        for h in range(0, 768, 64):
            scores = query[..., h : h + 64] @ key[..., h : h + 64].transpose(1, 2) / 8
            heads.append(scores.softmax(-1) @ value[..., h : h + 64])
        x = x + linear(torch.cat(heads, -1), f"{at}.attn.out")
        y = linear(functional.gelu(linear(layer_norm(x, f"{at}.ffn_norm"), f"{at}.ffn.fc1")), f"{at}.ffn.fc2")
        inputs.append(x + y)
    x = layer_norm(inputs[-1], "encoder_norm")
    return x[:, 0], x[:, 1:]


@torch.no_grad()
@pytest.mark.parametrize(("tile", "columns"), [(False, 64), (True, 32)])
def test_hybrid_transformer_against_its_formulas(tile, columns):
    state = drawn(hybrid_shapes(3, 2 * columns // 16))
    model, config = convert(state, tile, 768)
    assert (config.height, config.width, config.encoder.layers) == (32, columns, 3)
    batch = torch.randn(2, 3, 32, columns)
    token, patches = naive_hybrid(state, batch, 3)
    vector, features = model(batch)
    torch.testing.assert_close(vector, token, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(features.flatten(2).transpose(1, 2), patches, rtol=1e-4, atol=1e-4)


def resnet34(positions: int) -> dict[str, torch.Tensor]:
    """Published ResNet-34 with SAFA: like that of ResNet-50, its neck begins with a 1×1 convolution and has no activation."""
    config = PanoramaConfig(Settings("resnet34_paper"), 32)
    backbone = ImageEncoder(config, None).backbone.state_dict()
    state = {f"resnet.{name.replace('neck.', 'layer5.')}": tensor for name, tensor in backbone.items()}
    assert state["resnet.layer5.0.weight"].shape == (512, 512, 1, 1) and state["resnet.layer5.2.weight"].shape == (512, 512, 3, 3)
    assert "resnet.layer4.2.conv1.weight" not in state and "resnet.layer4.1.conv1.weight" in state
    hidden = positions // 2
    shapes = {"safa.w1": (positions, hidden, 8), "safa.b1": (1, hidden, 8), "safa.w2": (hidden, positions, 8), "safa.b2": (1, positions, 8)}
    return state | drawn(shapes)


def test_resnet34_and_the_kind_of_tile():
    state = resnet34(8)
    model, config = convert(state, True, 4096)
    assert config.encoder.name == "resnet34_paper" and config.height == 64 and config.polar
    model, config = convert(resnet34(4), True, 4096)
    assert config.height == 64 and not config.polar


def test_refusals():
    with pytest.raises(InputError, match="no published image encoder"):
        images.panorama({"conv1.weight": torch.zeros(1)})
    with pytest.raises(InputError, match="12 positions is neither square nor twice as wide"):
        images.tile(resnet34(12))
    with pytest.raises(InputError, match="4 positions is square"):  # a panorama's is never square
        images.panorama(resnet34(4))
    state = resnet34(8)
    del state["resnet.layer3.1.bn1.weight"]
    with pytest.raises(InputError, match="^resnet.layer3.1.bn1.weight is missing$"):
        images.panorama(state)
    state = resnet34(8)
    state["resnet.layer5.0.weight"] = torch.zeros(512, 512, 3, 3)
    with pytest.raises(InputError, match=r"resnet.layer5.0.weight has the shape \(512, 512, 3, 3\), expected \(512, 512, 1, 1\)"):
        images.panorama(state)
    state = resnet34(8)
    state["safa.b1"] = torch.zeros(1, 5, 8)
    with pytest.raises(InputError, match=r"safa.b1 has the shape \(1, 5, 8\), expected \(1, 4, 8\)"):
        images.panorama(state)
    state = resnet34(8) | {"resnet.fc.weight": torch.zeros(3)}
    images.panorama(state)
    assert list(state) == ["resnet.fc.weight"]  # left for the caller to refuse
