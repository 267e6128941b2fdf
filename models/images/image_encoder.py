"""Image encoders for panoramas and tiles: a backbone, a pooling of its feature map, a head."""

import torch
from torch import Tensor, nn

from config.components import find
from config.image_settings import IMAGES
from config.pooling_settings import MAP_POOLINGS
from config.schema import ImageEncoderConfig, TileConfig
from models.heads import make_head
from models.weights import load_pretrained
from utils.errors import InputError


class ImageEncoder(nn.Module):
    """Backbone → feature map → pooling → head → vector.

    Args:
        config: backbone, pooling, head, size of the input, weights.
        dim: width of the vector; 0: the pooling's width; None: the encoder gives only a feature map.
        name: of this encoder in messages and in checkpoints.

    Attributes:
        channels: channels of the feature map.
        map_size: its rows and columns.
        pooling, polar: from its section of the recipe, for fusions that pool feature maps or place points on them.

    Raises:
        InputError: weights cannot be loaded or do not fit, or the head cannot give `dim`.
    """

    def __init__(self, config: ImageEncoderConfig, dim: int | None, *, name: str = "the encoder"):
        super().__init__()
        backbone, size = find(IMAGES, "encoder", config.encoder.name).load(), (config.height, config.width)
        try:
            self.backbone = backbone(config.encoder, size, config.circular, config.weights == "imagenet")
            config.check_backbone(self.backbone.stride, self.backbone.tokens)
        except InputError as error:  # some limits are known only once the network is built
            raise InputError(f"{name}: {error}") from None
        self.channels, self.dim = self.backbone.channels, dim
        self.pooling, self.polar = config.pooling, isinstance(config, TileConfig) and config.polar
        self.map_size = (size[0] // self.backbone.stride, size[1] // self.backbone.stride)
        if dim is not None:
            pooling = MAP_POOLINGS[config.pooling.name]
            self.reads_tokens = pooling.reads == "tokens"
            pooled = (1, self.backbone.tokens) if self.reads_tokens else self.map_size
            self.pool = pooling.load()(config.pooling, self.channels, *pooled)
            self.dim = dim or self.pool.width
            self.head = make_head(config.head, self.pool.width, self.dim, name)
        if config.weights not in ("none", "imagenet"):
            spare, fresh = ([f"backbone.{part}" for part in parts] for parts in (self.backbone.spare, self.backbone.fresh))
            load_pretrained(self, config, name, self._adapt, tuple(spare), tuple(fresh))

    def forward(self, images: Tensor) -> tuple[Tensor | None, Tensor]:
        """images (B, 3, H, W), ImageNet-normalised → vector (B, dim) or None, feature map (B, channels, H / stride, W / stride)."""
        features, tokens = self.backbone(images)
        return None if self.dim is None else self.head(self.pool(tokens if self.reads_tokens else features)), features

    def _adapt(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A file's tensors under the encoder's names. A file without `backbone.` holds a classification network."""
        named = any(part.startswith("backbone.") for part in state)
        backbone = {part.removeprefix("backbone."): tensor for part, tensor in state.items() if not named or part.startswith("backbone.")}
        rest = {part: tensor for part, tensor in state.items() if named and not part.startswith("backbone.")}
        return {f"backbone.{part}": tensor for part, tensor in self.backbone.adapt(backbone).items()} | rest


def normalise(images: Tensor) -> Tensor:
    """Images (B, 3, H, W), RGB in 0..1, normalised by ImageNet's mean and standard deviation."""
    mean = images.new_tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = images.new_tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return torch.sub(images, mean).div_(std)
