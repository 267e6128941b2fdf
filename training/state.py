"""Checkpoints of training: how an epoch is saved, and from which checkpoint a resumed run continues."""

import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.checkpoint import epoch_of, load_weights, read_checkpoint, save_checkpoint, weights_of_model
from models.model import GroundToMap
from models.tensor_names import upgrade_names
from utils.atomic import atomic_file
from utils.errors import InputError


@dataclass
class State:
    """A checkpoint from which a run continues."""

    path: Path
    tensors: dict[str, Tensor]
    epoch: int  # finished epochs
    best_recall: float
    validation: dict[str, float]


def checkpoint_path(run: Path, name: str) -> Path:
    """Path of a run's checkpoint: best, last, or previous (the one before last)."""
    return run / "checkpoints" / f"{name}.safetensors"


def read_state(run: Path, epochs: int) -> State | None:
    """The last checkpoint of a run, or the previous one if the last is damaged; None if the run was stopped in its first epoch.

    Args:
        epochs: of the complete run.

    Raises:
        InputError: both are damaged; or both are missing, although the best checkpoint or metrics.jsonl shows that the run is past its
            first epoch, or was converted.
    """
    damage = []
    for name in ("last", "previous"):
        path = checkpoint_path(run, name)
        if path.is_file():
            try:
                tensors, info = read_checkpoint(path)
                state = _state(path, tensors, info, epochs)
            except InputError as error:
                damage.append(str(error))
                continue
            if damage:
                print(f"{damage[0]}; continuing from {path.name}, epoch {state.epoch}")
            return state
    best, remedy = checkpoint_path(run, "best"), "start the training again under another name"
    if damage:
        if best.is_file():
            remedy += f", or evaluate {best.name} (python -m eval.evaluate --run {run})"
        raise InputError(f"{damage[0]}; no other checkpoint to continue from: {remedy}")
    missing = f"{checkpoint_path(run, 'last')}: no such checkpoint, though"
    if best.is_file() and epoch_of(read_checkpoint(best)[1], best) != 1:
        raise InputError(f"{missing} {best.name} is there; put it back, or {remedy}")
    # The line of the second epoch is written only once the checkpoint of the first is complete.
    if any(type(epoch) is int and epoch > 1 for epoch in _lines(run / "metrics.jsonl")):
        raise InputError(f"{missing} metrics.jsonl has lines of more than one epoch; put it back, or {remedy}")
    return None


def restore(state: State, model: GroundToMap, optimizer: torch.optim.Optimizer) -> None:
    """Loads a checkpoint into model and optimizer.

    Raises:
        InputError: the checkpoint belongs to another model, or was edited.
    """
    weights = upgrade_names(weights_of_model(state.tensors), model.state_dict())
    load_weights(model, weights, state.path)
    state.tensors = {k: v for k, v in state.tensors.items() if not k.startswith("model.")} | {f"model.{k}": v for k, v in weights.items()}
    names, parameters = _state_names(optimizer), [p for group in optimizer.param_groups for p in group["params"]]
    entries: dict[int, dict[str, Tensor]] = {}
    for key, value in state.tensors.items():
        if key.startswith("optimizer."):
            index, _, name = key.removeprefix("optimizer.").partition(".")
            known = index.isdecimal() and int(index) < len(parameters) and name in names
            if not known or value.dtype != torch.float32 or value.shape != (() if name == "step" else parameters[int(index)].shape):
                raise InputError(f"{state.path}: {key} is {value.dtype}{tuple(value.shape)}, not what the optimizer stores for this model; "
                                 "the file was edited, take the original")  # fmt: skip
            if not value.isfinite().all() or (name in ("step", "exp_avg_sq") and (value < 0).any()):
                raise InputError(f"{state.path}: {key} holds impossible numbers for an optimizer; the file was edited, take the original")
            entries.setdefault(int(index), {})[name] = value
    if any(entry.keys() != names for entry in entries.values()) or bool(names) != bool(entries):
        raise InputError(f"{state.path}: lacks tensors of the optimizer; the file was edited, take the original")
    optimizer.load_state_dict(optimizer.state_dict() | {"state": entries})


