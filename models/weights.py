"""Pretrained weights from a file: `weights: PATH`."""

import contextlib
import dataclasses
import json
import pickle
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from config.schema import CloudConfig, ImageEncoderConfig, PaperCloudConfig
from config.upgrade import upgrade
from models.tensor_names import upgrade_names
from utils.child import at_most
from utils.errors import InputError

EncoderConfig = ImageEncoderConfig | CloudConfig
KEYS = ("state_dict", "model", "model_state_dict")  # under which training scripts store a state dict
AFTER = ("pool.", "head.")  # parts of an encoder after its network; they may differ from the file's
# Settings that may differ from the file's: sizes of the input, and what follows the network.
FREE = ("height", "polar", "circular", "encoder.stages", "points", "pooling", "head", "weights")

MOST_HEADER = 16 << 20  # bytes; a tensor takes about a hundred
MOST_SHARED = 4  # tensors may be this many times as large as their file, which stores tied weights only once
SPARE = 1 << 30  # bytes allowed on top of that, and for unpickling


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU. A prefix `module.` is removed. Code in a file is never run.

    Args:
        path: a .safetensors file, or one by torch.save that holds a state dict, itself or under one of KEYS.

    Raises:
        InputError: there is no such file, it is damaged, it holds something else, or a tensor is not made of plain, real, finite numbers.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file of weights; name another, or set weights: none")
    size = Path(path).stat().st_size
    try:
        if Path(path).suffix == ".safetensors":
            check_header(path)
            state: Any = load_file(path)
        else:
            state = _read_pickle(path, size)
    except MemoryError:
        raise InputError(f"{path}: damaged, or no file of weights: it asks for much more memory than its size") from None
    except pickle.UnpicklingError as error:
        other = re.search(r"GLOBAL (\S+)", str(error))
        raise InputError(f"{path}: holds more than weights: {other[1] if other else 'other objects'}, whose code is not run"
                         f"{'' if other else ', or is damaged'}; save the state dict alone") from None  # fmt: skip
    except Exception as error:  # a damaged file can raise a dozen kinds of errors
        reason = " ".join(str(error).split()) or type(error).__name__
        if "TorchScript" in reason:
            raise InputError(f"{path}: is a TorchScript archive, whose code is not run; save the state dict alone") from None
        raise InputError(f"{path}: damaged, or no file of weights ({reason[:200]})") from None
    for key in KEYS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        found = ", ".join(map(str, [*state][:8])) or "nothing" if isinstance(state, dict) else f"a {type(state).__name__}"
        raise InputError(f"{path}: no state dict, neither itself nor under {', '.join(KEYS[:-1])} or {KEYS[-1]}; it holds {found}")
    twice = next((name for name in state if f"module.{name}" in state), None)
    if twice:
        raise InputError(f"{path}: holds both {twice} and module.{twice}; remove one of them")
    described = sum(tensor.nbytes for tensor in state.values() if not tensor.is_meta and tensor.layout == torch.strided)
    if described > MOST_SHARED * size + SPARE:
        raise InputError(f"{path}: damaged: its tensors take {described:,} bytes, but the file has only {size:,}")
    for name, tensor in state.items():
        odd = _oddity(tensor)
        if odd:
            raise InputError(f"{path}: {name} {odd}; weights are plain tensors of real, finite numbers")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def _oddity(tensor: Tensor) -> str:
    """Why a network cannot use a tensor; empty if it can."""
    if tensor.is_meta:
        return "has no values (device meta)"
    if tensor.is_quantized:
        return "is quantised"
    if tensor.is_nested or tensor.layout != torch.strided:
        return "is sparse or nested"
    if tensor.is_complex():
        return "is complex"
    finite = not tensor.is_floating_point() or bool(tensor.float().isfinite().all())
    return "" if finite else "holds numbers that are not finite"


class _Ignored:
    """Takes the place of NumPy scalars that training scripts store beside the weights, e.g. the best recall."""

    def __init__(self, *args):
        pass

    def __setstate__(self, state):
        pass


def check_header(path: str | Path) -> None:
    """Refuses a safetensors file whose header claims to be longer than the file, or than any sensible header.

    Raises:
        ValueError: it is.
    """
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > min(MOST_HEADER, Path(path).stat().st_size):
        raise ValueError(f"its header claims {length:,} bytes, more than the file has or the {MOST_HEADER:,} allowed")


def _read_pickle(path: str | Path, size: int) -> Any:
    scalars: list[Any] = [(_Ignored, name) for name in ("numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")]
    with torch.serialization.safe_globals(scalars), warnings.catch_warnings(), at_most(2 * size + SPARE):
        warnings.simplefilter("ignore")  # about pickles that torch.save did not write
        return torch.load(path, map_location="cpu", weights_only=True)


