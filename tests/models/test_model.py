"""The whole model in every combination of modalities and fusions."""

import dataclasses

import pytest
import torch

from config.cloud_settings import CLOUDS
from config.fusion_settings import FUSIONS
from models.model import GroundToMap, build_model
from tests.models.conftest import sectors, taken


@pytest.mark.parametrize("count", [1, 4])
def test_forward_and_backward(map_name, count, model_config, make_batch):
    torch.manual_seed(0)
    config = model_config(map_name, pooling=sectors("mean", count))
    model = GroundToMap(config)
    embeddings = model(make_batch(config))
    assert [e.shape for e in embeddings] == [(5, 7), (5, 7)]
    sum((e * torch.randn_like(e)).sum() for e in embeddings).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{key} takes no part"
        assert parameter.grad.isfinite().all() and parameter.grad.any(), key


@torch.no_grad()
def test_by_default_the_embeddings_of_a_batch_share_nothing(map_name, model_config, make_batch):
    """What all places have in common does not tell them apart, and would give one branch more weight than the other."""
    torch.manual_seed(0)
    config = model_config(map_name)
    for embeddings in GroundToMap(config)(make_batch(config)):
        assert embeddings.mean(0).abs().max() < 1e-4 * embeddings.abs().max()


@torch.no_grad()
def test_embeddings_do_not_depend_on_the_other_samples(map_name, model_config, make_batch):
    torch.manual_seed(0)
    config = model_config(map_name)
    model = GroundToMap(config)
    batch = make_batch(config, 4)
    for _ in range(3):
        model(batch)  # gives the norms statistics
    model.eval()
    together = model(batch)
    for i in range(4):
        alone = model(batch.select(torch.tensor([i])))
        for one, all_of_them in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], all_of_them[i], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_each_tower_sees_its_own_inputs_and_all_of_them(map_name, model_config, make_batch):
    torch.manual_seed(0)
    config = model_config(map_name)
    model = GroundToMap(config).eval()
    batch, other = make_batch(config), make_batch(config, seed=1)
    query, reference = model(batch)
    for key in ("panorama", "tile", "cloud", "classes", "graph"):
        if getattr(batch, key) is None:
            continue
        changed = model(type(batch)(**vars(batch) | {key: getattr(other, key)}))
        unread = key == "classes" and map_name.endswith("no-classes")
        assert torch.equal(changed[0], query) == (key != "panorama")
        assert torch.equal(changed[1], reference) == (key == "panorama" or unread), key


@pytest.mark.parametrize(
    "map_name",
    ["tile-resnet18", *(f"{name}-cartesian" for name in FUSIONS), "concat-polar-sectors", "pixel_to_point-polar-sectors"]
    + ["cloud-buildings", "cloud-graph_pointnet2"],
)
def test_autocast_stays_near_float32(map_name, model_config, make_batch):
    """With a fixed graph: neighbours in feature space may change with the precision of the features."""
    torch.manual_seed(0)
    config = model_config(map_name)
    if config.cloud and config.cloud.reads == "points":
        fixed = {"dynamic": False, "neighbors": config.cloud.points}
        config.cloud.encoder = dataclasses.replace(config.cloud.encoder, **taken(CLOUDS[config.cloud.encoder.name], **fixed))
    model = GroundToMap(config).eval()
    batch = make_batch(config)
    with torch.no_grad():
        exact = model(batch)
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(batch)
    for a, b in zip(exact, rough, strict=True):
        assert b.dtype == torch.bfloat16 and ((a - b).norm() / a.norm()) < 0.03


def test_weights_follow_the_seed_and_leave_other_randomness_alone(model_config):
    def weights(seed):
        return build_model(model_config("concat-polar-sectors"), seed, torch.device("cpu")).state_dict()["panorama.head.0.weight"]

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = weights(0), weights(0), weights(1)
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first, again) and not torch.equal(first, other)


@torch.no_grad()
def test_norms_that_are_converted_to_synchronised_ones_do_the_same(model_config, make_batch):
    """As for training on several devices; norms of points have their channels last, which a converted norm would not know."""
    torch.manual_seed(0)
    config = model_config("concat-polar-sectors")
    assert config.cloud.encoder.name == "dgcnn"
    model, batch = GroundToMap(config), make_batch(config)
    for _ in range(3):
        model(batch)  # gives the norms statistics
    expected = model.eval()(batch)
    converted = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in converted.cloud.network.modules())
    for found, before in zip(converted(batch), expected, strict=True):
        torch.testing.assert_close(found, before)
