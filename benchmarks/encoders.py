"""Parameters, time of forward + backward, and peak memory of every encoder as training runs it (fast), beside a reference implementation.

Reference: clouds and graphs as in benchmarks/reference.py; images in float32, channels first. Fast: images in channels-last layout, and in
bfloat16 where the processor computes it. The outputs of both are compared. Each measurement runs in a process of its own; its peak memory
is reported without what was in use before.

example: python -m benchmarks.encoders --points 1024 --height 128 --only dgcnn pointnet resnet18
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from benchmarks.reference import reference_implementation
from config.cloud_settings import CLOUDS
from config.components import Entry, find
from config.image_settings import IMAGES
from config.schema import CloudConfig, PanoramaConfig
from models.__main__ import random_graph
from models.clouds.cloud_encoder import CloudEncoder
from models.clouds.graph_encoder import GraphEncoder
from models.images.image_encoder import ImageEncoder
from utils.arguments import Parser, count
from utils.device import autocast, choose_device
from utils.errors import run_command

DIM = 256


def build_encoder(name: str, args: argparse.Namespace) -> tuple[nn.Module, tuple[Any, ...]]:
    """An encoder, and random inputs of a batch for its `forward`: tensors, or a PlaceGraph of 100 nodes a place."""
    torch.manual_seed(0)
    if name in CLOUDS and CLOUDS[name].reads == "graph":
        return GraphEncoder(CloudConfig(CLOUDS[name].settings(name)), DIM), (random_graph(args.batch, 100, 500),)
    if name in CLOUDS:
        config = CloudConfig(CLOUDS[name].settings(name), args.points)
        cloud = (torch.rand(args.batch, args.points, 3) - torch.tensor([0.5, 0.5, 0.0])) * torch.tensor([152.0, 152.0, 60.0])
        return CloudEncoder(config, DIM), (cloud, torch.randint(0, 25, (args.batch, args.points), dtype=torch.uint8))
    settings = find(IMAGES, "encoder", name).settings(name)
    return ImageEncoder(PanoramaConfig(settings, args.height), DIM), (torch.rand(args.batch, 3, args.height, 2 * args.height),)


def default_names() -> list[str]:
    """The encoders that need no optional package."""
    registries: tuple[Mapping[str, Entry], ...] = (IMAGES, CLOUDS)
    return [name for registry in registries for name, entry in registry.items() if not entry.package]


def measure_steps(model: nn.Module, inputs: tuple[Any, ...], repeat: int, precision: str, device: torch.device) -> dict[str, float]:
    """Forward + backward: medians of wall and CPU time in milliseconds, and peak memory in MB beyond what was in use before."""

    def step():
        with autocast(device, precision):
            output = model(*inputs)[0]
        output.float().square().mean().backward()
        model.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize()

    before = peak_mb(device)
    step()  # the first one allocates and compiles
    wall, cpu = [], []
    for _ in range(repeat):
        started, used = time.perf_counter(), time.process_time()
        step()
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
    return {"wall_ms": sorted(wall)[repeat // 2] * 1e3, "cpu_ms": sorted(cpu)[repeat // 2] * 1e3, "peak_mb": peak_mb(device) - before}


def peak_mb(device: torch.device) -> float:
    """The most memory in MB that was in use so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def run_one(name: str, way: str, args: argparse.Namespace) -> dict[str, Any]:
    """Measures one encoder, `fast` or `reference`; `output` holds the first 4,096 numbers of its embeddings."""
    device, fast, precision = choose_device(args.device), way == "fast", "float32"
    with device:
        model, inputs = build_encoder(name, args)
        parameters = sum(p.numel() for p in model.parameters())
    if fast and isinstance(model, ImageEncoder):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own type hints lack it
        inputs, precision = tuple(v.to(memory_format=torch.channels_last) for v in inputs), "auto"
    with reference_implementation(model) if not fast and isinstance(model, CloudEncoder | GraphEncoder) else nullcontext():
        result: dict[str, Any] = measure_steps(model.train(), inputs, args.repeat, precision, device) | {"parameters": parameters}
        with torch.no_grad():
            result["output"] = model.eval()(*inputs)[0].float().flatten()[:4096].tolist()
    return result


def main() -> None:
    parser = Parser(prog="python -m benchmarks.encoders", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="encoders to measure (default: all that need no optional package)")
    parser.add_argument("--batch", type=count, default=8, help="places in a batch (default 8)")
    parser.add_argument("--points", type=count, default=1024, help="points of a cloud (default 1024)")
    parser.add_argument("--height", type=count, default=128, help="rows of a panorama (default 128)")
    parser.add_argument("--repeat", type=count, default=5, help="measured steps, of which the median is reported (default 5)")
    parser.add_argument("--device", default="cpu", help="auto, cpu or cuda (default cpu)")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "WAY"), help=argparse.SUPPRESS)  # a process of its own
    args = parser.parse_args()
    if args.one:
        name, way = args.one
        print(json.dumps(run_one(name, way, args)))
        return
    names = args.only or default_names()
    print(
        f"batch {args.batch}, {args.points} points, panoramas {args.height} × {2 * args.height}, {args.device}; "
        f"forward + backward, median of {args.repeat}"
    )
    print(f"{'encoder':24}{'way':>11}{'parameters':>13}{'wall ms':>10}{'CPU ms':>10}{'peak MB':>9}{'ratio':>7}{'difference':>12}")
    for name in names:
        ways = ["fast"] if name == "pointnet" else ["fast", "reference"]  # there is one way to compute a PointNet
        results = {way: _in_own_process(name, way) for way in ways}
        for way, r in results.items():
            ratio = difference = ""
            if way == "reference":
                fast = results["fast"]
                a, b = torch.tensor(fast["output"]), torch.tensor(r["output"])
                ratio, difference = f"{r['wall_ms'] / fast['wall_ms']:.1f}", f"{(a - b).norm() / b.norm():.1e}"
            print(
                f"{name:24}{way:>11}{r['parameters']:>13,}{r['wall_ms']:>10.0f}{r['cpu_ms']:>10.0f}{r['peak_mb']:>9.0f}{ratio:>7}{difference:>12}",
                flush=True,
            )


def _in_own_process(name: str, way: str) -> dict[str, Any]:
    """`run_one` in a fresh process, so that each measurement has its own peak of memory."""
    command = [sys.executable, "-m", "benchmarks.encoders", *sys.argv[1:], "--one", name, way]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


if __name__ == "__main__":
    run_command(main)
