"""Trainings that are killed, lose their power, or fill the disk go on, in forks of this process. More: `python -m tests.training.kills`."""

import re
import resource
import threading

import pytest
import torch

from models.checkpoint import load_run
from tests.training.kills import Trainings, moments
from training.train import _one_line_if_the_disk_is_full
from utils.errors import NO_SPACE, InputError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """Whole trainings and killed ones of the tiny city, of two epochs each."""
    return Trainings(tmp_path_factory.mktemp("kills"), epochs=2)


@pytest.mark.parametrize(
    ("moment", "cut"),
    [("in the first epoch", None), ("between the first best and last", "data"), ("while the second checkpoint is half-written", None),
     ("between metrics and checkpoint of the second epoch", "names"), ("during the evaluation", None)],
)  # fmt: skip
def test_a_killed_training_resumes_to_the_same_bits(trainings, moment, cut):
    kill = moments(trainings)[moment]()._replace(cut=cut)
    assert trainings.trial(f"{moment}, {cut}", kill) is None


def test_resume_after_first_epoch_kill(trainings):
    """commands/resume_after_first_epoch_kill.sh: either run of the name goes on, told by its configuration: the killed one from its start,
    the finished one from its end."""
    other = "training.learning_rate=1e-9"
    assert trainings.start("case").status == 0
    assert trainings.start("case", other, kill=trainings.find("step", 1)).status < 0
    assert {path.name for path in (trainings.folder / "case").iterdir()} == {"tiny", "tiny-2"}
    for settings, name in (([other], "tiny-2"), ([], "tiny")):
        resumed = trainings.start("case", *settings, "training.resume=true")
        assert resumed.status == 0 and re.match(rf"run: .*/case/{name} \(", resumed.out.splitlines()[-1]), resumed
    assert trainings.outcome("case") == trainings.whole


def test_a_newer_run_killed_in_its_first_epoch_does_not_stand_in_the_way(trainings):
    """Both of one configuration: the older one, killed about the checkpoint of its second epoch, goes on to the bit."""
    for kill in (trainings.find(r"os\.rename .*last", 1), trainings.find("step", 1)):
        assert trainings.start("newer", kill=kill).status < 0
    assert trainings.start("newer", "training.resume=true").status == 0
    assert trainings.outcome("newer") == trainings.whole
    assert not (trainings.folder / "newer/tiny-2/checkpoints").exists()


@pytest.mark.parametrize(("most_kib", "what"), [(10_000, "last.safetensors"), (3_000, "best.safetensors")])
def test_a_disk_that_fills_while_a_checkpoint_is_written(trainings, most_kib, what):
    """One line; nothing half-written stays, and the advice in the line works."""
    limit, name = resource.getrlimit(resource.RLIMIT_FSIZE), f"full, {what}"
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_kib << 10, limit[1]))
    try:
        stopped = trainings.start(name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    errors, run = stopped.err.splitlines(), trainings.folder / name / "tiny"
    assert stopped.status == 2 and len(errors) == 1, errors
    assert "no space left" in errors[0] and what in errors[0] and "training.resume=true" in errors[0]
    assert not list(run.rglob("*.partial*"))
    assert trainings.start(name, "training.resume=true").status == 0
    assert trainings.outcome(name) == trainings.whole and load_run(run, "last", CPU)[2] == 2


@pytest.mark.parametrize(("number", "shown"), [(NO_SPACE[0], 0), (5, 1)])
def test_a_disk_that_fills_while_events_are_written(tmp_path, monkeypatch, number, shown):
    """TensorBoard's thread ends with the same error as the training, which says it in one line; other errors are shown."""
    seen = []
    monkeypatch.setattr(threading, "excepthook", seen.append)

    def write():
        raise OSError(number, "what the operating system says")

    with pytest.raises(OSError if shown else InputError), _one_line_if_the_disk_is_full(tmp_path):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        write()
    assert len(seen) == shown and threading.excepthook == seen.append
