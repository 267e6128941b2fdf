"""Checkpoints: one safetensors file each, with everything but the tensors as JSON in its header. Nothing is pickled."""

import copy
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from config.schema import Config, ModelConfig, read_config
from config.upgrade import FORMAT
from models.model import GroundToMap, build_model
from models.tensor_names import upgrade_names
from models.weights import check_header
from utils.atomic import atomic_file
from utils.errors import InputError

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def save_checkpoint(path: Path, tensors: dict[str, Tensor], info: dict, previous: Path | None = None) -> None:
    """Writes tensors, info and a checksum of both. The file appears only when it is complete.

    Args:
        info: anything that JSON can hold.
        previous: the file that `path` held is moved here; None: it is replaced.

    Raises:
        OSError: the disk is full; `path` still holds the earlier file.
    """
    tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    info = info | {"format": FORMAT}
    # One entry, with the checksum inside: the library writes several entries in any order, but equal checkpoints must have equal bytes.
    header = {"info": json.dumps(info | {"sha256": _digest(tensors, info)})}
    with atomic_file(path) as temporary:
        temporary.write_bytes(save(tensors, header))  # save_file would leave its temporary file behind when killed
        if previous is not None and path.is_file():
            os.replace(path, previous)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors (on the CPU) and info of a checkpoint.

    Raises:
        InputError: the file does not exist, or it is damaged.
    """
    tensors, info, _ = _read(path)
    return tensors, info


def _read(path: Path) -> tuple[dict[str, Tensor], dict, str]:
    """As `read_checkpoint`, with the checksum of the content as a third value."""
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; train the run first, or name another run")
    try:
        check_header(path)
        with safe_open(path, "pt") as file:
            header, tensors = file.metadata() or {}, {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        info = json.loads(header["info"])
        if not isinstance(info, dict):
            raise ValueError(f"its info is a {type(info).__name__}, not a mapping")
        stated = info.pop("sha256", None)  # None in checkpoints of earlier versions
        digest = _digest(tensors, info)
        if stated not in (None, digest):
            raise ValueError("its checksum does not match its content")
        version = info.pop("format", 1)
        if type(version) is not int or version > FORMAT:
            raise ValueError(f"format {str(version)[:40]}; this version reads formats up to {FORMAT}, install a newer one")
        return tensors, info, digest
    # RuntimeError, AttributeError: number types that torch lacks or cannot read; RuntimeError also for JSON nested too deeply.
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError, AttributeError) as error:
        raise InputError(f"{path}: damaged, or not one of our checkpoints ({' '.join(str(error).split())[:200]})") from None


def _digest(tensors: dict[str, Tensor], info: dict) -> str:
    """SHA-256 of the info and of every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(json.dumps(info).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_weights(model: torch.nn.Module, tensors: dict[str, Tensor], source: Path) -> None:
    """Loads all weights of a model. Names of earlier versions are accepted; further tensors are not.

    Raises:
        InputError: a tensor is missing, unknown, not finite, or has another shape or number type, because the checkpoint belongs to
            another model or was edited. The message names the first such tensor.
    """
    state = model.state_dict()
    tensors = upgrade_names(tensors, state)
    expected = {k: tuple(v.shape) for k, v in state.items()}
    found = {k: tuple(v.shape) for k, v in tensors.items()}
    wrong = [k for k in expected if expected[k] != found.get(k)] + [k for k in found if k not in expected]
    if wrong:
        name = wrong[0]
        raise InputError(
            f"{source}: a checkpoint of another model than the run's config.yaml describes: {name} is "
            f"{found.get(name, 'missing')}, the model has {expected.get(name, 'no such tensor')} "
            f"({len(wrong)} tensors differ)"
        )
    for name, tensor in tensors.items():
        kind = state[name].dtype
        if tensor.dtype != kind and not (tensor.dtype in FLOATS and (kind in FLOATS or name.endswith("num_batches_tracked"))):
            raise InputError(f"{source}: {name} holds {tensor.dtype}, the model has {kind}; the file was edited, take the original")
        if not tensor.to(kind).isfinite().all():
            raise InputError(f"{source}: {name} holds numbers that are not finite; the file was edited, take the original")
    model.load_state_dict(tensors)


def epoch_of(info: dict, path: Path) -> int:
    """How many epochs a checkpoint was trained for; 0 where its info has no epoch, as in converted checkpoints.

    Raises:
        InputError: the epoch is not a number of epochs.
    """
    epoch = info.get("epoch", 0)
    if type(epoch) is not int or epoch < 0:
        raise InputError(f"{path}: its epoch is {str(epoch)[:40]!r}, not a number of epochs; the file was edited, take the original")
    return epoch


@dataclass
class LoadedRun:
    """A run's configuration, and the model of one of its checkpoints."""

    config: Config
    model: GroundToMap
    checkpoint: str  # best or last
    epoch: int
    sha256: str  # of the checkpoint's content, the same as in its header


def open_run(run: Path, which: str, device: torch.device) -> LoadedRun:
    """Opens a run with its checkpoint `best` or `last`.

    Raises:
        InputError: the folder is not a run, it has no such checkpoint, or the checkpoint does not fit its configuration.
    """
    run = Path(run)
    if not (run / "config.yaml").is_file():
        raise InputError(f"{run}: no run here (no config.yaml); runs are in runs/")
    config = read_config(run / "config.yaml")
    config.model = without_pretraining(config.model)
    path = run / "checkpoints" / f"{which}.safetensors"
    tensors, info, digest = _read(path)
    epoch, model = epoch_of(info, path), build_model(config.model, config.seed, device)
    load_weights(model, weights_of_model(tensors), path)
    return LoadedRun(config, model, which, epoch, digest)


def load_run(run: Path, which: str, device: torch.device) -> tuple[Config, GroundToMap, int]:
    """Configuration, model and epoch of a run's checkpoint; see `open_run`."""
    loaded = open_run(run, which, device)
    return loaded.config, loaded.model, loaded.epoch


def weights_of_model(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The model's tensors in a checkpoint, under the model's own names."""
    return {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}


def without_pretraining(config: ModelConfig) -> ModelConfig:
    """A copy of the configuration that asks for no pretrained weights, for a model whose weights come from a checkpoint."""
    config = copy.deepcopy(config)
    for encoder in (config.panorama, config.tile, config.cloud):
        if encoder:
            encoder.weights = "none"
    return config
