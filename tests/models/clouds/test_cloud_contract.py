"""The contract of cloud encoders, for every network."""

import pytest
import torch
from torch import nn

from config.cloud_settings import CLOUDS
from config.pooling_settings import POINT_POOLINGS
from config.reader import from_mapping
from config.schema import CloudConfig
from models.clouds.cloud_encoder import CloudEncoder, scaled
from models.neighbors import farthest_points, gather_rows
from tests.models.conftest import POINTS, taken
from tests.models.conftest import cloud as cloud_section
from utils.classes import CLASSES

NETWORKS = [name for name, entry in CLOUDS.items() if entry.reads == "points"]


def encoder(name="dgcnn", dim=9, **settings):
    """A small encoder with norms as after training."""
    torch.manual_seed(0)
    # balls with some points, but never with more than are taken: those would be the first ones
    neighbors = POINTS if taken(CLOUDS[name], radius=1) else 4
    network = taken(CLOUDS[name], neighbors=neighbors)
    config = from_mapping(CloudConfig, cloud_section(name, network, **settings), "test")
    model = CloudEncoder(config, dim).eval()
    for m in model.modules():
        if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.5, 2)
            nn.init.normal_(m.bias)
            m.running_mean.normal_()
            m.running_var.uniform_(0.5, 2)
    return model


@pytest.fixture
def cloud():
    """In farthest-point order, as clouds are stored."""
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(3, POINTS, 3, generator=generator) * torch.tensor([152.0, 152, 40]) - torch.tensor([76.0, 76, 0])
    points = gather_rows(points, farthest_points(points, POINTS))
    return points, torch.randint(0, 25, (3, POINTS), generator=generator, dtype=torch.uint8)


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("settings", [{}, {"classes": False}, {"class_width": 0}, {"paper": {}}, {"paper": {"projection": [6, 5]}}])
def test_shapes(name, settings, cloud):
    vector, features = encoder(name, **settings)(*cloud)
    width = settings.get("paper", {}).get("projection", [8])[-1]
    assert vector.shape == (3, 9) and features.shape == (3, POINTS, width) and features.isfinite().all() and vector.isfinite().all()
    model = encoder(name, None, **settings)
    vector, features = model(*cloud)
    assert vector is None and features.shape == (3, POINTS, width) and model.features == width


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
def test_a_cloud_does_not_depend_on_the_others(name, cloud):
    model = encoder(name)
    for one, together in zip(model(*(v[1:2] for v in cloud)), model(*cloud), strict=True):
        torch.testing.assert_close(one[0], together[1], rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
def test_points_have_no_order(name, cloud):
    """Except for the points with which thinning begins: the first one, or the first ones if they are the sample."""
    model = encoder(name)
    kept = model.network(torch.rand(1, POINTS, 3), torch.rand(1, POINTS, 11))[1]
    are_first = kept is not None and kept.tolist() == [[*range(kept.shape[1])]]
    fixed = POINTS // 2 if are_first else 1  # half is the sample of the first level
    order = torch.cat([torch.arange(fixed), fixed + torch.randperm(POINTS - fixed)])
    vector, features = model(*cloud)
    shuffled, shuffled_features = model(*(v[:, order] for v in cloud))
    torch.testing.assert_close(shuffled, vector, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(shuffled_features, features[:, order], rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
def test_thinned_clouds_keep_the_farthest_points(name, cloud):
    """Farthest points of farthest points are the same as those of one sampling."""
    model = encoder(name)
    positions = scaled(cloud[0], "metres")
    features, kept = model.network(positions, torch.cat([positions, model.classes(cloud[1])], dim=-1))
    if taken(CLOUDS[name], strides=[]):
        assert kept.shape[1] < POINTS and torch.equal(kept, farthest_points(positions, kept.shape[1]))
    assert features.shape[:2] == (positions if kept is None else kept).shape[:2]


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
def test_classes_are_read_only_where_asked_for(name, cloud):
    points, classes = cloud
    other = (classes.int() + 1).remainder(len(CLASSES)).to(torch.uint8)
    for settings in ({}, {"class_width": 0}):
        model = encoder(name, **settings)
        assert not torch.allclose(model(points, classes)[0], model(points, other)[0])
    model = encoder(name, classes=False)
    assert torch.equal(model(points, classes)[0], model(points, other)[0])


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
def test_size_is_normalised_away_only_where_asked_for(name, cloud):
    points, classes = cloud
    model, unit = encoder(name, classes=False), encoder(name, classes=False, paper={"scale": "unit"})
    assert not torch.allclose(model(points, classes)[0], model(points / 2, classes)[0])
    torch.testing.assert_close(unit(points, classes)[0], unit(points / 2 + 7, classes)[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dim", [9, None])
def test_every_parameter_learns(name, dim, cloud):
    model = encoder(name, dim).train()
    output = [v for v in model(*cloud) if v is not None][0]
    (output * torch.randn_like(output)).sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), key


@torch.no_grad()
@pytest.mark.parametrize("pooling", POINT_POOLINGS)
@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_poolings_and_heads(pooling, head, cloud):
    assert encoder(pooling=pooling, head=head)(*cloud)[0].shape == (3, 9)


@torch.no_grad()
def test_unit_scale(cloud):
    unit = scaled(cloud[0], "unit")
    torch.testing.assert_close(unit.mean(1), torch.zeros(3, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(unit.norm(dim=-1).amax(1), torch.ones(3))
    torch.testing.assert_close(scaled(cloud[0], "metres"), cloud[0] / 76)


@torch.no_grad()
def test_a_cloud_of_one_repeated_point_is_finite():
    assert scaled(torch.full((2, 5, 3), 7.0), "unit").isfinite().all()
