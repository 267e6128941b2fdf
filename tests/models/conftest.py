"""Tiny models and random batches for them."""

import math

import pytest
import torch

from config.reader import from_mapping
from config.schema import ModelConfig
from data.batches import Batch

IMAGE = {"encoder": "resnet18", "height": 16, "stages": 2}
POLAR = IMAGE | {"polar": True}
CLOUD = {"points": 12, "neighbors": 3, "widths": [6, 5], "features": 8}
# Every kind of map: modalities × fusion × Cartesian or polar × sectors × the cloud's options.
MAPS = {
    "tile": {"tile": IMAGE},
    "tile-polar": {"tile": POLAR},
    "tile-sectors": {"tile": POLAR | {"sectors": 4}},
    "cloud": {"cloud": CLOUD},
    "cloud-sectors": {"cloud": CLOUD | {"sectors": 4}},
    "cloud-static": {"cloud": CLOUD | {"dynamic": False}},
    "cloud-no-classes": {"cloud": CLOUD | {"classes": False}},
} | {
    f"{fusion}-{name}": {"fusion": fusion, "tile": tile, "cloud": CLOUD | {"sectors": sectors}}
    for fusion in ("concat", "pixel_to_point")
    for name, tile, sectors in (("cartesian", IMAGE, 1), ("cartesian-sectors", IMAGE, 4), ("polar", POLAR, 1), ("polar-sectors", POLAR, 4))
}


@pytest.fixture(params=[*MAPS])
def map_name(request) -> str:
    """Every kind of map in turn."""
    return request.param


@pytest.fixture
def model_config():
    """Configuration of a tiny model of one of MAPS, with changes of the panorama's encoder."""

    def make(name: str, **panorama) -> ModelConfig:
        return from_mapping(ModelConfig, {"panorama": IMAGE | panorama, "embedding_dim": 7} | MAPS[name], name)

    return make


@pytest.fixture
def make_batch():
    """A random batch for a configuration; points all around the viewer."""

    def make(config: ModelConfig, size: int = 5, seed: int = 0) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        panorama = torch.rand(size, 3, config.panorama.height, 2 * config.panorama.height, generator=generator)
        tile = cloud = classes = None
        if config.tile:
            width = config.tile.height * (2 if config.tile.polar else 1)
            tile = torch.rand(size, 3, config.tile.height, width, generator=generator)
        if config.cloud:
            azimuth = torch.rand(size, config.cloud.points, generator=generator) * 2 * math.pi
            radius = 2 + 100 * torch.rand(size, config.cloud.points, generator=generator)  # the square's corners are 107 m away
            flat = torch.stack([radius * azimuth.sin(), radius * azimuth.cos()], -1).clamp(-76, 76)
            cloud = torch.cat([flat, 40 * torch.rand(size, config.cloud.points, 1, generator=generator)], -1)
            classes = torch.randint(0, 25, (size, config.cloud.points), generator=generator, dtype=torch.uint8)
        return Batch(panorama, tile, cloud, classes, torch.zeros(size, 2, dtype=torch.float64), torch.zeros(size, dtype=torch.long))

    return make
