"""The folder of a run: only one process at a time can create or use it, and it is resumed if the configuration is the same."""

import os
import shutil
import signal

import pytest
import torch

from config.schema import read_config
from tests.training.tiny import write_recipe
from training.run_folder import run_folder
from training.train import train_recipe
from utils import lock
from utils.child import in_child
from utils.errors import InputError


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE_S", 0.05)


def made(config, checkpoint: bool = False):
    with run_folder(config) as run:
        if checkpoint:
            (run / "checkpoints").mkdir()
            (run / "checkpoints/last.safetensors").touch()
    return run


def resumed(configure, *settings):
    with run_folder(configure("training.resume=true", *settings)) as run:
        return run.name


def test_processes_that_start_together_choose_different_folders(configure):
    config, start = configure(), os.pipe()
    children = []
    for _ in range(6):
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(start[1])
            os.read(start[0], 1)  # until all processes are released together
            os.write(writer, made(config).name.encode())
            os._exit(0)
        os.close(writer)
        children.append(reader)
    os.close(start[1])
    chosen = [os.read(reader, 100).decode() for reader in children]
    for _ in children:
        os.wait()
    assert sorted(chosen) == ["tiny", *(f"tiny-{i}" for i in range(2, 7))]


def test_a_live_run_is_not_resumed(configure, tmp_path):
    with run_folder(configure()) as run, pytest.raises(InputError, match="runs/tiny: another process is training this run"):
        resumed(configure)
    assert resumed(configure) == "tiny" and [p.name for p in run.iterdir()] == ["config.yaml"]


def test_training_holds_the_lock(configure):
    made(configure())
    with run_folder(configure("training.resume=true")) as run, pytest.raises(InputError, match="another process is training this run"):
        train_recipe(configure("training.resume=true"), torch.device("cpu"))
    assert [p.name for p in run.iterdir()] == ["config.yaml"]


def test_a_killed_run_is_resumed(configure):
    def killed():
        with run_folder(configure()):
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(InputError, match="SIGKILL"):
        in_child(killed, "run")
    assert resumed(configure) == "tiny"


def test_a_newer_run_without_checkpoint_does_not_block_the_good_one(configure):
    made(configure())
    assert resumed(configure) == "tiny"  # the best there is
    made(configure(), checkpoint=True)
    made(configure())
    assert resumed(configure) == "tiny-2"
    made(configure(), checkpoint=True)
    assert resumed(configure) == "tiny-4"


def test_a_run_is_found_though_an_older_one_was_deleted(configure, tmp_path):
    for _ in range(3):
        made(configure(), checkpoint=True)
    for name in ("tiny", "tiny-2"):
        shutil.rmtree(tmp_path / "runs" / name)
    assert resumed(configure) == "tiny-3"


def test_the_run_of_the_same_configuration_is_resumed(configure):
    for rate in (1, 2, 3):
        made(configure(f"training.learning_rate={rate}"), checkpoint=True)
    assert [resumed(configure, f"training.learning_rate={rate}") for rate in (1, 2, 3)] == ["tiny", "tiny-2", "tiny-3"]
    with pytest.raises(InputError, match=r"tiny-3: cannot resume .* training.learning_rate \(3.0 → 4.0\)"):
        resumed(configure, "training.learning_rate=4")


def test_a_run_whose_configuration_was_lost(configure, tmp_path):
    made(configure(), checkpoint=True)
    (made(configure()) / "config.yaml").write_text("")  # a power cut, under earlier versions
    assert resumed(configure) == "tiny"
    (tmp_path / "runs/tiny/config.yaml").unlink()
    with pytest.raises(InputError, match="tiny-2/config.yaml"):
        resumed(configure)


def test_names_that_are_taken_by_something_else(configure, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/tiny").write_text("mine")
    assert made(configure()).name == "tiny-2" and (tmp_path / "runs/tiny").read_text() == "mine"


def test_nothing_is_left_of_a_run_that_cannot_begin(configure, tmp_path, monkeypatch):
    monkeypatch.setattr("training.run_folder.to_yaml", lambda config: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made(configure())
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize("name", ["..", "/absolute", "a/b", "-a", '"a\\nb"', '"a\\0b"', "a" * 300])
def test_names_of_runs(tmp_path, datasets, name):
    with pytest.raises(InputError, match="name is"):
        read_config(write_recipe(tmp_path, datasets), [f"name={name}"])


@pytest.mark.parametrize("key", ["runs", "data.root"])
def test_paths_with_nul(configure, key):
    with pytest.raises(InputError, match="it takes a folder's path"):
        configure(f'{key}="a\\0b"')


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("area", ["../x", "tiny/..", "/tiny/test", "tiny/map", "tiny/-a", '"tiny/a\\nb"', "tiny/" + "a" * 300])
def test_names_of_areas(configure, split, area):
    with pytest.raises(InputError, match=split):
        configure(f"data.{split}=[{area}]")


def test_a_place_for_runs_is_looked_at_before_the_data(tmp_path):
    (tmp_path / "file").touch()
    config = read_config(write_recipe(tmp_path, tmp_path / "no data"), [f"runs={tmp_path}/file"])
    with pytest.raises(InputError, match="runs .*is not a folder"):
        train_recipe(config, torch.device("cpu"))
