"""The two towers: one embeds panoramas (queries), the other map views (references), in the same space."""

import torch
from torch import Tensor, nn

from config.fusion_settings import FUSIONS
from config.schema import ModelConfig
from models.clouds.cloud_encoder import CloudEncoder
from models.clouds.graph_encoder import GraphEncoder
from models.heads import make_head
from models.images.image_encoder import ImageEncoder, normalise
from utils.batch import Batch
from utils.errors import InputError


class GroundToMap(nn.Module):
    """Ground-to-2.5D matching (arXiv 2308.05993).

    The query tower is a panorama encoder. The reference tower is a tile encoder, a cloud encoder, or both with a fusion. Embeddings are
    not normalised; losses and search do that.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        dim = config.embedding_dim
        fusion = FUSIONS[config.fusion.name] if config.fusion else None
        # A fusion that reads feature maps and point features needs no vectors from the branches.
        branch_dim = None if fusion and fusion.reads == "features" else dim
        self.panorama = ImageEncoder(config.panorama, dim, name="model.panorama")
        self.tile = ImageEncoder(config.tile, branch_dim, name="model.tile") if config.tile else None
        self.cloud: CloudEncoder | GraphEncoder | None = None
        if config.cloud:
            self.cloud = GraphEncoder(config.cloud, dim) if config.cloud.reads == "graph" else CloudEncoder(config.cloud, branch_dim)
        self.fusion = fusion.load()(config.fusion, self.tile, self.cloud) if fusion else None
        width = dim if self.fusion is None else self.fusion.width
        kind = config.head or ("none" if width == dim else "norm")
        self.head = nn.Identity() if kind == "none" else make_head(kind, width, dim)
        self.reference_dim = width if kind == "none" else dim

    def embed_queries(self, batch: Batch) -> Tensor:
        """Query embeddings (B, D) of the batch's panoramas."""
        return self.panorama(normalise(batch.need("panorama")))[0]

    def embed_references(self, batch: Batch) -> Tensor:
        """Reference embeddings (B, D) of the batch's tiles and clouds."""
        tile = self.tile(normalise(batch.need("tile"))) if self.tile else None
        cloud = self.cloud(*(batch.need(name) for name in self.cloud.reads)) if self.cloud else None
        if self.fusion is not None:
            return self.head(self.fusion(tile, cloud, batch.cloud))
        vector, _ = tile or cloud or (None, None)
        return self.head(vector)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Query and reference embeddings, (B, D) each."""
        return self.embed_queries(batch), self.embed_references(batch)


def build_model(config: ModelConfig, seed: int, device: torch.device) -> GroundToMap:
    """A model on a device, initialised from a seed.

    Raises:
        InputError: query and reference embeddings would differ in width.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GroundToMap(config)
    if model.reference_dim != config.embedding_dim:
        fusion = config.fusion.name if config.fusion else "null"
        raise InputError(
            f"model.head is none, and fusion {fusion} gives {model.reference_dim:,} numbers, but "
            f"model.embedding_dim is {config.embedding_dim:,}; give model.head another value, or make the widths agree"
        )
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
