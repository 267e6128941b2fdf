"""Attention pooling."""

from torch import Tensor, nn

from models.poolings.tokens import TokenPooling

QUERIES = 4


class Attention(TokenPooling):
    """Means of all tokens, weighted by their softmax similarity with each of four learned queries (Ilse et al., Attention-based Deep
    Multiple Instance Learning, 2018, eq. 7 and 8). Projections of keys and values would add nothing to the queries and the head."""

    def __init__(self, config, channels: int, *size: int):
        super().__init__(QUERIES * channels)
        self.query = nn.Linear(channels, QUERIES, bias=False)

    def pool(self, tokens: Tensor) -> Tensor:
        weights = self.query(tokens).softmax(1).to(tokens.dtype)  # B,N,Q
        return (weights.transpose(1, 2) @ tokens).flatten(1)
