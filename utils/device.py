"""Which device work runs on, and in which precision."""

import torch

from utils.errors import InputError


def choose_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:i` as a device.

    Raises:
        InputError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device {name!r}: unknown; use auto, cpu or cuda") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {name!r}: {torch.cuda.device_count()} CUDA devices are usable here; use cpu, or install a CUDA build of torch"
        )
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device {name!r}: use auto, cpu or cuda")
    return device


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 matrices in hardware; elsewhere float32 is many times faster."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def choose_precision(device: torch.device, precision: str) -> str:
    """bfloat16 or float32; auto: bfloat16 where the device computes it."""
    if precision == "auto":
        return "bfloat16" if computes_bfloat16(device) else "float32"
    return precision


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context of a forward pass in a precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=choose_precision(device, precision) == "bfloat16")
