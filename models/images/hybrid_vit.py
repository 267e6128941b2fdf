"""The paper's hybrid transformer: a ResNet-50 of three stages under a ViT-B/16 (Dosovitskiy et al., An Image is Worth 16x16 Words, 2021).

As in L2LTR (Yang et al., Cross-view Geo-localization with Layer-to-Layer Transformer, 2021), a layer computes its keys from the input of
the layer before it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from config.image_settings import HybridViTSettings
from models.images.backbone import Backbone

BLOCKS = (3, 4, 9)  # in each stage
WIDTH, HEADS, HIDDEN, DROPOUT = 768, 12, 3072, 0.1


class HybridViT(Backbone):
    """Convolutions with standardised weights down to stride 16, then `layers` transformer layers on the positions and a class token."""

    channels, stride, tokens = WIDTH, 16, 1

    def __init__(self, settings: HybridViTSettings, size: tuple[int, int], circular: bool = False, imagenet: bool = False):
        super().__init__()
        self.rows, columns = (pixels // self.stride for pixels in size)
        self.stem = nn.Sequential()
        self.stem.conv = StandardConv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.stem.norm = nn.GroupNorm(32, 64, eps=1e-6)
        self.stem.end = nn.Sequential(nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2, padding=1))
        self.stages, width = nn.Sequential(), 64
        for stage, blocks in enumerate(BLOCKS):
            out = 256 << stage
            self.stages.append(nn.Sequential(*(Bottleneck(out if i else width, out, 2 if stage and not i else 1) for i in range(blocks))))
            width = out
        self.patches = nn.Conv2d(width, WIDTH, 1)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, WIDTH))
        self.positions = nn.Parameter(0.02 * torch.randn(1, self.rows * columns + 1, WIDTH))
        self.dropout = nn.Dropout(DROPOUT)
        self.layers = nn.ModuleList(Layer() for _ in range(settings.layers))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.patches(self.stages(self.stem(images))).flatten(2).transpose(1, 2)
        x = self.dropout(torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions)  # B,1+N,C
        before = x
        for layer in self.layers:
            before, x = x, layer(x, before)
        x = self.norm(x)
        return x[:, 1:].transpose(1, 2).unflatten(2, (self.rows, -1)), x[:, :1]


class StandardConv2d(nn.Conv2d):
    """Convolution whose filters have mean 0 and variance 1 (Qiao et al., Weight Standardization, 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), keepdim=True, correction=0)
        return self._conv_forward(x, (self.weight - mean) / torch.sqrt(variance + 1e-5), self.bias)


class Bottleneck(nn.Module):
    """Three convolutions with group norms, and a shortcut around them."""

    def __init__(self, width_in: int, width_out: int, stride: int):
        super().__init__()
        width = width_out // 4
        self.conv1 = StandardConv2d(width_in, width, 1, bias=False)
        self.conv2 = StandardConv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.conv3 = StandardConv2d(width, width_out, 1, bias=False)
        self.norm1, self.norm2, self.norm3 = (nn.GroupNorm(32, n, eps=1e-6) for n in (width, width, width_out))
        self.shortcut = nn.Sequential()
        if width_in != width_out:
            self.shortcut.conv = StandardConv2d(width_in, width_out, 1, stride=stride, bias=False)
            self.shortcut.norm = nn.GroupNorm(width_out, width_out)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        y = functional.relu(self.norm2(self.conv2(y)))
        return functional.relu(self.norm3(self.conv3(y)) + self.shortcut(x))


class Layer(nn.Module):
    """Attention, then an MLP. Queries and values come from this layer's input, keys from the input of the layer before."""

    def __init__(self):
        super().__init__()
        self.norm_query, self.norm_key, self.norm_mlp = (nn.LayerNorm(WIDTH, eps=1e-6) for _ in range(3))
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, WIDTH), nn.Dropout(DROPOUT))

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        """x, before: (B, N, C) → (B, N, C)."""
        y = self.norm_query(x)
        heads = [v.unflatten(2, (HEADS, -1)).transpose(1, 2) for v in (self.query(y), self.key(self.norm_key(before)), self.value(y))]
        x = x + self.out(functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm_mlp(x))
