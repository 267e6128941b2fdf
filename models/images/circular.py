"""Convolutions of panoramas that close behind the viewer."""

from torch import nn
from torch.nn import functional


def close_horizon(network: nn.Module) -> None:
    """Lets convolutions and maximum poolings of a network pad horizontally by wrapping round instead of by zeros; its weights stay.

    A panorama turned by a whole number of strides then gives the same feature map, turned.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.MaxPool2d) and not isinstance(module.padding, str):
            rows, columns = module.padding if isinstance(module.padding, tuple) else (module.padding,) * 2
            if columns:
                module.padding = (rows, 0)
                module.register_forward_pre_hook(lambda _, inputs, n=columns: functional.pad(inputs[0], (n, n, 0, 0), mode="circular"))
