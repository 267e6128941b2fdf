"""Lists every encoder, pooling and fusion that a recipe can name, with parameters, multiply-adds, sizes and the name in the paper's code.

example: python -m models --height 128 --points 1024
"""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from config.cloud_settings import CLOUDS
from config.components import Entry
from config.fusion_settings import FUSIONS
from config.image_settings import IMAGES
from config.pooling_settings import MAP_POOLINGS, POINT_POOLINGS
from config.schema import CloudConfig, PanoramaConfig, TileConfig
from models.clouds.cloud_encoder import CloudEncoder
from models.clouds.graph_encoder import GraphEncoder
from models.images.image_encoder import ImageEncoder
from utils.arguments import Parser, count
from utils.batch import FEATURES, PlaceGraph
from utils.errors import InputError, run_command

DIM = 256


def cost(module: nn.Module, *inputs: object) -> tuple[int, int, Any]:
    """Number of parameters, multiply-adds of the matrix products and convolutions on these inputs, and the output."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        output = module.eval()(*inputs)
    return sum(p.numel() for p in module.parameters()), counter.get_total_flops() // 2, output


def rows(height: int, points: int) -> Iterator[tuple]:
    """(kind, name, entry, parameters, multiply-adds, input, output) of each component.

    For a component whose optional package is missing, parameters is the message that says so, and multiply-adds is None.
    """
    cloud, classes = torch.rand(1, points, 3) * 100 - 50, torch.randint(0, 25, (1, points), dtype=torch.uint8)
    for name, image in IMAGES.items():
        if not name.endswith("*"):
            image_height = height - height % (image.stride or 1)  # DINOv2 takes multiples of 14
            config = PanoramaConfig(image.settings(name), image_height)

            def encode_image(config=config):
                return cost(ImageEncoder(config, None), torch.rand(1, 3, config.height, config.width))

            yield _row("image encoder", name, image, f"3 × {image_height} × {2 * image_height}", encode_image)
    for name, pooling in MAP_POOLINGS.items():
        reads_tokens = pooling.reads == "tokens"
        size = (1, 1) if reads_tokens else (height // 32, height // 16)

        def pool_map(pooling=pooling, name=name, size=size, reads_tokens=reads_tokens):
            features = torch.rand(1, 1, 512) if reads_tokens else torch.rand(1, 512, *size)
            return cost(pooling.load()(pooling.settings(name), 512, *size), features)

        yield _row("pooling of maps", name, pooling, "512 × {} × {}".format(*size), pool_map)
    for name, network in CLOUDS.items():
        cloud_config = CloudConfig(network.settings(name), points if network.reads == "points" else CloudConfig.points)

        def encode_cloud(config=cloud_config):
            if config.reads == "graph":
                return cost(GraphEncoder(config, DIM), random_graph(1, 100, 500))
            return cost(CloudEncoder(config, None), cloud, classes)

        yield _row("cloud encoder", name, network, "100 nodes" if cloud_config.reads == "graph" else f"{points} points", encode_cloud)
    for name, pooling in POINT_POOLINGS.items():

        def pool_points(pooling=pooling, name=name):
            return cost(pooling.load()(pooling.settings(name), 512), torch.rand(1, points, 512), cloud)

        yield _row("pooling of points", name, pooling, f"{points} × 512", pool_points)
    for name, fusion in FUSIONS.items():

        def fuse(fusion=fusion, name=name):
            dim = None if fusion.reads == "features" else DIM
            tile, points_encoder = ImageEncoder(TileConfig(height=height), dim).eval(), CloudEncoder(CloudConfig(points=points), dim).eval()
            with torch.no_grad():
                branches = tile(torch.rand(1, 3, height, height)), points_encoder(cloud, classes)
            return cost(fusion.load()(fusion.settings(name), tile, points_encoder), *branches, cloud)

        yield _row("fusion", name, fusion, fusion.reads, fuse)


def random_graph(places: int, nodes: int, edges: int) -> PlaceGraph:
    """A random graph with this many nodes and edges at each place."""
    place = torch.arange(places).repeat_interleave(nodes)
    ends = torch.randint(0, nodes, (2, places * edges)) + nodes * torch.arange(places).repeat_interleave(edges)
    return PlaceGraph(torch.rand(len(place), len(FEATURES)), torch.zeros(len(place), dtype=torch.uint8), place, ends, places)


def _row(kind: str, name: str, entry: Entry, size: str, measure: Callable[[], tuple[int, int, Any]]) -> tuple:
    try:
        parameters, adds, output = measure()
    except InputError as error:
        return kind, name, entry, str(error), None, size, ""
    output = output if isinstance(output, torch.Tensor) else next(v for v in output[::-1] if v is not None)
    shape = output.shape[1:].numel() if output.dim() == 2 else " × ".join(map(str, output.shape[1:]))
    return kind, name, entry, parameters, adds, size, shape


def main() -> None:
    parser = Parser(prog="python -m models", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=count, default=128, help="rows of panoramas and tiles (default 128)")
    parser.add_argument("--points", type=count, default=1024, help="points of a cloud (default 1024)")
    args = parser.parse_args()
    if args.height % 32 or args.points < 32:
        raise InputError("--height takes multiples of 32, and --points 32 or more; some components cannot take less")
    previous = None
    for kind, name, entry, parameters, adds, size, output in rows(args.height, args.points):
        if kind != previous:
            print(f"\n{kind + ':':40}{'parameters':>12}  {'mult-adds':>10}  {'input':18}{'output':18}paper's name")
            previous = kind
        if adds is None:
            print(f"  {name:38}{parameters}")
        else:
            print(f"  {name:38}{parameters:>12,}  {adds / 1e6:>8,.1f} M  {size:18}{output!s:18}{entry.paper}")
    print("\nmult-adds: matrix products and convolutions only, for one place")


if __name__ == "__main__":
    run_command(main)
