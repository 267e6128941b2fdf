"""Poolings: of feature maps (B, C, h, w), of points (B, P, C), and of tokens wherever they lie."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class TokenPooling(nn.Module):
    """Base: subclasses pool tokens (B, N, C), wherever they lie. Made alike for maps, (settings, channels, rows, columns), and points,
    (settings, channels).

    Attributes:
        width: of the pooled vector.
    """

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, features: Tensor, points: Tensor | None = None) -> Tensor:
        """A map (B, C, h, w), or features (B, N, C) of points → (B, width)."""
        return self.pool(features.flatten(2).transpose(1, 2) if features.dim() == 4 else features)

    def pool(self, tokens: Tensor) -> Tensor:
        """tokens (B, N, C) → (B, width)."""
        raise NotImplementedError


class Mean(TokenPooling):
    """Mean of all."""

    def __init__(self, settings, channels: int, *size: int):
        super().__init__(channels)

    def pool(self, tokens: Tensor) -> Tensor:
        return tokens.mean(1)


class MaxMean(TokenPooling):
    """Maximum and mean of all, side by side."""

    def __init__(self, settings, channels: int, *size: int):
        super().__init__(2 * channels)

    def pool(self, tokens: Tensor) -> Tensor:
        return torch.cat([tokens.amax(1), tokens.mean(1)], -1)


class GeM(TokenPooling):
    """(mean of x^p)^(1/p) with a learned p, between mean (1) and maximum (∞); what lies below 1e-6 counts as 1e-6 (Radenović et al.,
    Fine-tuning CNN Image Retrieval with No Human Annotation, 2018, eq. 3)."""

    def __init__(self, settings, channels: int, *size: int):
        super().__init__(channels)
        self.p = nn.Parameter(torch.tensor(3.0))

    def pool(self, tokens: Tensor) -> Tensor:
        with torch.autocast(tokens.device.type, enabled=False):  # powers of small numbers need float32
            tokens = tokens.float().clamp_min(1e-6)
            largest = tokens.detach().amax(1, keepdim=True)  # powers of numbers up to 1 neither overflow nor vanish all at once
            return largest[:, 0] * (tokens / largest).pow(self.p).mean(1).pow(1 / self.p)


CLUSTERS = 16
SHARPNESS = 10.0  # α of the first assignment


class NetVLAD(TokenPooling):
    """Sums of what tokens differ from cluster centres, by soft assignment (Arandjelović et al., NetVLAD, 2016, eq. 4), each normalised
    for itself (intra-normalisation), then all together. Centres begin as random directions."""

    def __init__(self, settings, channels: int, *size: int):
        super().__init__(CLUSTERS * channels)
        self.centers = nn.Parameter(functional.normalize(torch.randn(CLUSTERS, channels), dim=1))
        self.assign = nn.Linear(channels, CLUSTERS)
        with torch.no_grad():
            self.assign.weight.copy_(2 * SHARPNESS * self.centers)
            self.assign.bias.fill_(-SHARPNESS)  # −α‖c‖²

    def pool(self, tokens: Tensor) -> Tensor:
        tokens = functional.normalize(tokens, dim=-1)
        weights = self.assign(tokens).softmax(-1).to(tokens.dtype)  # B,N,K
        residuals = weights.transpose(1, 2) @ tokens - weights.sum(1)[..., None] * self.centers  # Σ a (x − c)
        return functional.normalize(functional.normalize(residuals, dim=-1).flatten(1), dim=-1)


WIDTH = 64  # channels that are kept apart by sector


class MapMean(nn.Module):
    """Mean over the map; with more than one sector, mean over the columns of each, rows kept, after a reduction to 64 channels.

    What stands in which direction survives pooling by sectors, so a query and a reference can agree on it.
    """

    def __init__(self, settings, channels: int, rows: int, columns: int):
        super().__init__()
        self.sectors = settings.sectors
        self.reduce, self.width = None, channels
        if self.sectors > 1:
            self.reduce = nn.Sequential(nn.Conv2d(channels, WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True))
            self.width = WIDTH * rows * self.sectors

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → (B, width); w is a multiple of the number of sectors."""
        if self.reduce is None:
            return features.mean((2, 3))
        return self.reduce(features).unflatten(3, (self.sectors, -1)).mean(4).flatten(1)  # B,64,h,S


class Flat(nn.Sequential):
    """The flattened map through norm, ReLU and a linear layer, then norm and ReLU: with a linear head the plain head of
    arXiv 2308.05993, whose `hidden` is 1,024 for panoramas and 512 for tiles. (B, C, h, w) → (B, hidden)."""

    def __init__(self, settings, channels: int, rows: int, columns: int):
        numbers, width = channels * rows * columns, settings.hidden
        super().__init__(nn.Flatten(), nn.BatchNorm1d(numbers), nn.ReLU(), nn.Linear(numbers, width), nn.BatchNorm1d(width), nn.ReLU())
        self.width = width


HEADS = 8


class SAFA(nn.Module):
    """Weighted sums over the positions of a map, eight of them, their weights computed from each position's largest channel by two
    linear maps without an activation (arXiv 2308.05993, after Shi et al., Spatial-Aware Feature Aggregation, 2019, eq. 2 and 3)."""

    def __init__(self, settings, channels: int, rows: int, columns: int):
        super().__init__()
        positions = rows * columns
        hidden = max(1, positions // 2)
        self.weight1, self.bias1 = _linear(positions, hidden)
        self.weight2, self.bias2 = _linear(hidden, positions)
        self.width = HEADS * channels

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C · 8), a channel's heads side by side."""
        features = features.flatten(2)
        weights = torch.einsum("bi,ijd->bjd", features.amax(1), self.weight1) + self.bias1
        weights = torch.einsum("bjd,jid->bid", weights, self.weight2) + self.bias2  # B,h·w,8
        return (features @ weights.to(features.dtype)).flatten(1)


def _linear(width_in: int, width_out: int) -> tuple[nn.Parameter, nn.Parameter]:
    return nn.Parameter(0.005 * torch.randn(width_in, width_out, HEADS)), nn.Parameter(torch.full((1, width_out, HEADS), 0.1))


class ClassTokens(nn.Module):
    """All class tokens side by side, (B, T, C) → (B, T · C)."""

    def __init__(self, settings, channels: int, rows: int, columns: int):
        super().__init__()
        self.width = channels * rows * columns

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.flatten(1)


class PointMax(nn.Module):
    """Maximum over the points of each sector of the horizon; a sector without points gives zeros. One sector is the global maximum.

    Sectors are counted like a panorama's columns: the first begins straight behind and they go clockwise, the middle is ahead.
    """

    def __init__(self, settings, channels: int):
        super().__init__()
        self.sectors = settings.sectors
        self.width = channels * self.sectors

    def forward(self, features: Tensor, points: Tensor) -> Tensor:
        """features (B, P, C), points (B, P, 3) metres right, ahead, up → (B, sectors · C)."""
        if self.sectors == 1:
            return features.amax(1)
        azimuth = torch.atan2(points[..., 0], points[..., 1])  # clockwise from ahead, −π … π
        sector = ((azimuth / (2 * math.pi) + 0.5) * self.sectors).long().clamp(0, self.sectors - 1)
        lowest = torch.finfo(features.dtype).min
        pooled = features.new_full((features.shape[0], self.sectors, features.shape[2]), lowest)
        pooled = pooled.scatter_reduce(1, sector[..., None].expand_as(features), features, "amax")
        return torch.where(pooled == lowest, 0, pooled).flatten(1)
