"""What every image trunk keeps to."""

import math

from torch import Tensor, nn

from utils.errors import InputError


class Trunk(nn.Module):
    """Images (B, 3, H, W) → feature map (B, channels, H / stride, W / stride) and class tokens (B, tokens, channels), None without any.

    Attributes:
        channels, stride: of the feature map.
        tokens: class tokens of a transformer.
        spare: how names of tensors begin that a classification network's file may hold beyond the trunk; they are ignored.
        fresh: how names of tensors begin that such a file lacks; they start afresh.
    """

    channels: int
    stride: int
    tokens: int = 0
    spare: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()

    def adapt(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A file's tensors under the trunk's names and in its shapes.

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
