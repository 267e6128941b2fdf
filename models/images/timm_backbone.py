"""Backbones from timm (an optional package), named `timm/NAME`: ConvNeXt, DINOv2, DeiT, and any other that gives a feature map."""

import difflib
from typing import Any

import torch
from torch import Tensor, nn

from config.components import Settings
from models.images.backbone import Backbone, map_size
from models.images.circular import close_horizon
from models.images.torchvision_import import networks  # noqa: F401  timm imports torchvision, which torchvision_import must load first
from utils.errors import InputError

import timm  # isort: skip

AFTER_THE_MAP = ("head", "head_dist", "fc", "classifier", "fc_norm", "attn_pool")  # timm's names for what follows the feature map


class TimmBackbone(Backbone):
    """A network of timm without its classifier.

    Raises:
        InputError: timm has no network of this name, it gives no feature map, its weights cannot be downloaded, or it cannot take the
            size of the input or `circular`.
    """

    def __init__(self, settings: Settings, size: tuple[int, int], circular: bool = False, imagenet: bool = False):
        super().__init__()
        self.name = settings.name.removeprefix("timm/")
        network: Any = _create(self.name, size, imagenet)  # timm's networks have attributes that nn.Module does not declare
        for part in AFTER_THE_MAP:
            if hasattr(network, part):
                setattr(network, part, nn.Identity())
        self.network = network
        self.spare = tuple(f"network.{part}." for part in AFTER_THE_MAP)
        self.tokens = getattr(network, "num_prefix_tokens", 0)
        try:
            self.channels, self.stride = network.num_features, network.feature_info[-1]["reduction"]
        except (AttributeError, IndexError, TypeError, KeyError):
            raise InputError(f"encoder is {settings.name!r}, which gives no feature map") from None
        if size[0] < self.stride or size[0] % self.stride:
            raise InputError(f"height is {size[0]}; {settings.name} takes multiples of {self.stride}")
        if circular and self.tokens:
            raise InputError(f"circular is true, but {settings.name} is a transformer, whose learned positions begin at the left edge")
        self.size = (size[0] // self.stride, size[1] // self.stride)
        if circular:
            close_horizon(self.network)
        self._try(size, circular)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        network: Any = self.network
        x = network.forward_features(images)
        if x.dim() == 3:  # B,T+N,C
            return x[:, self.tokens :].transpose(1, 2).unflatten(2, self.size), x[:, : self.tokens]
        return (x.permute(0, 3, 1, 2) if getattr(self.network, "output_fmt", "NCHW") == "NHWC" else x), None

    def adapt(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The backbone has timm's names; learned positions are interpolated to the size of the input."""
        if not any(name.startswith("network.") for name in state):
            state = {f"network.{name}": tensor for name, tensor in state.items()}
        own, given = getattr(self.network, "pos_embed", None), state.get("network.pos_embed")
        if own is None or given is None or given.dim() != 3 or given.shape[::2] != own.shape[::2] or given.shape[1] == own.shape[1]:
            return state
        tokens = own.shape[1] - self.size[0] * self.size[1]
        before = map_size(given.shape[1] - tokens, "pos_embed")
        return state | {"network.pos_embed": timm.layers.resample_abs_pos_embed(given, [*self.size], [*before], num_prefix_tokens=tokens)}

    @torch.no_grad()
    def _try(self, size: tuple[int, int], circular: bool) -> None:
        """Runs the network once and checks its output: timm does not document which networks give a feature map."""
        images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
        training = self.training
        try:
            features = self.eval()(images)[0]
            turned = self(images.roll(self.stride, 3))[0] if circular else None
        except Exception as error:  # the network's code may raise anything
            raise InputError(f"encoder is 'timm/{self.name}', which gives no feature map at height {size[0]} ({_line(error)}); "
                             "take another height or network") from None  # fmt: skip
        self.train(training)
        if features.shape != (1, self.channels, *self.size):
            raise InputError(f"encoder is 'timm/{self.name}', which gives no feature map of the stride that timm states, {self.stride}")
        if turned is not None and not torch.allclose(turned, features.roll(1, 3), rtol=0, atol=1e-4 * features.abs().max().item()):
            raise InputError(f"circular is true, but timm/{self.name} is not made of convolutions with a fixed padding alone")


def _create(name: str, size: tuple[int, int], imagenet: bool) -> nn.Module:
    if not timm.is_model(name):
        near = _near(name, timm.list_models())
        raise InputError(f"encoder is 'timm/{name}', which timm {timm.__version__} does not have"
                         + (f"; did you mean {' or '.join(repr(f'timm/{n}') for n in near)}?" if near else ""))  # fmt: skip
    try:
        pretrained = timm.models.get_pretrained_cfg(name)
    except RuntimeError:  # NAME.TAG
        architecture, _, tag = name.partition(".")
        others = [architecture, *_near(name, timm.models.list_pretrained(f"{architecture}.*"))]
        raise InputError(f"encoder is 'timm/{name}', but timm {timm.__version__} has no weights {tag!r} of it; "
                         f"did you mean {' or '.join(repr(f'timm/{n}') for n in others)}?") from None  # fmt: skip
    fixed: dict[str, Any] = {"img_size": size} if pretrained and pretrained.fixed_input_size else {}
    try:
        return timm.create_model(name, pretrained=imagenet, num_classes=0, **fixed)
    except Exception as error:  # the model hub's client may raise anything
        if not imagenet:
            raise InputError(f"encoder is 'timm/{name}', which cannot be built at height {size[0]} ({_line(error)}); "
                             "take another height or network") from None  # fmt: skip
        raise InputError(f"weights: imagenet of timm/{name} cannot be downloaded ({_line(error)}); "
                         "connect once, or set weights: none") from None  # fmt: skip


def _near(name: str, names: list[str]) -> list[str]:
    return difflib.get_close_matches(name, names, n=2)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
