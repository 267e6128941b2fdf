"""Complete published models, converted from a file as by the command and read back, give the published numbers."""

import numpy as np
import pytest
import torch

from models.clouds.layers import FarthestSampling
from models.published import convert, load
from models.published.clouds import ABSENT
from utils.batch import Batch

TOLERANCES = {"dgcnn": (2e-3, 1e-4), "pointnetssg": (1e-3, 1e-3)}  # for point features, for vectors; for other clouds 1e-5
HEADS = {None: "none", "fc": "linear"}


def unnormalised(images: np.ndarray) -> torch.Tensor:
    """Images (B, 3, H, W) that `normalise` maps to the given ones."""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return torch.from_numpy(images * std[:, None, None] + mean[:, None, None]).float()


def batch_of(published, model) -> Batch:
    """The case's inputs (as in cases a, b and c) for a model."""

    def drawn(seed: int, columns: int) -> torch.Tensor:
        return unnormalised(np.random.RandomState(seed).standard_normal((2, 3, 224, columns)).astype(np.float32))

    wide = model.tile is not None and model.tile.map_size[0] < model.tile.map_size[1]
    tile = None if model.tile is None else drawn(103, 448) if wide else drawn(102, 224)
    x, y, z = torch.from_numpy(published.inputs["xyz"].astype(np.float64) - published.inputs["center"][:, :, None]).float().unbind(1)
    labels = torch.from_numpy(np.random.RandomState(105).randint(0, 24, (2, 1024)))
    return Batch(drawn(101, 448), tile, torch.stack([x, -z, y], -1), labels + (labels >= ABSENT), None, None)


@pytest.mark.parity("d_*")
@torch.no_grad()
def test_models(published, tmp_path):
    torch.save({"model": {f"module.{name}": tensor for name, tensor in published.state_dict().items()}}, tmp_path / "published.pth")
    options = published.spec["options"]
    found = convert(tmp_path / "published.pth", tmp_path / "run", "concat" if options["fuse"] == "concat" else "add")
    if options["tile"] and options["cloud"]:
        assert f"fusion {options['fuse']}, head {HEADS.get(options['fc'], options['fc'])}" in found
    model, branches = load(tmp_path / "run"), {}
    for name in ("tile", "cloud"):
        if getattr(model, name):
            getattr(model, name).register_forward_hook(lambda module, inputs, output, name=name: branches.update({name: output}))
    for i, sampling in enumerate(m for m in model.modules() if isinstance(m, FarthestSampling)):
        sampling.start = torch.from_numpy(published.outputs[f"fps_idx_{i}"]).long()[:, 0]
    query, reference = model(batch_of(published, model))
    per_point, pooled = TOLERANCES.get(options["cloud"], (1e-5, 1e-5))
    published.compare("image_embedding", query, 1e-5)
    if "tile" in branches:
        vector, features = branches["tile"]
        published.compare("tile_embedding", features if vector is None else vector, 1e-5)
    if "cloud" in branches:
        vector, features = branches["cloud"]
        published.compare("cloud_embedding", *((features.mT, per_point) if vector is None else (vector, pooled)))
    published.compare("embedding", reference, pooled)
