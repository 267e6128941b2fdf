"""Encoders computed the straightforward way: what `benchmarks.encoders` compares ours with.

DGCNN gathers and convolves its edges. Of the other networks over points, neighbours come from the whole tensor of differences, sorted where
balls are asked for; set abstractions compute on gathered edges, and maxima over neighbours are taken of gathered rows. Graphs of places go
through their network one by one.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from torch import Tensor, nn

from models import neighbors
from models.clouds.dgcnn import DGCNN
from models.clouds.layers import SetAbstraction
from models.neighbors import gather_rows
from utils.batch import PlaceGraph


class EdgeByEdge(nn.Module):
    """A DGCNN with the same weights that gathers its edges, (B, 2·C, P, k), and convolves them."""

    def __init__(self, network: DGCNN):
        super().__init__()
        self.k, self.dynamic, self.join, self.features = network.k, network.dynamic, network.join, network.features
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList(layer.norm for layer in network.layers)
        for layer in network.layers:
            w1 = layer.neighbor.weight
            convolution = nn.Conv2d(2 * w1.shape[1], w1.shape[0], 1, bias=False)
            convolution.weight = nn.Parameter(torch.cat([w1, w1 + layer.centre.weight], 1)[..., None, None].detach().clone())
            self.convolutions.append(convolution)

    def forward(self, positions: Tensor, inputs: Tensor) -> tuple[Tensor, None]:
        index, x, outputs = neighbors.nearest_neighbors(positions, self.k), inputs, []
        for i, (convolve, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            if i and self.dynamic:
                index = neighbors.nearest_neighbors(x, self.k)
            batch = torch.arange(len(x), device=x.device)[:, None, None]
            neighbor = x[batch, index]  # B,P,k,C
            centre = x[:, :, None].expand_as(neighbor)
            edges = torch.cat([neighbor - centre, centre], dim=-1).permute(0, 3, 1, 2)
            best = convolve(edges).amax(3).transpose(1, 2)  # norm and activation commute with the maximum; after it they cost less
            x = nn.functional.leaky_relu(norm(best), 0.2)
            outputs.append(x)
        return self.join(torch.cat(outputs, dim=-1)), None


class OneByOne(nn.Module):
    """A network over graphs that takes a batch's places one at a time."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.features = network, network.features

    def forward(self, inputs: Tensor, graph: PlaceGraph) -> Tensor:
        places = torch.arange(graph.places, device=inputs.device)
        return torch.cat([self.network(inputs[graph.place == i], graph.select(i[None])) for i in places])


def squared_distances(points: Tensor, queries: Tensor) -> Tensor:
    """points (B, P, D), queries (B, Q, D) → (B, Q, P)."""
    return (queries[:, :, None] - points[:, None]).square().sum(-1)


def nearest_neighbors(points: Tensor, k: int, queries: Tensor | None = None) -> Tensor:
    """models.neighbors.nearest_neighbors, but for ties."""
    return squared_distances(points, points if queries is None else queries).topk(k, largest=False).indices


def ball_query(points: Tensor, queries: Tensor, radius: float, k: int) -> Tensor:
    """models.neighbors.ball_query, but for empty balls; queries are points here."""
    index = torch.arange(points.shape[1], device=points.device)
    found = torch.where(squared_distances(points, queries) <= radius**2, index, len(index)).sort(-1).values[..., :k]
    return torch.where(found < len(index), found, found[..., :1])


def neighbor_max(features: Tensor, index: Tensor) -> Tensor:
    """models.neighbors.neighbor_max."""
    return gather_rows(features, index).amax(2)


def abstract(self: SetAbstraction, positions: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """SetAbstraction.forward with its first layer on the edges."""
    kept = self.sample(positions)
    centres, k = gather_rows(positions, kept), min(self.neighbors, positions.shape[1])
    found = nearest_neighbors(positions, k, centres) if self.radius is None else ball_query(positions, centres, self.radius, k)
    edges = gather_rows(positions, found) - centres[:, :, None]
    if self.feature is None:
        return kept, centres, self.rest(self.offset(edges)).amax(2)
    edges = torch.cat([edges, gather_rows(features, found)], dim=-1)
    first = torch.cat([self.offset.weight, self.feature.weight], dim=1)
    return kept, centres, self.rest(nn.functional.linear(edges, first)).amax(2)


@contextmanager
def straightforward(model: nn.Module) -> Iterator[None]:
    """Inside, a cloud or graph encoder computes the straightforward way. Its network is changed for good."""
    own = {f.__name__: f for f in (nearest_neighbors, ball_query, neighbor_max)}
    if isinstance(model.network, DGCNN):
        model.network, own = EdgeByEdge(model.network), {}  # in feature space other distances round differently: the search is ours
    elif model.reads == ("graph",):
        model.network = OneByOne(model.network)
    with ExitStack() as changes:
        for name, module in list(sys.modules.items()):
            if name.startswith("models.clouds.") or name == "models.neighbors":
                for function in own.keys() & vars(module).keys():
                    changes.enter_context(mock.patch.object(module, function, own[function]))
        if own:
            changes.enter_context(mock.patch.object(SetAbstraction, "forward", abstract))
        yield