def _state_names(optimizer: torch.optim.Optimizer) -> set[str]:
    """What an optimizer of this kind stores for a parameter: what it has after a step of one that stays at zero."""
    probe = torch.nn.Parameter(torch.zeros(1))
    probe.grad = torch.zeros(1)
    arguments = inspect.signature(type(optimizer)).parameters
    fresh = type(optimizer)([probe], **{name: value for name, value in optimizer.defaults.items() if name in arguments})
    fresh.step()
    return {name for name, value in fresh.state[probe].items() if value is not None}


def keep_best(run: Path, state: State) -> float:
    """The best score so far. If the best checkpoint is missing or damaged, the one from which the run continues replaces it."""
    best = checkpoint_path(run, "best")
    try:
        read_checkpoint(best)
    except InputError as error:
        print(f"{error}; from now on the best checkpoint is that of epoch {state.epoch} or a later one")
        recall = score(state.validation)
        info = {"epoch": state.epoch, "best_recall": recall, "validation": state.validation}
        save_checkpoint(best, {k: v for k, v in state.tensors.items() if k.startswith("model.")}, info)
        return recall
    return state.best_recall


def score(recall: dict[str, float]) -> float:
    """The score that selects the best checkpoint: recall@1 on the validation areas, and recall@10 to break the ties of small areas."""
    return recall["recall@1"] + 1e-3 * recall["recall@10"]


def save_epoch(run: Path, model: GroundToMap, optimizer: torch.optim.Optimizer, info: dict, is_best: bool, keep: bool) -> None:
    """Writes the checkpoints of an epoch.

    Args:
        info: epoch, best_recall, validation.
        is_best: write the best checkpoint, too.
        keep: make the last checkpoint the previous one; false if it is damaged.

    Raises:
        InputError: the model has diverged.
        OSError: the disk is full; the earlier checkpoint is intact.
    """
    weights = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors = weights | {
        f"optimizer.{i}.{name}": torch.as_tensor(value)
        for i, entry in optimizer.state_dict()["state"].items() for name, value in entry.items() if value is not None
    }  # fmt: skip
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InputError(f"{name} is not finite after epoch {info['epoch']}; lower training.learning_rate or set "
                             "training.precision=float32")  # fmt: skip
    if is_best:
        save_checkpoint(checkpoint_path(run, "best"), weights, info)
    save_checkpoint(checkpoint_path(run, "last"), tensors, info, checkpoint_path(run, "previous") if keep else None)


def keep_lines(path: Path, epochs: int) -> None:
    """Keeps one line for each of the first epochs; removes those of epochs that will be trained again, and damaged lines."""
    if path.is_file():
        lines = _lines(path)
        with atomic_file(path) as temporary:
            temporary.write_text("".join(f"{lines[epoch]}\n" for epoch in range(1, epochs + 1) if epoch in lines))


def _lines(path: Path) -> dict[Any, str]:
    """The first intact line of each epoch; empty if there is no such file."""
    lines: dict[Any, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            lines.setdefault(json.loads(line)["epoch"], line)
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return lines


def _state(path: Path, tensors: dict[str, Tensor], info: dict, epochs: int) -> State:
    epoch = epoch_of(info, path)
    best: Any = info.get("best_recall")
    validation: Any = info.get("validation")
    numbers: list[Any] = [best, *(validation.get(k) for k in ("recall@1", "recall@10"))] if isinstance(validation, dict) else [None]
    if not 1 <= epoch <= epochs or not all(type(v) in (int, float) and -1e6 < v < 1e6 for v in numbers):
        raise InputError(
            f"{path}: epoch (1 to {epochs}), best_recall or validation is missing or wrong; the file was edited, take the original"
        )
    return State(path, tensors, epoch, best, validation)
