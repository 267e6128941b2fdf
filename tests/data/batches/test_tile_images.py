"""Tiles cut from tile images: the same as cut from the raster directly, up to interpolation, whatever turns, shifts and scales."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from data.batches.cutters import TileCutter, TileImageCutter
from utils.frames import tile_grid, to_world
from utils.georeference import Georeference

PLACES = [(0.0, 0.0, 0.0), (30.3, -40.7, 33.0), (-60.0, 50.0, 181.0), (11.0, 71.0, 275.5)]


@pytest.fixture(scope="module")
def smooth_city():
    """Colours that change slowly and differently along both axes, without any symmetry: 400 m × 400 m at 0.25 m."""
    geo = Georeference((-200.0, -200.0, 200.0, 200.0), 0.25)
    rows, columns = np.mgrid[: geo.height, : geo.width] / geo.width
    bands = (np.sin(9 * columns + 4 * rows), np.cos(14 * rows - 3 * columns), np.sin(7 * rows * columns + 5 * columns))
    return SimpleNamespace(georeference=geo, raster=np.stack([(127 + 120 * b).astype(np.uint8) for b in bands], axis=-1))


@pytest.fixture(scope="module")
def images(smooth_city):
    """Tile images of the places, 256 × 256, and the places as tensors."""
    centre = torch.tensor([p[:2] for p in PLACES], dtype=torch.float64)
    heading = torch.tensor([p[2] for p in PLACES], dtype=torch.float64)
    tiles = TileCutter(smooth_city, 256, 256, False)(centre, heading)
    return (tiles * 255).round().byte().permute(0, 2, 3, 1), centre, heading


@pytest.mark.parametrize(("height", "polar"), [(256, False), (224, False), (128, False), (64, False), (40, False), (64, True), (128, True)])
@pytest.mark.parametrize("turn", [0.0, 17.0, 180.0, -90.0])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (9.0, -4.0)])
def test_cutting_twice_equals_cutting_once(smooth_city, images, height, polar, turn, shift):
    stored, centre, heading = images
    width, offset = 2 * height if polar else height, torch.tensor(shift, dtype=torch.float64).expand(len(centre), 2)
    tiles = TileImageCutter(height, width, polar)(stored, heading, offset, heading + turn)
    direct = TileCutter(smooth_city, height, width, polar)(centre + offset, heading + turn)
    assert tiles.shape == direct.shape and tiles.dtype == torch.float32
    seen = to_world(tile_grid(height, width, polar)[None], torch.tensor([turn]))[0].abs().amax(-1) < 76 - 14  # inside the image
    assert seen.float().mean() > 0.4
    assert (tiles - direct).abs()[..., seen].max() < 0.02
    wrong = TileImageCutter(height, width, polar)(stored, heading, -offset, heading - turn)
    assert (turn, shift) in ((0.0, (0.0, 0.0)), (180.0, (0.0, 0.0))) or (wrong - direct).abs()[..., seen].max() > 0.05


def test_uncut_images_come_back(images):
    stored, _, heading = images
    tiles = TileImageCutter(256, 256, False)(stored, heading, torch.zeros(4, 2, dtype=torch.float64), heading)
    assert torch.allclose(tiles * 255, stored.permute(0, 3, 1, 2).float(), atol=0.05)


def test_beyond_an_image_its_edge_is_repeated():
    """Half a tile's width to the east of a north-up image: the right half repeats the image's last column."""
    image = torch.randint(256, (1, 256, 256, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    north = torch.zeros(1, dtype=torch.float64)
    tile = TileImageCutter(256, 256, False)(image, north, torch.tensor([[76.0, 0.0]], dtype=torch.float64), north)[0] * 255
    assert torch.allclose(tile[:, :, :128], image[0, :, 128:].permute(2, 0, 1).float(), atol=0.1)
    assert torch.allclose(tile[:, :, 128:], image[0, :, -1:].permute(2, 0, 1).float().expand(3, 256, 128), atol=0.1)


@pytest.mark.parametrize("polar", [False, True])
def test_a_batch_equals_its_places_one_by_one(images, polar):
    stored, _, heading = images
    cut, offset, turn = TileImageCutter(32, 32, polar), torch.rand(4, 2, dtype=torch.float64) * 10, torch.arange(4) * 30.0
    batch = cut(stored, heading, offset, heading + turn)
    for i in range(4):
        one = slice(i, i + 1)
        assert torch.allclose(batch[i], cut(stored[one], heading[one], offset[one], (heading + turn)[one])[0], atol=1e-6)


def test_a_turned_polar_tile_of_the_paper_has_turned_columns(images):
    """Except for the outermost rows: the tile's centre is not the image's, so the image ends sooner on two sides."""
    stored, _, heading = images
    cut, none = TileImageCutter(64, 128, True, paper=True), torch.zeros(4, 2, dtype=torch.float64)
    plain, turned = cut(stored, heading, none, heading), cut(stored, heading, none, heading + 90)
    assert turned.dtype == torch.float32 and torch.allclose(turned[:, :, 1:], plain.roll(-32, 3)[:, :, 1:], atol=1e-4)
    assert (turned - plain).abs().max() > 0.1
