"""Exported searches give the same indices, ties included, for any batch size."""

import torch
from torch import nn

from models.neighbors import ball_query, farthest_points, gather_rows, nearest_neighbors, neighbor_max, three_nearest_interpolation


class Everything(nn.Module):
    def forward(self, cloud, features):
        near, alike, picks = nearest_neighbors(cloud, 4), nearest_neighbors(features, 4), farthest_points(cloud, 6)
        sampled, of_sampled = gather_rows(cloud, picks), gather_rows(neighbor_max(features, near), picks)
        return near, alike, picks, ball_query(cloud, sampled, 0.5, 5), three_nearest_interpolation(sampled, of_sampled, cloud)


def inputs(batch):
    generator = torch.Generator().manual_seed(batch)
    return tuple(torch.randint(0, 3, (batch, 30, dims), generator=generator).float() for dims in (3, 5))


def test_exported_program_of_any_batch_size(monkeypatch):
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(Everything(), inputs(2), dynamic_shapes=({0: batch}, {0: batch})).module()
    monkeypatch.setattr("models.neighbors.CHUNK", 1)
    for size in (1, 5):
        for exported, eager in zip(program(*inputs(size)), Everything()(*inputs(size)), strict=True):
            assert torch.equal(exported, eager)
