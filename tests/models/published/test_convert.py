"""Conversion of files of published weights to runs and files of weights."""

import os
import pickle
import sys
from dataclasses import fields

import numpy as np
import pytest
import torch

from config.components import Settings
from config.reader import from_mapping
from config.schema import CloudConfig, TileConfig
from models.checkpoint import load_run, read_checkpoint, save_checkpoint
from models.clouds.cloud_encoder import CloudEncoder
from models.images.image_encoder import ImageEncoder
from models.model import GroundToMap
from models.published import __main__ as command
from models.published import convert, load
from tests.models.published.conftest import pointnet, resnet
from utils.errors import InputError, run_command

pytestmark = pytest.mark.usefixtures("quick_weights")


@pytest.fixture
def cloud_state():
    """A published PointNet with 2·3 outputs and random weights."""
    generator = torch.Generator().manual_seed(0)
    return {k: torch.rand(v.shape, generator=generator) if v.is_floating_point() else v for k, v in pointnet(False).items()}


def refusal(tmp_path, checkpoint="published.pth", out="out.safetensors") -> str:
    """The message of a refusal: one line that names the file. Nothing may be written."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as caught:
        convert(tmp_path / checkpoint, tmp_path / out)
    assert sorted(tmp_path.rglob("*")) == before
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(tmp_path))
    return message


def test_a_model_becomes_a_run(tmp_path, make_published):
    state = make_published("2to3", "fc", 18)
    torch.save(
        {"model": state, "optimizer": {"state": {0: {"step": 3}}}, "epoch": 7, "best_top1": np.float64(48.5)}, tmp_path / "published.pth"
    )
    found = convert(tmp_path / "published.pth", tmp_path / "runs" / "paper")
    config, model, epoch = load_run(tmp_path / "runs" / "paper", "best", torch.device("cpu"))
    assert isinstance(model, GroundToMap) and config.name == "paper" and config.model.fusion.name == "2to3" and epoch == 0
    assert config.training.precision == "float32"  # published numbers are
    assert config.data.test == ["manhattan/unionsquare5kU", "manhattan/wallstreet5kU"] and config.model.preprocessing == "paper"
    parameters = sum(p.numel() for p in model.parameters())
    assert f"fusion 2to3, head linear: {len(state):,} tensors; {parameters:,} parameters here" in found and "\n" not in found
    again = load(tmp_path / "runs" / "paper")
    assert not again.training and all(torch.equal(v, model.state_dict()[k]) for k, v in again.state_dict().items())


def test_widths_that_cannot_be_compared_are_noted(tmp_path, make_published):
    torch.save(make_published("concat", depth=18), tmp_path / "published.pth")
    found = convert(tmp_path / "published.pth", tmp_path / "run", "concat")
    assert "queries have 4,096 numbers, its references 8,192" in found
    assert load(tmp_path / "run").reference_dim == 8192
    with pytest.raises(InputError, match="model.head is none, and fusion concat gives 8,192 numbers"):
        load_run(tmp_path / "run", "best", torch.device("cpu"))


@pytest.mark.parametrize("layout", ["plain", "model", "state_dict", "module", "model-module", "legacy"])
def test_an_encoder_becomes_a_file_of_weights(tmp_path, cloud_state, layout):
    state = {f"module.{k}": v for k, v in cloud_state.items()} if "module" in layout else cloud_state
    state = {key: state for key in ("model", "state_dict") if layout.startswith(key)} or state
    torch.save(state, tmp_path / "published.pth", _use_new_zipfile_serialization=layout != "legacy")
    found = convert(tmp_path / "published.pth", tmp_path / "new" / "cloud.safetensors")
    assert found.startswith("cloud pointnet (max_mean): 30 tensors; ")
    encoder = load(tmp_path / "new" / "cloud.safetensors")
    points, classes = torch.rand(2, 9, 3), torch.zeros(2, 9)
    vector, features = encoder(points, classes)
    assert vector.shape == (2, 6) and features.shape == (2, 9, 3) and not encoder.training
    settings = read_checkpoint(tmp_path / "new" / "cloud.safetensors")[1]["settings"]
    for head in ("none", "linear"):  # as the start of another training
        config = from_mapping(CloudConfig, settings | {"head": head, "weights": str(tmp_path / "new" / "cloud.safetensors")}, "recipe")
        fresh = CloudEncoder(config, 6).eval()
        assert torch.equal(fresh(points, classes)[1], features) and torch.equal(fresh(points, classes)[0], vector) == (head == "none")


def test_kinds_of_single_encoders(tmp_path):
    for name, state, part, dim in (
        ("pano", resnet(50, 2), "panorama", 4096), ("tile", resnet(18, 4), "tile", 4096), ("polar", resnet(18, 2), "tile", 4096),
        ("map", resnet(18), "tile", None), ("points", pointnet(True), "cloud", None)):  # fmt: skip
        torch.save(state, tmp_path / f"{name}.pth")
        assert convert(tmp_path / f"{name}.pth", tmp_path / f"{name}.safetensors").startswith(f"{part} ")
        assert load(tmp_path / f"{name}.safetensors").dim == dim


def test_a_published_backbone_starts_another_encoder(tmp_path, capsys):
    state = {k: torch.rand(v.shape) if k.startswith("resnet.layer1.") and v.is_floating_point() else v for k, v in resnet(18, 4).items()}
    torch.save(state, tmp_path / "published.pth")
    convert(tmp_path / "published.pth", tmp_path / "tile.safetensors")
    config = TileConfig(Settings("resnet18_paper"), height=64, weights=str(tmp_path / "tile.safetensors"))
    capsys.readouterr()
    backbone, expected = ImageEncoder(config, 5).backbone.state_dict(), load(tmp_path / "tile.safetensors").backbone.state_dict()
    assert all(torch.equal(v, backbone[k]) for k, v in expected.items()) and backbone["layer1.0.conv1.weight"].any()
    assert capsys.readouterr().out.endswith("tile.safetensors: not used: pooling safa (4 tensors); starts from random values: head\n")


def test_what_is_there_stays(tmp_path, cloud_state):
    torch.save(cloud_state, tmp_path / "published.pth")
    (tmp_path / "out.safetensors").write_text("precious")
    (tmp_path / "run").mkdir()
    for out in ("out.safetensors", "run"):
        assert refusal(tmp_path, out=out).endswith("is there already; name another, or remove it")
    assert (tmp_path / "out.safetensors").read_text() == "precious"
    assert "is a single encoder, which becomes a file of weights; name it" in refusal(tmp_path, out="other")


def test_files_that_cannot_be_read(tmp_path, cloud_state):
    path = tmp_path / "published.pth"
    assert "no such file" in refusal(tmp_path)
    torch.save(cloud_state, path)
    whole = path.read_bytes()
    for share in (0, 0.3, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        assert "damaged" in refusal(tmp_path)
    for content in ([1, 2], torch.zeros(3), {"a": 1}, {"epoch": 3, "model": {}}, {1: torch.zeros(1)}):
        torch.save(content, path)
        assert "no state dict" in refusal(tmp_path)
    torch.save(cloud_state | {"module.conv1.weight": torch.zeros(1)}, path)
    assert "holds both conv1.weight and module.conv1.weight" in refusal(tmp_path)
    torch.save({k: v for k, v in cloud_state.items() if k != "bn2.bias"}, path)
    assert refusal(tmp_path).endswith("published.pth: bn2.bias is missing")


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("bare", [False, True])
def test_code_is_refused_and_not_run(tmp_path, cloud_state, bare):
    if bare:
        (tmp_path / "published.pth").write_bytes(pickle.dumps(Payload(tmp_path / "ran"), protocol=2))
    else:
        torch.save({"model": cloud_state, "params": Payload(tmp_path / "ran")}, tmp_path / "published.pth")
    assert "mkdir, whose code is not run" in refusal(tmp_path) and not (tmp_path / "ran").exists()


def test_command(tmp_path, cloud_state, monkeypatch, capsys):
    torch.save(cloud_state, tmp_path / "published.pth")
    monkeypatch.setattr(sys, "argv", ["models.published", str(tmp_path / "published.pth"), str(tmp_path / "out.safetensors")])
    run_command(command.main)
    assert capsys.readouterr().out.splitlines()[-1] == f"written: {tmp_path / 'out.safetensors'}"
    with pytest.raises(SystemExit) as stopped:
        run_command(command.main)
    assert stopped.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_load_refuses_what_is_not_converted(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no run here"):
        load(tmp_path / "empty")
    with pytest.raises(InputError, match="no such checkpoint"):
        load(tmp_path / "none.safetensors")
    whole = {"part": "cloud", "settings": {}, "embedding_dim": 4}
    changed = [whole | change for change in ({"part": ["x"]}, {"settings": [1]}, {"embedding_dim": "4"}, {"embedding_dim": 0})]
    for info in ({"part": "cloud"}, *changed):
        save_checkpoint(tmp_path / "a.safetensors", {"a": torch.zeros(1)}, info)
        with pytest.raises(InputError, match="not an encoder that `python -m models.published` wrote"):
            load(tmp_path / "a.safetensors")


def test_settings_that_contradict_a_converted_encoder(tmp_path, cloud_state):
    """The published number of neighbours and the scale are in the file, although no tensor depends on them."""
    torch.save(cloud_state, tmp_path / "published.pth")
    convert(tmp_path / "published.pth", tmp_path / "cloud.safetensors")
    settings = read_checkpoint(tmp_path / "cloud.safetensors")[1]["settings"]
    assert settings.keys() == {field.name for field in fields(CloudConfig)}
    weights = str(tmp_path / "cloud.safetensors")
    for paper in (None, settings["paper"] | {"scale": "metres"}):
        config = from_mapping(CloudConfig, settings | {"paper": paper, "weights": weights}, "recipe")
        with pytest.raises(InputError, match="the file has paper.scale 'unit', but model.cloud.paper.scale is 'metres'; make them agree"):
            CloudEncoder(config, 6)
