"""Optimisers, built as `function(settings, model, learning_rate)`."""

import torch
from torch import nn

from config.learning_settings import AdamWSettings


def adamw(settings: AdamWSettings, model: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter, Decoupled Weight Decay Regularization, 2019); only matrices and convolution kernels decay."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate)
