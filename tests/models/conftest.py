"""Tiny models of every registered component, and random batches for them."""

import dataclasses
import math
from importlib.util import find_spec

import pytest
import torch

from config.cloud_settings import CLOUDS
from config.components import Entry
from config.fusion_settings import FUSIONS
from config.image_settings import IMAGES
from config.pooling_settings import MAP_POOLINGS, POINT_POOLINGS
from config.reader import from_mapping
from config.schema import ModelConfig
from utils.batch import FEATURES, Batch, PlaceGraph

DIM = 7
POINTS = 24

# Components that can be built here.
BACKBONES = [name for name, entry in IMAGES.items() if not name.endswith("*") and (not entry.package or find_spec(entry.package))]


def taken(entry: Entry, **settings) -> dict:
    """The settings among these that a component has."""
    known = {field.name for field in dataclasses.fields(entry.settings)}
    return {key: value for key, value in settings.items() if key in known}


def image(encoder: str = "resnet18", network: dict | None = None, **settings) -> dict:
    """Section of a small image encoder: two stages of a ResNet, one layer of a transformer, or as few rows as the backbone takes.

    Args:
        network: settings of the backbone.
        settings: further keys of the section.
    """
    entry = IMAGES[encoder]
    small = {"name": encoder} | taken(entry, stages=2, layers=1) | (network or {})
    return {"encoder": small, "height": 2 * entry.stride or 16} | settings


def pooled(pooling: str, **settings) -> dict:
    """Section of a small image encoder with a pooling."""
    return image("hybrid_vit" if MAP_POOLINGS[pooling].reads == "tokens" else "resnet18", pooling=pooling, **settings)


def sectors(pooling: str, count: int) -> dict:
    """A pooling with this many sectors."""
    return {"name": pooling, "sectors": count}


def cloud(encoder: str = "dgcnn", network: dict | None = None, **settings) -> dict:
    """Section of a small cloud encoder; arguments as of `image`."""
    entry = CLOUDS[encoder]
    strides = len(getattr(entry.settings(encoder), "strides", ()))
    small = {"name": encoder, "features": 8} | taken(entry, neighbors=3, radius=0.5, attention_width=8, strides=[2] * strides)
    if encoder in ("dgcnn", "buildings"):
        small["widths"] = [6, 5]
    points = {"points": POINTS} if entry.reads == "points" else {}
    return {"encoder": small | (network or {})} | points | settings


POLAR = image(polar=True)
# Every kind of map: each component once, with small others; Cartesian or polar, with and without sectors.
MAPS = (
    {f"tile-{name}": {"tile": image(name)} for name in {IMAGES[name].path: name for name in reversed(BACKBONES)}.values()}  # one of a class
    | {f"tile-{name}-polar": {"tile": pooled(name, polar=True)} for name in MAP_POOLINGS}
    | {"tile-sectors": {"tile": POLAR | {"pooling": sectors("mean", 4)}}, "tile-circular": {"tile": POLAR | {"circular": True}}}
    | {f"cloud-{name}": {"cloud": cloud(name)} for name in CLOUDS}
    | {f"cloud-{name}-no-classes": {"cloud": cloud(name, classes=False)} for name in CLOUDS}
    | {f"cloud-pool-{name}": {"cloud": cloud(pooling=name)} for name in POINT_POOLINGS}
    | {"cloud-sectors": {"cloud": cloud(pooling=sectors("max", 4))}, "cloud-static": {"cloud": cloud(network={"dynamic": False})}}
    | {"cloud-unit-one-hot": {"cloud": cloud(paper={"scale": "unit", "projection": [9, 6]}, class_width=0)}}
    | {
        f"{fusion}-{name}": {"fusion": fusion, "tile": tile, "cloud": cloud(pooling=sectors("max", count))}
        for fusion in FUSIONS
        for name, tile, count in (("cartesian", image(), 1), ("polar", POLAR, 1), ("polar-sectors", POLAR, 4))
        if FUSIONS[fusion].polar or not tile.get("polar")
    }
)


