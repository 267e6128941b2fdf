"""ResNet backbones (He et al., Deep Residual Learning, 2016) from torchvision, with its parameter names."""

from torch import Tensor, nn

from config.components import Settings
from models.images.backbone import Backbone
from models.images.circular import close_horizon
from models.images.torchvision_import import networks
from utils.errors import InputError

STAGES = ("layer1", "layer2", "layer3", "layer4")


class ResNet(Backbone):
    """The stem and the first `stages` stages of a ResNet.

    Raises:
        InputError: ImageNet weights are asked for and cannot be downloaded.
    """

    def __init__(self, settings: Settings, size: tuple[int, int], circular: bool = False, imagenet: bool = False):
        super().__init__()
        name, stages = settings.name.removesuffix("_paper"), getattr(settings, "stages", 4)
        network = getattr(networks, name)()
        if imagenet:
            _load_imagenet(network, name)
        for part in ("conv1", "bn1", "relu", "maxpool", *STAGES[:stages]):
            self.add_module(part, getattr(network, part))
        self.stages = STAGES[:stages]
        self.channels = network.fc.in_features >> (4 - stages)
        self.stride = 2 ** (stages + 1)
        self.spare = ("fc.", *(f"{stage}." for stage in STAGES[stages:]))
        if circular:
            close_horizon(self)

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        for part in ("conv1", "bn1", "relu", "maxpool", *self.stages):
            images = getattr(self, part)(images)
        return images, None


class PaperResNet(ResNet):
    """The backbone of arXiv 2308.05993: a neck of two convolutions to 512 channels replaces the last block of stage 4.

    There is no activation after the neck.
    """

    channels = 512
    fresh = ("neck.",)

    def __init__(self, settings: Settings, size: tuple[int, int], circular: bool = False, imagenet: bool = False):
        super().__init__(settings, size, circular, imagenet)
        channels, self.channels = self.channels, PaperResNet.channels
        last: nn.Sequential = self.get_submodule("layer4")  # type: ignore[assignment]  # torch says Module
        self.spare = (*self.spare, f"layer4.{len(last) - 1}.")
        self.layer4 = last[:-1]
        deep = settings.name != "resnet18_paper"
        first = nn.Conv2d(channels, 512, 1 if deep else 3, padding=0 if deep else 1, bias=False)
        second = nn.Conv2d(512, 512, 3, padding=1, bias=False)
        self.neck = nn.Sequential(first, nn.BatchNorm2d(512), *([] if deep else [nn.ReLU(inplace=True)]), second)
        for convolution in (first, second):
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        self.stages = (*self.stages, "neck")
        if circular:
            close_horizon(self.neck)


def _load_imagenet(network: nn.Module, name: str) -> None:
    try:
        network.load_state_dict(networks.get_model_weights(name).DEFAULT.get_state_dict(progress=True, weights_only=True))
    except (OSError, RuntimeError) as error:  # RuntimeError: the download was cut short, its hash is wrong
        raise InputError(f"weights: imagenet of {name} cannot be downloaded ({error}); connect once, or set weights: none") from None
