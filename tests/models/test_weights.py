"""Pretrained weights from files: layouts that can be read, and files that are refused in one line."""

import pickle
import sys
import warnings
import zipfile
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from config.cloud_settings import BuildingGraphSettings
from config.components import Settings
from config.reader import from_mapping
from config.schema import CloudConfig, ImageEncoderConfig, TileConfig
from models import weights
from models.checkpoint import save_checkpoint
from models.clouds.cloud_encoder import CloudEncoder
from models.clouds.graph_encoder import GraphEncoder
from models.images.image_encoder import ImageEncoder
from models.images.torchvision_import import networks
from models.weights import read_tensors
from utils.errors import InputError

needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed")


@pytest.fixture(scope="module")
def resnet18():
    torch.manual_seed(5)
    return {name: tensor + 1 for name, tensor in networks.resnet18(num_classes=365).state_dict().items()}


def build(path, encoder="resnet18", height=32, **settings) -> ImageEncoder:
    torch.manual_seed(0)
    section = {"encoder": encoder, "height": height, "weights": str(path)} | settings
    return ImageEncoder(from_mapping(ImageEncoderConfig, section, "recipe"), 4, name="model.panorama")


def refusal(path, **settings) -> str:
    with pytest.raises(InputError) as caught:
        build(path, **settings)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(f"{path}: ")
    return message


@pytest.mark.parametrize("layout", ["plain", "state_dict", "model", "model_state_dict", "places365"])
def test_layouts(tmp_path, capsys, resnet18, layout):
    path = tmp_path / "weights.pth.tar"
    modules = {f"module.{name}": tensor for name, tensor in resnet18.items()}
    what = {
        "plain": resnet18,
        "state_dict": {"state_dict": resnet18, "epoch": 3},
        "model": {"model": resnet18},
        "model_state_dict": {"model_state_dict": resnet18, "epoch": 3},
        "places365": {"epoch": 90, "arch": "resnet18", "state_dict": modules, "best_prec1": 54.1},
    }
    torch.save(what[layout], path)
    model = build(path)
    assert all(torch.equal(tensor, resnet18[name]) for name, tensor in model.backbone.state_dict().items())
    assert capsys.readouterr().out == f"{path}: not used: fc (2 tensors); starts from random values: head\n"


def test_fewer_stages_ignore_the_others(tmp_path, capsys, resnet18):
    torch.save(resnet18, tmp_path / "weights.pth")
    model = build(tmp_path / "weights.pth", {"name": "resnet18", "stages": 3})
    assert torch.equal(model.backbone.layer3[1].conv2.weight, resnet18["layer3.1.conv2.weight"])
    assert "fc, layer4.0.bn1" in capsys.readouterr().out


def test_paper_backbones_ignore_the_last_block_and_keep_their_neck(tmp_path, capsys, resnet18):
    torch.save({name: tensor for name, tensor in resnet18.items() if not name.endswith("num_batches_tracked")}, tmp_path / "weights.pth")
    model, fresh = build(tmp_path / "weights.pth", "resnet18_paper"), build("none", "resnet18_paper")
    for name, tensor in model.backbone.state_dict().items():
        source = fresh.backbone.state_dict() if name.startswith("neck.") or name.endswith("num_batches_tracked") else resnet18
        assert torch.equal(tensor, source[name]), name
    said = capsys.readouterr().out
    assert "not used: fc, layer4.1.bn1, layer4.1.bn2 … (" in said and said.count("\n") == 1
    assert said.endswith("starts from random values: neck, head\n")


