"""The evaluation command: it measures runs and files of embeddings, and refuses what it cannot use in one line."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from safetensors import safe_open

from data import area
from eval import evaluate
from eval.embeddings import read_embeddings
from eval.metrics import retrieval_metrics
from eval.routes.inputs import read_inputs


@pytest.fixture
def main():
    """The command that `call` runs."""
    return evaluate.main


def write(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((30, 4)).astype(np.float32)
    return {"query": reference + rng.standard_normal((30, 4)).astype(np.float32), "reference": reference}


def test_a_run_and_its_stored_embeddings_agree(call, run, tmp_path):
    status, out, _ = call("--run", run, "--device", "cpu", "--json", tmp_path / "deep/run.json")
    found = json.loads((tmp_path / "deep/run.json").read_text())
    assert status == 0 and [*found] == ["tiny/test"] and "checkpoint best of epoch 1" in out
    assert [*found["tiny/test"]] == ["queries", "references", "recall@1", "recall@5", "recall@10", "recall@1%", "within_10m", "within_25m",
                                     "within_50m", "mean_error_m", "median_error_m"]  # fmt: skip
    assert found["tiny/test"]["queries"] == found["tiny/test"]["references"] == 11
    folder = run / "evaluation/tiny/test"
    written = json.loads((folder / "metrics.json").read_text())
    assert {key: written[key] for key in found["tiny/test"]} == found["tiny/test"]
    call("--embeddings", folder / "embeddings.npz", "--json", tmp_path / "file.json")
    assert json.loads((tmp_path / "file.json").read_text()) == {"embeddings": found["tiny/test"]}


def test_areas_and_checkpoint_can_be_chosen(call, run, tmp_path):
    areas, file = ("--areas", "tiny/validation", "tiny/more"), tmp_path / "a.json"
    status, out, _ = call("--run", run, "--device", "cpu", "--checkpoint", "last", *areas, "--json", file)
    assert status == 0 and "checkpoint last of epoch 2" in out
    found = json.loads(file.read_text())
    assert {area: metrics["queries"] for area, metrics in found.items()} == {"tiny/validation": 12, "tiny/more": 10}
    assert not (run / "evaluation").exists()
    call("--run", run, "--device", "cpu", "--areas", "tiny/more")
    last, best = (np.load(run / folder / "tiny/more/embeddings.npz")["query"] for folder in ("evaluation-last", "evaluation"))
    assert not np.allclose(last, best)


def test_metrics_say_what_was_measured(call, run, datasets, tmp_path):
    """metrics.json names the checkpoint by the hash in its header, the code, and the data by a hash that changes with any file."""
    root = shutil.copytree(datasets, tmp_path / "datasets")
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace(str(datasets), str(root)))

    def measure(*arguments, folder="evaluation"):
        assert call("--run", run, "--device", "cpu", *arguments)[0] == 0
        return json.loads((run / folder / "tiny/test/metrics.json").read_text())

    best, last = measure(), measure("--checkpoint", "last", folder="evaluation-last")
    with safe_open(run / "checkpoints/best.safetensors", "pt") as file:
        assert best["checkpoint"] == {"name": "best", "epoch": 1, "sha256": json.loads(file.metadata()["info"])["sha256"]}
    assert (last["checkpoint"]["name"], last["checkpoint"]["epoch"]) == ("last", 2)
    assert last["checkpoint"]["sha256"] != best["checkpoint"]["sha256"] and last["data"] == best["data"] == measure()["data"]
    assert best["data"]["area"] == "tiny/test" and best["data"]["map"] == {"file": "none", "sha256": "0"}
    assert len(best["code"]["sources_sha256"]) == 64 and {len(best["code"]["commit"] or "0" * 40)} <= {40, 46}
    panoramas = np.load(root / "tiny/test/panoramas.npy")
    panoramas[3, 0, 0, 0] ^= 1
    np.save(root / "tiny/test/panoramas.npy", panoramas)
    changed = measure()["data"]
    assert changed["area_sha256"] != best["data"]["area_sha256"] and changed["map_sha256"] == best["data"]["map_sha256"]
    seen = [changed["map_sha256"]]
    for name in ("raster", "classes"):
        path = root / f"tiny/map/{name}.npy"
        np.save(path, np.load(path)[::-1].copy())
        seen.append(measure()["data"]["map_sha256"])
    (root / "tiny/map/graph.npz").write_bytes(b"")  # this model does not read the graph, but others do
    seen.append(measure()["data"]["map_sha256"])
    ground = root / "tiny/map/ground.npy"  # only areas are made from it
    np.save(ground, np.load(ground) + np.uint8(1))
    assert len(set(seen)) == 4 and measure()["data"]["map_sha256"] == seen[-1]


def test_a_map_of_several_areas_is_hashed_once(call, run, monkeypatch):
    hashed, hash_of = [], area._hash_of
    monkeypatch.setattr(area, "_hash_of", lambda files: hashed.append(files[0].parent.name) or hash_of(files))
    assert call("--run", run, "--device", "cpu", "--areas", "tiny/more", "tiny/test")[0] == 0
    assert hashed == ["map", "more", "test"]
    data = [json.loads((run / f"evaluation/tiny/{name}/metrics.json").read_text())["data"] for name in ("more", "test")]
    assert data[0]["map_sha256"] == data[1]["map_sha256"] and data[0]["area_sha256"] != data[1]["area_sha256"]


@pytest.mark.parametrize(
    ("arguments", "option"),
    [(("--run", "RUN", "--metric", "cosine"), "--metric is for --embeddings"),
     (("--run", "RUN", "--locations", "a.csv"), "--locations is for --embeddings"),
     (("--embeddings", "a.npz", "--areas", "tiny/test"), "--areas is for --run"),
     (("--embeddings", "a.npz", "--checkpoint", "last"), "--checkpoint is for --run"),
     (("--embeddings", "a.npz", "--device", "cpu"), "--device is for --run")],
)  # fmt: skip
def test_options_that_nothing_would_read(refusal, run, arguments, option):
    assert option in refusal(*(run if a == "RUN" else a for a in arguments))


@pytest.mark.parametrize("kind", ["float32", "float64", "float16"])
def test_files_of_embeddings_with_and_without_positions(pair, tmp_path, kind):
    pair = {k: v.astype(kind) for k, v in pair.items()}
    x, y = np.random.default_rng(1).uniform(0, 99, (2, 30))
    tensors = [torch.from_numpy(v) for v in pair.values()]
    places = read_embeddings(write(tmp_path / "a.npz", **pair))
    assert (retrieval_metrics(places.query, places.reference), places.xy) == (retrieval_metrics(*tensors), None)
    places = read_embeddings(write(tmp_path / "a.npz", **pair, x=x, y=y, more=np.zeros(3)))
    with_metres = retrieval_metrics(places.query, places.reference, places.xy)
    assert with_metres == retrieval_metrics(*tensors, np.column_stack([x, y]))


@pytest.mark.parametrize(("said", "expected"), [({}, "cosine"), ({"metric": "euclidean"}, "euclidean"), ({"metric": "cosine"}, "cosine")])
def test_a_file_is_compared_alike_by_all_commands(call, pair, tmp_path, said, expected):
    """By what the file says, or else cosine. The embeddings differ in length, so the two metrics give different results."""
    path = write(tmp_path / "a.npz", **{k: v * np.arange(1, 31, dtype=np.float32)[:, None] for k, v in pair.items()}, **said)
    call("--embeddings", path, "--json", tmp_path / "a.json")
    call("--embeddings", path, "--json", tmp_path / "b.json", "--metric", expected)
    assert (tmp_path / "a.json").read_text() == (tmp_path / "b.json").read_text()
    (tmp_path / "g.csv").write_text("from,to\n" + "\n".join(f"{i},{i + 1}" for i in range(29)))
    assert read_inputs(path, tmp_path / "g.csv").metric == expected


def test_positions_from_a_table(call, refusal, pair, tmp_path):
    """The first query finds a reference 0.001° north of the right one, 111 m away; the table has the order of the file."""
    reference = np.eye(3, dtype=np.float32)
    path, table = write(tmp_path / "a.npz", query=reference[[1, 1, 2]], reference=reference), tmp_path / "places.csv"
    table.write_text("id,lat,lon,heading_deg\na,40.000,-74,0\nb,40.001,-74,90\nc,40.000,-74.5,0\n")
    status, _, _ = call("--embeddings", path, "--locations", table, "--json", tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())["a"]
    assert status == 0 and found["mean_error_m"] == pytest.approx(111.3 / 3, abs=0.2) and found["median_error_m"] == 0
    assert "3 positions for 30 embeddings" in refusal("--embeddings", write(path, **pair), "--locations", table)
    assert "no such file" in refusal("--embeddings", path, "--locations", tmp_path / "none.csv")


def test_files_that_are_no_embeddings(refusal, pair, tmp_path):
    for name in ("none.npz", "."):
        what = "not an .npz file with arrays" if (tmp_path / name).is_file() else "no such file of embeddings"
        assert refusal("--embeddings", tmp_path / name).startswith(f"{tmp_path / name}: {what}")
    path = tmp_path / "a.npz"
    for content in ("query,reference", ""):
        path.write_text(content)
        assert "not an .npz file with arrays" in refusal("--embeddings", path)
    np.save(tmp_path / "a.npy", pair["query"])
    assert "not an .npz file with arrays" in refusal("--embeddings", tmp_path / "a.npy")
    path.write_bytes(write(tmp_path / "b.npz", **pair).read_bytes()[:-40])
    assert "not an .npz file with arrays" in refusal("--embeddings", path)


def test_arrays_that_do_not_fit(refusal, pair, tmp_path):
    path = tmp_path / "a.npz"
    for arrays, message in (
        ({"query": pair["query"]}, "reference is missing; it must be"),
        ({"reference": pair["query"]}, "query is missing; it must be"),
        (pair | {"query": pair["query"][0]}, "query is float32(4,); it must be an array of floats (N, D)"),
        (pair | {"query": pair["query"][:0]}, "query is float32(0, 4)"),
        (pair | {"query": pair["query"].astype(str)}, "query is <U32(30, 4)"),
        (pair | {"x": np.zeros(29), "y": np.zeros(29)}, "x is float64(29,); it must hold 30 finite numbers"),
        (pair | {"x": np.zeros(30), "y": np.zeros(29)}, "y is float64(29,); it must hold 30 finite numbers"),
        (pair | {"query": pair["query"][:9]}, "query is (9, 4) but reference is (30, 4)"),
        (pair | {"query": pair["query"][:, :3]}, "query is (30, 3) but reference is (30, 4)"),
        (pair | {"query": pair["query"] * np.nan}, "query embedding 0 is not finite"),
    ):
        assert message in refusal("--embeddings", write(path, **arrays))


def test_pickles_are_refused_and_not_run(refusal, tmp_path):
    class Attack:
        def __reduce__(self):
            return open, (str(tmp_path / "broken in"), "w")

    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"query": Attack()}))
    attack = np.empty((2, 2), object)
    attack[:] = Attack()
    write(tmp_path / "a.npz", query=attack, reference=attack)
    (tmp_path / "broken in").unlink(missing_ok=True)
    for name in ("a.pkl", "a.npz"):
        assert "not an .npz file with arrays" in refusal("--embeddings", tmp_path / name)
    assert not (tmp_path / "broken in").exists()


def test_runs_that_cannot_be_evaluated(refusal, run, tmp_path):
    assert "no run here" in refusal("--run", tmp_path / "none", "--device", "cpu")
    assert "tiny/none: no area here" in refusal("--run", run, "--device", "cpu", "--areas", "tiny/none")
    assert "use auto, cpu or cuda" in refusal("--run", run, "--device", "gpu")
    shutil.rmtree(run / "checkpoints")
    assert "best.safetensors: no such checkpoint" in refusal("--run", run, "--device", "cpu")


def test_areas_that_cannot_be_used(refusal, run, datasets, tmp_path):
    """Areas that are empty, damaged, or have arrays of another length, in a copy of the data that the run reads."""
    root = shutil.copytree(datasets, tmp_path / "datasets")
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(datasets), str(root)))
    area, arguments = root / "tiny/test", ("--run", run, "--device", "cpu")
    lines = (area / "locations.csv").read_text().splitlines()
    (area / "locations.csv").write_text("\n".join(lines[:-1]) + "\n")
    assert "10 locations but arrays of 11" in refusal(*arguments)
    (area / "locations.csv").write_text(lines[0] + "\n")
    assert f"{area}: the area holds no places" in refusal(*arguments)
    (area / "locations.csv").write_text("\n".join(lines) + "\n")
    panoramas = (area / "panoramas.npy").read_bytes()
    for damaged in (panoramas[:-100], panoramas[:20]):
        (area / "panoramas.npy").write_bytes(damaged)
        assert str(area / "panoramas.npy") in refusal(*arguments)
    (area / "area.json").unlink()
    assert f"{area}: no area here" in refusal(*arguments)
    shutil.rmtree(root / "tiny/map")
    assert "tiny/validation" not in refusal(*arguments) and "no city map here" in refusal(*arguments, "--areas", "tiny/validation")


def test_one_source_of_embeddings(call, run):
    assert call()[0] == 2
    status, _, err = call("--run", run, "--embeddings", run)
    assert status == 2 and "not allowed with argument" in err
