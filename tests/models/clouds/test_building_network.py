"""The network on buildings and streets, against loops over places, nodes and edges."""

import torch
from torch import nn

from config.cloud_settings import BuildingGraphSettings
from models.clouds.building_graph import BuildingGraph, NeighborAttention
from utils.batch import FEATURES, PlaceGraph


@torch.no_grad()
def test_attention_among_buildings(graph):
    """The formula of GATv2 (eq. 7), as a loop over nodes and heads."""
    torch.manual_seed(0)
    layer = NeighborAttention(5, 6).double()
    conv = layer.attend
    nn.init.normal_(conv.bias)
    x, way = torch.randn(len(graph.nodes), 5).double(), torch.randn(graph.edges.shape[1], 3).double()
    output = layer(x, graph.edges, way)
    left, right, edge = (linear(v).unflatten(1, (4, 6)) for linear, v in ((conv.lin_l, x), (conv.lin_r, x), (conv.lin_edge, way)))
    for i in range(len(x)):
        incoming = (graph.edges[1] == i).nonzero()[:, 0].tolist()
        total = torch.zeros(6).double()
        for head in range(4) if incoming else ():
            send = [left[graph.edges[0, e], head] for e in incoming]
            score = [(nn.functional.leaky_relu(right[i, head] + s + edge[e, head], 0.2) * conv.att[0, head]).sum()
                     for e, s in zip(incoming, send, strict=True)]  # fmt: skip
            total += sum(w * s for w, s in zip(torch.stack(score).softmax(0), send, strict=True)) / 4
        torch.testing.assert_close(output[i], layer.norm(total + conv.res(x[i]) + conv.bias).relu())


@torch.no_grad()
def test_the_way_along_edges_and_the_pooling_of_places(graph):
    torch.manual_seed(0)
    model = BuildingGraph(BuildingGraphSettings("buildings", [6, 8], 5), 4).double()
    inputs, position = torch.randn(len(graph.nodes), 4).double(), graph.nodes[:, :2].double() / 76
    double = PlaceGraph(graph.nodes.double(), graph.classes, graph.place, graph.edges, graph.places)
    way = [position[i] - position[j] for i, j in graph.edges.T.tolist()]
    way = torch.stack([torch.cat([w, w.norm(dim=0, keepdim=True)]) for w in way])
    outputs = [model.enter(inputs)]
    for layer in model.layers:
        outputs.append(layer(outputs[-1], graph.edges, way))
    nodes = model.join(torch.cat(outputs, dim=1)).float()
    pooled = model(inputs, double)
    assert pooled.shape == (5, 5)
    for i in range(5):
        own = nodes[graph.place == i]
        expected = torch.cat([own[:, :3].amax(0), own[:, 3:].mean(0)]) if len(own) else torch.zeros(5)
        torch.testing.assert_close(pooled[i], expected)


@torch.no_grad()
def test_a_mean_of_many_nodes_is_exact_under_autocast():
    """In bfloat16 a sum stops growing once a node is less than 1/256 of it."""
    torch.manual_seed(0)
    model = BuildingGraph(BuildingGraphSettings("buildings", features=6), 4).eval()
    one = torch.rand(1, 4)
    none = torch.zeros(2, 0, dtype=torch.long)
    alone, crowd = (PlaceGraph(torch.zeros(n, len(FEATURES)), torch.zeros(n), torch.zeros(n, dtype=torch.long), none, 1) for n in (1, 3000))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(one.expand(3000, -1), crowd), model(one, alone), rtol=1e-2, atol=1e-3)
