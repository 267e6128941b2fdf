"""Attention of the two transformers on points, against loops over the formulas of the papers."""

import pytest
import torch

from models.clouds.pct import NeighborEmbedding, OffsetAttention
from models.clouds.point_transformer import VectorAttention
from models.neighbors import gather_rows


@pytest.fixture
def cloud():
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(2, 12, n, generator=generator, dtype=torch.float64) for n in (3, 8))


def nearest(positions, i, k):
    return sorted(range(len(positions)), key=lambda j: float((positions[j] - positions[i]).norm()))[:k]


@torch.no_grad()
def test_vector_attention(cloud):
    """Point Transformer, eq. 3: Σ_j softmax_j(γ(φ(x_i) − ψ(x_j) + δ_ij)) ⊙ (α(x_j) + δ_ij), channel by channel."""
    torch.manual_seed(0)
    positions, features = cloud
    layer = VectorAttention(8, 6, 4).double()
    output, x = layer(positions, features), layer.enter(features)
    for b in range(2):
        for i in range(12):
            near = nearest(positions[b], i, 4)
            delta = torch.stack([layer.offset(positions[b, i] - positions[b, j]) for j in near])
            gamma = torch.stack([layer.relation(layer.query(x[b, i]) - layer.key(x[b, j]) + d) for j, d in zip(near, delta, strict=True)])
            weight = torch.exp(gamma / 6**0.5)
            weight = weight / weight.sum(0)
            values = torch.stack([layer.value(x[b, j]) for j in near]) + delta
            torch.testing.assert_close(output[b, i], features[b, i] + layer.leave((weight * values).sum(0)))


@torch.no_grad()
def test_offset_attention(cloud, trained):
    """PCT, section 3.2: softmax over one axis of the attention matrix, then a sum of one over the other."""
    torch.manual_seed(0)
    _, x = cloud
    layer = trained(OffsetAttention(8))
    output = layer(x)
    for b in range(2):
        q, v = layer.query(x[b]), layer.value(x[b])
        energy = [[float(q[i] @ q[j]) for j in range(12)] for i in range(12)]
        rows = torch.stack([torch.tensor(row, dtype=torch.float64).softmax(0) for row in energy])
        for j in range(12):
            column = rows[:, j] / (1e-9 + rows[:, j].sum())
            attended = sum(w * value for w, value in zip(column, v, strict=True))
            torch.testing.assert_close(output[b, j], x[b, j] + layer.difference((x[b, j] - attended)[None])[0])


@torch.no_grad()
def test_neighbor_embedding(cloud, trained):
    """PCT, section 3.3: of each sampled point, the maximum over its neighbours j of an MLP of [f_j − f_i, f_i]."""
    torch.manual_seed(0)
    positions, features = cloud
    layer = trained(NeighborEmbedding(3, 4, 8, 5))
    kept, centres, output = layer(positions, features)
    assert torch.equal(centres, gather_rows(positions, kept)) and output.shape == (2, 4, 5)
    w1 = layer.neighbor.weight
    weight = torch.cat([w1, w1 + layer.centre.weight], 1)
    for b in range(2):
        for q, i in enumerate(kept[b].tolist()):
            f = features[b]
            edges = torch.stack([weight @ torch.cat([f[j] - f[i], f[i]]) for j in nearest(positions[b], i, 4)])
            torch.testing.assert_close(output[b, q], layer.rest(edges).amax(0))
