"""Every valid combination of panorama encoder, tile encoder, cloud encoder and fusion trains; every invalid one is refused with a reason.

The models are real, built from real configurations. To train tens of thousands of them in a minute, combinations share what is alike:
an encoder runs forward once, each combination takes the loss's gradient back to the encoder's outputs, where it must be finite and not
zero, and the encoder runs backward once on the sum. Gradients add up, so a sum without NaN or infinity is a sum of finite ones.
"""

import itertools
import math

import pytest
import torch
from torch import nn

from config.cloud_settings import CLOUDS
from config.fusion_settings import FUSIONS
from config.learning_settings import InfoNCESettings
from config.pooling_settings import MAP_POOLINGS, POINT_POOLINGS
from config.reader import from_mapping
from config.schema import ModelConfig
from models.clouds.cloud_encoder import CloudEncoder
from models.clouds.graph_encoder import GraphEncoder
from models.images.image_encoder import ImageEncoder
from models.model import GroundToMap
from tests.models.conftest import BACKBONES, cloud, image, pooled
from training.losses import InfoNCE, cosine_similarity
from utils.errors import InputError

DIM = 8
PLACES = 3  # from two, a batch norm keeps only which is larger


class Shared(nn.Module):
    """An encoder that runs once for all combinations and adds up their gradients.

    Its outputs go to each combination as leaves.
    """

    made: dict = {}

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = [encoder]  # not a submodule: its parameters are checked in `finish`
        self.outputs = None

    def __getattr__(self, name):
        return self.__dict__[name] if name in self.__dict__ else getattr(self.encoder[0], name)

    @classmethod
    def of(cls, kind):
        """`kind` with the signature of an encoder's constructor, each made once."""

        def make(config, dim, *args, **kwargs):
            key = str(config), dim
            if key not in cls.made:
                cls.made[key] = cls(kind(config, dim, *args, **kwargs).train())
            return cls.made[key]

        return make

    def forward(self, *inputs):
        if self.outputs is None:
            self.outputs = self.encoder[0](*inputs)
            self.total = [None if v is None else torch.zeros_like(v) for v in self.outputs]
        self.leaves = [None if v is None else v.detach().requires_grad_() for v in self.outputs]
        return tuple(self.leaves)

    def gather(self) -> bool:
        """Adds the gradients of the last combination. Whether there were any."""
        reached = False
        for total, leaf in zip(self.total, self.leaves, strict=True):
            if leaf is not None and leaf.grad is not None:
                assert finite(leaf.grad)
                total += leaf.grad
                reached |= bool(leaf.grad.any())
        return reached

    def finish(self) -> None:
        """Backward through the encoder: every parameter that the outputs depend on has a finite gradient."""
        pairs = [(v, g) for v, g in zip(self.outputs, self.total, strict=True) if v is not None and v.requires_grad and g.any()]
        torch.autograd.backward([v for v, _ in pairs], [g for _, g in pairs])
        for key, parameter in self.encoder[0].named_parameters():
            assert parameter.grad is not None and finite(parameter.grad), key


def finite(values: torch.Tensor) -> bool:
    """Whether all are: a sum with NaN or infinity is not finite, one of numbers as small as here is."""
    return math.isfinite(values.detach().sum())


ENCODERS = [image(name) for name in BACKBONES]
POOLED = [pooled(name) for name in MAP_POOLINGS if name != "mean"]
NETWORKS = [cloud(name) for name in CLOUDS]
WITHOUT_CLASSES = [cloud(name, classes=False) for name in CLOUDS]
POOLED_POINTS = [cloud("dgcnn", pooling=name) for name in POINT_POOLINGS if name != "max"]


def maps() -> list[dict]:
    """Every tile alone, every cloud alone, and every tile × cloud × fusion; poolings only where a fusion reads pooled vectors, clouds
    without classes alone and with one fusion."""

    def both(tiles):
        return [tile | {"polar": polar} for tile in tiles for polar in (False, True)]

    alone = [{"tile": t} for t in both(ENCODERS + POOLED)] + [{"cloud": c} for c in NETWORKS + WITHOUT_CLASSES + POOLED_POINTS]
    for fusion, entry in FUSIONS.items():
        vectors = entry.reads == "vectors"
        tiles, clouds = both(ENCODERS + POOLED * vectors), NETWORKS + POOLED_POINTS * vectors + WITHOUT_CLASSES * (fusion == "concat")
        alone += [{"tile": t, "cloud": c, "fusion": fusion} for t, c in itertools.product(tiles, clouds)]
    return alone


