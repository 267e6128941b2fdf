"""Reference implementations of the cloud and graph encoders: the baseline of `benchmarks.encoders`.

They compute the same function from the same weights in the obvious way. DGCNN gathers its edges and convolves them. The other networks over
points find neighbours in the whole tensor of differences, sort it for ball queries, run set abstractions on gathered edges, and take
maxima over gathered rows. Networks over graphs take the places of a batch one by one.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from torch import Tensor, nn

from models.clouds.cloud_encoder import CloudEncoder
from models.clouds.dgcnn import DGCNN, EdgeConv
from models.clouds.graph_encoder import GraphEncoder
from models.clouds.layers import SetAbstraction
from models.neighbors import gather_rows, nearest_neighbors
from utils.batch import PlaceGraph


class EdgeByEdge(nn.Module):
    """A DGCNN with the same weights that gathers its edges, (B, 2·C, P, k), and convolves them."""

    def __init__(self, network: DGCNN):
        super().__init__()
        self.k, self.dynamic, self.join, self.features = network.k, network.dynamic, network.join, network.features
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for layer in network.layers:
            assert isinstance(layer, EdgeConv)
            w1 = layer.neighbor.weight
            convolution = nn.Conv2d(2 * w1.shape[1], w1.shape[0], 1, bias=False)
            convolution.weight = nn.Parameter(torch.cat([w1, w1 + layer.centre.weight], 1)[..., None, None].detach().clone())
            self.convolutions.append(convolution)
            self.norms.append(layer.norm)

    def forward(self, positions: Tensor, inputs: Tensor) -> tuple[Tensor, None]:
        """positions (B, P, 3), inputs (B, P, C) → features (B, P, features) of all points."""
        # The search is not replaced: in feature space, distances that round differently would find other neighbours.
        index, x, outputs = nearest_neighbors(positions, self.k), inputs, []
        for i, (convolve, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            if i and self.dynamic:
                index = nearest_neighbors(x, self.k)
            batch = torch.arange(len(x), device=x.device)[:, None, None]
            neighbor = x[batch, index]  # B,P,k,C
            centre = x[:, :, None].expand_as(neighbor)
            edges = torch.cat([neighbor - centre, centre], dim=-1).permute(0, 3, 1, 2)
            best = convolve(edges).amax(3).transpose(1, 2)  # norm and activation commute with the maximum; after it they cost less
            x = nn.functional.leaky_relu(norm(best), 0.2)
            outputs.append(x)
        return self.join(torch.cat(outputs, dim=-1)), None


class OneByOne(nn.Module):
    """A network over graphs that takes the places of a batch one at a time."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.features = network, network.features

    def forward(self, inputs: Tensor, graph: PlaceGraph) -> Tensor:
        """inputs (N, C) of the nodes of B places → (B, features)."""
        places = torch.arange(graph.places, device=inputs.device)
        return torch.cat([self.network(inputs[graph.place == i], graph.select(i[None])) for i in places])


def reference_distances(points: Tensor, queries: Tensor) -> Tensor:
    """Squared distances (B, Q, P) of queries (B, Q, D) from points (B, P, D)."""
    return (queries[:, :, None] - points[:, None]).square().sum(-1)


def reference_nearest_neighbors(points: Tensor, k: int, queries: Tensor | None = None) -> Tensor:
    """As models.neighbors.nearest_neighbors, but equally distant points come in any order."""
    return reference_distances(points, points if queries is None else queries).topk(k, largest=False).indices


def reference_ball_query(points: Tensor, queries: Tensor, radius: float, k: int) -> Tensor:
    """As models.neighbors.ball_query where no ball is empty; here no ball is, because queries are points."""
    index = torch.arange(points.shape[1], device=points.device)
    found = torch.where(reference_distances(points, queries) <= radius**2, index, len(index)).sort(-1).values[..., :k]
    return torch.where(found < len(index), found, found[..., :1])


def reference_neighbor_max(features: Tensor, index: Tensor) -> Tensor:
    """As models.neighbors.neighbor_max."""
    return gather_rows(features, index).amax(2)


def reference_set_abstraction(self: SetAbstraction, positions: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As SetAbstraction.forward, with its first layer on the gathered edges."""
    kept = self.sample(positions)
    centres, k = gather_rows(positions, kept), min(self.neighbors, positions.shape[1])
    if self.radius is None:
        found = reference_nearest_neighbors(positions, k, centres)
    else:
        found = reference_ball_query(positions, centres, self.radius, k)
    edges = gather_rows(positions, found) - centres[:, :, None]
    if self.feature is None:
        return kept, centres, self.rest(self.offset(edges)).amax(2)
    edges = torch.cat([edges, gather_rows(features, found)], dim=-1)
    first = torch.cat([self.offset.weight, self.feature.weight], dim=1)
    return kept, centres, self.rest(nn.functional.linear(edges, first)).amax(2)


# What takes the place of which function of models.neighbors.
REPLACEMENTS: dict[str, Callable] = {
    "nearest_neighbors": reference_nearest_neighbors,
    "ball_query": reference_ball_query,
    "neighbor_max": reference_neighbor_max,
}


@contextmanager
def reference_implementation(model: CloudEncoder | GraphEncoder) -> Iterator[None]:
    """Within this context the encoder computes by its reference implementation. Its network stays replaced afterwards."""
    if isinstance(model.network, DGCNN):
        model.network = EdgeByEdge(model.network)
        yield
        return
    if model.reads == ("graph",):
        model.network = OneByOne(model.network)
    with ExitStack() as changes:
        for name, module in list(sys.modules.items()):
            if name.startswith("models.clouds.") or name == "models.neighbors":
                for function in REPLACEMENTS.keys() & vars(module).keys():
                    changes.enter_context(mock.patch.object(module, function, REPLACEMENTS[function]))
        changes.enter_context(mock.patch.object(SetAbstraction, "forward", reference_set_abstraction))
        yield
