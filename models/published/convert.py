"""Converts a published model to a run, and a published encoder to a file of weights; reads both back."""

import dataclasses
from pathlib import Path
from typing import Any

from torch import nn

from config.reader import from_mapping, to_yaml
from config.schema import Config, read_config
from config.upgrade import header, upgrade
from models.checkpoint import load_weights, read_checkpoint, save_checkpoint
from models.published.assemble import PARTS, build, describe, recognise
from models.weights import read_tensors
from utils.atomic import atomic_folder
from utils.errors import InputError
from utils.outputs import check_place

DATA = {  # the published split, with the names that `python -m data.prepare streetlearn` gives the areas
    "train": ["manhattan/trainstreetlearnU_cmu5kU", "pittsburgh/trainstreetlearnU_cmu5kU"],
    "validation": ["manhattan/hudsonriver5kU"],  # the published code selects its checkpoint on it
    "test": ["manhattan/unionsquare5kU", "manhattan/wallstreet5kU"],
}

TRAINING = {  # as published
    "epochs": 60, "batch_size": 32, "learning_rate": 1e-4, "optimizer": {"name": "adamw", "weight_decay": 0.03}, "precision": "float32",
}  # fmt: skip


def convert(checkpoint: str | Path, out: str | Path, default_fusion: str = "add") -> str:
    """Converts a published checkpoint.

    A model becomes the run folder `out` (config.yaml and checkpoints/best.safetensors). A single encoder becomes the file `out` for
    `weights: PATH`, with its settings in the header.

    Args:
        checkpoint: see models.weights.read_tensors.
        default_fusion: see models.published.assemble.recognise.

    Returns:
        what was found, in a line or two.

    Raises:
        InputError: the file cannot be read, is not a published model or encoder, or `out` exists.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    if out.exists() or out.is_symlink():
        raise InputError(f"{out}: is there already; name another, or remove it")
    check_place(out, str(out))
    state = read_tensors(checkpoint)
    try:
        info, tensors = recognise(state, default_fusion)
        model = build(info, "converted")
    except InputError as error:
        raise InputError(f"{checkpoint}: {error}") from None
    load_weights(model, tensors, checkpoint)
    parameters = sum(p.numel() for p in model.parameters())
    found = f"{describe(info)}: {len(state):,} tensors; {parameters:,} parameters here"
    if "model" not in info:
        if out.suffix != ".safetensors":
            raise InputError(
                f"{checkpoint}: is a single encoder, which becomes a file of weights; name it *.safetensors, e.g. {out}.safetensors"
            )
        # All settings, also defaults, so that a recipe that contradicts one of them can be refused.
        settings = dataclasses.asdict(from_mapping(PARTS[info["part"]].config, info["settings"], str(checkpoint)))
        save_checkpoint(out, tensors, info | {"settings": settings})
        return found
    config = from_mapping(Config, {"name": out.name, "data": DATA, "model": info["model"], "training": TRAINING}, str(checkpoint))
    with atomic_folder(out) as folder:
        (folder / "config.yaml").write_text(header() + to_yaml(config), encoding="utf-8")
        save_checkpoint(folder / "checkpoints" / "best.safetensors", {f"model.{name}": t for name, t in tensors.items()}, {})
    if model.reference_dim != config.model.embedding_dim:
        found += (f"\nnote: its queries have {config.model.embedding_dim:,} numbers, its references {model.reference_dim:,}: "
                  "without a final block they cannot be compared, and sh evals.sh refuses the run")  # fmt: skip
    return found


def load(path: str | Path) -> nn.Module:
    """Loads what `convert` wrote, on the CPU in evaluation mode: a run as a GroundToMap, a file as an ImageEncoder or CloudEncoder.

    Raises:
        InputError: `path` is neither, or is damaged.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "config.yaml").is_file():
            raise InputError(f"{path}: no run here (no config.yaml)")
        info: dict[str, Any] = {"model": dataclasses.asdict(read_config(path / "config.yaml").model)}
        path = path / "checkpoints" / "best.safetensors"
        tensors = {name.removeprefix("model."): tensor for name, tensor in read_checkpoint(path)[0].items()}
    else:
        tensors, info = read_checkpoint(path)
        part, settings, dim = (info.get(key) for key in ("part", "settings", "embedding_dim"))
        if part not in [*PARTS] or not isinstance(settings, dict) or not (dim is None or type(dim) is int and dim > 0):
            raise InputError(f"{path}: not an encoder that `python -m models.published` wrote")
        upgrade({"model": {part: settings}}, str(path))
        info = {"part": part, "settings": settings, "embedding_dim": dim}
    model = build(info, str(path))
    load_weights(model, tensors, path)
    return model.eval()