def test_own_files_and_checkpoints(tmp_path, capsys):
    """From the tensors of an encoder, and from those of a complete model, of which each encoder takes its own."""
    panorama, tile = build("none", "resnet18_paper"), build("none", "resnet18_paper")
    for parameter in tile.parameters():
        parameter.data += 1
    save_file(panorama.state_dict(), tmp_path / "encoder.safetensors")
    both = {f"model.panorama.{k}": v for k, v in panorama.state_dict().items()}
    both |= {f"model.tile.{k}": v for k, v in tile.state_dict().items()}
    save_file(both | {"optimizer.step": torch.zeros(1)}, tmp_path / "best.safetensors")
    for file in ("encoder", "best"):
        model = build(tmp_path / f"{file}.safetensors", "resnet18_paper")
        assert all(torch.equal(tensor, panorama.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert capsys.readouterr().out == ""
    config = TileConfig(Settings("resnet18_paper"), 32, weights=str(tmp_path / "best.safetensors"))
    model = ImageEncoder(config, None, name="model.tile")
    assert torch.equal(model.backbone.neck[0].weight, tile.backbone.neck[0].weight)
    assert capsys.readouterr().out == f"{tmp_path / 'best.safetensors'}: not used: head (6 tensors)\n"


def test_a_paper_backbone_without_its_neck_says_so(tmp_path, capsys):
    state = build("none", "resnet18_paper").state_dict()
    save_file({k: v for k, v in state.items() if ".neck." not in k}, tmp_path / "a.safetensors")
    build(tmp_path / "a.safetensors", "resnet18_paper")
    assert capsys.readouterr().out == f"{tmp_path / 'a.safetensors'}: starts from random values: neck\n"


@pytest.mark.parametrize("pooling", ["flat", "netvlad"])
def test_pooling_and_head_are_taken_where_they_fit(tmp_path, capsys, pooling):
    """For another height a flat pooling does not fit, but the head still does."""
    saved = build("none", pooling=pooling).state_dict()
    for parameter in saved.values():
        parameter += 1
    save_file(saved, tmp_path / "a.safetensors")
    for height in (32, 64):
        fits = pooling != "flat" or height == 32
        state = build(tmp_path / "a.safetensors", height=height, pooling=pooling).state_dict()
        assert all(torch.equal(state[k], v) == (fits or k[:4] != "pool") for k, v in saved.items() if not k.endswith("num_batches_tracked"))
        said = capsys.readouterr().out
        assert said == "" if fits else "not used: pool (" in said and said.endswith("starts from random values: pool\n")


def converted(path, config, dim, **settings) -> dict:
    """Writes an encoder's file as the converter of published encoders does, and gives its tensors."""
    encoder = CloudEncoder(config, dim)
    save_checkpoint(path, encoder.state_dict(), {"part": "cloud", "settings": asdict(config) | settings, "embedding_dim": dim})
    return encoder.state_dict()


def small(encoder=None, name="dgcnn", **settings) -> CloudConfig:
    """Configuration of a small cloud encoder, with changes of its network and of its section."""
    network = {"name": name, "neighbors": 3, "widths": [4], "features": 6} | (encoder or {})
    return from_mapping(CloudConfig, {"encoder": network, "points": 9, "head": "linear"} | settings, "recipe")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paper": {"scale": "unit"}}, "paper.scale 'metres', but model.cloud.paper.scale is 'unit'; make them agree"),
        ({"encoder": {"graph": "inputs"}}, "encoder.graph 'positions', but model.cloud.encoder.graph is 'inputs'"),
        ({"encoder": {"neighbors": 4}}, "encoder.neighbors 3, but model.cloud.encoder.neighbors is 4"),
        (
            {"encoder": {"dynamic": False}, "paper": {"scale": "unit"}},
            "encoder.dynamic True, but model.cloud.encoder.dynamic is False (2 settings differ)",
        ),
        ({"encoder": {"features": 5}}, "encoder.features 6, but model.cloud.encoder.features is 5"),
        ({"name": "pct", "encoder": {"widths": [4, 8, 8]}}, "encoder 'dgcnn', but model.cloud.encoder is 'pct'"),
    ],
)
def test_settings_that_contradict_the_file_s(tmp_path, change, message):
    path = tmp_path / "a.safetensors"
    converted(path, small(), 5)
    with pytest.raises(InputError) as caught:
        CloudEncoder(small(**change, weights=str(path)), 5)
    assert str(caught.value).startswith(f"{path}: weights of another network than the recipe's: the file has ")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_cloud_s_file_is_none_for_images(tmp_path):
    converted(tmp_path / "a.safetensors", small(), 5)
    assert "encoder 'dgcnn', but model.panorama.encoder is 'resnet18'" in refusal(tmp_path / "a.safetensors")


