"""Checkpoints: tensors in safetensors, everything else as JSON in its header. Nothing is pickled, one file is one checkpoint."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from config.schema import Config, read_config
from models.model import GroundToMap, build_model
from utils.atomic import atomic_file
from utils.errors import InputError


def save_checkpoint(path: Path, tensors: dict[str, Tensor], info: dict) -> None:
    """Writes tensors and JSON-able info; the file appears only when complete."""
    with atomic_file(path) as temporary:
        save_file({k: v.detach().contiguous() for k, v in tensors.items()}, temporary, {"info": json.dumps(info)})


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors (on the CPU) and info of a checkpoint.

    Raises:
        InputError: there is none, or it is damaged.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; train the run first, or name another run")
    try:
        with safe_open(path, "pt") as file:
            tensors, info = {k: file.get_tensor(k) for k in file.keys()}, json.loads((file.metadata() or {})["info"])  # noqa: SIM118
        if not isinstance(info, dict):
            raise ValueError(f"its info is no mapping but {type(info).__name__}")
        return tensors, info
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: damaged, or not one of our checkpoints ({' '.join(str(error).split())})") from None


def load_weights(model: torch.nn.Module, tensors: dict[str, Tensor], source: Path) -> None:
    """Loads a model's weights, all of them and no others.

    Raises:
        InputError: names the first tensor that is missing, unknown or of another shape: the checkpoint is of another model.
    """
    expected = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    found = {k: tuple(v.shape) for k, v in tensors.items()}
    wrong = [k for k in expected if expected[k] != found.get(k)] + [k for k in found if k not in expected]
    if wrong:
        name = wrong[0]
        raise InputError(f"{source}: a checkpoint of another model than the run's config.yaml describes: {name} is "
                         f"{found.get(name, 'missing')}, the model has {expected.get(name, 'no such tensor')} "
                         f"({len(wrong)} tensors differ)")
    model.load_state_dict(tensors)


def load_run(run: Path, which: str, device: torch.device) -> tuple[Config, GroundToMap, int]:
    """Configuration, model and epoch of a run's checkpoint (`best` or `last`).

    Raises:
        InputError: the folder is no run, has no checkpoint, or the checkpoint does not fit its configuration.
    """
    run = Path(run)
    if not (run / "config.yaml").is_file():
        raise InputError(f"{run}: no run here (no config.yaml); runs lie in runs/")
    config = read_config(run / "config.yaml")
    path = run / "checkpoints" / f"{which}.safetensors"
    tensors, info = read_checkpoint(path)
    for encoder in (config.model.panorama, config.model.tile, config.model.cloud):
        if encoder:
            encoder.weights = "none"  # the checkpoint brings the weights
    model = build_model(config, device)
    load_weights(model, {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}, path)
    return config, model, info.get("epoch", 0)
