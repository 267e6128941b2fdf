"""The encoder of graphs of places: attributes and classes of the nodes go through a network on the graph and a head."""

import torch
from torch import Tensor, nn

from config.cloud_settings import CLOUDS
from config.schema import CloudConfig
from models.clouds.cloud_encoder import ClassInput
from models.heads import make_head
from models.weights import load_pretrained
from utils.batch import FEATURES, PlaceGraph
from utils.georeference import EXTENT_M

# Divisors that bring node attributes to about one; the others need none. They are fixed, so that a node looks the same in every batch.
_TO_UNIT = dict.fromkeys(("right", "ahead", "distance"), EXTENT_M / 2) | {"log_area": 10.0, "height": 30.0, "length": 30.0}


class GraphEncoder(nn.Module):
    """Network on the graph of buildings and streets → head → vector.

    It gives no point features, so fusions that read those cannot use it.

    Args:
        config: network and its settings, head, inputs.
        dim: width of the vector.

    Attributes:
        reads: names of the parts of a batch that `forward` takes.

    Raises:
        InputError: weights do not fit, or the head cannot give `dim`.
    """

    reads = ("graph",)

    def __init__(self, config: CloudConfig, dim: int):
        super().__init__()
        self.dim = dim
        self.classes = ClassInput(config.class_width) if config.classes else None
        self.unit: Tensor
        self.register_buffer("unit", torch.tensor([_TO_UNIT.get(name, 1.0) for name in FEATURES]), persistent=False)
        width_in = len(FEATURES) + (self.classes.width if self.classes else 0)
        self.network = CLOUDS[config.encoder.name].load()(config.encoder, width_in)
        self.head = make_head(config.head, self.network.features, dim, "model.cloud")
        if config.weights != "none":
            load_pretrained(self, config, "model.cloud")

    def forward(self, graph: PlaceGraph) -> tuple[Tensor, None]:
        """The graphs of B places → vector (B, dim), and None in place of point features."""
        inputs = graph.nodes / self.unit
        if self.classes is not None:
            inputs = torch.cat([inputs, self.classes(graph.classes).to(inputs.dtype)], dim=1)
        return self.head(self.network(inputs, graph)), None
