"""A training that is killed, or loses its power, ends after resuming as one that was left alone. More: `python -m tests.training.kills`."""

import os
import signal

import pytest

from tests.training.kills import Kill, Trainings, Watch, moments
from tests.warm import forked


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """Whole trainings and killed ones of the tiny city."""
    return Trainings(tmp_path_factory.mktemp("kills"), epochs=2)


@pytest.mark.parametrize(
    ("moment", "cut"),
    [("in the first epoch", None), ("between the first best and last", "names"), ("while the second checkpoint is half-written", None),
     ("between metrics and checkpoint of the second epoch", "data"), ("during the evaluation", None)],
)  # fmt: skip
def test_a_killed_training_resumes_to_the_same_bits(trainings, moment, cut):
    kill = moments(trainings)[moment]()._replace(cut=cut)
    assert trainings.trial(f"{moment}, {cut}", kill) is None


@pytest.mark.parametrize(
    ("sync", "cut", "left"),
    [("", None, "new"), ("", "data", ""), ("file", "data", "new"), ("file", "names", "old"), ("file folder", "names", "new")],
)
def test_a_power_cut_takes_what_was_not_synced(tmp_path, sync, cut, left):
    """The judge itself: a file `a` is replaced, then the process is ended."""
    folder = tmp_path / "disk"
    folder.mkdir()
    (folder / "a").write_text("old")

    def replace() -> None:
        Watch(folder, tmp_path / "log", Kill(2, cut=cut))
        with open(folder / "b", "w") as file:
            file.write("new")
            file.flush()
            if "file" in sync:
                os.fsync(file)
        os.replace(folder / "b", folder / "a")
        if "folder" in sync:
            os.fsync(os.open(folder, os.O_RDONLY))
        os.mkdir(folder / "end")

    result = forked(replace, 60)
    assert result.status == -signal.SIGKILL, result.err
    assert (folder / "a").read_text() == left and not (folder / "end").exists()
