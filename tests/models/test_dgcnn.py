"""The cloud encoder: the factorised edge convolution is the textbook one, and the options do what they say."""

import pytest
import torch
from torch import nn

from config.schema import CloudConfig
from data.osm.classes import CLASSES
from models.dgcnn import DGCNN, EdgeConv
from models.neighbors import nearest_neighbors


def randomise_norms(module):
    """Positive scales, and statistics as after training."""
    for m in module.modules():
        if isinstance(m, nn.BatchNorm1d):
            nn.init.uniform_(m.weight, 0.5, 2)
            nn.init.normal_(m.bias)
            m.running_mean.normal_()
            m.running_var.uniform_(0.5, 2)


def test_edge_conv_is_the_maximum_over_explicit_edges():
    torch.manual_seed(0)
    layer = EdgeConv(5, 6).double().eval()
    randomise_norms(layer)
    x = torch.randn(3, 11, 5, dtype=torch.float64)
    index = nearest_neighbors(x, 4)
    w1 = layer.neighbor.weight
    w = torch.cat([w1, w1 + layer.centre.weight], dim=1)  # of [x_j − x_i, x_i]; the centre holds W2 − W1
    with torch.no_grad():
        for b in range(3):
            for i in range(11):
                edges = torch.stack([w @ torch.cat([x[b, j] - x[b, i], x[b, i]]) for j in index[b, i].tolist()])
                expected = nn.functional.leaky_relu(layer.norm(edges), 0.2).amax(0)
                torch.testing.assert_close(layer(x, index)[b, i], expected)


@pytest.fixture
def cloud():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(3, 20, 3, generator=generator) * 152 - 76, torch.randint(0, 25, (3, 20), generator=generator, dtype=torch.uint8)


def encoder(dim=9, **changes):
    torch.manual_seed(0)
    model = DGCNN(CloudConfig(**{"points": 20, "neighbors": 4, "widths": [6, 5], "features": 8} | changes), dim).eval()
    randomise_norms(model)
    return model


@torch.no_grad()
def test_shapes(cloud):
    vector, features = encoder(sectors=4)(*cloud)
    assert vector.shape == (3, 9) and features.shape == (3, 20, 8)
    vector, features = encoder(dim=None)(*cloud)
    assert vector is None and features.shape == (3, 20, 8)


@torch.no_grad()
def test_points_have_no_order(cloud):
    model, order = encoder(sectors=4), torch.randperm(20)
    vector, features = model(*cloud)
    shuffled, shuffled_features = model(*(v[:, order] for v in cloud))
    torch.testing.assert_close(shuffled, vector)
    torch.testing.assert_close(shuffled_features, features[:, order])


@torch.no_grad()
def test_classes_are_read_only_where_asked_for(cloud):
    points, classes = cloud
    other = (classes.int() + 1).remainder(len(CLASSES)).to(torch.uint8)
    assert not torch.allclose(encoder()(points, classes)[0], encoder()(points, other)[0])
    assert torch.equal(encoder(classes=False)(points, classes)[0], encoder(classes=False)(points, other)[0])


@torch.no_grad()
def test_size_is_not_normalised_away(cloud):
    points, classes = cloud
    assert not torch.allclose(encoder(classes=False)(points, classes)[0], encoder(classes=False)(points / 2, classes)[0])


def test_the_graph_is_rebuilt_only_where_asked_for(cloud, monkeypatch):
    graphs = []
    monkeypatch.setattr("models.dgcnn.nearest_neighbors", lambda x, k: graphs.append(x.shape[-1]) or nearest_neighbors(x, k))
    encoder(widths=[6, 5, 4])(*cloud)
    assert graphs == [3, 6, 5]
    graphs.clear()
    encoder(widths=[6, 5, 4], dynamic=False)(*cloud)
    assert graphs == [3]
