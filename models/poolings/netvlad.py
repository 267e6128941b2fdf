"""NetVLAD pooling."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.poolings.tokens import TokenPooling

CLUSTERS = 16
SHARPNESS = 10.0  # α of the first assignment


class NetVLAD(TokenPooling):
    """Sums of what tokens differ from cluster centres, by soft assignment (Arandjelović et al., NetVLAD, 2016, eq. 4), each normalised
    for itself (intra-normalisation), then all together. Centres begin as random directions."""

    def __init__(self, config, channels: int, *size: int):
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