def load_pretrained(
    encoder: nn.Module,
    config: EncoderConfig,
    name: str,
    adapt: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict,
    spare: tuple[str, ...] = (),
    fresh: tuple[str, ...] = (),
) -> None:
    """Loads the file `config.weights` into an encoder.

    All tensors of the network must be in the file. The pooling and the head are loaded if all of their tensors are there and fit.
    A line on the terminal says which tensors of the file are not used, and which parts of the encoder start from random values.

    Args:
        config: the encoder's settings; settings of the network in the file's header must agree with them.
        name: the encoder's name (`model.panorama`). If the file holds a complete model, only tensors under this name are used.
        adapt: converts the file's tensors to the encoder's names and shapes.
        spare: prefixes of tensors that the file may hold although the encoder does not have them; they are ignored.
        fresh: prefixes of tensors that may be missing in the file, all of a prefix together.

    Raises:
        InputError: the file cannot be read, its header contradicts the configuration, or a tensor is missing, unknown or of another shape.
            The message names the first one.
    """
    path = config.weights
    state, expected, settings = read_tensors(path), encoder.state_dict(), _header_settings(path)
    _refuse_contradictions(settings, config, name)
    if any(key.startswith(f"{name}.") for key in state):
        state = {key.removeprefix(f"{name}."): tensor for key, tensor in state.items() if key.startswith(f"{name}.")}
    try:
        state = adapt(upgrade_names(state, expected))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None

    # Files written before torch 0.4.1 (2018) have no num_batches_tracked.
    needed = {key for key in expected if not key.endswith("num_batches_tracked")}

    def fits(part: str) -> bool:
        own = {key: tensor for key, tensor in state.items() if key.startswith(part)}
        same = all(key in expected and tensor.shape == expected[key].shape for key, tensor in own.items())
        return same and own.keys() >= {key for key in needed if key.startswith(part)}

    other_pooling = "pooling.name" in settings and (encoder.dim is None or settings["pooling.name"] != config.pooling.name)
    left = AFTER if other_pooling else tuple(part for part in AFTER if not fits(part))
    absent = tuple(part for part in fresh if not any(key.startswith(part) for key in state))
    ignored = [key for key in state if key.startswith(left) or key not in expected and key.startswith(spare)]
    state = {key: tensor for key, tensor in state.items() if key not in ignored}
    wrong = (
        [f"{key} is missing" for key in expected if key in needed and key not in state and not key.startswith(left + absent)]
        + [f"{key} has no place in the network" for key in state if key not in expected]
        + [
            f"{key} has the shape {tuple(tensor.shape)}, the network needs {tuple(expected[key].shape)}"
            for key, tensor in state.items()
            if key in expected and tensor.shape != expected[key].shape
        ]
        + [
            f"{key} holds {str(tensor.dtype).removeprefix('torch.')}, the network needs floating-point numbers"
            for key, tensor in state.items()
            if key in expected and expected[key].is_floating_point() and not tensor.is_floating_point()
        ]
    )
    if wrong:
        more = f" ({len(wrong)} tensors do not fit)" if len(wrong) > 1 else ""
        raise InputError(f"{path}: weights of another network than the recipe's: {wrong[0].removeprefix('backbone.')}{more}")
    random = [part for part in absent + left if any(key.startswith(part) for key in needed)]
    _report(path, settings["pooling.name"] if other_pooling else "", ignored, random)
    encoder.load_state_dict(state, strict=False)


def _header_settings(path: str) -> dict[str, Any]:
    """The settings in the header of an encoder's file by `python -m models.published`, under `encoder.name`, `classes` and so on.

    Empty for other files. For an encoder without a pooling, the pooling's settings are left out.
    """
    if Path(path).suffix != ".safetensors":
        return {}
    kinds = (SafetensorError, KeyError, ValueError, TypeError, AttributeError, RecursionError)
    with contextlib.suppress(*kinds), safe_open(path, "pt") as file:
        info = json.loads((file.metadata() or {})["info"])
        recipe = {"model": {info["part"]: info["settings"]}}
        if "format" not in info:
            upgrade(recipe, path)
        settings = _flat(recipe["model"][info["part"]] | {"weights": "none"})
        vector = info["embedding_dim"] is not None
        return {key: value for key, value in settings.items() if vector or not key.startswith("pooling")}
    return {}


def _flat(section: dict[str, Any]) -> dict[str, Any]:
    """The values of a recipe's section, nested ones under dotted keys."""
    flat: dict[str, Any] = {}
    if "points" in section:  # a cloud's section; without `paper` its coordinates are in metres
        section = section | {"paper": dataclasses.asdict(PaperCloudConfig("metres")) | (section.get("paper") or {})}
    for key, value in section.items():
        if isinstance(value, str) and key in ("encoder", "pooling"):
            value = {"name": value}
        flat |= {f"{key}.{name}": v for name, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _refuse_contradictions(settings: dict[str, Any], config: EncoderConfig, name: str) -> None:
    own = _flat(dataclasses.asdict(config))
    differ = [key for key, value in settings.items() if not key.startswith(FREE) and value != own.get(key)]
    if differ:
        key, more = differ[0], f" ({len(differ)} settings differ)" if len(differ) > 1 else ""
        shown = key.removesuffix(".name")
        raise InputError(
            f"{config.weights}: weights of another network than the recipe's: the file has {shown} {settings[key]!r}, "
            f"but {name}.{shown} is {own.get(key)!r}{more}; make them agree, or use other weights"
        )


def _report(path: str, pooling: str, ignored: list[str], random: list[str]) -> None:
    """Prints one line if tensors of the file are not used, or parts of the encoder are not in it."""
    parts = sorted({key.partition(".")[0] if key.startswith(AFTER) else key.rpartition(".")[0] for key in ignored})
    parts = [f"pooling {pooling}"] * bool(pooling) + [part.removeprefix("backbone.") for part in parts if not (pooling and part == "pool")]
    notes = []
    if parts:
        notes.append(f"not used: {', '.join(parts[:3])}{' …' if len(parts) > 3 else ''} ({len(ignored)} tensors)")
    if random:
        notes.append(f"starts from random values: {', '.join(part.removeprefix('backbone.').rstrip('.') for part in random)}")
    if notes:
        print(f"{path}: {'; '.join(notes)}")
