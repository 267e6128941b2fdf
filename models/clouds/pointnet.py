"""PointNet (Qi et al., PointNet: Deep Learning on Point Sets, 2017), without its alignment networks."""

from torch import Tensor, nn

from config.cloud_settings import PointNetSettings
from models.clouds.layers import mlp


class PointNet(nn.Module):
    """The same layers on every point; points meet only in the pooling.

    Args:
        settings: widths, features.
        width_in: width of the inputs.

    Attributes:
        features: width of a point's feature.
    """

    def __init__(self, settings: PointNetSettings, width_in: int):
        super().__init__()
        self.features = settings.features
        self.layers = mlp([width_in, *settings.widths, self.features])

    def forward(self, positions: Tensor, inputs: Tensor) -> tuple[Tensor, None]:
        """positions (B, P, 3), inputs (B, P, width_in) → features (B, P, features) of all points."""
        return self.layers(inputs), None
