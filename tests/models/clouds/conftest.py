"""Norms as after training."""

import pytest
from torch import nn


@pytest.fixture
def trained():
    """The module in float64 and evaluation mode, its norms with positive scales and statistics as after training."""

    def of(module: nn.Module) -> nn.Module:
        for m in module.modules():
            if isinstance(m, nn.BatchNorm1d):
                nn.init.uniform_(m.weight, 0.5, 2)
                nn.init.normal_(m.bias)
                m.running_mean.normal_()
                m.running_var.uniform_(0.5, 2)
        return module.double().eval()

    return of
