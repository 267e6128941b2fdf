"""torchvision's classification networks, also beside a CPU-only torch.

PyPI's torchvision is built for CUDA; beside a CPU build of torch its compiled operators do not load, and its import then fails on the
schemas of two of them. Declaring those is enough for networks and transforms, which use neither. It must not be done where the
operators do load: declaring them twice ends the process.
"""

import sys

import torch

try:
    from torchvision import models as networks
except RuntimeError:
    _library = torch.library.Library("torchvision", "FRAGMENT")  # must stay alive
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for _name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[_name]  # half imported
    from torchvision import models as networks

__all__ = ["networks"]
