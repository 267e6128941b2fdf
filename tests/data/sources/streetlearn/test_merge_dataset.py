"""Files join a folder all together, or not at all, and nothing of the user's goes."""

import os

import pytest

from data.sources.streetlearn import merge_dataset as merge
from data.sources.streetlearn.merge_dataset import merged_into
from data.sources.streetlearn.write_dataset import WRITES
from utils.errors import InputError


def merge_three(root):
    with merged_into(root, "csv", WRITES) as folder:
        for name in ("csv/a.csv", "a_idx/p.npy", "tiles_a_2019/z18/00000.png"):
            (folder / name).parent.mkdir(parents=True)
            (folder / name).write_text(name)


def state(root):
    return {str(p.relative_to(root)): os.readlink(p) if p.is_symlink() else p.is_file() and p.read_text() for p in root.rglob("*")}


@pytest.mark.parametrize("obstacle", ["csv", "tiles_a_2019", "tiles_a_2019/z18"])
@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_where_a_folder_cannot_be_made_nothing_is_moved(tmp_path, obstacle, kind):
    path = tmp_path / obstacle
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine") if kind == "file" else path.symlink_to("nowhere")
    before = state(tmp_path)
    with pytest.raises((OSError, InputError)):
        merge_three(tmp_path)
    assert state(tmp_path) == before


@pytest.mark.parametrize("place", ["folder", "dangling link"])
def test_a_place_that_is_taken(tmp_path, place):
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv/a.csv").mkdir() if place == "folder" else (tmp_path / "csv/a.csv").symlink_to("nowhere")
    before = state(tmp_path)
    with pytest.raises(InputError, match="another file lies here"):
        merge_three(tmp_path)
    assert state(tmp_path) == before


@pytest.mark.parametrize("fails_at", [0, 1, 2])
@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt()])
def test_what_was_moved_is_taken_back(tmp_path, monkeypatch, fails_at, error):
    (tmp_path / "root/a_idx").mkdir(parents=True)
    (tmp_path / "root/a_idx/p.npy").write_text("a_idx/p.npy")  # of an earlier export: stays
    (tmp_path / "root/a_idx/mine").write_text("mine")
    before, calls, replace = state(tmp_path), [], os.replace

    def failing(*args):
        calls.append(args)
        if len(calls) > fails_at:
            raise error
        replace(*args)

    monkeypatch.setattr(os, "replace", failing)
    if fails_at == 2:  # both files are there: the last sync fails
        monkeypatch.setattr(merge, "sync", lambda folder: folder.name == "csv" and failing())
    with pytest.raises(type(error)):
        merge_three(tmp_path / "root")
    assert state(tmp_path) == before and len(calls) == fails_at + 1


def test_folders_above_a_failed_root_go_with_it(tmp_path):
    with pytest.raises(ValueError), merged_into(tmp_path / "new/root", "csv", WRITES):
        raise ValueError
    assert not list(tmp_path.iterdir())


def test_the_last_are_on_disk_after_the_others(tmp_path, monkeypatch):
    done, replace = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda file: done.append(os.readlink(f"/proc/self/fd/{file}")))
    monkeypatch.setattr(os, "replace", lambda a, b: done.append(f"to {b}") or replace(a, b))
    merge_three(tmp_path)
    first = done.index(f"to {tmp_path}/csv/a.csv")
    assert {f"{tmp_path}/a_idx", f"{tmp_path}/tiles_a_2019/z18", str(tmp_path)} <= set(done[:first])
    assert done[first + 1 :] == [f"{tmp_path}/csv"]


def test_only_what_an_export_left_is_cleared(tmp_path):
    left = tmp_path / ".export.partial-0123abcd"
    for name in ("csv/a.csv", "a/aU.npy", "jpegs_a_2019/p.jpg.new", "tiles_a_2019/z18/00000.png"):
        (left / name).parent.mkdir(parents=True)
        (left / name).touch()
    mine = [".export.partial-11111111/csv/deep/a.csv", ".export.partial-22222222/notes", ".export.partial-33333333"]
    for name in mine:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    (tmp_path / ".export.partial-44444444").symlink_to(tmp_path.parent)
    merge_three(tmp_path)
    assert not left.exists() and (tmp_path / ".export.partial-44444444").is_symlink()
    assert all((tmp_path / name).read_text() == "mine" for name in mine)
