"""Networks by torch-geometric: edges of our neighbours, and convolutions on them that equal naive loops."""

import pytest
import torch

from config.schema import CloudConfig
from models.clouds.dgcnn import DGCNN
from models.clouds.graph_edgeconv import GraphEdgeConv
from models.clouds.graph_edges import edges_of
from models.clouds.graph_point_transformer import Block, GraphPointTransformer
from models.clouds.graph_pointnet2 import GraphPointNet2
from models.neighbors import ball_query, nearest_neighbors


def config(encoder, **settings):
    return CloudConfig(**{"encoder": encoder, "points": 13, "neighbors": 4, "features": 7} | settings)


@pytest.fixture
def cloud():
    """Positions and inputs of two clouds in the same place: neighbours in the other would be as near as one's own."""
    torch.manual_seed(0)
    return torch.rand(2, 13, 3).double(), torch.randn(2, 13, 5).double()


def test_edges_stay_within_their_clouds():
    index = torch.tensor([[[0, 2], [1, 1]], [[2, 0], [0, 1]], [[1, 2], [2, 0]]])  # 3 clouds, 2 queries, 2 neighbours each
    edges = edges_of(index, 3)
    expected = [[3 * b + int(index[b, q, n]), 2 * b + q] for b in range(3) for q in range(2) for n in range(2)]
    assert edges.T.tolist() == expected


@torch.no_grad()
def test_edge_convolutions(cloud, trained):
    positions, x = cloud
    model = trained(GraphEdgeConv(config("graph_edgeconv", widths=[6, 8]), 5))
    index, outputs = nearest_neighbors(positions, 4), []
    for layer in model.layers:
        loop = torch.stack([
            torch.stack([
                layer.nn(torch.stack([torch.cat([x[b, i], x[b, j] - x[b, i]]) for j in index[b, i].tolist()])).amax(0) for i in range(13)
            ])
            for b in range(2)
        ])  # fmt: skip
        outputs.append(x := loop)
    features, kept = model(*cloud)
    assert kept is None
    torch.testing.assert_close(features, model.join(torch.cat(outputs, -1)))


@torch.no_grad()
def test_edge_convolutions_are_those_of_a_static_dgcnn(cloud, trained):
    """With norms as after training, whose scales are positive."""
    torch.manual_seed(0)
    graph = trained(GraphEdgeConv(config("graph_edgeconv", widths=[6, 8]), 5))
    dense = DGCNN(config("dgcnn", widths=[6, 8], dynamic=False), 5).double().eval()
    for ours, theirs in zip(dense.layers, graph.layers, strict=True):
        centre, neighbor = theirs.nn[0].weight.chunk(2, dim=1)
        ours.neighbor.weight.copy_(neighbor)
        ours.centre.weight.copy_(centre - neighbor)
        ours.norm.load_state_dict(theirs.nn[1].state_dict())
    dense.join.load_state_dict(graph.join.state_dict())
    torch.testing.assert_close(graph(*cloud)[0], dense(*cloud)[0])


@torch.no_grad()
def test_set_abstractions(cloud, trained):
    torch.manual_seed(0)
    positions, x = cloud
    model = trained(GraphPointNet2(config("graph_pointnet2", strides=[2, 3], widths=[6, 8, 10], radius=0.35), 5))
    for level, (count, radius) in zip(model.levels, ((6, 0.35), (2, 0.7)), strict=True):
        index = ball_query(positions, positions[:, :count], radius, 4)
        x = torch.stack([
            torch.stack([
                level.local_nn(torch.stack([torch.cat([x[b, j], positions[b, j] - positions[b, i]]) for j in index[b, i].tolist()])).amax(0)
                for i in range(count)
            ])
            for b in range(2)
        ])  # fmt: skip
        positions = positions[:, :count]
    features, kept = model(*cloud)
    assert kept.tolist() == [[0, 1]] * 2
    torch.testing.assert_close(features, model.last(x))


def attention(block, positions, x, index):
    """Vector attention (Point Transformer, eq. 3) of one cloud, as a loop."""
    conv, x = block.attend, block.enter(x)
    rows = []
    for i in range(len(x)):
        offset = [conv.pos_nn(positions[i] - positions[j]) for j in index[i].tolist()]
        relation = [conv.attn_nn(conv.lin_dst(x[i]) - conv.lin_src(x[j]) + o) for j, o in zip(index[i].tolist(), offset, strict=True)]
        weight = torch.stack(relation).softmax(0)
        rows.append((weight * torch.stack([conv.lin(x[j]) + o for j, o in zip(index[i].tolist(), offset, strict=True)])).sum(0))
    return block.leave(torch.stack(rows))


@torch.no_grad()
def test_point_transformer(cloud, trained):
    torch.manual_seed(0)
    positions, x = cloud
    model = trained(GraphPointTransformer(config("graph_point_transformer", strides=[3], widths=[6, 8]), 5))
    features, kept = model(*cloud)
    assert kept.tolist() == [[0, 1, 2, 3]] * 2
    for b in range(2):
        p, y = positions[b], model.layers[0](x[b])
        y = y + attention(model.blocks[0], p, y, nearest_neighbors(p[None], 4)[0])
        near = nearest_neighbors(p[None], 4, p[None, :4])[0]
        y = torch.stack([model.layers[1](y)[near[i]].amax(0) for i in range(4)])
        y = y + attention(model.blocks[1], p[:4], y, nearest_neighbors(p[None, :4], 4)[0])
        torch.testing.assert_close(features[b], model.last(y))


def test_blocks_keep_to_their_edges(trained):
    """A point's output depends on the points that send to it, and on no others."""
    torch.manual_seed(0)
    block = trained(Block(4))
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    block(torch.randn(5, 3).double(), x, torch.tensor([[3, 4, 0], [1, 1, 2]]))[1].sum().backward()
    assert x.grad.any(1).tolist() == [False, True, False, True, True]
