"""Lists every encoder, pooling and fusion that recipes can name: parameters, multiply-adds, sizes, and the published name.

example: python -m models --height 128 --points 1024
"""

import argparse

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from config.components import CLOUDS, FUSIONS, IMAGES, MAP_POOLINGS, POINT_POOLINGS, Entry
from config.reader import from_mapping
from config.schema import ModelConfig
from models.clouds.cloud_encoder import CloudEncoder
from models.clouds.graph_encoder import GraphEncoder
from models.images.image_encoder import ImageEncoder
from utils.arguments import Parser, count
from utils.batch import FEATURES, PlaceGraph
from utils.errors import InputError, run_command

DIM = 256


def cost(module: nn.Module, *inputs) -> tuple[int, int, object]:
    """Parameters, multiply-adds of matrix products and convolutions for these inputs, and the output."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        output = module.eval()(*inputs)
    return sum(p.numel() for p in module.parameters()), counter.get_total_flops() // 2, output


def rows(height: int, points: int):
    """(kind, name, entry, parameters, multiply-adds, input, output) of each component; parameters None where a package is missing."""

    def config(**parts) -> ModelConfig:
        small = {"panorama": {"height": height}, "embedding_dim": DIM, "tile": {"height": height}}
        return from_mapping(ModelConfig, small | parts, "models")

    cloud, classes = torch.rand(1, points, 3) * 100 - 50, torch.randint(0, 25, (1, points), dtype=torch.uint8)
    square = torch.rand(1, 3, height, height)
    for name, entry in IMAGES.items():
        fit = height - height % (entry.stride or 1)  # rows of 14
        yield _row("image encoder", name, entry, f"3 × {fit} × {2 * fit}", lambda name=name, fit=fit: cost(
            ImageEncoder(config(panorama={"encoder": name, "height": fit}).panorama, None), torch.rand(1, 3, fit, 2 * fit)))  # fmt: skip
    for name, entry in MAP_POOLINGS.items():
        of_tokens = entry.reads == "tokens"
        features = torch.rand(1, 1, 512) if of_tokens else torch.rand(1, 512, height // 32, height // 16)
        size = (1, 1) if of_tokens else features.shape[2:]
        pooling = config(panorama={"encoder": "hybrid_vit" if of_tokens else "resnet18", "pooling": name, "height": height}).panorama
        yield _row("pooling of maps", name, entry, "512 × {} × {}".format(*size), lambda entry=entry, p=pooling, s=size, x=features: cost(
            entry.load()(p, 512, *s), x))  # fmt: skip
    for name, entry in CLOUDS.items():
        if entry.reads == "graph":
            encoder, graph = config(cloud={"encoder": name}, fusion="concat").cloud, random_graph(1, 100, 500)
            yield _row("cloud encoder", name, entry, "100 nodes", lambda encoder=encoder, graph=graph: cost(
                GraphEncoder(encoder, DIM), graph))  # fmt: skip
        else:
            encoder = config(cloud={"encoder": name, "points": points}, fusion="concat").cloud
            yield _row("cloud encoder", name, entry, f"{points} points", lambda encoder=encoder: cost(
                CloudEncoder(encoder, None), cloud, classes))  # fmt: skip
    point_features = torch.rand(1, points, 512)
    for name, entry in POINT_POOLINGS.items():
        pooling = config(cloud={"pooling": name, "points": points}, fusion="concat").cloud
        yield _row("pooling of points", name, entry, f"{points} × 512", lambda entry=entry, pooling=pooling: cost(
            entry.load()(pooling, 512), point_features, cloud))  # fmt: skip
    for name, entry in FUSIONS.items():
        model = config(cloud={"points": points}, fusion=name)
        dim = None if entry.reads == "features" else DIM
        tile_encoder, cloud_encoder = ImageEncoder(model.tile, dim).eval(), CloudEncoder(model.cloud, dim).eval()
        with torch.no_grad():
            branches = tile_encoder(square), cloud_encoder(cloud, classes)
        yield _row("fusion", name, entry, entry.reads, lambda entry=entry, m=model, t=tile_encoder, c=cloud_encoder, b=branches: cost(
            entry.load()(m, t, c), *b, cloud))  # fmt: skip


def random_graph(places: int, nodes: int, edges: int) -> PlaceGraph:
    """A random graph with as many nodes and edges a place."""
    place = torch.arange(places).repeat_interleave(nodes)
    ends = torch.randint(0, nodes, (2, places * edges)) + nodes * torch.arange(places).repeat_interleave(edges)
    return PlaceGraph(torch.rand(len(place), len(FEATURES)), torch.zeros(len(place), dtype=torch.uint8), place, ends, places)


def _row(kind: str, name: str, entry: Entry, size: str, measured) -> tuple:
    try:
        parameters, adds, output = measured()
    except InputError as error:
        return kind, name, entry, str(error), None, size, ""
    output = output if isinstance(output, torch.Tensor) else next(v for v in output[::-1] if v is not None)
    shape = output.shape[1:].numel() if output.dim() == 2 else " × ".join(map(str, output.shape[1:]))
    return kind, name, entry, parameters, adds, size, shape


def main() -> None:
    parser = Parser(prog="python -m models", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=count, default=128, help="rows of panoramas and tiles (default 128)")
    parser.add_argument("--points", type=count, default=1024, help="of a cloud (default 1024)")
    args = parser.parse_args()
    if args.height % 32 or args.points < 32:
        raise InputError("--height takes multiples of 32, and --points 32 or more: fewer fit only some of the components")
    previous = None
    for kind, name, entry, parameters, adds, size, output in rows(args.height, args.points):
        if kind != previous:
            print(f"\n{kind + ':':40}{'parameters':>12}  {'mult-adds':>10}  {'input':18}{'output':18}published as")
            previous = kind
        if adds is None:
            print(f"  {name:38}{parameters}")
        else:
            print(f"  {name:38}{parameters:>12,}  {adds / 1e6:>8,.1f} M  {size:18}{output!s:18}{entry.published}")
    print("\nmult-adds: of matrix products and convolutions, one place, a batch of one")


if __name__ == "__main__":
    run_command(main)
