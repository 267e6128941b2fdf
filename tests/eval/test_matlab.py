"""MATLAB files: damaged ones are refused in one line, even where they crash the library."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.io import savemat

from eval.matlab import read_mat, read_published_places
from utils.errors import InputError

# Bytes and bits of the file below: flipped, the first three ask for gigabytes, and the next five end SciPy 1.15 with SIGSEGV.
FLIPS = ((163, 0), (167, 3), (287, 7), (257, 3), (288, 0), (288, 7), (289, 3), (369, 0), (128, 3), (136, 7), (200, 0), (300, 3))


@pytest.fixture
def path(tmp_path):
    struct = np.zeros((1, 3), [(name, object) for name in ("x", "y", "gsv_yaw", "neighbor")])
    for i in range(3):
        struct[0, i] = np.eye(3)[i], np.eye(3)[i], 90.0 * i, [[(i + 1) % 3 + 1]]
    savemat(tmp_path / "m.mat", {"routes": struct})
    return tmp_path / "m.mat"


def test_read(path):
    places = read_published_places(path)
    assert np.array_equal(places.query, np.eye(3)) and places.heading_deg.tolist() == [0, 90, 180]


def test_files_of_version_7_3_say_how_to_save_them(tmp_path):
    path = tmp_path / "h.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM" + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(InputError, match="a MATLAB 7.3 file; save it again in MATLAB with save"):
        read_mat(path, "routes")


def test_a_flipped_bit_is_read_or_refused_in_one_line(path):
    content, told = path.read_bytes(), ""
    for at, bit in FLIPS:
        flipped = bytearray(content)
        flipped[at] ^= 1 << bit
        path.write_bytes(flipped)
        try:
            read_mat(path, "routes")
        except InputError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            told += str(error)
    assert "crashed (SIGSEGV); the file is damaged" in told or "GiB" in told


def test_variables_that_take_too_much(path):
    zeros = 12_000_000
    savemat(path, {"routes": np.zeros(zeros)}, do_compression=True)
    assert path.stat().st_size < 100_000 and len(read_mat(path, "routes")[0]) == zeros
    code = "import sys; from eval import matlab; matlab.MOST_UNPACKED = 1 << 24; matlab.read_mat(sys.argv[1], 'routes')"
    # In a process of its own, because earlier tests may have left enough free memory in this one.
    result = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert "take more than 0.015625 GiB; save those alone that are needed" in result.stderr
