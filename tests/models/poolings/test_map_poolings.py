"""SAFA, the published plain head and class tokens, against naive loops."""

import torch

from config.pooling_settings import FlatSettings
from models.heads import make_head
from models.poolings import HEADS, SAFA, ClassTokens, Flat


@torch.no_grad()
def test_safa_against_a_loop():
    torch.manual_seed(0)
    pool = SAFA(None, 5, 2, 3)
    for parameter in pool.parameters():
        parameter.normal_()
    features = torch.randn(2, 5, 2, 3)
    assert pool.width == 5 * HEADS and pool.weight1.shape == (6, 3, HEADS)
    for b in range(2):
        positions = [max(features[b, c, i // 3, i % 3].item() for c in range(5)) for i in range(6)]
        expected = torch.zeros(5, HEADS)
        for head in range(HEADS):
            hidden = [pool.bias1[0, j, head] + sum(positions[i] * pool.weight1[i, j, head] for i in range(6)) for j in range(3)]
            for i in range(6):
                weight = pool.bias2[0, i, head] + sum(hidden[j] * pool.weight2[j, i, head] for j in range(3))
                for c in range(5):
                    expected[c, head] += weight * features[b, c, i // 3, i % 3]
        torch.testing.assert_close(pool(features)[b], expected.flatten(), rtol=1e-4, atol=1e-4)


def test_safa_of_a_single_position():
    assert SAFA(None, 5, 1, 1)(torch.randn(2, 5, 1, 1)).shape == (2, 40)


@torch.no_grad()
def test_flat_with_a_linear_head_is_the_published_plain_head():
    torch.manual_seed(0)
    pool = Flat(FlatSettings("flat", hidden=6), 5, 2, 3)
    head = make_head("linear", pool.width, 4)
    for norm in (pool[1], pool[4]):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.weight.normal_()
        norm.bias.normal_()
    pool.eval()
    x = torch.randn(3, 5, 2, 3)

    def norm_relu(x, norm):
        return ((x - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias).clamp_min(0)

    hidden = norm_relu(x.flatten(1), pool[1]) @ pool[3].weight.T + pool[3].bias
    expected = norm_relu(hidden, pool[4]) @ head.weight.T + head.bias
    torch.testing.assert_close(head(pool(x)), expected, rtol=1e-4, atol=1e-5)
    assert FlatSettings("flat").hidden == 512


def test_class_tokens():
    tokens = torch.rand(2, 3, 5)
    pool = ClassTokens(None, 5, 1, 3)
    assert pool.width == 15 and torch.equal(pool(tokens), torch.cat([tokens[:, 0], tokens[:, 1], tokens[:, 2]], 1))
