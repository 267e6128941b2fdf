"""The loader of the published numbers: a comparison that always passes would make all parity tests worthless."""

import json
import zlib

import numpy as np
import pytest
import torch

from tests.parity.conftest import Case, fill


@pytest.fixture
def stored(tmp_path):
    full, long = np.arange(1.0, 7, dtype=np.float32).reshape(2, 3), np.arange(20, dtype=np.float32)
    spec = {
        "inputs": {"a": "RandomState(3).uniform(-1,2,(2,3))*[1,2,3]", "b": "float32(RandomState(4).standard_normal((4,)))"},
        "state_dict": {"norm.weight": [3], "conv.weight": [2, 3, 1]},
        "aliases": {"again.weight": "norm.weight"},
        "outputs": {"full": {"shape": [2, 3]}, "long": {"shape": [4, 5], "stride": 7}},
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    np.savez(tmp_path / "outputs.npz", full=full, long__sub=long[::7])
    return Case(tmp_path), full, long.reshape(4, 5)


def test_equal_and_nearly_equal(stored):
    case, full, long = stored
    assert case.compare("full", full, 0) == 0 == case.compare("long", torch.from_numpy(long), 0)
    assert case.compare("full", full * 1.001, 2e-3) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("change", [lambda v: v * 1.001, lambda v: v.T, lambda v: v[:1], lambda v: v * np.nan])
def test_what_differs_is_refused(stored, change):
    case, full, long = stored
    for name, value in (("full", full), ("long", long)):
        with pytest.raises(AssertionError):
            case.compare(name, change(value), 5e-4)


def test_inputs_are_drawn_as_specified(stored):
    uniform, normal = stored[0].draws()
    assert np.array_equal(uniform, np.random.RandomState(3).uniform(-1, 2, (2, 3)))
    assert np.array_equal(normal, np.random.RandomState(4).standard_normal(4))
    assert np.array_equal(stored[0].draws("b")[0], normal)


def test_weights_by_their_names(stored):
    weights = stored[0].state_dict()
    assert torch.equal(weights["again.weight"], weights["norm.weight"])
    assert abs(weights["norm.weight"].mean() - 1) < 0.3 and weights["conv.weight"].shape == (2, 3, 1)
    raw = torch.from_numpy(np.random.RandomState(zlib.crc32(b"a.running_var")).standard_normal(4).astype(np.float32))
    assert torch.equal(fill("a.running_var", (4,)), 1 + 0.1 * raw.abs())
    assert fill("a.num_batches_tracked", ()).dtype == torch.long and fill("a.bias", (5,)).abs().max() < 0.5


@pytest.mark.parity("c_*")
def test_all_weights_of_a_network(published):
    weights = published.state_dict()
    assert weights.keys() == published.spec["state_dict"].keys() | published.spec["aliases"].keys()
    parameters = sum(weights[k].numel() for k in published.spec["state_dict"] if "running_" not in k and "num_batches" not in k)
    assert parameters == published.spec["n_parameters"]
