"""Converted published cloud encoders give the published numbers."""

from fnmatch import fnmatchcase

import pytest
import torch

from config.reader import from_mapping
from config.schema import CloudConfig
from models.clouds.cloud_encoder import CloudEncoder
from models.clouds.layers import FarthestSampling
from models.published.clouds import ABSENT, cloud
from utils.georeference import EXTENT_M

# For point features, for vectors. Near ties between neighbours change single features of DGCNN.
TOLERANCES = {"dgcnn": (2e-3, 1e-4), "pointnet2": (1e-3, 1e-3)}  # the others: 1e-5
NAMES = {"c_dgcnn*": "dgcnn", "c_pointnetssg*": "pointnet2", "c_pointnet_*": "pointnet", "c_pct*": "pct", "c_pt2*": "point_transformer"}


def run(published):
    """Converts a case's encoder and runs it on the case's cloud.

    Returns:
        settings, features of points (B, F, Q) before any projection, and the output of the published encoder: a vector, or (B, F, P).
    """
    state = published.state_dict()
    settings, tensors = cloud(state)
    assert not state, f"left over: {list(state)}"
    paper = settings["paper"] | {"scale": "metres"}  # the coordinates are already scaled
    config = from_mapping(CloudConfig, settings | {"paper": paper}, "test")
    vector = "projection" not in settings["paper"]
    model = CloudEncoder(config, 2 * config.encoder.features if vector else None).eval()
    model.load_state_dict(tensors)
    samplings = [m for m in model.modules() if isinstance(m, FarthestSampling)]
    picks = [torch.from_numpy(published.outputs[f"fps_idx_{i}"]).long() for i in range(len(samplings))]
    sampled = []
    for sampling, expected in zip(samplings, picks, strict=True):
        sampling.start = expected[:, 0]
        sampling.register_forward_hook(lambda module, inputs, output: sampled.append(output))
    network = []
    model.network.register_forward_hook(lambda module, inputs, output: network.append(output[0]))
    x, y, z = torch.from_numpy(published.inputs["coords_xyz"]).unbind(1)
    labels = torch.from_numpy(published.inputs["sem_labels"]).long()
    with torch.no_grad():
        output, features = model(EXTENT_M / 2 * torch.stack([x, -z, y], -1), labels + (labels >= ABSENT))
    for picked, expected in zip(sampled, picks, strict=True):
        assert torch.equal(picked, expected), "other points were sampled"
    return settings, network[0].mT, output if vector else features.mT


@pytest.mark.parity("c_*")
def test_published_cloud_encoders(published):
    settings, features, output = run(published)
    per_point, pooled = TOLERANCES.get(settings["encoder"]["name"], (1e-5, 1e-5))
    if settings["encoder"]["name"] == "pointnet2":  # the published network ends in the pooling
        features = features.amax(2, keepdim=True)
    published.compare("feature", features, per_point)
    published.compare("embedding", output, pooled if output.dim() == 2 else per_point)


@pytest.mark.parity("c_*")
def test_networks_are_recognised(published):
    settings, _ = cloud(published.state_dict())
    expected = next((network for pattern, network in NAMES.items() if fnmatchcase(published.name, pattern)), settings["encoder"]["name"])
    assert settings["encoder"]["name"] == expected and settings["classes"] == published.name.endswith("_sem")
    assert ("projection" in settings["paper"]) == ("_fuse" in published.name)
