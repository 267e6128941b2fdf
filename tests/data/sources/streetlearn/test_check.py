"""Missing, unreadable and wrong files of the published layout, each kind by name: strict and skipping, in `check` and on import."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.area import Area
from data.sources.streetlearn.check import examine
from data.sources.streetlearn.dataset_files import read_cloud
from data.sources.streetlearn.dataset_tables import read_tables
from data.sources.streetlearn.layout import Layout
from utils.errors import InputError

PANORAMA, TILE, INDEX = "jpegs_alpha_2019/looks_north.jpg", "tiles_alpha_2019/z18/00007.png", "eastU_idx/looks_north.npy"
CLOUD, CLASSES = "alpha/alphaU.npy", "alpha/alphaU.csv"


class Trap:
    """Unpickling it would show."""

    def __reduce__(self):
        return (os._exit, (77,))


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def save(value):
    return lambda path: np.save(path, value)


def pickled(path: Path) -> None:
    np.save(path, np.array([Trap()], object), allow_pickle=True)


def bare_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Trap()))


def image(width: int, height: int):
    return lambda path: Image.new("RGB", (width, height)).save(path)


def farther(path: Path) -> None:
    """Indices of the other place's points alone."""
    np.save(path, np.setdiff1d(np.load(path.with_name("-looks-30.npy")), np.load(path)))


PLACE_DAMAGE = [  # file, damage, kind, state, what the reason says
    (PANORAMA, Path.unlink, "panorama", "missing", "looks_north.jpg: missing"),
    (TILE, Path.unlink, "tile", "missing", "00007.png: missing"),
    (INDEX, Path.unlink, "cloud", "missing", "looks_north.npy: missing"),
    (PANORAMA, cut, "panorama", "unreadable", "truncated"),
    (TILE, cut, "tile", "unreadable", "truncated"),
    (INDEX, cut, "cloud", "unreadable", "not an array"),
    (PANORAMA, lambda path: path.write_text("no image"), "panorama", "unreadable", "cannot identify"),
    (INDEX, lambda path: path.write_text("no array"), "cloud", "unreadable", "not an array"),
    (INDEX, lambda path: path.write_bytes(b""), "cloud", "unreadable", "not an array"),
    (PANORAMA, image(64, 64), "panorama", "unreadable", "64 × 64 pixels"),
    (TILE, image(256, 255), "tile", "unreadable", "256 × 255 pixels; expected 256 × 256"),
    (INDEX, pickled, "cloud", "unreadable", "Python objects"),
    (INDEX, bare_pickle, "cloud", "unreadable", "not an array"),
    (INDEX, save(np.array([3, 10**7])), "cloud", "unreadable", "indices from 3 to 10000000, but the city has 6,618 points"),
    (INDEX, save(np.array([0, 6618])), "cloud", "unreadable", "indices from 0 to 6618, but"),
    (INDEX, save(np.array([-1, 5])), "cloud", "unreadable", "indices from -1 to 5"),
    (INDEX, save(np.array([1.0, 5.0])), "cloud", "unreadable", "expected a list of whole numbers"),
    (INDEX, save(np.array([[1, 5]])), "cloud", "unreadable", "expected a list of whole numbers"),
    (INDEX, save(np.array([], int)), "cloud", "unreadable", "none of its 0 points lies within 76 m"),
    (INDEX, farther, "cloud", "unreadable", "points lies within 76 m of the place"),
]
CLOUD_DAMAGE = [
    (CLOUD, Path.unlink, "alphaU.npy: no such file"),
    (CLASSES, Path.unlink, "alphaU.csv: no such file"),
    (CLOUD, cut, "alphaU.npy: not an array"),
    (CLOUD, pickled, "Python objects"),
    (CLOUD, save(np.zeros((5, 2))), r"alphaU.npy: holds float64\(5, 2\)"),
    (CLOUD, save(np.zeros((5, 3), int)), r"expected points \(M, 3\) of float32 or float64"),
    (CLOUD, save(np.zeros((6617, 3))), "6,618 classes for 6,617 points of alphaU.npy"),
    (CLOUD, save(np.full((6618, 3), np.nan)), "not within 200 km"),
    (CLASSES, lambda path: path.write_text("4\n" * 6617), "6,617 classes for 6,618 points"),
    (CLASSES, lambda path: path.write_text("4\n" * 6617 + "25\n"), "line 6618 is '25'; a class is a whole number from 0 to 24"),
    (CLASSES, lambda path: path.write_text("-1\n" + "4\n" * 6617), "line 1 is '-1'"),
    (CLASSES, lambda path: path.write_text("4\n4.5\n" + "4\n" * 6616), "line 2 is '4.5'"),
    (CLASSES, lambda path: path.write_text("4\n\n" + "4\n" * 6616), "line 2 is ''"),
    (CLASSES, lambda path: path.write_text("4\nroad\n" + "4\n" * 6616), "line 2 is 'road'"),
    (CLASSES, lambda path: path.write_text("1,4\n" * 6618), "line 1 is '1,4'"),
    (CLASSES, lambda path: path.write_text(""), "0 classes for 6,618 points"),
]


