"""The training loop: reproducible to the bit, resumable to the bit, and clear about what it cannot do."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from config.learning_settings import AdamWSettings
from config.schema import TrainingConfig, read_config
from data.batches.place_batches import PlaceBatches
from eval import evaluate
from models.checkpoint import load_run, read_checkpoint
from models.model import build_model
from tests.training.tiny import write_recipe
from training import state
from training import train as module
from training.losses import InfoNCE
from training.optimizers import adamw
from training.train import learning_rate, train_recipe
from utils.errors import InputError, run_command

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


def checkpoint(run, name="last"):
    return (run / "checkpoints" / f"{name}.safetensors").read_bytes()


def metrics(run):
    """Lines of metrics.jsonl without times and speeds."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "samples_per_second")} for line in lines]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_seed_decides_every_bit(configure, precision):
    settings = ["training.epochs=2", f"training.precision={precision}"]
    first, again, other = (train_recipe(configure(*settings, f"seed={seed}"), CPU) for seed in (1, 1, 2))
    assert checkpoint(first) == checkpoint(again) and checkpoint(first, "best") == checkpoint(again, "best")
    assert metrics(first) == metrics(again)
    assert checkpoint(first) != checkpoint(other)


class Interruption(Exception):
    pass


def between_epochs(monkeypatch):
    original = module.Learner.epoch
    monkeypatch.setattr(module.Learner, "epoch", lambda self, epoch, writer: interrupt() if epoch == 2 else original(self, epoch, writer))


def within_an_epoch(monkeypatch):
    """In the second batch of the third epoch."""
    calls = []
    original = InfoNCE.__call__
    monkeypatch.setattr(InfoNCE, "__call__", lambda *args: interrupt() if calls.append(0) or len(calls) == 8 else original(*args))


def before_the_last_checkpoint(monkeypatch):
    """The third epoch's line and perhaps its best checkpoint are written already."""
    original = state.save_checkpoint

    def save(path, tensors, info, previous=None):
        if path.stem == "last" and info["epoch"] == 3:
            interrupt()
        original(path, tensors, info, previous)

    monkeypatch.setattr(state, "save_checkpoint", save)


def interrupt():
    raise Interruption


@pytest.mark.parametrize(
    ("when", "setting"),
    [(between_epochs, "model.head=mlp"),  # with dropout
     (within_an_epoch, "training.precision=bfloat16"), (before_the_last_checkpoint, "training.precision=float32")],
)  # fmt: skip
def test_a_resumed_run_equals_an_uninterrupted_one(configure, monkeypatch, when, setting):
    whole = train_recipe(configure(setting, "name=whole"), CPU)
    with monkeypatch.context() as patch:
        when(patch)
        with pytest.raises(Interruption):
            train_recipe(configure(setting), CPU)
    stopped = whole.parent / "tiny"
    assert read_checkpoint(stopped / "checkpoints/last.safetensors")[1]["epoch"] == 2
    run = train_recipe(configure(setting, "training.resume=true"), CPU)
    assert run == stopped
    assert checkpoint(run) == checkpoint(whole) and checkpoint(run, "best") == checkpoint(whole, "best")
    assert metrics(run) == metrics(whole) and [line["epoch"] for line in metrics(run)] == [1, 2, 3, 4]


def test_resuming_a_finished_run_changes_nothing(tile_only):
    run = train_recipe(tile_only, CPU)
    before = checkpoint(run), checkpoint(run, "best"), (run / "metrics.jsonl").read_text()
    tile_only.training.resume = True
    assert train_recipe(tile_only, CPU) == run
    assert before == (checkpoint(run), checkpoint(run, "best"), (run / "metrics.jsonl").read_text())


def test_resuming_under_another_configuration_is_refused(configure):
    run = train_recipe(configure("training.epochs=1"), CPU)
    before = checkpoint(run)
    with pytest.raises(InputError) as caught:
        train_recipe(configure("training.epochs=2", "training.resume=true", "model.cloud.encoder.neighbors=5", "device=auto"), CPU)
    message = str(caught.value)
    assert message.startswith(f"{run}: cannot resume under another configuration") and "\n" not in message
    assert re.findall(r"([\w.]+) \(", message) == ["model.cloud.encoder.neighbors", "training.epochs"] and "(4 → 5)" in message
    assert checkpoint(run) == before


def test_a_model_part_that_comes_or_goes_is_named_too(configure, tmp_path, datasets):
    train_recipe(configure("training.epochs=1"), CPU)
    (tmp_path / "other").mkdir()
    config = read_config(write_recipe(tmp_path / "other", datasets, cloud={"points": 16, "encoder": {"neighbors": 4}}))
    config.runs, config.training.resume = str(tmp_path / "runs"), True
    with pytest.raises(InputError, match=r"changed: .*model\.tile.*model\.fusion\.name \(concat → None\)"):
        train_recipe(config, CPU)


def test_there_must_be_something_to_resume(configure):
    with pytest.raises(InputError, match="runs/tiny: no run to resume"):
        train_recipe(configure("training.resume=true"), CPU)


