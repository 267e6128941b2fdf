"""Nothing half-written, no user's file replaced, and always either the old or the new in place."""

import errno
import json
import os
import threading

import numpy as np
import pytest

from utils import atomic, exchange
from utils.atomic import append_line, atomic_file, atomic_folder, save_array
from utils.child import in_child
from utils.errors import InputError
from utils.outputs import FolderKind

KIND = FolderKind("some.command", "made.json", ("text", "half", "old", "*.npy"), lambda info: "format" in info, scratch="work")


class Stop(BaseException):
    """Ends a block like Ctrl-C."""


def write(folder, **files):
    (folder / "made.json").write_text(json.dumps(KIND.signed({})))
    for name, text in files.items():
        (folder / name).write_text(text)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


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


def test_a_link_to_a_file_stays_one(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far/file")
    for text in ("one", "two"):
        with atomic_file(tmp_path / "link") as temporary:
            temporary.write_text(text)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "far/file").read_text() == text and names(tmp_path / "far") == ["file"]


def test_what_is_no_file_is_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "folder", tmp_path / "pipe", "/dev/null"):
        with pytest.raises(InputError, match="no regular file"), atomic_file(path):
            pass


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_who_may_read_stays_the_same(tmp_path, mode):
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    with atomic_file(path) as temporary:
        temporary.write_text("new")
    assert path.stat().st_mode & 0o777 == mode
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    with atomic_folder(folder, KIND) as temporary:
        write(temporary)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_protected_file_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: bool(os.stat(path).st_mode & 0o200))  # also where root runs this
    path = tmp_path / "file"
    path.touch(mode=0o444)
    with pytest.raises(InputError, match="is protected"), atomic_file(path):
        pytest.fail("the work has begun")
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["a" * 255, "ä" * 127])
def test_the_longest_names(tmp_path, name):
    with atomic_file(tmp_path / name) as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == [name]
    (tmp_path / name).unlink()
    with atomic_folder(tmp_path / name, KIND) as temporary:
        write(temporary)
    assert names(tmp_path) == [name]


def test_partial_files_of_dead_processes_are_cleared(tmp_path):
    for name in (".file.partial-4194999", ".file.partial-0123abcd"):
        (tmp_path / name).touch()
    kept = [f".file.partial-{os.getpid()}", ".file.partial-mine", ".file.partial-01234567.txt"]  # of a living process; of somebody
    for name in kept:
        (tmp_path / name).touch()
    with atomic_file(tmp_path / "file"):
        with atomic_file(tmp_path / "file") as other:  # leaves the one that is being written
            other.write_text("other")
        (live,) = [p for p in tmp_path.iterdir() if p.name not in (*kept, "file")]
        live.write_text("whole")
    assert names(tmp_path) == sorted([*kept, "file"]) and (tmp_path / "file").read_text() == "whole"


@pytest.mark.parametrize("number", [None, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP])
def test_folder_replaces_the_old_one(tmp_path, monkeypatch, number):
    """Also without an exchange in the kernel or the file system, each of which reports that differently."""
    if number:
        monkeypatch.setattr(exchange, "_exchange", fail(number))
    path = tmp_path / "folder"
    for text in ("old", "text"):
        with atomic_folder(path, KIND) as temporary:
            assert list(temporary.iterdir()) == []
            write(temporary, **{text: text})
    assert names(path) == ["made.json", "text"] and list(tmp_path.iterdir()) == [path]


def fail(number):
    def call(*_):
        raise OSError(number, os.strerror(number))

    return call


def test_an_exchange_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "folder"
    path.mkdir()
    write(path, old="old")
    monkeypatch.setattr(exchange, "_exchange", fail(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), atomic_folder(path, KIND) as temporary:
        write(temporary)
    assert names(path) == ["made.json", "old"] and names(tmp_path) == ["folder"]


def test_what_is_laid_into_the_old_folder_while_the_new_one_is_synced(tmp_path, monkeypatch):
    path = tmp_path / "folder"
    path.mkdir()
    write(path, old="old")
    monkeypatch.setattr(atomic, "sync_all", lambda _: (path / "mine").write_text("mine"))
    with pytest.raises(InputError, match="mine"), atomic_folder(path, KIND) as temporary:
        write(temporary)
    assert names(path) == ["made.json", "mine", "old"] and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, OSError, Stop])
def test_folder_of_a_failed_block(tmp_path, error):
    path = tmp_path / "folder"
    path.mkdir()
    write(path, old="old")
    with pytest.raises(error), atomic_folder(path, KIND) as temporary:
        (temporary / "half").touch()
        raise error
    assert names(path) == ["made.json", "old"] and list(tmp_path.iterdir()) == [path]


def test_there_is_no_moment_with_neither(tmp_path):
    path, done, missing = tmp_path / "folder", threading.Event(), []

    def look():
        while not done.is_set():
            if not path.exists():
                missing.append(path)

    with atomic_folder(path, KIND) as temporary:
        write(temporary)
    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(50):
        with atomic_folder(path, KIND) as temporary:
            write(temporary)
    done.set()
    thread.join()
    assert not missing