def test_all_is_well(root, prepare, capsys):
    prepare("check", "--root", root)
    out = capsys.readouterr().out
    assert "eastU: 2 places, 2 in alpha" in out and "farU: 1 places, 1 in beta" in out and "all 2 areas are complete" in out
    assert out.count("panoramas  2 present\n") == out.count("tiles      2 present\n") == out.count("clouds     2 present\n") == 1
    prepare("check", "--root", root, "--area", "eastU_farU")
    assert "eastU_farU: 3 places, 2 in alpha, 1 in beta" in capsys.readouterr().out


@pytest.mark.parametrize(("file", "damage", "kind", "state", "reason"), PLACE_DAMAGE)
def test_damage_is_found_and_named(root, file, damage, kind, state, reason):
    damage(root / file)
    report = examine(Layout(root), "eastU_farU", read_tables(Layout(root), "eastU_farU"), {}, 1)
    (problem,) = report.problems
    assert (problem.row, problem.kind, problem.state) == (0, kind, state)
    name = Path(file).name
    assert problem.name == name and reason in problem.reason and "\n" not in problem.reason
    assert str((root / file).parent) in problem.reason
    assert report.usable.tolist() == [False, True, True]
    text = "\n".join(report.lines())
    assert f"2 present, 1 {state} ({name})" in text and text.count("3 present") == 2 and "to do:" in text


@pytest.mark.parametrize(("file", "damage", "kind", "state", "reason"), PLACE_DAMAGE[::3])
def test_strict_import_writes_nothing_and_skipping_leaves_the_place_out(root, tmp_path, capsys, prepare, file, damage, kind, state, reason):
    damage(root / file)
    arguments = ("streetlearn", "--root", root, "--area", "eastU", "--datasets", tmp_path / "data", "--height", 16, "--points", 32)
    with pytest.raises(InputError, match=f"1 of 2 places of eastU cannot be imported.*1 {state} .*--skip") as caught:
        prepare(*arguments)
    assert "\n" not in str(caught.value) and not (tmp_path / "data").exists()
    prepare(*arguments, "--skip")
    out = capsys.readouterr().out
    assert "eastU: 1 of 2 places left out" in out and "  looks_north: " in out and reason in out
    area = Area(tmp_path / "data", "alpha/eastU")
    assert area.locations.ids.tolist() == ["-looks-30"] and list(area.info["left_out"]) == ["looks_north"]
    assert reason in area.info["left_out"]["looks_north"][0]


@pytest.mark.parametrize(("file", "damage", "reason"), CLOUD_DAMAGE)
def test_damaged_city_clouds(root, tmp_path, prepare, capsys, file, damage, reason):
    damage(root / file)
    with pytest.raises(InputError, match="1 of 2 areas are not complete .eastU.") as caught:
        prepare("check", "--root", root)
    assert "\n" not in str(caught.value)
    out = capsys.readouterr().out.splitlines()
    with pytest.raises(InputError, match=reason) as caught:
        prepare("streetlearn", "--root", root, "--area", "eastU_farU", "--datasets", tmp_path / "data")
    assert "\n" not in str(caught.value) and not (tmp_path / "data").exists()
    assert [line for line in out if line.startswith("  city ") and str(root / "alpha") in line]


def test_skipping_a_whole_city(root, tmp_path, prepare, capsys):
    (root / CLOUD).unlink()
    arguments = ("--root", root, "--datasets", tmp_path / "data", "--height", 16, "--points", 32, "--skip")
    prepare("streetlearn", "--area", "eastU_farU", *arguments)
    assert "2 of 3 places left out" in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["beta"]
    with pytest.raises(InputError, match="2 of 2 places of eastU cannot be imported"):
        prepare("streetlearn", "--area", "eastU", *arguments)


def test_inconsistent_tables_are_reported_beside_the_other_areas(root, prepare, capsys):
    (root / "csv/eastU_set.csv").write_text("alpha,7\n")
    prepare("check", "--root", root, "--skip")
    out = capsys.readouterr().out
    assert "eastU: tables cannot be used\n" in out and "1 in eastU_set.csv" in out
    assert "farU: 1 places" in out and "1 of 2 areas are not complete (eastU)" in out
    with pytest.raises(InputError, match=r"1 of 2 areas are not complete \(eastU\)"):
        prepare("check", "--root", root)


