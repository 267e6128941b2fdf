"""The encoder of clouds: coordinates and classes go through a network on points, a pooling and a head."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from config.cloud_settings import CLOUDS
from config.pooling_settings import POINT_POOLINGS
from config.schema import CloudConfig, PaperCloudConfig
from models.clouds.layers import dense
from models.heads import make_head
from models.neighbors import gather_rows, three_nearest_interpolation
from models.weights import load_pretrained
from utils.classes import CLASSES
from utils.georeference import EXTENT_M


class CloudEncoder(nn.Module):
    """Network on points → point features → pooling → head → vector.

    Args:
        config: network and its settings, pooling, head, inputs.
        dim: width of the vector; 0: the pooling's width; None: the encoder gives only point features.

    Attributes:
        features: width of a point's feature.
        pooling: from its section of the recipe, for fusions that pool points.
        reads: names of the tensors of a batch that `forward` takes.

    Raises:
        InputError: weights do not fit, or the head cannot give `dim`.
    """

    reads = ("cloud", "classes")

    def __init__(self, config: CloudConfig, dim: int | None):
        super().__init__()
        paper = config.paper or PaperCloudConfig(scale="metres")
        self.scale, self.pooling, self.dim = paper.scale, config.pooling, dim
        self.classes = ClassInput(config.class_width) if config.classes else None
        self.network = CLOUDS[config.encoder.name].load()(config.encoder, 3 + (self.classes.width if self.classes else 0))
        widths = [self.network.features, *paper.projection]
        layers = [dense(a, b, paper.slope) for a, b in pairwise(widths[:-1])]
        self.project = nn.Sequential(*layers, nn.Linear(*widths[-2:])) if paper.projection else nn.Identity()
        self.features = widths[-1]
        if dim is not None:
            self.pool = POINT_POOLINGS[config.pooling.name].load()(config.pooling, self.features)
            self.dim = dim or self.pool.width
            self.head = make_head(config.head, self.pool.width, self.dim, "model.cloud")
        if config.weights != "none":
            load_pretrained(self, config, "model.cloud")

    def forward(self, cloud: Tensor, classes: Tensor) -> tuple[Tensor | None, Tensor]:
        """cloud (B, P, 3) metres right, ahead, up; classes (B, P) → vector (B, dim) or None, point features (B, P, features)."""
        positions = scaled(cloud, self.scale)
        inputs = positions if self.classes is None else torch.cat([positions, self.classes(classes).to(positions.dtype)], dim=-1)
        features, kept = self.network(positions, inputs)
        features = self.project(features)
        points = cloud if kept is None else gather_rows(cloud, kept)
        vector = None if self.dim is None else self.head(self.pool(features, points))
        if kept is not None:  # the network has thinned the cloud: every point needs a feature again
            features = three_nearest_interpolation(points, features, cloud)
        return vector, features


class ClassInput(nn.Module):
    """Semantic classes (...) as vectors (..., width): learned, or one-hot if width is 0."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width or len(CLASSES)
        self.vectors = nn.Embedding(len(CLASSES), width) if width else None

    def forward(self, classes: Tensor) -> Tensor:
        if self.vectors is None:
            return nn.functional.one_hot(classes.long(), len(CLASSES))
        return self.vectors(classes.long())


def scaled(cloud: Tensor, scale: str) -> Tensor:
    """Coordinates as the networks see them, (B, P, 3) → (B, P, 3).

    Args:
        scale: metres: divided by 76 m, which keeps true sizes and heights. unit: minus the cloud's mean, divided by the largest distance
            from it (paper).
    """
    if scale == "metres":
        return cloud / (EXTENT_M / 2)
    centred = cloud - cloud.mean(1, keepdim=True)
    return centred / centred.norm(dim=-1).amax(1).clamp_min(1e-6)[:, None, None]  # all points may coincide
