"""Nothing half-written."""

import numpy as np
import pytest

from utils.atomic import atomic_file, atomic_folder, save_array


class Stop(BaseException):
    """Ends a block like Ctrl-C."""


def test_file_appears_at_the_end(tmp_path):
    path = tmp_path / "new/folder/file.txt"
    with atomic_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists() and temporary.parent == path.parent
    assert path.read_text() == "whole" and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, OSError, Stop])
def test_file_of_a_failed_block(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_folder_replaces_the_old_one(tmp_path):
    path = tmp_path / "folder"
    for text in ("old", "new"):
        with atomic_folder(path) as temporary:
            assert list(temporary.iterdir()) == []
            (temporary / text).write_text(text)
    assert [p.name for p in path.iterdir()] == ["new"] and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, OSError, Stop])
def test_folder_of_a_failed_block(tmp_path, error):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(error), atomic_folder(path) as temporary:
        (temporary / "half").touch()
        raise error
    assert [p.name for p in path.iterdir()] == ["old"] and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 4, 5, 3), (0, 3)])
def test_array_block_by_block(tmp_path, dtype, shape):
    array = (100 * np.random.default_rng(0).random(shape)).astype(dtype)
    save_array(tmp_path / "a.npy", (array[i : i + 2] for i in range(0, len(array), 2)), shape, dtype)
    assert np.array_equal(np.load(tmp_path / "a.npy"), array) and np.load(tmp_path / "a.npy").dtype == dtype
    if array.size:
        assert np.array_equal(np.load(tmp_path / "a.npy", mmap_mode="r"), array)


def test_blocks_that_are_not_contiguous(tmp_path):
    array = np.arange(24).reshape(4, 6)
    save_array(tmp_path / "a.npy", [array.T[:3], array.T[3:]], (6, 4), array.dtype)
    assert np.array_equal(np.load(tmp_path / "a.npy"), array.T)


@pytest.mark.parametrize(
    "blocks",
    [[np.zeros((2, 3), np.float32)], [np.zeros((5, 3), np.float32)], [np.zeros((4, 2), np.float32)], [np.zeros((4, 3))]],
    ids=["too few rows", "too many rows", "other shape", "other type"],
)
def test_blocks_that_do_not_fit(tmp_path, blocks):
    with pytest.raises(ValueError, match="a.npy"):
        save_array(tmp_path / "a.npy", blocks, (4, 3), np.float32)


def test_folders_made_for_a_failed_one_go_with_it(tmp_path):
    (tmp_path / "kept").mkdir()
    for parent in (tmp_path / "new/deeper", tmp_path / "kept/new"):
        with pytest.raises(ValueError), atomic_folder(parent / "folder") as temporary:
            (temporary / "file").write_text("half")
            raise ValueError
    assert [p.name for p in tmp_path.rglob("*")] == ["kept"]