def test_a_name_is_used_once_and_the_newest_is_resumed(tile_only):
    runs = [train_recipe(tile_only, CPU) for _ in range(3)]
    assert [run.name for run in runs] == ["tiny", "tiny-2", "tiny-3"]
    before = [checkpoint(run) for run in runs]
    tile_only.training.resume = True
    assert train_recipe(tile_only, CPU) == runs[2]
    assert [checkpoint(run) for run in runs] == before


def test_a_run_holds_its_resolved_configuration(tile_only):
    run = train_recipe(tile_only, CPU)
    assert read_config(run / "config.yaml") == tile_only
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["best.safetensors", "last.safetensors", "previous.safetensors"]
    assert len(list(run.glob("events.out.tfevents.*"))) == 1 and not list(run.rglob("*.partial-*"))


@pytest.mark.parametrize(
    ("recalls", "best"),
    [([10, 40, 40, 20], 2), ([0, 0, 0, 0], 1), ([10, 20, 30, 40], 4), ([(10, 20), (10, 30), (10, 30), (9, 99)], 2)],
)
def test_the_best_checkpoint_follows_the_validation_recall(tile_only, monkeypatch, recalls, best):
    """Recall@10 breaks ties of recall@1; if both are equal, the earlier epoch is kept."""
    scripted = iter(r if isinstance(r, tuple) else (r, 50) for r in recalls)
    weights, embed = [], module.embed_places

    def measure(query, reference, xy, **cities):
        return dict(zip(("recall@1", "recall@10"), next(scripted), strict=True)) | {"median_error_m": 1.0}

    def remember(model, *args):
        weights.append(model.panorama.head[0].weight.clone())
        return embed(model, *args)

    monkeypatch.setattr(module, "embed_places", remember)
    monkeypatch.setattr(module, "retrieval_metrics", measure)
    tile_only.training.epochs = 4
    run = train_recipe(tile_only, CPU)
    _, model, epoch = load_run(run, "best", CPU)
    assert epoch == best and torch.equal(model.panorama.head[0].weight, weights[best - 1])
    assert load_run(run, "last", CPU)[2] == 4


def test_every_epoch_draws_anew_and_every_batch_goes_on(tile_only, monkeypatch):
    drawn, batch = [], PlaceBatches.batch

    def remember(places, indices, generator=None):
        if generator is not None:
            drawn.append(bytes(generator.get_state().numpy()))
        return batch(places, indices, generator)

    monkeypatch.setattr(PlaceBatches, "batch", remember)
    train_recipe(tile_only, CPU)
    assert len(drawn) == len(set(drawn)) == 6


def test_learning_rate():
    settings = TrainingConfig(learning_rate=2.0, warmup=0.1)
    rates = [learning_rate(settings, step, 100) for step in range(100)]
    assert rates[:11] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8, 2, 2])
    assert rates[55] == pytest.approx(1.0) and rates[-1] == pytest.approx(1 - math.cos(math.pi / 90)) and rates[-1] > 0
    assert all(a > b for a, b in zip(rates[10:], rates[11:], strict=False))
    assert learning_rate(settings, 100, 100) == pytest.approx(0)
    assert learning_rate(TrainingConfig(learning_rate=3.0, warmup=0.0), 0, 1) == 3.0  # even the shortest training learns


def test_the_optimizer_uses_the_schedule(tile_only, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "learning_rate", lambda settings, step, steps: asked.append((step, steps)) or 0.0)
    run = train_recipe(tile_only, CPU)
    assert asked == [(i, 6) for i in range(6)]
    trained, fresh = load_run(run, "last", CPU)[1], build_model(tile_only.model, tile_only.seed, CPU)
    assert all(torch.equal(a, b) for a, b in zip(trained.parameters(), fresh.parameters(), strict=True))


def test_weight_decay_spares_norms_and_biases(configure):
    model = build_model(configure().model, 0, CPU)
    decayed, spared = adamw(AdamWSettings("adamw", 0.3), model, 1e-3).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)
    assert sorted(map(id, decayed["params"] + spared["params"])) == sorted(map(id, model.parameters()))
    names = {id(p): name for name, p in model.named_parameters()}
    assert all(names[id(p)].endswith("weight") for p in decayed["params"])
    assert "panorama.backbone.bn1.weight" in {names[id(p)] for p in spared["params"]}  # a norm's


OVERFIT = ["training.epochs=20", "training.batch_size=24", "training.sampler=shuffled", "training.warmup=0.1",
           "augmentation.mirror=false", "augmentation.turn=false", "augmentation.heading_deg=0", "augmentation.yaw_deg=0",
           "augmentation.erase=0",
           "augmentation.brightness=0", "augmentation.contrast=0", "augmentation.saturation=0", "augmentation.point_jitter_m=0",
           "augmentation.point_drop=0", "training.learning_rate=2e-3", "loss.same_place_m=0"]  # fmt: skip


