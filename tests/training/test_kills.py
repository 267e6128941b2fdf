"""The simulation of killed trainings: what a power cut leaves on the simulated disk."""

import os
import signal

import pytest

from tests.training.kills import Kill, Watch
from tests.warm import forked


@pytest.mark.parametrize(
    ("sync", "cut", "left"),
    [("", None, "new"), ("", "data", ""), ("file", "data", "new"), ("file", "names", "old"), ("file folder", "names", "new")],
)
def test_a_power_cut_takes_what_was_not_synced(tmp_path, sync, cut, left):
    """A file `a` is replaced, then the process is ended."""
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
