"""Conversion of published cloud encoders: what the published cases do not cover, and what is refused."""

import pytest
import torch
from torch.nn import functional

from config.reader import from_mapping
from config.schema import CloudConfig
from models.clouds.cloud_encoder import CloudEncoder
from models.neighbors import gather_rows, nearest_neighbors
from models.published.clouds import ABSENT, cloud
from utils.errors import InputError

WIDTHS = [4, 5, 6, 7, 8]


def norm(name, width):
    return {
        f"{name}.weight": torch.randn(width),  # of either sign
        f"{name}.bias": torch.randn(width),
        f"{name}.running_mean": torch.randn(width),
        f"{name}.running_var": torch.rand(width) + 0.5,
        f"{name}.num_batches_tracked": torch.tensor(9),
    }


def dgcnn():
    """A small published DGCNN with classes."""
    torch.manual_seed(0)
    state, inputs = {"proj.weight": torch.randn(3, 24, 1)}, [6, *WIDTHS]
    for i, width in enumerate(WIDTHS):
        shape = (width, 2 * inputs[i], 1, 1) if i < 4 else (width, sum(WIDTHS[:4]), 1)
        state |= {f"conv{i + 1}.0.weight": torch.randn(shape)} | norm(f"bn{i + 1}", width)
        state |= {name.replace("bn", "conv").replace(".", ".1.", 1): t for name, t in state.items() if name.startswith(f"bn{i + 1}.")}
    return state


def pointnet():
    """A small published PointNet with classes."""
    torch.manual_seed(0)
    state, inputs = {}, [27, *WIDTHS]
    for i, width in enumerate(WIDTHS):
        state |= {f"conv{i + 1}.weight": torch.randn(width, inputs[i], 1)} | norm(f"bn{i + 1}", width)
    return state


def normed(state, name, x, slope):
    weight, bias, mean, var = (state[f"{name}.{k}"] for k in ("weight", "bias", "running_mean", "running_var"))
    return functional.leaky_relu((x - mean) / (var + 1e-5).sqrt() * weight + bias, slope)


def encoder(state, **network):
    settings, tensors = cloud(dict(state))
    config = from_mapping(CloudConfig, settings | {"encoder": settings["encoder"] | network}, "test")
    model = CloudEncoder(config, 2 * config.encoder.features).eval()
    model.load_state_dict(tensors)
    return model


@pytest.fixture
def points():
    """A cloud in metres, and the published columns of its classes."""
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(2, 20, 3, generator=generator) * 100
    return points, torch.randint(0, 24, (2, 20), generator=generator)


def published_inputs(points):
    """Right, up, minus ahead about the mean, over the largest norm."""
    centred = points - points.mean(1, keepdim=True)
    centred = centred / centred.norm(dim=-1).amax(1)[:, None, None]
    return torch.stack([centred[..., 0], centred[..., 2], -centred[..., 1]], -1)


@torch.no_grad()
def test_edge_convolutions_with_scales_of_either_sign(points):
    """The published order: edges, convolution, norm, activation, and only then the maximum. The first graph also reads the classes."""
    state, (cloud_points, classes) = dgcnn(), points
    x = torch.cat([published_inputs(cloud_points), state["proj.weight"][:, :, 0].T[classes]], -1)
    outputs = []
    for i in range(4):
        index = nearest_neighbors(x, 4)
        centre = x[:, :, None].expand(-1, -1, 4, -1)
        edges = torch.cat([gather_rows(x, index) - centre, centre], -1) @ state[f"conv{i + 1}.0.weight"].flatten(1).T
        x = normed(state, f"bn{i + 1}", edges, 0.2).amax(2)
        outputs.append(x)
    x = normed(state, "bn5", torch.cat(outputs, -1) @ state["conv5.0.weight"].flatten(1).T, 0.2)
    expected = torch.cat([x.amax(1), x.mean(1)], -1)
    vector, features = encoder(state, neighbors=4)(cloud_points, classes + (classes >= ABSENT))
    torch.testing.assert_close(features, x, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(vector, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_class_that_was_absent_adds_nothing(points):
    state, (cloud_points, classes) = pointnet(), points
    _, features = encoder(state)(cloud_points, torch.full_like(classes, ABSENT))
    x = published_inputs(cloud_points)
    state["conv1.weight"] = state["conv1.weight"][:, :3]
    for i in range(5):
        x = normed(state, f"bn{i + 1}", x @ state[f"conv{i + 1}.weight"].flatten(1).T, 0)
    torch.testing.assert_close(features, x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("conv3.weight"), r"^conv3.weight is missing$"),
        (lambda s: s.pop("bn2.running_var"), r"^bn2.running_var is missing$"),
        (lambda s: s.update({"conv3.weight": torch.zeros(6, 9, 1)}), r"^conv3.weight has the shape \(6, 9, 1\), expected \(any, 5\)"),
        (lambda s: s.update({"conv3.weight": torch.zeros(6, 5, 3)}), r"^conv3.weight has the shape \(6, 5, 3\), .* kernel of size 1$"),
        (lambda s: s.update({"bn4.bias": torch.zeros(9)}), r"^bn4.bias has the shape \(9,\), expected \(7\)$"),
        (lambda s: s.update({"conv1.weight": torch.zeros(4, 26, 1)}), r"reads 26 numbers a point, expected 3 or, with classes, 27$"),
        (lambda s: s.clear() or s.update({"fc.weight": torch.zeros(3, 3)}), r"^no published cloud encoder: it has none of "),
    ],
)
def test_refusals(change, message):
    state = pointnet()
    change(state)
    with pytest.raises(InputError, match=message):
        cloud(state)


def test_what_is_not_used_is_left_in_the_state():
    state = pointnet() | {"extra.weight": torch.zeros(2)}
    cloud(state)
    assert list(state) == ["extra.weight"]


def test_one_tensor_under_two_names_has_one_value():
    state = dgcnn()
    state["conv2.1.bias"] = state["conv2.1.bias"] + 1
    with pytest.raises(InputError, match=r"^bn2.bias and conv2.1.bias should be one tensor under two names, but their values differ$"):
        cloud(state)
