"""Generalised mean pooling."""

import torch
from torch import Tensor, nn

from models.poolings.tokens import TokenPooling


class GeM(TokenPooling):
    """(mean of x^p)^(1/p) with a learned p, between mean (1) and maximum (∞); what lies below 1e-6 counts as 1e-6 (Radenović et al.,
    Fine-tuning CNN Image Retrieval with No Human Annotation, 2018, eq. 3)."""

    def __init__(self, config, channels: int, *size: int):
        super().__init__(channels)
        self.p = nn.Parameter(torch.tensor(3.0))

    def pool(self, tokens: Tensor) -> Tensor:
        with torch.autocast(tokens.device.type, enabled=False):  # powers of small numbers need float32
            tokens = tokens.float().clamp_min(1e-6)
            largest = tokens.detach().amax(1, keepdim=True)  # powers of numbers up to 1 neither overflow nor vanish all at once
            return largest[:, 0] * (tokens / largest).pow(self.p).mean(1).pow(1 / self.p)
