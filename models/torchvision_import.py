"""torchvision's classification networks, also beside a CPU-only torch.

PyPI's torchvision is built for CUDA; beside a CPU build of torch its compiled operators do not load, and its import then fails on the
schemas of two of them. Declaring the schemas is enough for networks and transforms, which use neither.
"""

import torch

if not torch.cuda.is_available():
    _library = torch.library.Library("torchvision", "FRAGMENT")  # must stay alive
    for _schema in ("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
                    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"):  # fmt: skip
        try:
            _library.define(_schema)
        except RuntimeError:  # already declared: this torchvision's operators have loaded
            pass

from torchvision import models as networks  # noqa: E402

__all__ = ["networks"]
