"""Convolutions that wrap round behind the viewer."""

from torch import nn
from torch.nn import functional


def close_horizon(network: nn.Module) -> None:
    """Makes a network's convolutions and max poolings pad left and right by wrapping round instead of with zeros; weights stay the same.

    Turning a panorama by a multiple of the stride then turns its feature map and changes nothing else.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.MaxPool2d) and not isinstance(module.padding, str):
            rows, columns = module.padding if isinstance(module.padding, tuple) else (module.padding,) * 2
            if columns:
                module.padding = (rows, 0)
                module.register_forward_pre_hook(lambda _, inputs, n=columns: functional.pad(inputs[0], (n, n, 0, 0), mode="circular"))
