"""Checkpoints: what was written is read back, and anything else is refused without running its code."""

import os
import pickle

import pytest
import torch

from config.image_settings import ResNetSettings
from config.reader import to_yaml
from config.schema import Config, DataConfig, PanoramaConfig
from models.checkpoint import load_run, load_weights, read_checkpoint, save_checkpoint, without_pretraining
from models.model import build_model
from utils.errors import NO_SPACE, InputError

CPU = torch.device("cpu")


@pytest.fixture
def config(model_config):
    return Config("a", DataConfig(["c/a"], ["c/b"], ["c/d"]), model_config("concat-polar-sectors"))


@pytest.fixture
def run(tmp_path, config):
    """A run's folder with the checkpoint `last` of epoch 3."""
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    weights = {f"model.{k}": v for k, v in build_model(config.model, config.seed, CPU).state_dict().items()}
    save_checkpoint(tmp_path / "checkpoints/last.safetensors", weights | {"optimizer.0.step": torch.tensor(5.0)}, {"epoch": 3})
    return tmp_path


def refusal(call, *args):
    with pytest.raises(InputError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_round_trip(tmp_path):
    tensors = {"a": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last), "b": torch.randn(3).bfloat16(),
               "c": torch.tensor(7), "d": torch.randn(4, 6).T, "e": torch.randn(2, requires_grad=True)}  # fmt: skip
    info = {"epoch": 3, "validation": {"recall@1%": 12.5}, "text": "Ω"}
    save_checkpoint(tmp_path / "deep/er/a.safetensors", tensors, info)
    found, found_info = read_checkpoint(tmp_path / "deep/er/a.safetensors")
    assert found_info == info and found.keys() == tensors.keys()
    for key, value in tensors.items():
        assert torch.equal(found[key], value) and found[key].dtype == value.dtype
    assert [p.name for p in (tmp_path / "deep/er").iterdir()] == ["a.safetensors"]


def test_a_failed_write_keeps_the_old_checkpoint(tmp_path):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, {"a": torch.ones(2)}, {"epoch": 1})
    with pytest.raises(TypeError):
        save_checkpoint(path, {"a": torch.zeros(2)}, {"epoch": object()})
    assert read_checkpoint(path)[1] == {"epoch": 1} and len(list(tmp_path.iterdir())) == 1


def test_a_run_gives_its_model_back(run, config):
    found, model, epoch = load_run(run, "last", CPU)
    assert found == config and epoch == 3
    expected = build_model(config.model, config.seed, CPU).state_dict()
    assert model.state_dict().keys() == expected.keys()
    assert all(torch.equal(v, expected[k]) for k, v in model.state_dict().items())


def test_a_run_needs_no_pretrained_weights(run, monkeypatch):
    text = (run / "config.yaml").read_text().replace("weights: none", "weights: imagenet", 2)
    assert text.count("imagenet") == 2
    (run / "config.yaml").write_text(text)
    monkeypatch.setattr("models.images.resnet._load_imagenet", lambda *args: pytest.fail("downloads weights that the checkpoint brings"))
    load_run(run, "last", CPU)


def test_folders_that_are_no_run(run):
    assert refusal(load_run, run / "no", "best", CPU).startswith(f"{run / 'no'}: no run here")
    assert refusal(load_run, run, "best", CPU).startswith(f"{run / 'checkpoints/best.safetensors'}: no such checkpoint")
    (run / "config.yaml").write_text("name: [")
    assert refusal(load_run, run, "last", CPU).startswith(f"{run / 'config.yaml'}: not valid YAML")


@pytest.mark.parametrize(
    ("change", "tensor"),
    [
        ({"embedding_dim": 9}, "panorama.head.0.weight is (7, 128), the model has (9, 128)"),
        (
            {"panorama": PanoramaConfig(ResNetSettings("resnet18", 3), 16)},
            "panorama.backbone.layer3.0.conv1.weight is missing, the model has (256, ",
        ),
        ({"cloud": None, "fusion": None}, "cloud.classes.vectors.weight is (25, 8), the model has no such tensor"),
    ],
)
def test_a_checkpoint_of_another_model(run, config, change, tensor):
    for key, value in change.items():
        setattr(config.model, key, value)
    (run / "config.yaml").write_text(to_yaml(config))
    message = refusal(load_run, run, "last", CPU)
    assert "last.safetensors: a checkpoint of another model" in message and tensor in message


def test_missing_and_unknown_tensors_are_named():
    model = torch.nn.Linear(2, 3)
    weight, bias = torch.ones(3, 2), torch.ones(3)
    assert "bias is missing, the model has (3,)" in refusal(load_weights, model, {"weight": weight}, "x")
    assert "weight is (2, 3), the model has (3, 2)" in refusal(load_weights, model, {"weight": weight.T, "bias": bias}, "x")
    surplus = {"weight": weight, "bias": bias, "extra": bias}
    assert "extra is (3,), the model has no such tensor" in refusal(load_weights, model, surplus, "x")
    assert not (model.weight == 1).any()
    load_weights(model, {"weight": weight, "bias": bias}, "x")
    assert (model.weight == 1).all()


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_checkpoints(run, keep):
    path = run / "checkpoints/last.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert refusal(load_run, run, "last", CPU).startswith(f"{path}: damaged, or not one of our checkpoints")