def test_folders_that_are_not_ours_are_never_replaced(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "text").write_text("mine")
    for kind in (KIND, None):
        with pytest.raises(InputError, match="left as it is" if kind else "is there already"), atomic_folder(path, kind):
            pytest.fail("the work has begun")
    assert (path / "text").read_text() == "mine" and names(tmp_path) == ["folder"]


def test_what_is_put_into_a_folder_during_the_work(tmp_path):
    path = tmp_path / "folder"
    with atomic_folder(path, KIND) as temporary:
        write(temporary)
    with pytest.raises(InputError, match="thesis"), atomic_folder(path, KIND) as temporary:
        write(temporary, text="new")
        (path / "thesis").write_text("mine")
    assert names(path) == ["made.json", "thesis"] and names(tmp_path) == ["folder"]


def test_a_folder_that_appears_during_the_work(tmp_path):
    path = tmp_path / "folder"
    with pytest.raises(InputError, match="is there already"), atomic_folder(path):
        path.mkdir()
        (path / "text").write_text("mine")
    assert names(path) == ["text"] and names(tmp_path) == ["folder"]


def test_files_that_the_kind_does_not_name(tmp_path):
    with pytest.raises(ValueError, match="surprise"), atomic_folder(tmp_path / "folder", KIND) as temporary:
        (temporary / "surprise").touch()
    assert names(tmp_path) == []


def test_a_folder_is_written_by_one_at_a_time(tmp_path):
    with atomic_folder(tmp_path / "folder", KIND) as temporary:
        with pytest.raises(InputError, match="folder: another process is writing it"), atomic_folder(tmp_path / "folder", KIND):
            pytest.fail("the work has begun")
        write(temporary)
    assert names(tmp_path) == ["folder"]


def test_killed_between_two_renamings(tmp_path):
    """On a file system without an exchange the old folder lies aside; the next call brings it back."""
    (tmp_path / ".folder.replaced").mkdir()
    write(tmp_path / ".folder.replaced", old="old")
    with pytest.raises(Stop), atomic_folder(tmp_path / "folder", KIND):
        raise Stop
    assert names(tmp_path) == ["folder"] and names(tmp_path / "folder") == ["made.json", "old"]


def test_everything_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")))
    for module, name in ((os, "replace"), (atomic, "put_in_place")):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, original=original: synced.append("named") or original(*args))
    with atomic_file(tmp_path / "file") as temporary:
        temporary.write_text("whole")
    assert synced == [str(temporary), "named", str(tmp_path)]
    synced.clear()
    with atomic_folder(tmp_path / "folder", KIND) as temporary:
        write(temporary, text="whole")
    assert sorted(synced[:2]) == [str(temporary / "made.json"), str(temporary / "text")]
    assert synced[2:] == [str(temporary), "named", str(tmp_path)]
    synced.clear()
    with atomic_file(tmp_path / "new/deeper/file") as temporary:
        temporary.write_text("whole")
    assert synced[:2] == [str(tmp_path / "new"), str(tmp_path)]
    synced.clear()
    append_line(tmp_path / "lines", "one")
    append_line(tmp_path / "lines", "two")
    assert synced == [str(tmp_path / "lines"), str(tmp_path), str(tmp_path / "lines")]
    assert (tmp_path / "lines").read_text() == "one\ntwo\n"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), RuntimeError("I/O error: No space left on device (os error 28)")])
def test_errors_name_what_the_user_named(tmp_path, error):
    for atomically in (lambda path: atomic_file(path), lambda path: atomic_folder(path, KIND)):
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError) as caught, atomically(tmp_path / "link"):
            raise error
        assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(tmp_path / "link")
        error = type(error)(*error.args)
    with pytest.raises(OSError) as caught, atomic_folder(tmp_path / "folder", KIND) as temporary:
        (temporary / "no/text").touch()
    assert caught.value.filename == str(tmp_path / "folder/no/text")
    with pytest.raises(OSError) as caught, atomic_folder(tmp_path / "folder", KIND):
        open(tmp_path / "input")
    assert caught.value.filename == str(tmp_path / "input")


def test_what_bad_input_quotes_is_no_error_of_the_file(tmp_path):
    with pytest.raises(InputError, match="a.safetensors"), atomic_file(tmp_path / "file"):
        raise InputError("a.safetensors: cannot be read (No such file or directory (os error 2))")


def test_a_checkpoint_on_a_full_disk(tmp_path):
    """The writer of checkpoints raises an error of its own, not the operating system's."""
    import resource

    import torch

    from models.checkpoint import read_checkpoint, save_checkpoint

    path = tmp_path / "last.safetensors"
    save_checkpoint(path, {"a": torch.ones(3)}, {"epoch": 1})

    def overflow():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        save_checkpoint(path, {"a": torch.ones(10_000)}, {"epoch": 2})

    with pytest.raises(OSError) as caught:
        in_child(overflow, "a checkpoint")
    assert caught.value.errno == errno.EFBIG and caught.value.filename == str(path)
    assert read_checkpoint(path)[1] == {"epoch": 1} and names(tmp_path) == ["last.safetensors"]


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
