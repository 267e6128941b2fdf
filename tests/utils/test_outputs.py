"""Outputs are checked before the work."""

import os

import pytest

from utils.errors import InputError
from utils.outputs import SOFTWARE, FolderKind, check_files, check_folder

KIND = FolderKind("some.command", "made.json", ("a", "b-*"), lambda info: info.get("format") == 1)


@pytest.mark.parametrize("marker", ['{"made_by": "some.command"}', '{"format": 1}', '{"format": 2, "made_by": "some.command"}'])
def test_folders_of_the_command(tmp_path, marker):
    (tmp_path / "b-2").touch()
    (tmp_path / "made.json").write_text(marker)
    check_folder(tmp_path, KIND)


@pytest.mark.parametrize("marker", ['{"made_by": "other.command", "format": 1}', '{"format": 2}', "[]", "", "\udcff", "{" * 99_999, None])
def test_other_folders(tmp_path, marker):
    (tmp_path / "a").touch()
    if marker is not None:
        (tmp_path / "made.json").write_bytes(os.fsencode(marker))
    with pytest.raises(InputError, match="left as it is"):
        check_folder(tmp_path, KIND)


@pytest.mark.parametrize("name", ["c", ".hidden", "b", "A", "a/deep"])
def test_folders_with_something_else_in_them(tmp_path, name):
    (tmp_path / "made.json").write_text('{"made_by": "some.command"}')
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=repr(name.partition("/")[0])):
        check_folder(tmp_path, KIND)


def test_places_where_folders_can_go(tmp_path):
    check_folder(tmp_path, None)
    check_folder(tmp_path, KIND)
    check_folder(tmp_path / "new/deeper", None)
    (tmp_path / "link").symlink_to("new/far")
    check_folder(tmp_path / "link", KIND)
    assert [p.name for p in tmp_path.iterdir()] == ["link"]


@pytest.mark.parametrize("path", ["file", "file/deeper", "a" * 256, "ok/" + "a" * 256, "a\0b", "loop", "/".join(["long"] * 1500)])
def test_places_where_nothing_can_go(tmp_path, path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for check in (lambda: check_folder(tmp_path / path, KIND), lambda: check_files({"--json": tmp_path / path / "x"})):
        with pytest.raises(InputError):
            check()


def test_where_a_file_system_is_mounted(tmp_path, monkeypatch):
    check_folder(tmp_path, KIND)
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(tmp_path))
    with pytest.raises(InputError, match="file system is mounted"):
        check_folder(tmp_path, KIND)
    check_folder(tmp_path / "in it", KIND)


def test_files(tmp_path):
    (tmp_path / "input").touch()
    (tmp_path / "link").symlink_to("input")
    check_files({"--json": tmp_path / "a", "--csv": tmp_path / "b", "--out": None}, [tmp_path / "input", None])
    check_files({"--json": tmp_path / "input"})
    for path, reason in ((tmp_path, "is a folder"), (tmp_path / "link", "is read"), ("/dev/null", "is no regular file")):
        with pytest.raises(InputError, match=f"--json .*: {reason}"):
            check_files({"--json": path}, [tmp_path / "input"])
    with pytest.raises(InputError, match="--csv .*: is written by --json, too"):
        check_files({"--json": tmp_path / "a", "--csv": tmp_path / "a"})


@pytest.mark.parametrize(("option", "name", "content"), [
    ("--json", "evals.sh", "#!/bin/sh"), ("--out", "README.md", "# Title"), ("--out", "LICENSE", "MIT"), ("--out", "map.png", "GIF89a"),
    ("--json", "result.json", "name: x"), ("--json", "a.json", " " * 5000 + "{"), ("--out", "a.gif", "\n"),
    ("--out", "holiday.png", "\x89PNG"),
    ("--out", "holiday.gif", "GIF89a" + "x" * 9999), ("--out", "thesis.pdf", "%PDF-1.4"), ("--out", "a.svg", "<svg>"),
    ("--csv", "a.csv", "a,b"), ("--json", "picture.png", "\x89PNG"), ("--json", "mine.json", '{"mine": 1}'), ("--json", "list.json", "[1]"),
    ("--json", "metrics.json", '{"recall@1": 1.0, "made_by": "eval.evaluate"}'),
    ("--json", "metrics.jsonl", '{"epoch": 1}\n{"epoch": 2}\n'),
])  # fmt: skip
def test_files_that_hold_something_else(tmp_path, option, name, content):
    (tmp_path / name).write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=f"{option} .*{name}: is there and holds something else .* left as it is"):
        check_files({option: tmp_path / name})


@pytest.mark.parametrize(("option", "name", "content"), [
    ("--json", "result", '{"demo/test": {"recall@1": 99.0}}'), ("--json", "routes.json", '{"top1_accuracy": {"5": 1.0}}'),
    ("--out", "map.PNG", "\x89PNG" + SOFTWARE), ("--out", "a.gif", ""),
    ("--out", "a.pdf", "%PDF" + "x" * 9999 + SOFTWARE), ("--out", "a.osm", "<osm>"), ("--csv", "a.csv", ""),
])  # fmt: skip
def test_files_of_the_same_kind(tmp_path, option, name, content):
    (tmp_path / name).write_text(content, encoding="latin-1")
    check_files({option: tmp_path / name})


@pytest.mark.parametrize(("name", "content"), [("a.csv", "id,lat"), ("a.osm", "<osm>"), ("a.npz", "PK"), ("a.json", "{}"), ("a", "PNG")])
def test_a_picture_takes_no_other_files_place(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match="is there and holds something else"):
        check_files({"--out": tmp_path / name}, pictures=["--out"])
    (tmp_path / name).write_text("\x89PNG" + SOFTWARE, encoding="latin-1")
    check_files({"--out": tmp_path / name}, pictures=["--out"])


@pytest.mark.parametrize(("content", "ours"), [
    ("a,b", True), ("a,b\n1,2\n", True), ("a,b\r\n", True), ("", True), ("name,phone\n", False), ("a,b,c\n", False), ("\na,b\n", False),
])  # fmt: skip
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.json"])
def test_a_table_is_known_by_its_first_line(tmp_path, content, ours, name):
    (tmp_path / name).write_bytes(content.encode())
    if ours:
        check_files({"--csv": tmp_path / name}, (), {"--csv": "a,b"})
    else:
        with pytest.raises(InputError, match="holds something else"):
            check_files({"--csv": tmp_path / name}, (), {"--csv": "a,b"})


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_folders_that_are_read_only(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    for check in (check_folder, lambda path, _: check_files({"--json": path})):
        with pytest.raises(InputError, match="nothing can be written to"):
            check(tmp_path / "locked/new", KIND)


def test_a_folder_that_somebody_protected(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: bool(os.stat(path).st_mode & 0o200))  # also where root runs this
    (tmp_path / "area").mkdir()
    check_folder(tmp_path / "area", KIND)
    (tmp_path / "area").chmod(0o555)
    with pytest.raises(InputError, match="is protected"):
        check_folder(tmp_path / "area", KIND)


def test_a_file_that_somebody_protected(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: bool(os.stat(path).st_mode & 0o200))  # also where root runs this
    (tmp_path / "a.json").touch(mode=0o444)
    with pytest.raises(InputError, match="--json .*: is protected"):
        check_files({"--json": tmp_path / "a.json"})
    (tmp_path / "a.json").chmod(0o644)
    check_files({"--json": tmp_path / "a.json"})
