"""Fusions of vectors."""

import torch


def test_concat_and_add(make_fusion, make_inputs):
    tile, cloud, points = make_inputs()
    assert torch.equal(make_fusion("concat")(tile, cloud, points), torch.cat([cloud[0], tile[0]], 1))
    assert torch.equal(make_fusion("add")(tile, cloud, points), tile[0] + cloud[0])
