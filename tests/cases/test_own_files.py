"""Damaged files of maps and of embeddings: the reduced cases, and hand-made ones of the same kinds."""

import json

import numpy as np
import pytest

import data.prepare
import eval.evaluate
import eval.routes.__main__
import training.train
from tests.training.tiny import write_datasets
from utils import arrays
from utils.child import at_most


@pytest.fixture
def command(call_main):
    """Calls a command's `main`: command(module, *arguments) → (exit status, stderr)."""

    def call(module, *arguments) -> tuple[int, str]:
        status, _, err = call_main(module.main, *arguments)
        return status, err

    return call


@pytest.fixture
def line(command):
    """The one line by which a command refuses its arguments."""

    def call(module, *arguments) -> str:
        status, err = command(module, *arguments)
        assert status == 2 and err.startswith("error: ") and err.count("\n") == 1, (status, err)
        return err

    return call


@pytest.fixture
def look(line, tmp_path):
    """Puts a map.json into a city and draws it; returns the line that refuses."""

    def call(map_json: str) -> str:
        write_datasets(tmp_path / "data")
        city, out = tmp_path / "data/tiny", tmp_path / "out.png"
        (city / "map/map.json").write_text(map_json)
        told = line(data.prepare, "picture", "--city", city, "--out", out)
        assert str(city / "map/map.json") in told and not out.exists()
        return told

    return call


def test_case_keys_of_a_map_are_missing(cases, look):
    assert "is missing" in look((cases / "damaged/TRACEBACK_KeyError_data_city_py_74__map_map.json").read_text())


def test_case_pixels_of_no_size(cases, look):
    assert "metres_per_pixel is 0" in look(
        (cases / "damaged/TRACEBACK_ZeroDivisionError_data_georeference_py_31__map_map.json").read_text()
    )


def test_a_map_of_numbers_that_are_none(look):
    info = {"format": 2, "attribution": "a", "source": {}, "origin": [40.0, float("nan")], "bounds": [0, 0, 1, 1], "metres_per_pixel": 1,
            "points": 0, "points_sha256": ""}  # fmt: skip
    assert "build it again" in look(json.dumps(info))


@pytest.mark.parametrize("name", ["TRACEBACK_AttributeError_eval_embeddings_py_57", "TRACEBACK_NotImplementedError_eval_embeddings_py_90"])
def test_case_embeddings(cases, line, name):
    """commands/npz_damaged.sh, too: it calls the command with each of these files."""
    path = cases / f"damaged/{name}.npz"
    assert f"{path}: not an .npz file" in line(eval.evaluate, "--embeddings", path)


def test_case_routes_that_are_no_array(cases, command, line, tmp_path):
    """Its embeddings are whole, its routes are not."""
    path = cases / "damaged/TRACEBACK_AttributeError_eval_routes_files_py_96.npz"
    assert command(eval.evaluate, "--embeddings", path) == (0, "")
    (tmp_path / "edges.csv").write_text("from,to\n0,1\n1,2\n2,3\n3,4\n")
    told = line(eval.routes.__main__, "--embeddings", path, "--graph", tmp_path / "edges.csv", "--routes", path)
    assert f"{path}: no array 'routes' to read" in told


def test_a_script_of_npz_cases_in_processes_of_their_own(cases, run, refused):
    path = cases / "damaged/TRACEBACK_AttributeError_eval_embeddings_py_57.npz"
    assert str(path) in refused(run("-m", "eval.evaluate", "--embeddings", path))


def test_routes_of_booleans(line, tmp_path):
    np.savez(tmp_path / "e.npz", query=np.eye(3), reference=np.eye(3))
    np.savez(tmp_path / "r.npz", routes=np.array([[False, True]]))
    (tmp_path / "edges.csv").write_text("from,to\n0,1\n1,2\n")
    told = line(eval.routes.__main__, "--embeddings", tmp_path / "e.npz", "--graph", tmp_path / "edges.csv", "--routes", tmp_path / "r.npz")
    assert f"{tmp_path / 'r.npz'}: routes are bool(1, 2)" in told


def test_an_encrypted_and_a_swollen_file_of_embeddings(line, tmp_path, monkeypatch):
    path = tmp_path / "e.npz"
    np.savez(path, query=np.eye(3), reference=np.eye(3))
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "'query' is encrypted" in line(eval.evaluate, "--embeddings", path)
    monkeypatch.setattr(arrays, "MOST_UNPACKED", 1 << 20)
    np.savez_compressed(path, query=np.zeros((1 << 15, 16)), reference=np.zeros((2, 2)))
    assert path.stat().st_size < 2**13 and "numpy.savez, which does not compress" in line(eval.evaluate, "--embeddings", path)


def test_a_recipe_that_laughs(line, tmp_path):
    aliases = [f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]" for i in range(9)]
    (tmp_path / "r.yaml").write_text("\n".join(["a0: &a0 [x, x]", *aliases, ""]))
    with at_most(1 << 30):
        assert "its aliases (*) written out" in line(training.train, tmp_path / "r.yaml")


@pytest.mark.parametrize(("option", "value"), [
    ("--resolution", "1e6"), ("--resolution", "nan"), ("--density", "1e9"), ("--tile", "-3"), ("--processes", "100000"), ("--seed", "1e30"),
])  # fmt: skip
def test_options_out_of_any_sense(small_extract, tmp_path, option, value, command):
    status, err = command(data.prepare, "map", "--osm", small_extract, "--out", tmp_path / "city", option, value)
    assert status == 2 and f"argument {option}" in err.splitlines()[-1]
    assert not (tmp_path / "city").exists()


def test_an_area_with_square_panoramas(line, tmp_path):
    write_datasets(tmp_path)
    path = tmp_path / "tiny/test/panoramas.npy"
    np.save(path, np.load(path)[:, :, :32])
    told = line(data.prepare, "preview", "--city", tmp_path / "tiny", "--name", "test", "--out", tmp_path / "p.png")
    assert "panoramas.npy" in told and "expected uint8(any, 32, 64, 3)" in told and not (tmp_path / "p.png").exists()
