"""Embeddings of areas: each place has its row, whatever the batches, and the files hold them unchanged."""

import json
import pickle

import numpy as np
import pytest
import torch

from data.batches.place_batches import PlaceBatches
from eval import embed
from eval.embed import embed_places, evaluate_area
from eval.metrics import retrieval_metrics
from models.checkpoint import load_run

CPU = torch.device("cpu")


@pytest.fixture
def loaded(run):
    config, model, _ = load_run(run, "best", CPU)
    return config, model


def test_rows_are_the_places(loaded, datasets, monkeypatch):
    config, model = loaded
    places = PlaceBatches(datasets, ["tiny/test", "tiny/validation"], config.model.inputs, CPU)
    whole = embed_places(model, places, "float32")
    assert [e.shape for e in whole] == [(23, 16), (23, 16)] and all(e.dtype == torch.float32 for e in whole)
    monkeypatch.setattr(embed, "BATCH", 5)
    for a, b in zip(embed_places(model, places, "float32"), whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    model.eval()
    with torch.no_grad():
        query, reference = model(places.batch(np.array([17])))
    torch.testing.assert_close(query[0], whole[0][17], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(reference[0], whole[1][17], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(loaded, datasets, training):
    config, model = loaded
    model.train(training)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    embed_places(model, PlaceBatches(datasets, ["tiny/test"], config.model.inputs, CPU), "float32")
    assert model.training == training and all(m.training == training for m in model.modules())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_precision_is_the_one_asked_for(loaded, datasets):
    config, model = loaded
    places = PlaceBatches(datasets, ["tiny/test"], config.model.inputs, CPU)
    exact, rough = (embed_places(model, places, p)[0] for p in ("float32", "bfloat16"))
    assert rough.dtype == torch.float32 and torch.equal(rough, rough.bfloat16().float()) and not torch.equal(exact, rough)
    assert ((exact - rough).norm() / exact.norm()) < 0.03


def test_files_of_an_area(loaded, tmp_path):
    config, model = loaded
    metrics = evaluate_area(model, config, "tiny/test", CPU, tmp_path / "out", {"name": "best"})
    written = json.loads((tmp_path / "out/metrics.json").read_text())
    assert {key: written[key] for key in metrics} == metrics and written["checkpoint"] == {"name": "best"}
    assert written.keys() - metrics.keys() == {"checkpoint", "code", "data", "made_by"}
    with np.load(tmp_path / "out/embeddings.npz", allow_pickle=False) as archive:
        arrays = dict(archive)
    pickled = pickle.loads((tmp_path / "out/embeddings.pkl").read_bytes())
    assert arrays.keys() == pickled.keys() == {"query", "reference", "ids", "lat", "lon", "heading_deg", "x", "y", "metric"}
    assert all(np.array_equal(arrays[k], pickled[k]) for k in arrays)
    assert arrays["query"].dtype == np.float32 and arrays["ids"].tolist() == [f"test-{i}" for i in range(11)]
    xy = np.column_stack([arrays["x"], arrays["y"]])
    assert retrieval_metrics(torch.from_numpy(arrays["query"]), torch.from_numpy(arrays["reference"]), xy) == metrics


def test_an_area_is_measured_anew(loaded, tmp_path):
    config, model = loaded
    for name in ("test", "validation"):
        metrics = evaluate_area(model, config, f"tiny/{name}", CPU, tmp_path / "out")
        assert json.loads((tmp_path / "out/metrics.json").read_text())["queries"] == metrics["queries"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["embeddings.npz", "embeddings.pkl", "metrics.json"]
