"""What every backbone for images keeps to."""

import math

from torch import Tensor, nn

from utils.errors import InputError


class Backbone(nn.Module):
    """Images (B, 3, H, W) → feature map (B, channels, H / stride, W / stride) and class tokens (B, tokens, channels), None without any.

    Built as `Class(settings, size, circular, imagenet)`: its settings, the input's rows and columns, whether convolutions close behind the
    viewer, and whether it starts from ImageNet weights.

    Attributes:
        channels, stride: of the feature map.
        tokens: class tokens of a transformer.
        spare: beginnings of tensor names that a classification network's file may hold and the backbone has not; they are ignored.
        fresh: beginnings of tensor names that such a file lacks; they start from random values.
    """

    channels: int
    stride: int
    tokens: int = 0
    spare: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()

    def adapt(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A file's tensors under the backbone's names and in its shapes.

        Raises:
            InputError: one cannot be brought to its shape.
        """
        return state


def map_size(positions: int, of: str = "a feature map") -> tuple[int, int]:
    """Rows and columns of a feature map of so many positions, square or twice as wide as high.

    Raises:
        InputError: it is neither; `of` says what has the positions.
    """
    for wide in (1, 2):
        rows = math.isqrt(max(positions, 0) // wide)
        if rows and wide * rows**2 == positions:
            return rows, wide * rows
    raise InputError(f"{of} of {positions} positions is neither square nor twice as wide as high")
