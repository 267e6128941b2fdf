"""Poolings of feature maps (B, C, h, w), of points (B, P, C), and of tokens (B, N, C), which serve both."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class TokenPooling(nn.Module):
    """Base of poolings that ignore positions and so serve maps and points alike.

    Subclasses are built as `Class(settings, channels, rows, columns)` for maps and `Class(settings, channels)` for points.

    Attributes:
        width: width of the pooled vector.
    """

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, features: Tensor, points: Tensor | None = None) -> Tensor:
        """A map (B, C, h, w) or point features (B, N, C) → (B, width)."""
        return self.pool(features.flatten(2).transpose(1, 2) if features.dim() == 4 else features)

    def pool(self, tokens: Tensor) -> Tensor:
        """tokens (B, N, C) → (B, width)."""
        raise NotImplementedError


class Mean(TokenPooling):
    """Mean of all tokens."""

    def __init__(self, settings, channels: int, *size: int):
        super().__init__(channels)

    def pool(self, tokens: Tensor) -> Tensor:
        return tokens.mean(1)


class MaxMean(TokenPooling):
    """Maximum and mean of all tokens, concatenated."""

    def __init__(self, settings, channels: int, *size: int):
        super().__init__(2 * channels)

    def pool(self, tokens: Tensor) -> Tensor:
        return torch.cat([tokens.amax(1), tokens.mean(1)], -1)


class GeM(TokenPooling):
    """Generalised mean, (mean of x^p)^(1/p), with a learned p (Radenović et al., Fine-tuning CNN Image Retrieval with No Human Annotation,
    2018, eq. 3).

    p = 1 is the mean, p → ∞ the maximum. Values below 1e-6 count as 1e-6.
    """

    def __init__(self, settings, channels: int, *size: int):
        super().__init__(channels)
        self.p = nn.Parameter(torch.tensor(3.0))

    def pool(self, tokens: Tensor) -> Tensor:
        with torch.autocast(tokens.device.type, enabled=False):  # powers of small numbers need float32
            tokens = tokens.float().clamp_min(1e-6)
            largest = tokens.detach().amax(1, keepdim=True)  # then the powers cannot overflow, nor all underflow
            return largest[:, 0] * (tokens / largest).pow(self.p).mean(1).pow(1 / self.p)


CLUSTERS = 16
SHARPNESS = 10.0  # α of the initial assignment


class NetVLAD(TokenPooling):
    """Sums of the residuals of tokens to cluster centres, by soft assignment (Arandjelović et al., NetVLAD, 2016, eq. 4).

    Each sum is normalised (intra-normalisation), then all of them together. The initial centres are random directions.
    """

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


WIDTH = 64  # channels of a map that is pooled by sector


class MapMean(nn.Module):
    """Mean over the map. With several sectors: a reduction to 64 channels, then the mean over the columns of each sector, row by row.

    Pooling by sector keeps what is seen in which direction, so that a query and a reference can be compared in it.
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
    """The flattened map through norm, ReLU and a linear layer, then norm and ReLU: (B, C, h, w) → (B, hidden).

    With a linear head it is the plain head of arXiv 2308.05993, whose `hidden` is 1,024 for panoramas and 512 for tiles.
    """

    def __init__(self, settings, channels: int, rows: int, columns: int):
        numbers, width = channels * rows * columns, settings.hidden
        super().__init__(nn.Flatten(), nn.BatchNorm1d(numbers), nn.ReLU(), nn.Linear(numbers, width), nn.BatchNorm1d(width), nn.ReLU())
        self.width = width


HEADS = 8


class SAFA(nn.Module):
    """Eight weighted sums over the positions of a map (arXiv 2308.05993, after Shi et al., Spatial-Aware Feature Aggregation, 2019, eq. 2
    and 3).

    The weights come from each position's largest channel, by two linear maps without an activation.
    """

    def __init__(self, settings, channels: int, rows: int, columns: int):
        super().__init__()
        positions = rows * columns
        hidden = max(1, positions // 2)
        self.weight1, self.bias1 = _linear(positions, hidden)
        self.weight2, self.bias2 = _linear(hidden, positions)
        self.width = HEADS * channels

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C · 8), the eight sums of a channel side by side."""
        features = features.flatten(2)
        weights = torch.einsum("bi,ijd->bjd", features.amax(1), self.weight1) + self.bias1
        weights = torch.einsum("bjd,jid->bid", weights, self.weight2) + self.bias2  # B,h·w,8
        return (features @ weights.to(features.dtype)).flatten(1)


def _linear(width_in: int, width_out: int) -> tuple[nn.Parameter, nn.Parameter]:
    return nn.Parameter(0.005 * torch.randn(width_in, width_out, HEADS)), nn.Parameter(torch.full((1, width_out, HEADS), 0.1))


class ClassTokens(nn.Module):
    """All class tokens, concatenated: (B, T, C) → (B, T · C)."""

    def __init__(self, settings, channels: int, rows: int, columns: int):
        super().__init__()
        self.width = channels * rows * columns

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.flatten(1)


class PointMax(nn.Module):
    """Maximum over the points in each sector of the horizon. A sector without points gives zeros; one sector is the global maximum.

    Sectors are counted like a panorama's columns: clockwise from straight behind the viewer, with ahead in the middle.
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
