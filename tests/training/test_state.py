"""From which checkpoint a run continues: an intact one, the previous one if the last is damaged. Edited ones are refused in one line."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from config.learning_settings import AdamWSettings
from config.schema import read_config
from models.checkpoint import load_run, read_checkpoint, save_checkpoint
from models.model import build_model
from tests.training.tiny import write_recipe
from training import state
from training import train as module
from training.optimizers import adamw
from training.state import keep_lines, read_state, restore
from training.train import train_recipe
from utils.errors import InputError

CPU = torch.device("cpu")
FILES = ("checkpoints/last.safetensors", "checkpoints/best.safetensors")


class Kill(BaseException):
    """An exception that no code catches, like the death of a process."""


def smallest(folder, datasets, *overrides):
    recipe = write_recipe(folder, datasets, tile={"height": 16, "encoder": {"stages": 2}})
    return read_config(recipe, ["model.panorama.height=16", "training.epochs=3", "training.batch_size=12", *overrides])


@pytest.fixture(scope="module")
def trained(tmp_path_factory, datasets):
    """A finished run of three epochs of the smallest model, and copies after one and two epochs. Tests must not change them."""
    folder, save = tmp_path_factory.mktemp("trained"), module.save_epoch

    def snapshot(run, model, optimizer, info, *args):
        save(run, model, optimizer, info, *args)
        shutil.copytree(run, folder / f"after-{info['epoch']}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "save_epoch", snapshot)
        return train_recipe(smallest(folder, datasets), CPU)


@pytest.fixture
def config(tmp_path, datasets):
    return smallest(tmp_path, datasets)


@pytest.fixture
def again(config):
    """The same configuration, resuming."""
    config.training.resume = True
    return config


@pytest.fixture
def stopped(trained, config):
    """The run as it was after this many epochs."""
    return lambda epochs: Path(shutil.copytree(trained.parents[1] / f"after-{epochs}", f"{config.runs}/tiny"))


@pytest.fixture
def run(stopped):
    return stopped(2)


def same(run, trained):
    return all((run / name).read_bytes() == (trained / name).read_bytes() for name in FILES)


def refusal(call, *args):
    with pytest.raises(InputError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


MOMENTS = ["line 1", "save last 1", "save last 2", "rename 2"]


def kill_at(monkeypatch, moment):
    """Ends the training at a moment: before a checkpoint is written, between line and checkpoint, between the two renames."""
    what, epoch = moment.rsplit(" ", 1)
    save, append, replace = state.save_checkpoint, module.append_line, os.replace
    reached = {"epoch": 0}

    def saving(path, tensors, info, previous=None):
        reached["epoch"] = info["epoch"]
        if what == f"save {path.stem}" and info["epoch"] == int(epoch):
            raise Kill
        save(path, tensors, info, previous)

    def appending(path, line):
        append(path, line)
        if what == "line" and json.loads(line)["epoch"] == int(epoch):
            raise Kill

    def replacing(source, target):
        if reached["epoch"] == int(epoch) and what == "rename" and str(target).endswith("/last.safetensors"):
            raise Kill
        replace(source, target)

    monkeypatch.setattr(state, "save_checkpoint", saving)
    monkeypatch.setattr(module, "append_line", appending)
    monkeypatch.setattr(os, "replace", replacing)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_at_any_moment_resumes_to_the_bit(trained, config, monkeypatch, moment):
    with monkeypatch.context() as patch:
        kill_at(patch, moment)
        with pytest.raises(Kill):
            train_recipe(config, CPU)
    config.training.resume = True
    assert same(train_recipe(config, CPU), trained)
    epochs = [json.loads(line)["epoch"] for line in open(f"{config.runs}/tiny/metrics.jsonl")]
    assert epochs == [1, 2, 3]


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", ["truncated", "empty", "tensor", "info", "header"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(run, capsys, damage):
    last = run / "checkpoints/last.safetensors"
    content = last.read_bytes()
    if damage in ("truncated", "empty"):
        last.write_bytes(content[: len(content) // 2 if damage == "truncated" else 0])
    else:
        flip(last, {"tensor": -1000, "info": content.index(b"best_recall") + 15, "header": 40}[damage])
    found = read_state(run, 3)
    assert (found.path.stem, found.epoch) == ("previous", 1)
    assert f"{last}: damaged" in (said := capsys.readouterr().out) and "continuing from previous.safetensors, epoch 1" in said


def test_a_damaged_checkpoint_never_takes_the_place_of_the_one_before(trained, run, again, monkeypatch):
    """After a second kill, before the new last checkpoint is in place, an intact one is left, and the run ends as if never interrupted."""
    flip(run / "checkpoints/last.safetensors", -1000)
    with monkeypatch.context() as patch:
        kill_at(patch, "rename 2")
        with pytest.raises(Kill):
            train_recipe(again, CPU)
    assert same(train_recipe(again, CPU), trained)


def test_a_sound_checkpoint_that_a_run_goes_on_from_becomes_the_previous_one(run, again):
    before = (run / "checkpoints/last.safetensors").read_bytes()
    train_recipe(again, CPU)
    assert (run / "checkpoints/previous.safetensors").read_bytes() == before


def test_two_damaged_checkpoints_are_one_line(run, again):
    for name in ("last", "previous"):
        flip(run / f"checkpoints/{name}.safetensors", -1000)
    before = sorted((p.name, p.read_bytes()) for p in run.rglob("*.safetensors"))
    message = refusal(train_recipe, again, CPU)
    assert message.startswith(f"{run / 'checkpoints/last.safetensors'}: damaged") and "checksum" in message
    assert "another name" in message and f"--run {run}" in message
    assert before == sorted((p.name, p.read_bytes()) for p in run.rglob("*.safetensors"))


@pytest.mark.parametrize("info", [{"epoch": 2}, {}])
def test_a_run_without_its_last_checkpoint_is_not_started_over_its_best(run, again, info):
    """Of a later epoch, or converted from published weights."""
    for name in ("last", "previous"):
        (run / f"checkpoints/{name}.safetensors").unlink()
    best = run / "checkpoints/best.safetensors"
    save_checkpoint(best, read_checkpoint(best)[0], info)
    assert "last.safetensors: no such checkpoint, though best.safetensors is there" in refusal(train_recipe, again, CPU)


@pytest.mark.parametrize("best", ["of epoch 1", "gone"])
def test_a_run_of_more_than_one_epoch_is_not_started_over(run, again, best):
    """The best epoch is the first, or there are no checkpoints; but metrics.jsonl has a line of the second epoch."""
    for name in ("last", "previous") + (("best",) if best == "gone" else ()):
        (run / f"checkpoints/{name}.safetensors").unlink()
    path = run / "checkpoints/best.safetensors"
    if best != "gone":
        save_checkpoint(path, read_checkpoint(path)[0], {"epoch": 1})
    before = {p: p.read_bytes() for p in (run / "metrics.jsonl", path) if p.is_file()}
    message = refusal(train_recipe, again, CPU)
    assert "last.safetensors: no such checkpoint, though metrics.jsonl has lines of more than one epoch; put it back, or" in message
    assert "another name" in message and before == {p: p.read_bytes() for p in before}


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_a_damaged_best_checkpoint_is_replaced_with_a_note(run, again, capsys, damage):
    best = run / "checkpoints/best.safetensors"
    flip(best, -1000) if damage == "flipped" else best.unlink()
    assert "best.safetensors: " in refusal(load_run, run, "best", CPU)
    train_recipe(again, CPU)
    assert "from now on the best checkpoint is that of epoch 2 or a later one" in capsys.readouterr().out
    assert load_run(run, "best", CPU)[2] in (2, 3)


def test_checkpoints_of_earlier_versions_still_resume(run, again, trained):
    """They have no checksum."""
    for name in ("last", "best"):
        path = run / f"checkpoints/{name}.safetensors"
        tensors, info = read_checkpoint(path)
        save_file(tensors, path, {"info": json.dumps(info)})
    (run / "checkpoints/previous.safetensors").unlink()
    assert (train_recipe(again, CPU) / FILES[0]).read_bytes() == (trained / FILES[0]).read_bytes()


@pytest.mark.parametrize("info", [
    {"epoch": "abc"}, {"epoch": -1}, {"epoch": 0}, {"epoch": 2.0}, {"epoch": None}, {"epoch": True}, {"epoch": 10**30}, {"epoch": 99},
    {"best_recall": "x"}, {"best_recall": None}, {"best_recall": float("nan")}, {"best_recall": 10**400}, {"validation": 3},
    {"validation": {}}, {"validation": {"recall@1": "x", "recall@10": 1}},
])  # fmt: skip
def test_edited_info_is_one_line(tmp_path, again, info):
    good = {"epoch": 2, "best_recall": 1.0, "validation": {"recall@1": 1.0, "recall@10": 2.0}}
    path = tmp_path / "tiny/checkpoints/last.safetensors"
    path.parent.mkdir(parents=True)
    save_file({"a": torch.ones(1)}, path, {"info": json.dumps(good | info)})
    assert "the file was edited" in refusal(read_state, path.parents[1], 3)


@pytest.fixture(scope="module")
def parts(tmp_path_factory, datasets):
    config = smallest(tmp_path_factory.mktemp("parts"), datasets)
    model = build_model(config.model, config.seed, CPU)
    return model, adamw(AdamWSettings("adamw", 0.1), model, 1e-3)


@pytest.mark.parametrize("kind", ["whole", "nan weights", "integer weights", "nan moments", "shape of a moment", "no moments",
                                  "negative square", "index", "word", "a moment alone"])  # fmt: skip
def test_edited_tensors_are_one_line(trained, parts, kind):
    found = read_state(trained, 3)
    tensors = found.tensors
    name = next(k for k in tensors if k.startswith("model.") and k.endswith("conv1.weight"))
    moment = next(k for k in tensors if k.endswith("exp_avg_sq"))
    tensors |= {
        "nan weights": {name: tensors[name] * torch.nan}, "integer weights": {name: tensors[name].int()},
        "nan moments": {moment: tensors[moment] * torch.nan}, "shape of a moment": {moment: tensors[moment][:1]},
        "negative square": {moment: tensors[moment] - 1}, "index": {"optimizer.9999.step": torch.tensor(1.0)},
        "word": {"optimizer.abc.step": torch.tensor(1.0)},
    }.get(kind, {})  # fmt: skip
    dropped = {"no moments": [k for k in tensors if k.startswith("optimizer.")], "a moment alone": [moment]}.get(kind, ())
    found.tensors = {k: v for k, v in tensors.items() if k not in dropped}
    if kind == "whole":
        return restore(found, *parts)
    assert "the file was edited" in refusal(restore, found, *parts)


def test_pretrained_weights_are_not_asked_for_again(tmp_path, datasets, monkeypatch):
    """The file of weights is not needed any more when the run is resumed."""
    start = load_file_of_a_backbone(tmp_path, datasets)
    config = smallest(tmp_path, datasets, f"model.panorama.weights={start}", "training.epochs=2")
    with monkeypatch.context() as patch:
        kill_at(patch, "line 2")
        with pytest.raises(Kill):
            train_recipe(config, CPU)
    start.unlink()
    config.training.resume = True
    assert load_run(train_recipe(config, CPU), "last", CPU)[2] == 2


def load_file_of_a_backbone(tmp_path, datasets):
    panorama = build_model(smallest(tmp_path, datasets).model, 0, CPU).panorama
    save_file({k: v.contiguous() for k, v in panorama.state_dict().items()}, tmp_path / "start.safetensors")
    return tmp_path / "start.safetensors"


def test_tensorboard_shows_every_epoch_of_a_resumed_run_once(stopped, again):
    stopped(1)
    run = train_recipe(again, CPU)
    events = EventAccumulator(str(run)).Reload()
    steps = [event.step for event in events.Scalars("validation/recall@1")]
    assert steps == [1, 3, 5]  # two batches an epoch
    assert [event.step for event in events.Scalars("training/loss")] == [0]


def test_lines_that_are_no_epochs_go(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"epoch": 1}\n\xff\xfe\n[1]\n{"epoch": 2}\n{"epoch": 2, "twice": 1}\n{"epoch": 3}\n{"epo')
    keep_lines(path, 2)
    assert path.read_text() == '{"epoch": 1}\n{"epoch": 2}\n'


def test_a_run_is_resumed_under_the_name_of_its_folder(stopped, again):
    """Its configuration holds the name without the number that the folder has."""
    run = stopped(2).rename(Path(again.runs) / "tiny-2")
    again.name = "tiny-2"
    assert train_recipe(again, CPU) == run and load_run(run, "last", CPU)[2] == 3


@pytest.mark.parametrize("names", [["last"], ["last", "best"]])
def test_a_run_stopped_in_its_first_epoch_has_no_state(stopped, names):
    """Also between its best and its last checkpoint."""
    run = stopped(1)
    for name in names:
        (run / f"checkpoints/{name}.safetensors").unlink()
    assert read_state(run, 3) is None


def test_a_model_that_diverged_is_never_written(config, monkeypatch):
    """The statistics of a norm can be infinite although all embeddings are finite."""
    embed = module.embed_places

    def spoil(model, *args):
        found = embed(model, *args)
        model.panorama.backbone.bn1.running_var.fill_(torch.inf)
        return found

    monkeypatch.setattr(module, "embed_places", spoil)
    assert "model.panorama.backbone.bn1.running_var is not finite after epoch 1; lower training.learning_rate" in refusal(
        train_recipe, config, CPU
    )
    assert not list(Path(config.runs).rglob("*.safetensors"))
