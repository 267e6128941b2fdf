"""The two towers: panoramas into query embeddings, map views into reference embeddings of the same space."""

import torch
from torch import Tensor, nn

from config.schema import Config, ModelConfig
from data.batches import Batch
from models.dgcnn import DGCNN
from models.fusion import FUSIONS
from models.image import ImageEncoder, normalise

CLOUD_ENCODERS = {"dgcnn": DGCNN}


class GroundToMap(nn.Module):
    """Ground-to-2.5D matching (arXiv 2308.05993): a panorama encoder beside a tile encoder, a cloud encoder, or both with a fusion.

    Embeddings are raw outputs; losses and search normalise them.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        dim = config.embedding_dim
        # Pixel-to-point fusion reads feature maps and point features only: heads would be dead weight.
        branch_dim = None if config.fusion == "pixel_to_point" else dim
        self.panorama = ImageEncoder(config.panorama, dim)
        self.tile = ImageEncoder(config.tile, branch_dim) if config.tile else None
        self.cloud = CLOUD_ENCODERS[config.cloud.encoder](config.cloud, branch_dim) if config.cloud else None
        self.fusion = FUSIONS[config.fusion](config, self.tile.channels, self.cloud.features) if config.fusion else None

    def embed_queries(self, batch: Batch) -> Tensor:
        """Query embeddings (B, D) of the batch's panoramas."""
        return self.panorama(normalise(batch.panorama))[0]

    def embed_references(self, batch: Batch) -> Tensor:
        """Reference embeddings (B, D) of the batch's tiles and clouds."""
        tile = self.tile(normalise(batch.tile)) if self.tile else None
        cloud = self.cloud(batch.cloud, batch.classes) if self.cloud else None
        if self.fusion:
            return self.fusion(tile, cloud, batch.cloud)
        return (tile or cloud)[0]

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Query and reference embeddings, (B, D) each."""
        return self.embed_queries(batch), self.embed_references(batch)


def build_model(config: Config, device: torch.device) -> GroundToMap:
    """The recipe's model on a device, initialised from the recipe's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = GroundToMap(config.model)
    return model.to(device, memory_format=torch.channels_last)
