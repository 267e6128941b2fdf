"""Pixel-to-point fusion: points find their own position on Cartesian and polar tiles."""

import math

import pytest
import torch

from models.fusions.pixel_to_point import sample_at_points
from utils.frames import tile_grid


def naive(features, points, polar):
    """Bilinear samples, one by one. Polar tiles wrap round behind the viewer; their first and last row continue beyond the edge."""
    batch, channels, rows, columns = features.shape
    result = torch.zeros(batch, points.shape[1], channels, dtype=features.dtype)
    for b in range(batch):
        for p, (right, ahead, _) in enumerate(points[b].tolist()):
            if polar:
                x = (math.atan2(right, ahead) / (2 * math.pi) + 0.5) * columns - 0.5
                y = min(max((1 - math.hypot(right, ahead) / 76) * rows - 0.5, 0), rows - 1)
            else:
                x, y = (right / 152 + 0.5) * columns - 0.5, (0.5 - ahead / 152) * rows - 0.5
            for c, wx in ((math.floor(x), 1 - (x - math.floor(x))), (math.floor(x) + 1, x - math.floor(x))):
                for r, wy in ((math.floor(y), 1 - (y - math.floor(y))), (math.floor(y) + 1, y - math.floor(y))):
                    if polar:
                        result[b, p] += wx * wy * features[b, :, min(r, rows - 1), c % columns]
                    elif 0 <= r < rows and 0 <= c < columns:
                        result[b, p] += wx * wy * features[b, :, r, c]
    return result


@pytest.mark.parametrize("polar", [False, True])
@pytest.mark.parametrize("shape", [(4, 8), (7, 7), (1, 2), (5, 3)])
def test_against_a_loop(polar, shape):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, *shape, generator=generator, requires_grad=True)
    points = (torch.rand(2, 60, 3, generator=generator) - 0.5) * 180  # some are outside
    points[0, 0] = 0
    points[0, 1:7, :2] = torch.tensor([[0.1, -50.0], [-0.1, -50.0], [0, -50], [75.9, 75.9], [200, 0], [0, 76]])
    sampled, expected = sample_at_points(features, points, polar), naive(features, points, polar)
    torch.testing.assert_close(sampled, expected, rtol=1e-4, atol=1e-4)
    upstream = torch.randn(2, 60, 3, generator=generator)
    gradients = [torch.autograd.grad((v * upstream).sum(), features)[0] for v in (sampled, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def test_positions_keep_their_precision_beside_bfloat16_features():
    features = torch.arange(512.0).expand(1, 1, 2, 512).bfloat16()
    points = torch.tensor([[[60.0, 10, 0], [60.2, 10, 0], [60.4, 10, 0]]])
    sampled = sample_at_points(features, points, False).float()
    torch.testing.assert_close(sampled, naive(features.float(), points, False), rtol=0, atol=0.05)


def test_outside_a_cartesian_tile_is_zero():
    sampled = sample_at_points(torch.ones(1, 2, 4, 4), torch.tensor([[[0.0, 0, 0], [100, 0, 0], [0, -100, 0], [-400, 400, 0]]]), False)
    assert sampled[0].tolist() == [[1, 1], [0, 0], [0, 0], [0, 0]]


def test_a_polar_tile_closes_behind_the_viewer():
    features = torch.zeros(1, 1, 2, 8)
    features[..., 0], features[..., 7] = 1.0, 3.0
    behind = sample_at_points(features, torch.tensor([[[-1e-3, -30.0, 0], [1e-3, -30, 0], [0, -30, 0]]]), True)
    torch.testing.assert_close(behind.flatten(), torch.full((3,), 2.0), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("polar", "rows", "columns", "tolerance_m"), [(False, 8, 8, 1e-3), (True, 64, 128, 0.1)])
def test_points_meet_the_pixels_that_look_at_them(polar, rows, columns, tolerance_m):
    """With positions as the map's features, every point reads its own position."""
    where = tile_grid(rows, columns, polar).permute(2, 0, 1)[None]
    points = torch.tensor([[[3.0, 40, 9], [-40, 3, 0], [40, -3, 1], [-3, -40, 5], [20, 20, 5], [-50, 10, 2]]])
    torch.testing.assert_close(sample_at_points(where, points, polar), points[..., :2], atol=tolerance_m, rtol=0)
