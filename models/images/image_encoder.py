"""Image encoders for panoramas and tiles: a trunk, a pooling of its feature map, a head."""

import torch
from torch import Tensor, nn

from config.components import MAP_POOLINGS, image_entry, known
from config.schema import ImageEncoderConfig
from models.heads import make_head
from models.weights import load_pretrained
from utils.errors import InputError


class ImageEncoder(nn.Module):
    """Trunk → feature map → pooling → head → vector.

    Args:
        config: trunk, pooling, head, size of the input, weights.
        dim: width of the vector; 0 for the pooling's, None for a feature map alone.
        name: of this encoder in messages and in checkpoints.

    Attributes:
        channels: channels of the feature map.
        map_size: its rows and columns.

    Raises:
        InputError: weights cannot be had or do not fit, or the head cannot give `dim`.
    """

    def __init__(self, config: ImageEncoderConfig, dim: int | None, *, name: str = "the encoder"):
        super().__init__()
        trunk = image_entry(config.encoder).load()
        try:
            self.trunk = trunk(config)
        except InputError as error:  # what only the built network tells
            raise InputError(f"{name}: {error}") from None
        self.channels, self.dim = self.trunk.channels, dim
        self.map_size = (config.height // self.trunk.stride, config.width // self.trunk.stride)
        if dim is not None:
            pooling = known(MAP_POOLINGS, "pooling", config.pooling)
            self.reads_tokens = pooling.reads == "tokens"
            self.pool = pooling.load()(config, self.channels, *((1, self.trunk.tokens) if self.reads_tokens else self.map_size))
            self.dim = dim or self.pool.width
            self.head = make_head(config.head, self.pool.width, self.dim, name)
        if config.weights not in ("none", "imagenet"):
            spare, fresh = ([f"trunk.{part}" for part in parts] for parts in (self.trunk.spare, self.trunk.fresh))
            load_pretrained(self, config, name, self._adapt, tuple(spare), tuple(fresh))

    def forward(self, images: Tensor) -> tuple[Tensor | None, Tensor]:
        """images (B, 3, H, W), ImageNet-normalised → vector (B, dim) or None, feature map (B, channels, H / stride, W / stride)."""
        features, tokens = self.trunk(images)
        return None if self.dim is None else self.head(self.pool(tokens if self.reads_tokens else features)), features

    def _adapt(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A file's tensors under the encoder's names; a file without `trunk.` is a classification network's."""
        whole = any(part.startswith("trunk.") for part in state)
        trunk = {part.removeprefix("trunk."): tensor for part, tensor in state.items() if not whole or part.startswith("trunk.")}
        rest = {part: tensor for part, tensor in state.items() if whole and not part.startswith("trunk.")}
        return {f"trunk.{part}": tensor for part, tensor in self.trunk.adapt(trunk).items()} | rest


def normalise(images: Tensor) -> Tensor:
    """RGB in 0..1 (B, 3, H, W) to ImageNet's mean and standard deviation."""
    mean = images.new_tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = images.new_tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return torch.sub(images, mean).div_(std)
