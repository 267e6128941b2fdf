"""The base of all image backbones."""

import math

from torch import Tensor, nn

from utils.errors import InputError


class Backbone(nn.Module):
    """Images (B, 3, H, W) → feature map (B, channels, H / stride, W / stride) and class tokens (B, tokens, channels) or None.

    Built as `Class(settings, size, circular, imagenet)`. `size` is the input's (rows, columns). `circular` says whether convolutions wrap
    round behind the viewer, `imagenet` whether the backbone starts from ImageNet weights.

    Attributes:
        channels, stride: of the feature map.
        tokens: class tokens of a transformer.
        spare: prefixes of tensors of a classification network that the backbone does not have; in a file of weights they are ignored.
        fresh: prefixes of tensors that a classification network lacks; without them in the file, they start from random values.
    """

    channels: int
    stride: int
    tokens: int = 0
    spare: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()

    def adapt(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A file's tensors under the backbone's names and in its shapes.

        Raises:
            InputError: a tensor cannot be brought to the backbone's shape.
        """
        return state


def map_size(positions: int, of: str = "a feature map") -> tuple[int, int]:
    """Rows and columns of a feature map with this many positions: square, or twice as wide as high.

    Raises:
        InputError: the map can be neither; the message names it by `of`.
    """
    for wide in (1, 2):
        rows = math.isqrt(max(positions, 0) // wide)
        if rows and wide * rows**2 == positions:
            return rows, wide * rows
    raise InputError(f"{of} of {positions} positions is neither square nor twice as wide as high")