def loss(query: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    return InfoNCE(InfoNCESettings("infonce"))(cosine_similarity(query, reference), torch.arange(PLACES))


losses = torch.func.vmap(loss, in_dims=(0, None))  # of each panorama encoder's queries


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # of vmap
def test_every_valid_combination_trains(make_batch, quick_weights, monkeypatch, record_property):
    monkeypatch.setattr("models.images.hybrid_vit.BLOCKS", (1, 1, 1))
    monkeypatch.setattr(Shared, "made", {})
    for name, kind in (("ImageEncoder", ImageEncoder), ("CloudEncoder", CloudEncoder), ("GraphEncoder", GraphEncoder)):
        monkeypatch.setattr(f"models.model.{name}", Shared.of(kind))
    torch.manual_seed(0)
    panoramas = ENCODERS + POOLED
    towers, refused, trained, batches = [], {}, 0, {}
    for panorama in panoramas:
        config = from_mapping(ModelConfig, {"panorama": panorama, "embedding_dim": DIM, "tile": panorama}, "test")
        tower = GroundToMap(config).panorama
        tower(make_batch(config, PLACES).panorama)
        towers.append(tower)
    queries = torch.stack([tower.outputs[0].detach() for tower in towers])  # E,PLACES,DIM
    gathered = torch.zeros_like(queries)
    for described in maps():
        try:
            config = from_mapping(ModelConfig, {"panorama": panoramas[0], "embedding_dim": DIM} | described, "test")
        except InputError as error:
            refused[str(described)] = str(error)
            continue
        sizes = str((config.tile and (config.tile.height, config.tile.width), config.cloud and config.cloud.reads))
        if sizes not in batches:
            batches[sizes] = make_batch(config, PLACES)
        model = GroundToMap(config).train()
        reference = model.embed_references(batches[sizes])
        leaves = queries.clone().requires_grad_()
        values = losses(leaves, reference)
        assert values.shape == (len(towers),) and finite(values)
        values.sum().backward()
        assert finite(leaves.grad) and leaves.grad.flatten(1).any(1).all(), f"no gradient reaches a panorama encoder beside {described}"
        gathered += leaves.grad
        for part in filter(None, (model.tile, model.cloud)):
            assert part.gather(), f"no gradient reaches an encoder of {described}"
        for key, parameter in model.named_parameters():
            assert parameter.grad is not None and finite(parameter.grad), f"{described}: {key}"
        trained += len(towers)
    for tower, gradient in zip(towers, gathered, strict=True):
        tower.total[0] += gradient
    for encoder in Shared.made.values():
        encoder.finish()
    record_property(
        "summary",
        f"{trained:,} combinations train ({len(towers)} panorama encoders × {trained // len(towers):,} maps); "
        f"{len(refused):,} maps are refused",
    )
    assert trained > 10_000
    for described, reason in refused.items():
        assert any(word in reason for word in ("reads features of points", "polar")), f"{described}: {reason}"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"panorama": {"encoder": "resnet8"}}, "panorama.encoder is 'resnet8', it takes one of .*; did you mean 'resnet"),
        ({"panorama": {"pooling": "means"}}, "panorama.pooling is 'means', it takes one of .*; did you mean 'mean'"),
        ({"panorama": {"pooling": "token"}}, "panorama.pooling is 'token', but resnet18 has no class token"),
        (
            {"panorama": {"pooling": {"name": "netvlad", "sectors": 2}}},
            "unknown key panorama.pooling.sectors; netvlad takes no settings",
        ),
        ({"cloud": {"encoder": "dgcm"}}, "cloud.encoder is 'dgcm', it takes one of .*; did you mean 'dgcnn'"),
        ({"cloud": {"pooling": "maxi"}}, "cloud.pooling is 'maxi', it takes one of .*; did you mean 'max"),
        ({"fusion": "concatenate"}, "fusion is 'concatenate', it takes one of .*; did you mean 'concat'"),
        ({"fusion": None}, "fusion is missing"),
        ({"tile": None}, "there is no tile encoder to fuse"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(changes, reason):
    settings = {"panorama": image("resnet18"), "tile": image("resnet18"), "cloud": cloud("dgcnn"), "fusion": "concat"}
    for key, value in changes.items():
        settings[key] = settings[key] | value if isinstance(value, dict) else value
    with pytest.raises(InputError, match=reason):
        from_mapping(ModelConfig, settings, "test")
