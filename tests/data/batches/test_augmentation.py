"""Random changes of samples against naive loops."""

import numpy as np
import pytest
import torch

from config.schema import AugmentationConfig
from data.batches.augmentation import Augmentation, change_colours, erase, turn_columns

OFF = dict(mirror=False, turn=False, heading_deg=0, yaw_deg=0, shift_m=0, brightness=0, contrast=0, saturation=0, erase=0)
WIDTH = 24


def draw(batch=8, seed=0, width=WIDTH, **settings):
    return Augmentation.draw(AugmentationConfig(**{**OFF, **settings}), batch, width, torch.Generator().manual_seed(seed))


def panoramas(batch=8, height=6, width=WIDTH, seed=0):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_columns_against_flip_and_roll():
    random, images = draw(64, mirror=True, turn=True, heading_deg=60.0, yaw_deg=90.0), panoramas(64)
    turned, kinds = turn_columns(images, random), set()
    for i, image in enumerate(images.numpy()):
        expected = np.roll(image, -int(random.turn[i] + random.yaw[i]), axis=2)  # who turns right sees everything move left
        if random.mirror[i]:
            expected = expected[:, :, ::-1]
        assert np.array_equal(turned[i].numpy(), expected)
        kinds.add((bool(random.mirror[i]), abs(int(random.turn[i])) > WIDTH // 4))
    assert len(kinds) == 4


def test_a_half_turn_brings_the_back_to_the_centre():
    image = torch.zeros(1, 3, 4, 8)
    image[..., 0] = 1.0  # a mark just right of straight back
    seed = next(s for s in range(50) if draw(1, s, 8, turn=True).turn[0])
    assert turn_columns(image, draw(1, seed, 8, turn=True))[0, 0, 0].tolist() == [0, 0, 0, 0, 1, 0, 0, 0]


def test_nothing_is_changed_when_all_is_off():
    random, images = draw(), panoramas()
    changed = erase(change_colours(turn_columns(images, random), random), random)
    assert torch.allclose(changed, images, atol=1e-6)
    assert not any(getattr(random, name).any() for name in ("mirror", "turn", "yaw", "shift_m", "erase"))


def test_colours_against_a_loop():
    random, images = draw(16, brightness=0.4, contrast=0.5, saturation=0.6), panoramas(16)
    changed = change_colours(images.clone(), random).numpy()
    for i, image in enumerate(images.numpy().astype(float)):
        image = image * float(random.brightness[i])
        image = image.mean() + float(random.contrast[i]) * (image - image.mean())
        grey = image.mean(0, keepdims=True)
        image = grey + float(random.saturation[i]) * (image - grey)
        assert np.allclose(changed[i], image.clip(0, 1), atol=1e-5)
    for factor, most in ((random.brightness, 0.4), (random.contrast, 0.5), (random.saturation, 0.6)):
        assert (factor - 1).abs().max() <= most and factor.std() > 0.1


def test_erased_rectangles_against_a_loop():
    random, images = draw(64, erase=0.5), panoramas(64, 16, 32)
    erased, blanked = erase(images, random).numpy(), 0
    for i in range(64):
        top, left, height, width = random.erase[i].tolist()
        expected = images[i].numpy().copy()
        for r in range(16):
            for c in range(32):
                if top <= (r + 0.5) / 16 < top + height and left <= (c + 0.5) / 32 < left + width:
                    expected[:, r, c] = 0.5
        assert np.array_equal(erased[i], expected)
        blanked += height > 0
        assert height == width == 0 or (0.1 <= height <= 0.4 and 0.1 <= width <= 0.4 and top + height <= 1 and left + width <= 1)
    assert 15 < blanked < 50


def test_drawn_numbers_stay_in_their_limits():
    random = draw(500, width=360, heading_deg=20.0, yaw_deg=5.0, shift_m=3.0, mirror=True)
    assert random.yaw.abs().max() == 5 and random.turn.abs().max() == 20  # a column is a degree
    assert random.yaw.float().std() > 2 and random.turn.float().std() > 9
    assert random.shift_m.shape == (500, 2) and random.shift_m.abs().max() <= 3 and random.shift_m.std() > 1
    assert 180 < random.mirror.sum() < 320
    around = draw(500, width=360, turn=True, mirror=True)
    assert set(around.turn.tolist()) == {0, 180} and 180 < (around.turn == 180).sum() < 320
    assert abs(np.corrcoef(around.mirror.numpy(), around.turn.numpy())[0, 1]) < 0.15


def test_seed_decides_all():
    settings = dict(mirror=True, turn=True, heading_deg=50.0, yaw_deg=50.0, shift_m=3.0)
    settings |= dict(brightness=0.2, contrast=0.2, saturation=0.2, erase=0.5)
    first, again, other = (draw(16, seed, **settings) for seed in (1, 1, 2))
    for name, value in vars(first).items():
        assert torch.equal(value, getattr(again, name)) and not torch.equal(value, getattr(other, name))


@pytest.mark.parametrize("name", list(vars(draw(1))))
def test_to_keeps_every_number(name):
    random = draw(4, mirror=True, erase=1.0)
    assert torch.equal(getattr(random.to(torch.device("cpu")), name), getattr(random, name))
