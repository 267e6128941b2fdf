"""Files of embeddings: which are read, and which are refused in one line."""

import numpy as np
import pytest

from eval.embeddings import read_embeddings
from utils.errors import InputError

RNG = np.random.default_rng(0)
GOOD = {"query": RNG.random((5, 3), np.float32), "reference": RNG.random((5, 3), np.float32)}


def save(path, **changes):
    np.savez(path, **{key: value for key, value in (GOOD | changes).items() if value is not None})
    return path


@pytest.mark.parametrize("changes", [
    {}, {"query": GOOD["query"].astype(np.float64)}, {"query": np.asfortranarray(GOOD["query"])}, {"ids": np.array(list("abcde"))},
    {"ids": np.arange(5)}, {"heading_deg": np.arange(5)}, {"x": np.arange(5.0), "y": np.arange(5.0)}, {"metric": "euclidean"},
    {"more": np.array([{}], object)},
])  # fmt: skip
def test_read(tmp_path, changes):
    places = read_embeddings(save(tmp_path / "e.npz", **changes))
    assert np.array_equal(places.query.numpy(), GOOD["query"]) and len(places) == 5
    assert (places.xy is None) == ("x" not in changes)


@pytest.mark.parametrize("lon", [0.0, -74.0, 180.0])
def test_positions_from_a_table_on_both_sides_of_a_meridian(tmp_path, lon):
    """60 places 11 m apart, also over the antimeridian, where longitudes jump from 180 to −180."""
    lons = (lon + 1e-4 * (np.arange(60) - 30) + 180) % 360 - 180
    (tmp_path / "places.csv").write_text("id,lat,lon,heading_deg\n" + "".join(f"{i},0.5,{x:.6f},0\n" for i, x in enumerate(lons)))
    path = save(tmp_path / "e.npz", query=RNG.random((60, 3), np.float32), reference=RNG.random((60, 3), np.float32))
    xy = read_embeddings(path, tmp_path / "places.csv").xy
    assert np.diff(xy[:, 0]) == pytest.approx(np.full(59, 11.13), abs=0.02) and np.abs(xy).max() < 400


@pytest.mark.parametrize(("changes", "message"), [
    ({"query": np.ones((5, 3), int)}, "query is int64(5, 3); it must be an array of floats"),
    ({"query": np.ones((5, 3), bool)}, "query is bool(5, 3)"), ({"query": np.ones((5, 3), complex)}, "query is complex128(5, 3)"),
    ({"query": np.ones((5, 3)).astype(str)}, "query is <U32(5, 3)"), ({"query": np.ones((5, 0))}, "query is float64(5, 0)"),
    ({"query": np.ones((0, 3))}, "query is float64(0, 3)"),
    ({"query": np.ones((5, 3), object)}, "pickled Python objects, which are not read"),
    ({"query": np.ones((4, 3))}, "query is (4, 3) but reference is (5, 3)"),
    ({"query": np.ones((5, 3)) * np.inf}, "query embedding 0 is not finite"),
    ({"reference": np.full((5, 3), 1e39)}, "reference embedding 0 is not finite"),
    ({"query": np.ones((1, 3)), "reference": np.ones((1, 3))}, "holds a single place"),
    ({"ids": np.array(list("abcda"))}, "ids of rows 0 and 4 are the same (1 such pairs)"),
    ({"ids": np.array(list("abcd"))}, "ids is <U1(4,)"),
    ({"ids": np.arange(5.0)}, "ids is float64(5,); it must hold 5 texts"), ({"x": np.ones(5) * 1e9}, "x holds 1e+09; it must lie within"),
    ({"heading_deg": np.array([0, 0, 0, 0, -1e6])}, "heading_deg holds -1e+06; it must lie within ±720"),
    ({"heading_deg": np.ones(5, bool)}, "heading_deg is bool(5,)"),
    ({"x": np.full(5, np.nan)}, "x is float64(5,); it must hold 5 finite numbers"),
    ({"metric": "manhattan"}, "metric is 'manhattan'; it must be one of"), ({"metric": np.array(["cosine"])}, "metric is <U6(1,)"),
    ({"metric": np.array("x" * 1000)}, "metric is <U1000()"), ({"metric": np.array(3)}, "metric is int64()"),
])  # fmt: skip
def test_refused(tmp_path, changes, message):
    with pytest.raises(InputError) as caught:
        read_embeddings(save(tmp_path / "e.npz", **changes))
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'e.npz'}: ") and message in text and "\n" not in text
