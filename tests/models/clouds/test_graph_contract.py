"""The contract of graph encoders, for every network."""

import dataclasses

import pytest
import torch

from config.cloud_settings import CLOUDS
from config.reader import from_mapping
from config.schema import CloudConfig
from models.clouds.graph_encoder import GraphEncoder
from utils.batch import FEATURES, PlaceGraph
from utils.classes import CLASSES
from utils.errors import InputError

NETWORKS = [name for name, entry in CLOUDS.items() if entry.reads == "graph"]
pytestmark = pytest.mark.parametrize("name", NETWORKS)


def encoder(name, network=None, **settings):
    torch.manual_seed(0)
    section = {"encoder": {"name": name, "features": 9} | (network or {}), "head": "none"} | settings
    return GraphEncoder(from_mapping(CloudConfig, section, "test"), 9).eval()


def part(graph, i):
    return graph.select(torch.tensor([i]))


@torch.no_grad()
@pytest.mark.parametrize(
    "settings", [{}, {"classes": False}, {"class_width": 0}, {"head": "linear"}, {"head": "mlp"}, {"network": {"widths": [7]}}]
)
def test_shapes(name, settings, graph):
    vector, features = encoder(name, **settings)(graph)
    assert vector.shape == (5, 9) and vector.isfinite().all() and features is None


@torch.no_grad()
def test_a_place_without_nodes_gives_zeros(name, graph):
    model = encoder(name)
    assert not model(graph)[0][2].any() and model(graph)[0][[0, 1, 3, 4]].any(1).all()
    assert not model(part(graph, 2))[0].any()  # a batch without any node


@torch.no_grad()
def test_a_place_does_not_depend_on_the_others(name, graph):
    model = encoder(name)
    together = model(graph)[0]
    for i in range(5):
        torch.testing.assert_close(model(part(graph, i))[0][0], together[i])
    other = graph.select(torch.tensor([1, 4, 0, 3, 2]))
    torch.testing.assert_close(model(other)[0], together[[1, 4, 0, 3, 2]])


@torch.no_grad()
def test_nodes_have_no_order(name, graph):
    """Nor have edges."""
    order = torch.randperm(len(graph.nodes), generator=torch.Generator().manual_seed(0))
    edges = order.argsort()[graph.edges].flip(1)
    shuffled = PlaceGraph(graph.nodes[order], graph.classes[order], graph.place[order], edges, graph.places)
    model = encoder(name)
    torch.testing.assert_close(model(shuffled)[0], model(graph)[0])


@torch.no_grad()
def test_every_attribute_and_every_edge_counts(name, graph):
    model = encoder(name, classes=False)
    plain = model(graph)[0]
    for i, attribute in enumerate(FEATURES):
        nodes = graph.nodes.clone()
        nodes[:, i] = nodes[:, i].flip(0)
        assert not torch.allclose(model(dataclasses.replace(graph, nodes=nodes))[0], plain), attribute
    few = graph.edges[:, 2:]
    assert not torch.equal(model(dataclasses.replace(graph, edges=few))[0], plain)


@torch.no_grad()
def test_networks_see_numbers_of_about_one(name, graph):
    model, seen = encoder(name, classes=False), []
    model.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model(graph)
    assert 1 < graph.nodes.abs().amax(0).max() / 30 and (seen[0].abs().amax(0) < 2.1).all() and (seen[0].abs().amax(0) > 0.3).all()


@torch.no_grad()
def test_classes_are_read_only_where_asked_for(name, graph):
    other = dataclasses.replace(graph, classes=(graph.classes.int() + 1).remainder(len(CLASSES)).to(torch.uint8))
    for settings in ({}, {"class_width": 0}):
        model = encoder(name, **settings)
        assert not torch.allclose(model(graph)[0], model(other)[0])
    model = encoder(name, classes=False)
    assert torch.equal(model(graph)[0], model(other)[0])


def test_every_parameter_learns(name, graph):
    model = encoder(name, head="linear").train()
    output = model(graph)[0]
    (output * torch.randn_like(output)).sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), key


@pytest.mark.parametrize("i", [2, 0])
def test_batches_of_hardly_any_nodes_are_trained_on(name, i, graph):
    model = encoder(name, head="linear").train()
    one = part(graph, i)
    if len(one.nodes):  # alone, without neighbours
        one = PlaceGraph(one.nodes[:1], one.classes[:1], one.place[:1], one.edges[:, :0], 1)
    model(one)[0].sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"points": 256}, "points is 256, but {name} reads a graph"),
        ({"paper": {"projection": [8]}}, "paper is .*, but {name} reads a graph"),
        ({"paper": {"scale": "unit"}}, "paper is .*, but {name} reads a graph"),
        ({"pooling": "max_mean"}, "pooling is .*max_mean.*, but {name} reads a graph"),
        ({"pooling": {"name": "max", "sectors": 4}}, "pooling is .*4.*, but {name} reads a graph"),
        ({"network": {"neighbors": 8}}, "unknown key encoder.neighbors; {name} takes widths, features"),
    ],
)
def test_settings_of_points_are_refused(name, settings, message):
    with pytest.raises(InputError, match=message.format(name=name)):
        encoder(name, **settings)
    encoder(name, points=CloudConfig().points, pooling="max")  # as a run's own configuration says
