"""Exported towers give the same results as the model, for any number of places, without this project's code."""

import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from config.fusion_settings import FUSIONS
from config.schema import Config, DataConfig
from models.export import QueryTower, ReferenceTower, example_inputs, export_towers
from models.images.backbone import Backbone
from models.model import build_model
from tests.models.conftest import sectors
from utils.errors import InputError

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

# Every fusion, and networks that use the batch size.
EXPORTED = [f"{name}-cartesian" for name in FUSIONS] + ["cloud-pointnet2", "cloud-graph_pointnet2", "tile-hybrid_vit"]


def build(model):
    config = Config("a", DataConfig(["c/a"], ["c/b"], ["c/d"]), model)
    return config, build_model(model, 0, torch.device("cpu")).eval()


class Patches(nn.Module):
    """One convolution of the stride of a backbone, in place of its layers, which take most of the time."""

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.layer = nn.Conv2d(3, backbone.channels, backbone.stride, backbone.stride)

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        return self.layer(images), None


@torch.no_grad()
def test_towers_equal_the_model(model_config, tmp_path):
    config, model = build(model_config("pixel_to_point-polar-sectors", pooling=sectors("mean", 4)))
    model.tile.backbone = Patches(model.tile.backbone)  # the panorama's is of the same kind
    export_towers(config, model, tmp_path / "export")
    described = json.loads((tmp_path / "export/inputs.json").read_text())
    towers, inputs = (QueryTower(model), ReferenceTower(model)), example_inputs(config.model, 3, seed=1)
    for name, tower, given in zip(("query", "reference"), towers, inputs, strict=True):
        expected = tower(**given)
        assert {key: ["places", *value.shape[1:]] for key, value in given.items()} == described[name]
        exported = torch.export.load(tmp_path / "export" / f"{name}.pt2").module()
        torch.testing.assert_close(exported(**given), expected)
        session = onnxruntime.InferenceSession(tmp_path / "export" / f"{name}.onnx", providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {key: value.numpy() for key, value in given.items()})
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("map_name", EXPORTED)
def test_exported_for_any_number_of_places(map_name, model_config, monkeypatch):
    monkeypatch.setattr("models.images.hybrid_vit.BLOCKS", (1, 1, 1))
    settings = model_config(map_name)
    if settings.cloud:
        settings.cloud.points = 8
    config, model = build(settings)
    if settings.fusion:
        model.tile.backbone = Patches(model.tile.backbone)
    tower = ReferenceTower(model)
    places = {key: {0: torch.export.Dim("places")} for key in example_inputs(config.model, 1)[1]}
    program = torch.export.export(tower, (), example_inputs(config.model, 2)[1], dynamic_shapes=places).module()
    given = example_inputs(config.model, 3, seed=1)[1]
    torch.testing.assert_close(program(**given), tower(**given))


def test_graphs_of_places_are_refused(model_config, tmp_path):
    with pytest.raises(InputError, match="graphs of places cannot be exported"):
        export_towers(*build(model_config("cloud-buildings")), tmp_path / "export")
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_package_is_named(package, model_config, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(InputError, match="pip install onnx onnxscript"):
        export_towers(*build(model_config("cloud-dgcnn")), tmp_path / "export")