def test_another_pooling_than_the_file_s_leaves_its_head(tmp_path, capsys):
    path = tmp_path / "a.safetensors"
    saved = converted(path, small(), 5)
    for pooling, dim, said in (
        ("max", 5, ""),
        ("mean", 5, f"{path}: not used: pooling max, head (2 tensors); starts from random values: head\n"),
        ("max", 7, f"{path}: not used: head (2 tensors); starts from random values: head\n"),
        ("max", None, f"{path}: not used: pooling max, head (2 tensors)\n"),
    ):
        state = CloudEncoder(small(points=8, pooling=pooling, weights=str(path)), dim).state_dict()
        taken = [k for k in saved if k in state and torch.equal(state[k], saved[k])]
        assert taken == [k for k in saved if not said or not k.startswith("head.")] and capsys.readouterr().out == said


@pytest.mark.parametrize("info", [
    "[1]", "3", "{", '{"settings": [1], "embedding_dim": 4}', '{"settings": {}}', '{"epoch": 3}', "[" * 100_000,
])  # fmt: skip
def test_foreign_headers_say_nothing(tmp_path, resnet18, info):
    save_file(resnet18, tmp_path / "a.safetensors", {"info": info})
    assert torch.equal(build(tmp_path / "a.safetensors").backbone.conv1.weight, resnet18["conv1.weight"])


def test_graph_encoders(tmp_path):
    settings = BuildingGraphSettings("buildings", [4], 6)
    saved = GraphEncoder(CloudConfig(settings), 5).state_dict()
    save_file({f"model.cloud.{k}": v for k, v in saved.items()}, tmp_path / "run.safetensors")
    state = GraphEncoder(CloudConfig(settings, weights=str(tmp_path / "run.safetensors")), 5).state_dict()
    assert state.keys() == saved.keys() and all(torch.equal(v, saved[k]) for k, v in state.items())


@needs_timm
@torch.no_grad()
def test_timm_files_with_positions_of_another_size(tmp_path):
    name = "timm/deit_small_distilled_patch16_224"
    from models.images import timm_backbone

    network = timm_backbone.timm.create_model(name.removeprefix("timm/"), img_size=(32, 64))
    torch.save({"model": network.state_dict()}, tmp_path / "deit.pth")
    same = build(tmp_path / "deit.pth", name, pooling="token")
    assert torch.equal(same.backbone.network.pos_embed, network.pos_embed)
    save_file(same.state_dict(), tmp_path / "own.safetensors")
    assert torch.equal(build(tmp_path / "own.safetensors", name).backbone.network.pos_embed, network.pos_embed)
    square = timm_backbone.timm.create_model(name.removeprefix("timm/"), img_size=(64, 64))
    torch.save(square.state_dict(), tmp_path / "square.pth")
    wide = build(tmp_path / "square.pth", name).backbone.network.pos_embed
    assert wide.shape == network.pos_embed.shape and torch.equal(wide[:, :2], square.pos_embed[:, :2])
    rows = torch.arange(1.0, 5).repeat_interleave(8)[None, :, None]  # of a file of 4 × 8 positions: the number of the row
    panorama = network.state_dict() | {"pos_embed": torch.cat([torch.zeros(1, 2, 1), rows], 1).expand(-1, -1, 384)}
    torch.save(panorama, tmp_path / "panorama.pth")
    small = build(tmp_path / "panorama.pth", name).backbone.network.pos_embed[0, 2:, 0].unflatten(0, (2, 4))
    assert torch.allclose(small, small[:, :1].expand(2, 4), atol=1e-5) and torch.allclose(small.mean(), torch.tensor(2.5), atol=1e-5)
    for positions in (7, 0):
        torch.save(panorama | {"pos_embed": torch.zeros(1, 2 + positions, 384)}, tmp_path / "odd.pth")
        assert f"pos_embed of {positions} positions is neither square" in refusal(tmp_path / "odd.pth", encoder=name)