def test_a_pickle_under_the_name_is_refused_and_not_run(run):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(run / "broken in"),)

    path = run / "checkpoints/last.safetensors"
    for write in (lambda: path.write_bytes(pickle.dumps(Attack())), lambda: torch.save(Attack(), path)):
        write()
        assert refusal(load_run, run, "last", CPU).startswith(f"{path}: damaged, or not one of our checkpoints")
    assert not (run / "broken in").exists()


def test_foreign_safetensors_are_refused(tmp_path):
    from safetensors.torch import save_file

    for metadata in (None, {"info": "{"}, {"info": "[1]"}, {"info": "3"}, {"format": "pt"}):
        save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors", metadata)
        assert "damaged, or not one of our checkpoints" in refusal(read_checkpoint, tmp_path / "a.safetensors")


def test_every_flipped_byte_is_noticed(tmp_path):
    """In the header, the info, the checksum and the tensors. Bytes of unused keys or spaces may change without effect."""
    path, tensors = tmp_path / "a.safetensors", {"weight": torch.arange(6.0).view(2, 3), "steps": torch.tensor(7)}
    save_checkpoint(path, tensors, {"epoch": 3, "best_recall": 12.5})
    content = path.read_bytes()
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1
        path.write_bytes(flipped)
        try:
            found, info = read_checkpoint(path)
        except InputError as error:
            assert "\n" not in str(error)
            continue
        assert all(torch.equal(found[k], v) for k, v in tensors.items()) and found.keys() == tensors.keys()
        assert info["epoch"] == 3 and info["best_recall"] == 12.5


@pytest.mark.parametrize(("before", "after"), [(b'"shape":[2,3]', b'"shape":[3,2]'), (b'"F32"', b'"I32"')])
def test_bytes_read_as_another_tensor_are_noticed(tmp_path, before, after):
    """With another shape or type but the same bytes."""
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, {"weight": torch.arange(6.0).view(2, 3)}, {"epoch": 3})
    content = path.read_bytes()
    assert content.count(before) == 1
    path.write_bytes(content.replace(before, after))
    assert "its checksum does not match its content" in refusal(read_checkpoint, path)


def test_headers_that_ask_for_too_much(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "a.safetensors"
    for info in ("[" * 100_000, '{"a":' * 50_000, '{"epoch": 1' + "0" * 5000 + "}"):
        save_file({"a": torch.ones(1)}, path, {"info": info})
        assert "damaged, or not one of our checkpoints" in refusal(read_checkpoint, path)
    path.write_bytes((2**40).to_bytes(8, "little") + b"{}")
    assert "damaged, or not one of our checkpoints" in refusal(read_checkpoint, path)


@pytest.mark.parametrize("value", [torch.full((2, 3), torch.nan), torch.full((2, 3), torch.inf), torch.ones(2, 3).int(),
                                   torch.ones(2, 3, dtype=torch.complex64), torch.ones(2, 3, dtype=torch.bool),
                                   torch.full((2, 3), 1e300, dtype=torch.float64)])  # fmt: skip
def test_weights_that_a_network_cannot_have(value):
    model = torch.nn.Linear(3, 2)
    before = model.weight.clone()
    assert "x: weight holds" in refusal(load_weights, model, {"weight": value, "bias": torch.ones(2)}, "x")
    assert torch.equal(model.weight, before)
    load_weights(model, {"weight": torch.ones(2, 3).half(), "bias": torch.ones(2)}, "x")


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path):
    """The library hides the system's error. Here a limit on the size of files takes the place of a full disk."""
    import resource
    import signal

    path = tmp_path / "a.safetensors"
    save_checkpoint(path, {"a": torch.ones(2)}, {"epoch": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError) as caught:
            save_checkpoint(path, {"a": torch.zeros(1_000_000)}, {"epoch": 2}, tmp_path / "previous.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno in NO_SPACE and caught.value.filename
    assert read_checkpoint(path)[1] == {"epoch": 1} and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("epoch", ["abc", -1, 2.5, None, True, [1], {}, "x" * 10_000])
def test_a_run_whose_epoch_is_none(run, epoch):
    path = run / "checkpoints/last.safetensors"
    save_checkpoint(path, read_checkpoint(path)[0], {"epoch": epoch})
    message = refusal(load_run, run, "last", CPU)
    assert message.startswith(f"{path}: its epoch is") and len(message) < 400


def test_a_pretrained_model_is_told_by_its_weights_alone(run, config):
    """`without_pretraining` does not change the configuration that it is given."""
    config.model.panorama.weights = "imagenet"
    assert without_pretraining(config.model).panorama.weights == "none" and config.model.panorama.weights == "imagenet"
