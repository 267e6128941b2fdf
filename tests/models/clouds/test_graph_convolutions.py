"""Networks with torch-geometric: edges from the neighbours, and convolutions on them against naive loops."""

import pytest
import torch

from config.cloud_settings import PointNet2Settings
from models.clouds.graph_pointnet2 import GraphPointNet2, edges_of
from models.neighbors import ball_query


@pytest.fixture
def cloud():
    """Positions and inputs of two clouds at the same place: neighbours in the other cloud would be as near as those in the same."""
    torch.manual_seed(0)
    return torch.rand(2, 13, 3).double(), torch.randn(2, 13, 5).double()


def test_edges_stay_within_their_clouds():
    index = torch.tensor([[[0, 2], [1, 1]], [[2, 0], [0, 1]], [[1, 2], [2, 0]]])  # 3 clouds, 2 queries, 2 neighbours each
    edges = edges_of(index, 3)
    expected = [[3 * b + int(index[b, q, n]), 2 * b + q] for b in range(3) for q in range(2) for n in range(2)]
    assert edges.T.tolist() == expected


@torch.no_grad()
def test_set_abstractions(cloud, trained):
    torch.manual_seed(0)
    positions, x = cloud
    model = trained(GraphPointNet2(PointNet2Settings("graph_pointnet2", 4, 0.35, [2, 3], [6, 8, 10], 7), 5))
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
