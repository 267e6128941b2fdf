"""NumPy files of unknown origin: what is read, and what is refused before memory is used."""

import io
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from utils import arrays
from utils.arrays import check_array, check_starts, map_array, read_arrays


def npy(array, fortran=False) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asfortranarray(array) if fortran and array.ndim > 1 else array)
    return file.getvalue()


def announcing(header: str) -> bytes:
    """An array file with any header."""
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def archive(path, members: dict[str, bytes], method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.zeros((0, 3), np.uint8), np.array(5), np.array(["a", "bc"])])
@pytest.mark.parametrize("fortran", [False, True])
def test_arrays_are_read_as_they_were_saved(tmp_path, array, fortran):
    (tmp_path / "a.npy").write_bytes(npy(array, fortran))
    assert np.array_equal(map_array(tmp_path / "a.npy"), array) and map_array(tmp_path / "a.npy").dtype == array.dtype
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        found = read_arrays(archive(tmp_path / "a.npz", {"a.npy": npy(array, fortran), "b.npy": b"no array"}, method), ["a", "c"])
        assert list(found) == ["a"] and np.array_equal(found["a"], array)


@pytest.mark.parametrize(("content", "message"), [
    (b"", "not an array"), (b"\x93NUMPY", "not an array"), (b"text", "not an array"),
    (npy(np.zeros((4, 4)))[:-1], "its header announces 128 bytes of float64(4, 4), but 127 follow"),
    (npy(np.zeros(4)) + b"\0", "its header announces 32 bytes of float64(4,), but 33 follow"),
    (announcing("{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,), }"), "80,000,000,000,000 bytes"),
    (announcing("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"), "its shape is"),
    (announcing("{'descr': '<f8', 'fortran_order': False, 'shape': (True,), }"), "its shape is"),
    (announcing("{'descr': 'V9', 'fortran_order': False, 'shape': (0,), }"), "neither numbers nor text"),
    (announcing("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (0,), }"), "neither numbers nor text"),
    (announcing("-" * 100), "not an array"), (announcing("[" * 100), "not an array"), (announcing("{'descr': 3}"), "not an array"),
    (npy(np.array([[1], "a"], object)), "holds pickled Python objects, which are not read"),
    (b"\x93NUMPY\x03\x00" + bytes(200), "format 3.0"),
])  # fmt: skip
def test_what_is_no_plain_array(tmp_path, content, message):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError) as caught:
        map_array(tmp_path / "a.npy")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(ValueError) as caught:
        read_arrays(archive(tmp_path / "a.npz", {"a.npy": content}), ["a"])
    assert message in str(caught.value) and "'a': " in str(caught.value)


def test_archives_that_are_refused(tmp_path):
    path, plain = tmp_path / "a.npz", npy(np.zeros(9))

    def refusal(content: bytes | None = None) -> str:
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ValueError) as caught:
            read_arrays(path, ["a"])
        return str(caught.value)

    assert refusal(b"no archive") and refusal(b"")
    with zipfile.ZipFile(path, "w") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("a.npy", plain)
        file.writestr("a.npy", plain)
    assert refusal() == "it holds 'a' twice"
    good = archive(path, {"a.npy": plain}).read_bytes()
    central = good.index(b"PK\x01\x02")
    encrypted = bytearray(good)
    encrypted[6] |= 1  # the flags of the local header, and of the directory
    encrypted[central + 8] |= 1
    assert refusal(bytes(encrypted)) == "'a' is encrypted"
    longer = bytearray(good)
    longer[central + 20 : central + 28] = struct.pack("<2I", *[1 << 31] * 2)
    assert refusal(bytes(longer)) == "'a' is said to be longer than the file"
    version = bytearray(good)
    version[central + 6] = 255
    assert "version 25.5" in refusal(bytes(version))
    flipped = bytearray(good)
    flipped[good.index(plain) + 130] ^= 4
    assert "Bad CRC" in refusal(bytes(flipped))
    archive(path, {"a.npy": plain}, zipfile.ZIP_LZMA)
    assert "compressed by a method that NumPy does not write" in refusal()


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1_000_000), b=np.zeros(1_000_000), c=np.zeros(1_000_000))
    assert (tmp_path / "a.npz").stat().st_size < 50_000
    assert read_arrays(tmp_path / "a.npz", ["a", "b"])["b"].nbytes == 8_000_000
    monkeypatch.setattr(arrays, "MOST_UNPACKED", 10_000_000)
    tracemalloc.start()
    with pytest.raises(ValueError, match="unpack to .*more than .*numpy.savez, which does not compress"):
        read_arrays(tmp_path / "a.npz", ["a", "b"])
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert len(read_arrays(tmp_path / "a.npz", ["a"])["a"]) == 1_000_000
    np.savez(tmp_path / "a.npz", a=np.zeros(1_000_000), b=np.zeros(1_000_000))  # the remedy works
    assert len(read_arrays(tmp_path / "a.npz", ["a", "b"])) == 2


def test_pickles_are_not_run(tmp_path):
    class Attack:
        def __reduce__(self):
            return (tmp_path / "trace").touch, ()

    content = npy(np.zeros(1, object))
    archive(tmp_path / "a.npz", {"a.npy": content[: content.index(b"\n") + 1] + pickle.dumps(Attack()), "a": pickle.dumps(Attack())})
    with pytest.raises(ValueError):
        read_arrays(tmp_path / "a.npz", ["a"])
    assert not (tmp_path / "trace").exists()


def test_types_and_shapes():
    check_array(np.zeros((2, 3)), np.float64, (None, 3))
    check_array(np.zeros(2, np.int8), np.integer, (2,))
    for array in (np.zeros((2, 3)), np.zeros(2, bool), np.zeros(3, np.int8), np.zeros(2, ">i4")):
        with pytest.raises(ValueError, match=r"expected integer\(2\)"):
            check_array(array, np.integer, (2,))


def test_starts():
    check_starts(np.array([0, 2, 4]), 4, least=2)
    check_starts(np.array([0, 0, 4]), 4)
    check_starts(np.array([0]), 0)
    for start, end, least in (([1, 4], 4, 0), ([0, 3], 4, 0), ([0, 3, 2, 4], 4, 0), ([0, 1, 4], 4, 2), (np.zeros(0, int), 0, 0)):
        with pytest.raises(ValueError, match="ascend from 0"):
            check_starts(np.array(start), end, least)
    with pytest.raises(ValueError, match="ascend"):
        check_starts(np.array([0, 5, 4], np.uint8), 4)  # whose differences wrap round
    with pytest.raises(ValueError, match="expected integer"):
        check_starts(np.zeros(2), 0)
