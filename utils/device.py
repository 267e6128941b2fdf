"""Which device work runs on."""

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
        raise InputError(f"device {name!r}: {torch.cuda.device_count()} CUDA devices are usable here; "
                         "use cpu, or install a CUDA build of torch")
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device {name!r}: use auto, cpu or cuda")
    return device
