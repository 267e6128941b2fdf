"""Image encoders for panoramas and tiles: a ResNet trunk and a head that may keep azimuths apart."""

import torch
from torch import Tensor, nn

from config.schema import ImageEncoderConfig
from models.torchvision_import import networks
from utils.errors import InputError

HEAD_WIDTH = 64  # channels of the feature map that the sector head flattens


class ImageEncoder(nn.Module):
    """ResNet trunk (He et al., 2016; torchvision) → feature map → vector.

    Args:
        config: trunk, its number of stages, sectors, weights.
        dim: width of the vector; None for a feature map alone.

    Attributes:
        channels: channels of the feature map.
    """

    def __init__(self, config: ImageEncoderConfig, dim: int | None):
        super().__init__()
        network = getattr(networks, config.encoder)()
        if config.weights == "imagenet":
            _load_imagenet(network, config.encoder)
        stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        stages = [network.layer1, network.layer2, network.layer3, network.layer4][: config.stages]
        self.trunk = nn.Sequential(stem, *stages)
        self.channels = network.fc.in_features >> (4 - config.stages)
        rows = config.height // 2 ** (config.stages + 1)
        if dim is None:
            self.head = None
        elif config.sectors > 1:
            self.head = SectorHead(self.channels, rows, config.sectors, dim)
        else:
            self.head = PlainHead(self.channels, dim)

    def forward(self, images: Tensor) -> tuple[Tensor | None, Tensor]:
        """images (B, 3, H, W), ImageNet-normalised → vector (B, dim), feature map (B, channels, H/stride, W/stride)."""
        features = self.trunk(images)
        return None if self.head is None else self.head(features), features


class PlainHead(nn.Module):
    """Global mean, then one linear map."""

    def __init__(self, channels: int, dim: int):
        super().__init__()
        self.linear = nn.Linear(channels, dim)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → (B, dim)."""
        return self.linear(features.mean((2, 3)))


class SectorHead(nn.Module):
    """Columns are averaged within each sector of the horizon, rows are kept, and a linear map reads all of it.

    What stands in which direction survives the pooling, so a query and a reference can agree on it.
    """

    def __init__(self, channels: int, rows: int, sectors: int, dim: int):
        super().__init__()
        self.sectors = sectors
        self.reduce = nn.Sequential(nn.Conv2d(channels, HEAD_WIDTH, 1, bias=False), nn.BatchNorm2d(HEAD_WIDTH), nn.ReLU(inplace=True))
        self.linear = nn.Linear(HEAD_WIDTH * rows * sectors, dim)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → (B, dim); w is a multiple of the number of sectors."""
        columns = self.reduce(features).unflatten(3, (self.sectors, -1)).mean(4)  # B,C,h,S
        return self.linear(columns.flatten(1))


def _load_imagenet(network: nn.Module, name: str) -> None:
    try:
        network.load_state_dict(networks.get_model_weights(name).DEFAULT.get_state_dict(progress=True, weights_only=True))
    except (OSError, RuntimeError) as error:  # RuntimeError: the download was cut short, its hash is wrong
        raise InputError(f"weights: imagenet of {name} cannot be downloaded ({error}); connect once, or set weights: none") from None


def normalise(images: Tensor) -> Tensor:
    """RGB in 0..1 (B, 3, H, W) to ImageNet's mean and standard deviation."""
    mean = images.new_tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = images.new_tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return torch.sub(images, mean).div_(std)
