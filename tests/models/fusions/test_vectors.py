"""Fusions of vectors."""

import torch


def test_concat_and_add(make_fusion, make_inputs):
    tile, cloud, points = make_inputs()
    assert torch.equal(make_fusion("concat")(tile, cloud, points), torch.cat([cloud[0], tile[0]], 1))
    assert torch.equal(make_fusion("add")(tile, cloud, points), tile[0] + cloud[0])


@torch.no_grad()
def test_gates(make_fusion, make_inputs):
    """Each channel is a mixture; a gate that is wide open lets the tile through, a shut one the cloud."""
    fusion, (tile, cloud, points) = make_fusion("gated"), make_inputs()
    z = torch.sigmoid(torch.cat([tile[0], cloud[0]], 1) @ fusion.gate.weight.T + fusion.gate.bias)
    torch.testing.assert_close(fusion(tile, cloud, points), z * tile[0] + (1 - z) * cloud[0])
    for bias, expected in ((50, tile[0]), (-50, cloud[0])):
        fusion.gate.bias.fill_(bias)
        torch.testing.assert_close(fusion(tile, cloud, points), expected)


@torch.no_grad()
def test_gates_of_vectors_in_two_precisions(make_fusion, make_inputs):
    """Under autocast a branch with a head gives bfloat16, one without may give float32."""
    fusion, (tile, cloud, points) = make_fusion("gated"), make_inputs()
    expected = fusion(tile, cloud, points)
    with torch.autocast("cpu", torch.bfloat16):
        found = fusion((tile[0].bfloat16(), tile[1]), cloud, points)
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)