@pytest.mark.parametrize(("loss", "fusion"), [("infonce", "concat"), ("triplet", "pixel_to_point")])
def test_one_batch_is_learned_by_heart(configure, datasets, loss, fusion):
    config = configure(*OVERFIT, f"loss={loss}", f"model.fusion={fusion}")
    run = train_recipe(config, CPU)
    losses = [line["loss"] for line in metrics(run)]
    assert losses[-1] < 0.5 * losses[0] if loss == "infonce" else losses[-1] < losses[0]
    _, model, _ = load_run(run, "last", CPU)
    places = PlaceBatches(datasets, ["tiny/train"], config.model.inputs, CPU)
    recall = module.retrieval_metrics(*module.embed_places(model, places, "float32"), places.xy)
    assert recall["recall@1"] == 100 and recall["mean_error_m"] == 0


def test_a_loss_that_is_not_finite_is_reported(tile_only, monkeypatch):
    original = InfoNCE.__call__
    monkeypatch.setattr(InfoNCE, "__call__", lambda *args: original(*args) * math.nan)
    with pytest.raises(InputError, match="the loss became nan at step 0; lower training.learning_rate") as caught:
        train_recipe(tile_only, CPU)
    assert "\n" not in str(caught.value)


def test_a_model_that_diverges_between_two_looks_at_the_loss_is_reported(tile_only, monkeypatch):
    values = iter([1.0, math.nan, 1.0] * 2)
    original = InfoNCE.__call__
    monkeypatch.setattr(InfoNCE, "__call__", lambda *args: original(*args) * next(values))
    with pytest.raises(InputError, match="not finite"):
        train_recipe(tile_only, CPU)


def test_a_batch_larger_than_the_area(configure, tmp_path):
    with pytest.raises(InputError, match="training.batch_size is 32, but the training areas hold only 24 places"):
        train_recipe(configure("training.batch_size=32"), CPU)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_missing_area_is_found_before_the_training(configure, tmp_path, split):
    with pytest.raises(InputError, match="tiny/none: no area here"):
        train_recipe(configure(f"data.{split}=[tiny/none]"), CPU)
    assert not (tmp_path / "runs").exists()


def test_places_of_several_areas(configure, datasets):
    """Batches mix areas; the loss of the first epoch is finite and every area's places take part."""
    run = train_recipe(configure("data.train=[tiny/train, tiny/more]", "training.epochs=1", "training.batch_size=34"), CPU)
    assert math.isfinite(metrics(run)[0]["loss"])


def command(main, *arguments):
    """A command in this process; what it prints goes where the test captures it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["command", *map(str, arguments)])
        run_command(main)


def test_the_commands_end_to_end(tmp_path, datasets, capsys):
    """Training as a user starts it, in a process of its own. Evaluating its checkpoint gives the same numbers again."""
    recipe = write_recipe(tmp_path, datasets)
    arguments = [sys.executable, "-m", "training.train", str(recipe), "training.epochs=2", "training.precision=bfloat16"]
    trained = subprocess.run(arguments, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert trained.returncode == 0, trained.stderr
    run = tmp_path / "runs/tiny"
    lines = trained.stdout.splitlines()
    assert len([line for line in lines if re.match(r"epoch [12]/2: loss \d", line)]) == 2
    assert lines[-1].startswith(f"run: {run}")
    head, _, row = lines[-4:-1]
    assert head.split()[:3] == ["area", "places", "R@1"] and row.split()[:2] == ["tiny/test", "11"]
    folder = run / "evaluation/tiny/test"
    assert sorted(p.name for p in folder.iterdir()) == ["embeddings.npz", "embeddings.pkl", "metrics.json"]
    measured = json.loads((folder / "metrics.json").read_text())
    expected = {key: value for key, value in measured.items() if key not in ("checkpoint", "code", "data", "made_by")}
    assert measured["checkpoint"].keys() == {"name", "epoch", "sha256"} and measured["checkpoint"]["name"] == "best"

    command(evaluate.main, "--run", run, "--device", "cpu", "--json", tmp_path / "run.json")
    assert json.loads((tmp_path / "run.json").read_text()) == {"tiny/test": expected}
    assert row in capsys.readouterr().out
    command(evaluate.main, "--embeddings", folder / "embeddings.npz", "--json", tmp_path / "file.json")
    assert json.loads((tmp_path / "file.json").read_text()) == {"embeddings": expected}


def test_bad_input_is_one_line_and_status_2(tmp_path, datasets, capsys):
    with pytest.raises(SystemExit) as caught:
        command(module.main, write_recipe(tmp_path, datasets), "training.epocs=2")
    assert caught.value.code == 2
    assert capsys.readouterr() == ("", f"error: {tmp_path / 'tiny.yaml'}: unknown key training.epocs; did you mean 'epochs'?\n")


def test_test_places_beside_training_places_are_noted(configure, capsys):
    """The tiny city is 400 m wide: each of its 11 test places lies within 215 m of a training place."""
    train_recipe(configure("training.epochs=1"), CPU)
    assert "note: 11 of 11 places of tiny/test" in capsys.readouterr().out
