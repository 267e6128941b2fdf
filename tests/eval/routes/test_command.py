"""`python -m eval.routes`: what it prints and writes, and what it refuses in one line."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.route_files import read_routes, write_table
from tests.training.tiny import write_datasets


@pytest.fixture
def files(tmp_path, tangle):
    """Embeddings of the places of the tangle, and its edges."""
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((60, 6)).astype(np.float32)
    arrays = {"query": reference + rng.standard_normal((60, 6)).astype(np.float32), "reference": reference}
    np.savez(tmp_path / "e.npz", **arrays, heading_deg=rng.uniform(0, 360, 60), x=rng.uniform(0, 900, 60), y=rng.uniform(0, 900, 60))
    tangle.to_csv(tmp_path / "g.csv")
    return {"--embeddings": tmp_path / "e.npz", "--graph": tmp_path / "g.csv"}


def options(files, **changes):
    merged = files | {f"--{key.replace('_', '-')}": value for key, value in changes.items()}
    return [part for pair in merged.items() if pair[1] is not None for part in pair]


def published_mat(path, places=4, drop=(), **fields):
    """A file like the published ones: a ring of places, counted from 1."""
    struct = np.zeros((1, places), [(name, object) for name in ("gsv_yaw", "neighbor", "bearing", "x", "y") if name not in drop])
    for i in range(places):
        values = {"gsv_yaw": 90 * i, "neighbor": [[(i + 1) % places + 1]], "bearing": 0, "x": np.eye(places)[i], "y": np.eye(places)[i]}
        for name in struct.dtype.names:
            struct[name][0, i] = fields.get(name, values[name])
    savemat(path, {"routes": struct})
    return path


def test_generated_routes_and_what_is_written(call, files, tmp_path):
    out = {name: tmp_path / "out" / name for name in ("a.json", "a.csv", "r.npz", "r.csv")}
    wanted = {"generate": 40, "length": 6, "seed": 3, "turns": "headings", "keep": 50}
    status, text, _ = call(*options(files, **wanted, json=out["a.json"], csv=out["a.csv"], save_routes=out["r.npz"]))
    found = json.loads(out["a.json"].read_text())
    assert status == 0 and "\npaper " in text and "40 routes of 6 places among 60" in text
    assert len(found["top1_accuracy"]) == 6 and found["keep_percent"] == 50 and found["seed"] == 3 and found["turns"] == "headings"
    assert pd.read_csv(out["a.csv"])["paper"].tolist() == found["top1_accuracy"]
    with np.load(out["r.npz"]) as archive:
        write_table(out["r.csv"], "routes", archive["routes"])
    for routes in (out["r.npz"], out["r.csv"]):
        call(*options(files, routes=routes, turns="headings", keep=50, json=tmp_path / "b.json"))
        assert json.loads((tmp_path / "b.json").read_text())["top1_accuracy"] == found["top1_accuracy"]
    assert found["metric"] == "cosine"
    call(*options(files, **wanted, metric="euclidean", json=tmp_path / "b.json"))
    assert json.loads((tmp_path / "b.json").read_text())["top1_accuracy"] != found["top1_accuracy"]


def test_unlabelled_panoramas_are_read_for_hubness(call, refusal, files, tmp_path):
    """Their queries are normalised as the others are; their references do not matter."""
    wanted = {"generate": 40, "length": 5, "localizer": "hubness", "metric": "cosine", "json": tmp_path / "a.json"}
    rng = np.random.default_rng(1)
    with np.load(files["--embeddings"]) as archive:
        query = archive["reference"] + 0.5 * rng.standard_normal((60, 6)).astype(np.float32)

    def accuracy(**changes) -> list[float]:
        assert call(*options(files, **wanted, **changes))[0] == 0
        return json.loads((tmp_path / "a.json").read_text())["top1_accuracy"]

    for name, arrays in (("u", {"query": query, "reference": query}), ("v", {"query": 7 * query, "reference": 0 * query + 1})):
        np.savez(tmp_path / f"{name}.npz", **arrays)
    corrected = accuracy(unlabelled=tmp_path / "u.npz")
    assert corrected == accuracy(unlabelled=tmp_path / "v.npz")
    assert json.loads((tmp_path / "a.json").read_text())["unlabelled"] == str(tmp_path / "v.npz")
    np.savez(tmp_path / "u.npz", query=query[:, :5], reference=query[:, :5])
    assert "unlabelled embeddings of 5 dimensions, references of 6" in refusal(*options(files, **wanted, unlabelled=tmp_path / "u.npz"))
    (tmp_path / "a.json").unlink()
    assert "--localizer hubness needs --unlabelled FILE" in refusal(*options(files, **wanted)) and not (tmp_path / "a.json").exists()
    wanted["localizer"] = "likelihood"
    assert call(*options(files, **wanted))[0] == 0
    assert json.loads((tmp_path / "a.json").read_text())["top1_accuracy"] != corrected
    wanted["localizer"] = "online"
    assert "is for --localizer hubness" in refusal(*options(files, **wanted, unlabelled=tmp_path / "u.npz"))


def test_published_files_count_from_1(call, tmp_path):
    mat = published_mat(tmp_path / "MES_ring.mat")
    savemat(tmp_path / "r.mat", {"test_route": [[1, 2, 3], [4, 1, 2]]})
    savemat(tmp_path / "t.mat", {"test_turn": [[1, 1], [1, 1]]})
    arguments = ("--embeddings", mat, "--routes", tmp_path / "r.mat", "--turns", tmp_path / "t.mat")
    assert call(*arguments, "--json", tmp_path / "a.json")[0] == 0
    assert json.loads((tmp_path / "a.json").read_text())["top1_accuracy"] == [100, 100, 100]
    ring = RouteGraph.from_neighbors([[1], [2], [3], [0]], "ring")
    assert read_routes(tmp_path / "r.mat", ring).tolist() == [[0, 1, 2], [3, 0, 1]]


def test_an_area_its_roads_and_its_animation(call, small_city, tmp_path):
    """Places along the roads of a map, drawn with their panoramas on the map."""
    from data.areas.sample_streets import sample_streets
    from data.areas.write_area import write_area

    locations = sample_streets(small_city, 12.0, None, "p", np.random.default_rng(0))
    root = tmp_path / "small"
    root.mkdir()
    (root / "map").symlink_to(small_city.path)
    grey = np.full((8, 16, 3), 99, np.uint8)
    write_area(root / "area", small_city, locations, lambda i: grey, lambda i: np.zeros(4, np.int32), 8, 4, {}, processes=1)
    embedding = np.random.default_rng(0).standard_normal((len(locations), 8)).astype(np.float32)
    np.savez(tmp_path / "e.npz", query=embedding, reference=embedding)
    arguments = ("--embeddings", tmp_path / "e.npz", "--graph", root / "area", "--generate", 5, "--length", 4, "--keep", 50)
    status, text, _ = call(*arguments, "--animate", 2, "--out", tmp_path / "a.gif")
    assert status == 0 and "100.0" in text
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 4 and picture.height == 684
        assert picture.convert("RGB").getpixel((picture.width - 240, 120)) == pytest.approx((99, 99, 99), abs=6)  # the panorama
    assert call(*arguments, "--animate", 2, "--out", tmp_path / "a.html")[0] == 0
    page = (tmp_path / "a.html").read_text()
    assert page.count("iVBORw0KGgo") == 4 and "src=" not in page.replace('f.src="data:', "")


def test_animation_without_a_drawn_map(call, files, refusal, tmp_path):
    wanted = {"generate": 3, "length": 5, "animate": 1}
    assert call(*options(files, **wanted, out=tmp_path / "a.gif"))[0] == 0
    assert Image.open(tmp_path / "a.gif").n_frames == 5
    assert "belong together" in refusal(*options(files, **wanted))
    assert "counted from 1 to 3" in refusal(*options(files, generate=3, length=5, animate=4, out=tmp_path / "a.gif"))


def test_figure_with_published_curves(call, files, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "p.csv").write_text("area,embedding,kept_percent,route_length,top1_accuracy_percent\ne,2d,100,1,40\ne,2d,100,2,50\n")
    assert call(*options(files, generate=9, length=3, figure=tmp_path / "f.png", paper_curves=tmp_path / "p.csv"))[0] == 0
    assert Image.open(tmp_path / "f.png").size[0] > 500


def test_published_curves_that_are_not_there(refusal, files, tmp_path):
    pytest.importorskip("matplotlib")
    wanted = options(files, generate=9, length=3, figure=tmp_path / "f.png", paper_curves=tmp_path / "p.csv")
    assert "no such file of published accuracies" in refusal(*wanted)
    for text, message in (
        ("area,embedding\n", "column 'kept_percent' is missing"),
        ("area,embedding,kept_percent,route_length,top1_accuracy_percent\nmars,2d,100,1,40\n", "areas: mars; kept: 100"),
    ):
        (tmp_path / "p.csv").write_text(text)
        assert message in refusal(*wanted)


def test_files_that_do_not_fit(refusal, files, tangle, tmp_path):
    some = {"generate": 3, "length": 4}
    edges = tmp_path / "x.csv"
    edges.write_text("from,to\n0,60\n")
    assert "line 2: to is '60'; it must be a whole number from 0 to 59" in refusal(*options(files, **some, graph=edges))
    mat = published_mat(tmp_path / "m.mat")
    assert "60 embeddings for the 4 places of the graph" in refusal(*options(files, **some, graph=mat))
    write_datasets(tmp_path / "datasets")
    assert "60 embeddings for the 11 places" in refusal(*options(files, **some, graph=tmp_path / "datasets/tiny/test"))
    assert "holds no graph of places; give --graph" in refusal(*options(files, **some, graph=None))
    assert "no such file" in refusal(*options(files, **some, graph=tmp_path / "none.csv"))
    assert "no such file of embeddings" in refusal(*options(files, **some, embeddings=tmp_path / "none.npz"))
    assert "longer than any path of the graph" in refusal(*options(files, generate=3, length=61))
    assert "needs --length" in refusal(*options(files, generate=3))
    assert "--keep 0" in refusal(*options(files, **some, keep=0))
    np.savez(tmp_path / "n.npz", query=np.full((60, 2), np.nan), reference=np.ones((60, 2)))
    assert "query embedding 0 is not finite (60 such rows)" in refusal(*options(files, **some, embeddings=tmp_path / "n.npz"))
    np.savez(tmp_path / "n.npz", query=np.ones((60, 2)), reference=np.ones((60, 2)))
    assert "no headings" in refusal(*options(files, **some, embeddings=tmp_path / "n.npz", turns="headings"))
    wanted = options(files, **some, embeddings=tmp_path / "n.npz", json=tmp_path / "a.json")
    assert "an animation needs the positions" in refusal(*wanted, "--animate", 1, "--out", tmp_path / "a.gif")
    assert "written as .gif or .html" in refusal(*options(files, **some), "--animate", 1, "--out", tmp_path / "a.mp4")
    assert "written as .png" in refusal(*options(files, **some), "--figure", tmp_path / "a.bmp")
    assert not (tmp_path / "a.json").exists()


def test_routes_that_cannot_be(refusal, files, tangle, tmp_path):
    path = tmp_path / "r.csv"
    good = next(i for i in range(60) if len(tangle.neighbors(i)))
    to = int(tangle.neighbors(good)[0])
    other = next(j for j in range(60) if j != good and j not in tangle.neighbors(good))
    for text, message in (
        (f"{good},{to}\n{good},{other}\n", f"route 2 leaves the graph: no edge from place {good} to {other} (step 1)"),
        (f"{good},60\n", "route 1 passes place 60; with 60 places they must be whole numbers from 0 to 59"),
        (f"{good},1.5\n", "line 1: column 2 is '1.5'; it must be a whole number"),
        (f"{good},1.0\n", "line 1: column 2 is '1.0'"),
        ("True,False\n", "line 1: column 1 is 'True'"),
        ("a,b\n", "line 1: column 1 is 'a'"),
        ("1,2\n3\n", "line 2 has 1 cells, line 1 has 2"),
        ("", "empty; expected a table of routes"),
    ):
        path.write_text(text)
        assert message in refusal(*options(files, routes=path))
    assert "no such file of routes" in refusal(*options(files, routes=tmp_path / "none"))
    np.savez(tmp_path / "r.npz", other=np.zeros((2, 2)))
    assert "no array 'routes'" in refusal(*options(files, routes=tmp_path / "r.npz"))
    path.write_text(f"{good},{to}\n")
    for text, message in (("1,0\n", "1 routes of 2 places have (1, 1)"), ("2\n", "turns must be 0 or 1, found 2")):
        (tmp_path / "t.csv").write_text(text)
        assert message in refusal(*options(files, routes=path, turns=tmp_path / "t.csv"))


def test_mat_files_that_are_none(refusal, tmp_path):
    path, rest = tmp_path / "m.mat", ("--generate", 2, "--length", 2)
    savemat(path, {"other": 1})
    assert "no variable 'routes' in this file (found other)" in refusal("--embeddings", path, *rest)
    savemat(path, {"routes": 1})
    assert "`routes` has no field 'x'" in refusal("--embeddings", path, *rest)
    path.write_bytes(b"no such format" * 20)
    assert "not a MATLAB 5 file, or damaged" in refusal("--embeddings", path, *rest)
    published_mat(path).write_bytes(path.read_bytes()[:-300])
    assert "not a MATLAB 5 file, or damaged" in refusal("--embeddings", path, *rest)
    for changes, message in (
        ({"drop": ("neighbor",)}, "no field 'neighbor'"),
        ({"neighbor": [[5]]}, "place 1 has neighbour 5; with 4 places they must be whole numbers from 1 to 4"),
        ({"neighbor": [[0]]}, "place 1 has neighbour 0"),
        ({"x": np.full(4, np.nan)}, "reference embedding 0 is not finite (4 such rows)"),
        ({"x": np.zeros(3)}, "query is (4, 4) but reference is (4, 3)"),
        ({"gsv_yaw": [1, 2]}, "`gsv_yaw` must be one number a place, found 2"),
        ({"y": "text"}, "`y` of place 1"),
    ):
        assert message in refusal("--embeddings", published_mat(path, **changes), *rest)
    ring = published_mat(path)
    savemat(tmp_path / "r.mat", {"test_route": [[0, 1]]})
    assert "whole numbers from 1 to 4" in refusal("--embeddings", ring, "--routes", tmp_path / "r.mat")
    savemat(tmp_path / "r.mat", {"test_route": [[1, 2, 3, 4, 1]]})
    assert "passes a place twice" in refusal("--embeddings", ring, "--routes", tmp_path / "r.mat")


@pytest.mark.parametrize("files_of", [
    {"csv": "a.csv"}, {"csv": "a.csv", "localizer": "likelihood"}, {"save_routes": "r.csv"}, {"save_routes": "r.npz"}, {"figure": "f.png"},
    {"figure": "f.svg"}, {"figure": "f.pdf"}, {"animate": 1, "out": "a.gif"}, {"animate": 1, "out": "a.html"},
])  # fmt: skip
def test_results_replace_those_of_an_earlier_call_and_nothing_else(call, refusal, files, tmp_path, files_of):
    if "figure" in files_of:
        pytest.importorskip("matplotlib")
    wanted = {k: tmp_path / v if isinstance(v, str) and "." in v else v for k, v in files_of.items()}
    (path,) = [v for v in wanted.values() if hasattr(v, "suffix")]
    for _ in range(2):
        assert call(*options(files, generate=3, length=5, **wanted))[0] == 0
    assert path.stat().st_size
    if path.suffix in (".png", ".gif"):
        Image.new("RGB", (400, 400)).save(path)
    elif path.suffix == ".csv":
        path.write_text("name,phone\nAda,0401234567\n" if "csv" in files_of else "0401234567,0402345678\n")
    elif path.suffix == ".npz":
        path.write_text("mine")
    else:
        path.write_text({".pdf": "%PDF-1.7 thesis", ".svg": "<svg/>", ".html": "<!doctype html>"}[path.suffix])
    before = path.read_bytes()
    assert "holds something else" in refusal(*options(files, generate=3, length=5, **wanted))
    assert path.read_bytes() == before


def test_tables_of_earlier_versions_are_replaced(call, files, tmp_path):
    """They called the paper's search `published`."""
    for header, localizer in (("route_length,published", "paper"), ("route_length,published,online", "online")):
        (tmp_path / "a.csv").write_text(f"{header}\n1,50.0\n")
        assert call(*options(files, generate=3, length=5, csv=tmp_path / "a.csv", localizer=localizer))[0] == 0
        assert [*pd.read_csv(tmp_path / "a.csv")] == ["route_length", *dict.fromkeys(("paper", localizer))]


def test_another_localizer_stands_beside_the_paper(call, refusal, files, tmp_path):
    wanted = {"generate": 20, "length": 5, "json": tmp_path / "a.json", "csv": tmp_path / "a.csv"}
    status, text, _ = call(*options(files, **wanted, localizer="likelihood"))
    found, table = json.loads((tmp_path / "a.json").read_text()), pd.read_csv(tmp_path / "a.csv")
    assert status == 0 and "\npaper " in text and "\nlikelihood " in text
    assert table["paper"].tolist() == found["paper_top1_accuracy"] and table["likelihood"].tolist() == found["top1_accuracy"]
    assert "invalid choice: 'published'" in refusal(*options(files, **wanted, localizer="published"))