@pytest.fixture
def many(root):
    """farU's place 40 times, under names that have a tile only."""
    for ending in ("", "_xy", "_set"):
        first = (root / f"csv/farU{ending}.csv").read_text().splitlines()[0]
        lines = [first if ending == "_set" else ",".join([f"p{i:02d}", *first.split(",")[1:]]) for i in range(40)]
        (root / f"csv/farU{ending}.csv").write_text("\n".join(lines) + "\n")
    return root


def test_a_place_that_disagrees_with_the_origin(many, tmp_path, prepare, capsys):
    rows = [line.split(",") for line in (many / "csv/farU_xy.csv").read_text().splitlines()]
    rows[7][1] = repr(float(rows[7][1]) + 0.01)
    (many / "csv/farU_xy.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    for row in rows:
        for file in (many / "jpegs_beta_2019/far.jpg", many / "farU_idx/far.npy"):
            file.with_stem(row[0]).write_bytes(file.read_bytes())
    arguments = ("streetlearn", "--root", many, "--area", "farU", "--datasets", tmp_path / "data", "--height", 16, "--points", 32)
    with pytest.raises(InputError, match=r"1 of 40 places of farU cannot be imported: locations: 39 present, 1 wrong \(p07\)"):
        prepare(*arguments)
    prepare(*arguments, "--skip")
    assert "farU_xy.csv: 'p07' lies 0.01 m from where its latitude and longitude put it" in capsys.readouterr().out
    assert Area(tmp_path / "data", "beta/farU").locations.ids.tolist() == [f"p{i:02d}" for i in range(40) if i != 7]


def test_many_missing_files_are_counted_and_the_first_named(many):
    rows, root = 40, many
    report = examine(Layout(root), "farU", read_tables(Layout(root), "farU"), {}, 2)
    assert [line.split()[0] for line in report.lines()[1:4]] == ["panoramas", "tiles", "clouds"]
    assert report.counts("panorama") == f"0 present, {rows} missing (p00.jpg, p01.jpg, p02.jpg, p03.jpg, p04.jpg, …)"
    assert report.counts("cloud").startswith(f"0 present, {rows} missing (p00.npy,") and report.counts("tile") == "40 present"
    assert not report.usable.any()


def test_exit_status(root):
    """As called: 2 and one closing line, or 0 with --skip; without torch, which takes seconds to import."""
    (root / PANORAMA).unlink()
    code = "import runpy, sys; sys.modules['torch'] = None; runpy.run_module('data.prepare', run_name='__main__', alter_sys=True)"
    for skip, status in (([], 2), (["--skip"], 0)):
        result = subprocess.run([sys.executable, "-c", code, "check", "--root", str(root), *skip], capture_output=True, text=True,
                                cwd=Path(__file__).resolve().parents[4])  # fmt: skip
        assert result.returncode == status, result.stderr
        assert "1 present, 1 missing (looks_north.jpg)" in result.stdout
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == (1 if status else 0) and "Traceback" not in result.stderr, result.stderr


def test_area_json_lists_what_was_left_out(root, tmp_path, prepare):
    (root / PANORAMA).unlink()
    (root / TILE).unlink()
    prepare("streetlearn", "--root", root, "--area", "eastU", "--datasets", tmp_path, "--height", 16, "--points", 32, "--skip")
    info = json.loads((tmp_path / "alpha/eastU/area.json").read_text())
    assert info["left_out"] == {"looks_north": [f"{root / PANORAMA}: missing", f"{root / TILE}: missing"]}


def test_a_bad_class_is_named_by_its_line_in_any_block(root, monkeypatch):
    monkeypatch.setattr("data.sources.streetlearn.dataset_files.BLOCK", 1000)
    lines = (root / CLASSES).read_text().splitlines()
    assert read_cloud(Layout(root), "alpha").classes.tolist() == [int(line) for line in lines]
    lines[4321] = "77"
    (root / CLASSES).write_text("\n".join(lines))
    with pytest.raises(InputError, match="line 4322 is '77'"):
        read_cloud(Layout(root), "alpha")


def test_panoramas_that_show_nothing_are_said(root, tmp_path, prepare, capsys):
    Image.new("RGB", (64, 32)).save(root / PANORAMA)
    prepare("check", "--root", root)
    assert "  panoramas of one colour only, e.g. black, from which nothing can be learnt: 1 (looks_north.jpg)" in capsys.readouterr().out
    prepare("streetlearn", "--root", root, "--area", "eastU", "--datasets", tmp_path / "data", "--height", 16, "--points", 32)
    assert "eastU: panoramas of one colour only" in capsys.readouterr().out
