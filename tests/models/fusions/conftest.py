"""Stand-ins for the two encoders with any widths, and their outputs."""

from types import SimpleNamespace

import pytest
import torch

from config.components import Settings
from config.fusion_settings import FUSIONS
from config.pooling_settings import SectorSettings


@pytest.fixture
def make_fusion():
    """A fusion in evaluation mode of encoders with given widths, its norms as after training."""

    def make(name: str, polar: bool = False, channels: int = 5, features: int = 6, dim: int = 4, rows: int = 2, sectors: int = 1):
        torch.manual_seed(0)
        size = (rows, 2 * rows if polar else rows)
        tile = SimpleNamespace(channels=channels, dim=dim, map_size=size, polar=polar, pooling=SectorSettings("mean", sectors))
        cloud = SimpleNamespace(features=features, dim=dim, pooling=SectorSettings("max", sectors))
        fusion = FUSIONS[name].load()(Settings(name), tile, cloud).eval()
        for module in fusion.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
        return fusion

    return make


@pytest.fixture
def make_inputs():
    """The outputs of both encoders for 3 places, and their points."""

    def make(polar: bool = False, channels: int = 5, features: int = 6, dim: int = 4, rows: int = 2, points: int = 20, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)
        tile = torch.randn(3, channels, rows, 2 * rows if polar else rows, generator=generator)
        cloud = torch.randn(3, points, features, generator=generator)
        where = (torch.rand(3, points, 3, generator=generator) - 0.5) * 152
        vectors = torch.randn(2, 3, dim, generator=generator)
        return (vectors[0], tile), (vectors[1], cloud), where

    return make