@pytest.mark.parametrize("kind", ["pth", "safetensors", "legacy.pth"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
def test_truncated_files(tmp_path, resnet18, kind, share):
    path = tmp_path / f"weights.{kind}"
    if kind == "safetensors":
        save_file(resnet18, path)
    else:
        torch.save(resnet18, path, _use_new_zipfile_serialization=kind == "pth")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    message = refusal(path)
    assert "damaged" in message and "()" not in message


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("where", ["torch", "pickle", "inside"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, resnet18, where):
    path, trace = tmp_path / "weights.pth", tmp_path / "trace"
    if where == "pickle":
        path.write_bytes(pickle.dumps(Payload(trace)))
    else:
        torch.save(Payload(trace) if where == "torch" else {"state_dict": resnet18, "extra": Payload(trace)}, path)
    assert "whose code is not run" in refusal(path)
    assert not trace.exists()


def test_tensors_that_do_not_fit(tmp_path, resnet18):
    path = tmp_path / "weights.pth"

    def saved(**changes):
        torch.save({k: v for k, v in (resnet18 | changes).items() if v is not None}, path)
        return path

    key = "layer1.0.conv1.weight"
    assert refusal(saved(**{key: None})).endswith(f"another network than the recipe's: {key} is missing")
    assert "layer9.weight has no place in the network" in refusal(saved(**{"layer9.weight": torch.zeros(2)}))
    assert f"{key} has the shape (2, 3), the network needs (64, 64, 3, 3)" in refusal(saved(**{key: torch.zeros(2, 3)}))
    assert "tensors do not fit)" in refusal(saved(), encoder="resnet50")
    with pytest.raises(InputError, match="neck.0.weight is missing"):  # a part that may be missing is missing completely
        build(saved(**{"neck.1.bias": torch.zeros(512)}), "resnet18_paper")


def test_what_is_no_state_dict(tmp_path):
    path = tmp_path / "weights.pth"
    for what in ([torch.zeros(2)], {}, {"epoch": 3}, torch.zeros(2)):
        torch.save(what, path)
        assert "no state dict" in refusal(path)
    torch.save({"epoch": 3, "arch": "resnet18"}, path)
    assert refusal(path).endswith("neither itself nor under state_dict, model or model_state_dict; it holds epoch, arch")
    torch.save([1], path)
    assert refusal(path).endswith("it holds a list")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    assert refusal(path).endswith("a TorchScript archive, whose code is not run; save the state dict alone")
    path.write_text("conv1.weight: 3")
    assert refusal(path)
    assert refusal(tmp_path / "missing.pth").endswith("no such file of weights; name another, or set weights: none")


@pytest.mark.parametrize(("saved_dim", "dim"), [(5, 5), (5, None), (None, 5)])
def test_cloud_encoders(tmp_path, saved_dim, dim):
    saved = CloudEncoder(small(head="norm"), saved_dim)
    save_file({f"model.cloud.{k}": v for k, v in saved.state_dict().items()}, tmp_path / "run.safetensors")
    model = CloudEncoder(small(head="norm", weights=str(tmp_path / "run.safetensors")), dim).state_dict()
    assert all(torch.equal(model[k], v) for k, v in saved.state_dict().items() if dim or not k.startswith("head"))


def test_any_module(tmp_path):
    module = torch.nn.Linear(2, 3)
    torch.save(module.state_dict(), tmp_path / "linear.pth")
    state = read_tensors(tmp_path / "linear.pth")
    assert torch.equal(state["weight"], module.weight) and list(state) == ["weight", "bias"]


def test_whole_numbers_are_no_weights(tmp_path, resnet18):
    key = "layer1.0.conv1.weight"
    for save, name in ((torch.save, "weights.pth"), (save_file, "weights.safetensors")):
        save(resnet18 | {key: resnet18[key].long()}, tmp_path / name)
        assert f"{key} holds int64, the network needs floating-point numbers" in refusal(tmp_path / name)
    save_file(resnet18 | {key: resnet18[key].half()}, tmp_path / "half.safetensors")
    build(tmp_path / "half.safetensors")


class Hungry:
    def __reduce__(self):
        return bytearray, (1 << 28,)  # any machine has that, so that only the limit refuses it


def test_files_that_ask_for_much_more_memory_than_they_are_long(tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    monkeypatch.setattr(weights, "SPARE", 1 << 26)
    path.write_bytes(pickle.dumps({"a": Hungry()}, protocol=2))
    assert "asks for much more memory than its size" in refusal(path)
    torch.save({"a": torch.zeros(1).expand(10**6, 10**6)}, path)
    assert "its tensors take 4,000,000,000,000 bytes, but the file has only" in refusal(path)
    torch.save({str(i): torch.zeros(1).expand(10**4, 10**4) for i in range(100)}, path)
    assert "its tensors take" in refusal(path)
    torch.save({"a": torch.zeros(4)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: archive.read(member) for member in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:  # 256 MB of zeros in 256 kB
        for name, content in members.items():
            archive.writestr(name, bytes(1 << 28) if name.endswith("data/0") else content)
    assert path.stat().st_size < 2**19 and "damaged, or no file of weights (" in refusal(path)


@pytest.mark.parametrize(("header", "message"), [
    (99 << 20, "its header claims 103,809,024 bytes, more than the file has or the 16,777,216 allowed"), (2**64 - 1, "its header claims"),
    (1 << 20, "damaged"),
])  # fmt: skip
def test_headers_of_safetensors(tmp_path, header, message):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(header.to_bytes(8, "little") + b"[" * (1 << 20))
    assert message in refusal(path)


@pytest.mark.filterwarnings("ignore")  # of prototypes
@pytest.mark.parametrize(
    ("tensor", "what"),
    [
        (lambda: torch.eye(2).to_sparse(), "is sparse"),
        (lambda: torch.eye(2).to_sparse_csr(), "is sparse"),
        (lambda: torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8), "is quantised"),
        (lambda: torch.eye(2, device="meta"), "has no values"),
        (lambda: torch.eye(2, dtype=torch.complex64), "is complex"),
        (lambda: torch.tensor([1, float("nan")]), "not finite"),
        (lambda: torch.tensor([1, float("inf")], dtype=torch.float16), "not finite"),
    ],
)
def test_odd_tensors(tmp_path, tensor, what):
    torch.save({"a.weight": torch.ones(1), "b.weight": tensor()}, tmp_path / "odd.pth")
    message = refusal(tmp_path / "odd.pth")
    assert "odd.pth: b.weight " in message and what in message and message.endswith("weights are plain tensors of real, finite numbers")


def test_imagenet_of_timm_without_a_connection(monkeypatch):
    timm_backbone = pytest.importorskip("models.images.timm_backbone")

    def fail(*args, pretrained, **kwargs):
        assert pretrained
        raise OSError("no route\nto host")

    monkeypatch.setattr(timm_backbone.timm, "create_model", fail)
    with pytest.raises(InputError, match=r"imagenet of timm/convnext_atto cannot be downloaded \(no route to host\); .*weights: none"):
        build("imagenet", "timm/convnext_atto", height=64)


def test_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.delitem(sys.modules, "models.images.timm_backbone", raising=False)
    with pytest.raises(InputError, match="needs the package timm .*install it: pip install timm"):
        build("none", "timm/convnext_atto", height=64)
