"""Networks for panoramas and tiles (backbones), and their settings."""

from dataclasses import dataclass

from config.components import Entry, Settings, require


@dataclass(frozen=True)
class ImageEntry(Entry):
    """A models.images.backbone.Backbone, built as `Class(settings, size, circular, imagenet)`."""

    stride: int = 0  # of the feature map; 0: it depends on the settings, or is known only once the network is built
    tokens: int = 0  # class tokens of a transformer
    imagenet: bool = True  # whether it has ImageNet weights

    def stride_of(self, settings: Settings) -> int:
        """The stride with these settings; 0 if it is known only once the network is built."""
        return settings.stride if isinstance(settings, ResNetSettings) else self.stride


@dataclass
class ResNetSettings(Settings):
    """A ResNet (He et al., 2016)."""

    stages: int = 4  # how many of its four stages are kept: 4 gives stride 32, 3 stride 16, 2 stride 8

    def __post_init__(self):
        require(2 <= self.stages <= 4, f"stages is {self.stages}, it takes 2, 3 or 4")

    @property
    def stride(self) -> int:
        return 2 ** (self.stages + 1)


@dataclass
class HybridViTSettings(Settings):
    """A vision transformer (ViT-B/16) on the feature map of the first three stages of a ResNet-50."""

    layers: int = 12  # of the transformer

    def __post_init__(self):
        require(self.layers > 0, f"layers is {self.layers}, it takes at least 1")


_RESNET, _PAPER, _TIMM = "models.images.resnet:ResNet", "models.images.resnet:PaperResNet", "models.images.timm_backbone:TimmBackbone"
_WITH_NECK = "with a neck of two convolutions to 512 channels instead of its last block"
IMAGES = {
    "resnet18": ImageEntry(_RESNET, ResNetSettings),
    "resnet34": ImageEntry(_RESNET, ResNetSettings),
    "resnet50": ImageEntry(_RESNET, ResNetSettings),
    "resnet18_paper": ImageEntry(_PAPER, about=f"ResNet-18 {_WITH_NECK}", paper="resnet, resnet_safa", stride=32),
    "resnet34_paper": ImageEntry(_PAPER, about=f"ResNet-34 {_WITH_NECK}", paper="resnet, resnet_safa", stride=32),
    "resnet50_paper": ImageEntry(_PAPER, about=f"ResNet-50 {_WITH_NECK}", paper="resnet, resnet_safa", stride=32),
    "hybrid_vit": ImageEntry("models.images.hybrid_vit:HybridViT", HybridViTSettings, paper="vit", stride=16, tokens=1, imagenet=False),
    "timm/deit_small_distilled_patch16_224": ImageEntry(_TIMM, about="DeiT", paper="deit", package="timm", stride=16, tokens=2),
    "timm/convnext_atto": ImageEntry(_TIMM, about="ConvNeXt", package="timm", stride=32),
    "timm/vit_small_patch14_dinov2": ImageEntry(_TIMM, about="DINOv2", package="timm", stride=14, tokens=1),
    "timm/*": ImageEntry(_TIMM, about="any other network of timm that gives a feature map", package="timm"),
}
