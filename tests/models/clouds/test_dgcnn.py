"""DGCNN: the factorised edge convolution equals a naive one, and the options have their effects."""

import pytest
import torch
from torch import nn

from config.cloud_settings import DGCNNSettings
from config.schema import CloudConfig
from models.clouds.cloud_encoder import CloudEncoder
from models.clouds.dgcnn import EdgeConv
from models.neighbors import nearest_neighbors


def test_edge_conv_is_the_maximum_over_explicit_edges(trained):
    torch.manual_seed(0)
    layer = trained(EdgeConv(5, 6))
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
    settings = DGCNNSettings("dgcnn", **{"neighbors": 4, "widths": [6, 5], "features": 8} | changes)
    return CloudEncoder(CloudConfig(settings, points=20), dim).eval()


def test_graphs_are_built_on_what_is_asked_for(cloud, monkeypatch):
    graphs = []
    monkeypatch.setattr("models.clouds.dgcnn.nearest_neighbors", lambda x, k: graphs.append(x.shape[-1]) or nearest_neighbors(x, k))
    encoder(widths=[6, 5, 4])(*cloud)
    assert graphs == [3, 6, 5]
    graphs.clear()
    encoder(widths=[6, 5, 4], dynamic=False)(*cloud)
    assert graphs == [3]
    graphs.clear()
    encoder(widths=[6, 5, 4], graph="inputs")(*cloud)
    assert graphs == [11, 6, 5]
