"""Published panorama and tile encoders through ImageEncoder, loaded as `models.published` loads them."""

import pytest
import torch

from config.reader import from_mapping
from config.schema import PanoramaConfig, TileConfig
from models.images.image_encoder import ImageEncoder
from models.published import images


def encoder(case, kind: str) -> ImageEncoder:
    state = case.state_dict()
    settings, tensors = (images.panorama if kind == "images" else images.tile)(state)
    assert not state, f"left over: {', '.join(state)}"
    config = from_mapping(PanoramaConfig if kind == "images" else TileConfig, settings, case.name)
    model = ImageEncoder(config, case.spec["outputs"]["embedding"]["shape"][1] if "embedding" in case.spec["outputs"] else None)
    model.load_state_dict(tensors)
    return model.eval()


@torch.no_grad()
@pytest.mark.parity("a_*", "b_*")
def test_encoder(published):
    (kind,) = published.spec["inputs"]
    (images,) = published.draws(kind) if not published.inputs else [published.inputs[kind]]
    vector, features = encoder(published, kind)(torch.from_numpy(images.astype("float32")))
    published.compare("feature", features, 1e-5)
    if vector is not None:
        published.compare("embedding", vector, 1e-5)
