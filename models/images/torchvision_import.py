"""torchvision's classification networks, also with a CPU build of torch.

PyPI's torchvision is built for CUDA. With a CPU build of torch its compiled operators do not load, and its import fails because two of
them are not declared. Networks and transforms use neither, so declaring them is enough. Where the operators do load this must not be
done: declaring them twice ends the process.
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
