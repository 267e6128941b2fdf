"""Writes both towers of a run for use without this code, in the formats of torch.export (.pt2) and ONNX (.onnx).

example: python -m models.export runs/demo
"""

import argparse
import io
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from config.schema import Config, ModelConfig
from models.checkpoint import load_run
from models.model import GroundToMap
from utils.arguments import Parser
from utils.atomic import atomic_folder
from utils.batch import Batch
from utils.errors import InputError, run_command
from utils.outputs import FolderKind, check_folder

ONNX_PACKAGES = ("onnx", "onnxscript")
EXPORT = FolderKind(
    "models.export", "inputs.json",
    ("query.pt2", "reference.pt2", "query.onnx", "reference.onnx", "query.onnx.data", "reference.onnx.data"),
    was_ours=lambda info: info.keys() == {"query", "reference"},
)  # fmt: skip


class QueryTower(nn.Module):
    """Panoramas (B, 3, H, 2H) RGB in 0..1 → raw query embeddings (B, D)."""

    def __init__(self, model: GroundToMap):
        super().__init__()
        self.model = model

    def forward(self, panorama: Tensor) -> Tensor:
        return self.model.embed_queries(Batch(panorama))


class ReferenceTower(nn.Module):
    """Map views → raw reference embeddings (B, D).

    Of `tile` (B, 3, h, w) RGB in 0..1, `cloud` (B, P, 3) metres right, ahead, up and `classes` (B, P) uint8, it takes those that the
    model reads.
    """

    def __init__(self, model: GroundToMap):
        super().__init__()
        self.model = model

    def forward(self, tile: Tensor | None = None, cloud: Tensor | None = None, classes: Tensor | None = None) -> Tensor:
        return self.model.embed_references(Batch(tile=tile, cloud=cloud, classes=classes))


def example_inputs(config: ModelConfig, places: int, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Random inputs of the two towers, by name.

    Real clouds have their points in farthest-point order (cloud_index.npy), so networks that thin a cloud may keep its first points.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = config.panorama.height
    query = {"panorama": torch.rand(places, 3, rows, 2 * rows, generator=generator)}
    reference = {}
    if config.tile:
        rows = config.tile.height
        reference["tile"] = torch.rand(places, 3, rows, config.tile.width, generator=generator)
    if config.cloud:
        spread = torch.tensor([150.0, 150.0, 40.0])
        reference["cloud"] = (torch.rand(places, config.cloud.points, 3, generator=generator) - torch.tensor([0.5, 0.5, 0.0])) * spread
        reference["classes"] = torch.randint(0, 25, (places, config.cloud.points), generator=generator, dtype=torch.uint8)
    return query, reference


def export_towers(config: Config, model: GroundToMap, folder: Path) -> None:
    """Writes query.pt2, reference.pt2, query.onnx, reference.onnx and inputs.json. The folder appears only when it is complete.

    Raises:
        InputError: an ONNX package is missing; the model reads graphs, whose sizes differ from place to place; or `folder` exists and
            was not written by this command.
    """
    if config.model.cloud and config.model.cloud.reads == "graph":
        raise InputError(
            f"model.cloud.encoder is {config.model.cloud.encoder.name}: graphs of places cannot be exported; "
            "export a run with another cloud encoder"
        )
    for package in ONNX_PACKAGES:
        try:
            __import__(package)
        except ImportError:
            raise InputError(
                f"export needs the packages {', '.join(ONNX_PACKAGES)}; install them: pip install {' '.join(ONNX_PACKAGES)}"
            ) from None
    model = model.cpu().eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # torch's stubs lack it
    towers = {"query": QueryTower(model), "reference": ReferenceTower(model)}
    inputs = dict(zip(towers, example_inputs(config.model, 2), strict=True))
    with atomic_folder(folder, EXPORT) as temporary, torch.no_grad():
        for name, tower in towers.items():
            dynamic = {key: {0: torch.export.Dim("places")} for key in inputs[name]}
            program = torch.export.export(tower, (), inputs[name], dynamic_shapes=dynamic)
            saved = io.BytesIO()  # torch's own file writer ends the process when the disk is full
            torch.export.save(program, saved)
            (temporary / f"{name}.pt2").write_bytes(saved.getbuffer())
            onnx: Any = torch.onnx.export(program, dynamo=True, verbose=False)
            onnx.save(temporary / f"{name}.onnx")
        described = {name: {key: ["places", *value.shape[1:]] for key, value in inputs[name].items()} for name in towers}
        (temporary / "inputs.json").write_text(json.dumps(EXPORT.signed(described), indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = Parser(prog="python -m models.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run, e.g. runs/demo")
    parser.add_argument("--checkpoint", choices=("best", "last"), default="best", help="default best (on the validation areas)")
    parser.add_argument("--out", type=Path, help="folder to write (default RUN/export)")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    folder = args.out or args.run / "export"
    check_folder(folder, EXPORT)
    config, model, epoch = load_run(args.run, args.checkpoint, torch.device("cpu"))
    export_towers(config, model, folder)
    print(f"{folder}: query and reference towers of epoch {epoch} as .pt2 and .onnx, for any number of places; see inputs.json")


if __name__ == "__main__":
    run_command(main)