@pytest.fixture
def quick_weights(monkeypatch):
    """All new networks get weights from the same random numbers, because generating a hundred million takes longer than using them."""
    generator = torch.Generator().manual_seed(0)
    uniform, normal = (draw(1 << 22, generator=generator) for draw in (torch.rand, torch.randn))

    def fill(tensor: torch.Tensor, series: torch.Tensor, scale: float, shift: float) -> torch.Tensor:
        if tensor.is_meta:
            return tensor
        series = series.repeat(1 + tensor.numel() // len(series)) if tensor.numel() > len(series) else series
        return tensor.copy_(torch.add(shift, series[: tensor.numel()].view(tensor.shape), alpha=scale))

    monkeypatch.setattr(torch.Tensor, "uniform_", lambda tensor, low=0.0, high=1.0, **_: fill(tensor, uniform, high - low, low))
    monkeypatch.setattr(torch.Tensor, "normal_", lambda tensor, mean=0.0, std=1.0, **_: fill(tensor, normal, std, mean))


@pytest.fixture(params=[*MAPS])
def map_name(request) -> str:
    """Each kind of map."""
    return request.param


@pytest.fixture
def model_config():
    """Configuration of a tiny model of one of MAPS, with changes of the panorama's encoder."""

    def make(name: str, **panorama) -> ModelConfig:
        return from_mapping(ModelConfig, {"panorama": image(**panorama), "embedding_dim": DIM} | MAPS[name], name)

    return make


def place_graph(places: int, generator: torch.Generator) -> PlaceGraph:
    """Random graphs of places with 1 to 8 nodes; the middle place has none."""
    count = torch.randint(1, 9, (places,), generator=generator)
    count[places // 2] = 0
    place = torch.arange(places).repeat_interleave(count)
    nodes = len(place)
    view = torch.rand(nodes, 2, generator=generator) * 152 - 76
    distance = view.norm(dim=1, keepdim=True)
    attributes = torch.rand(nodes, len(FEATURES) - 5, generator=generator) * torch.tensor([9, 40, 60, 1, 1, 1])
    joined = (torch.rand(nodes, nodes, generator=generator) < 0.4) & (place == place[:, None])
    edges = (joined | joined.T).fill_diagonal_(False).nonzero().T
    classes = torch.randint(0, 25, (nodes,), generator=generator, dtype=torch.uint8)
    return PlaceGraph(torch.cat([view, distance, view / distance, attributes], dim=1), classes, place, edges, places)


@pytest.fixture
def make_batch():
    """A random batch for a configuration; points all around the viewer."""

    def make(config: ModelConfig, size: int = 5, seed: int = 0) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        panorama = torch.rand(size, 3, config.panorama.height, 2 * config.panorama.height, generator=generator)
        tile = cloud = classes = graph = None
        if config.tile:
            tile = torch.rand(size, 3, config.tile.height, config.tile.width, generator=generator)
        if config.cloud and config.cloud.reads == "graph":
            graph = place_graph(size, generator)
        elif config.cloud:
            azimuth = torch.rand(size, config.cloud.points, generator=generator) * 2 * math.pi
            radius = 2 + 100 * torch.rand(size, config.cloud.points, generator=generator)  # the square's corners are 107 m away
            flat = torch.stack([radius * azimuth.sin(), radius * azimuth.cos()], -1).clamp(-76, 76)
            cloud = torch.cat([flat, 40 * torch.rand(size, config.cloud.points, 1, generator=generator)], -1)
            classes = torch.randint(0, 25, (size, config.cloud.points), generator=generator, dtype=torch.uint8)
        position, city = torch.zeros(size, 2, dtype=torch.float64), torch.zeros(size, dtype=torch.long)
        return Batch(panorama, tile, cloud, classes, position, city, graph)

    return make


@pytest.fixture
def graph() -> PlaceGraph:
    """Random graphs of five places, the middle one without nodes."""
    return place_graph(5, torch.Generator().manual_seed(1))
