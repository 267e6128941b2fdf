"""How commands end."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from utils.errors import InputError, run_command

ROOT = Path(__file__).resolve().parents[2]


def raising(error):
    def main():
        raise error

    return main


def test_success():
    assert run_command(lambda: None) is None


def test_bad_input_is_one_line_and_status_2(capsys):
    with pytest.raises(SystemExit) as caught:
        run_command(raising(InputError("places.csv: column 'lat' is missing")))
    assert caught.value.code == 2
    assert capsys.readouterr() == ("", "error: places.csv: column 'lat' is missing\n")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk(capsys, code):
    with pytest.raises(SystemExit) as caught:
        run_command(raising(OSError(code, "full", "points.npy")))
    out, err = capsys.readouterr()
    assert caught.value.code == 2 and out == ""
    assert err.startswith("error: no space left") and "points.npy" in err and err.count("\n") == 1


def test_interrupted():
    with pytest.raises(SystemExit) as caught:
        run_command(raising(KeyboardInterrupt()))
    assert caught.value.code == 130


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(errno.EIO, "broken disk")])
def test_bugs_are_not_hidden(error):
    with pytest.raises(type(error)):
        run_command(raising(error))


def message(capsys, error):
    with pytest.raises(SystemExit) as caught:
        run_command(raising(error))
    out, err = capsys.readouterr()
    assert caught.value.code == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1
    return err


def test_a_file_that_may_not_be_read(capsys):
    """Without advice on output folders, as nothing was to be written."""
    said = message(capsys, PermissionError(errno.EACCES, "Permission denied", "places.csv"))
    assert said == "error: places.csv: Permission denied; give another path, or allow access to it\n"


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


@pytest.mark.parametrize("error", [
    MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory"), OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory"), RuntimeError("std::bad_alloc"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9."),
])  # fmt: skip
def test_want_of_memory(capsys, error):
    assert "out of memory" in message(capsys, error)


def test_torchs_own_want_of_memory(capsys):
    def main():
        torch.empty(2**50, dtype=torch.uint8)

    with pytest.raises(SystemExit) as caught:
        run_command(main)
    assert caught.value.code == 2 and capsys.readouterr().err.startswith("error: out of memory")


def test_a_full_disk_whose_number_numpy_drops(capsys):
    assert "no space left" in message(capsys, OSError("1000 requested and 24 written"))


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EBUSY])
def test_places_that_cannot_be_written(capsys, code):
    assert "city/map: cannot; give" in message(capsys, OSError(code, "cannot", "city/map"))


def test_names_with_line_breaks_are_shown_on_one_line(capsys):
    assert message(capsys, InputError("a\nb\x1b[0m\udcff: no ü")) == "error: a\\nb\\x1b[0m\\udcff: no ü\n"


def command(text: str, redirection: str = "", **environment) -> subprocess.CompletedProcess:
    code = f"from utils.errors import run_command\ndef main():\n    {text}\nrun_command(main)"
    return subprocess.run(["sh", "-c", f'"{sys.executable}" -c "$CODE" {redirection}'], cwd=ROOT, text=True, capture_output=True,
                          env=os.environ | {"CODE": code} | environment)  # fmt: skip


def test_a_reader_that_has_read_enough():
    result = command("[print(i) for i in range(99_999)]", "| head -1")
    assert result.stdout == "0\n" and result.stderr == ""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_to_a_full_disk(unbuffered):
    result = command("print(1)", "> /dev/full", PYTHONUNBUFFERED=unbuffered)
    assert result.returncode == 2 and result.stderr.startswith("error: no space left") and result.stderr.count("\n") == 1


def test_no_output_at_all():
    result = command("print(1)", ">&-")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_names_that_the_terminal_cannot_show():
    result = command("print('z\\u00fcrich \\udcff')", PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stdout, result.stderr) == (0, "z\\xfcrich \\udcff\n", "")
