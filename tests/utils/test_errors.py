"""How commands end."""

import errno

import pytest

from utils.errors import InputError, run_command


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
