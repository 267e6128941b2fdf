"""The benchmark of the cloud index: runs on a small city, and notices a wrong index."""

import re
import sys

import numpy as np
import pytest

from benchmarks import crops
from data.areas.cloud_index import cloud_index
from data.areas.sample_streets import sample_streets


@pytest.fixture(scope="module")
def places(small_city):
    rng = np.random.default_rng(0)
    places = sample_streets(small_city, 100.0, None, "p", rng)
    places.heading_deg = rng.uniform(0, 360, len(places))
    return places


def test_reference_and_index_agree(small_city, places):
    for i in range(0, len(places), 5):
        for count in (100, 10**4):
            place = small_city, places.x[i], places.y[i], places.heading_deg[i], count
            expected = crops.reference_cloud_index(*place)
            assert expected.dtype == np.int32 and expected.tolist() == cloud_index(*place).tolist()


def test_where_nothing_is_around(tower_city):
    index = crops.reference_cloud_index(tower_city, -400.0, 100.0, 0.0, 64)
    assert index.shape == (0,) and index.dtype == np.int32


def test_command_prints_the_ratio(small_city, places, tmp_path, monkeypatch, capsys):
    places.to_csv(tmp_path / "places.csv")
    arguments = ["--city", str(small_city.path.parent), "--locations", str(tmp_path / "places.csv"), "--places", "12", "--points", "128"]
    monkeypatch.setattr(sys, "argv", ["crops", *arguments, "--baseline-places", "3", "--processes", "2"])
    crops.main()
    text = capsys.readouterr().out
    assert text.startswith("12 places × 128 points") and "on 3 of the places" in text
    assert re.search(r"cloud index: [\d.]+ s wall, [\d.]+ s CPU, [\d.]+ ms CPU a place", text)
    assert re.search(r"[\d.]+ ms CPU a place, cloud index [\d.]+ ms; \d+ × less", text)


def test_ratio_is_of_the_same_places(small_city, places, monkeypatch, capsys):
    seconds = iter([1, 2, 3, 4, 5, 6, 50, 60])  # six places, then the reference on the first and the last
    monkeypatch.setattr(crops, "_timed", lambda function, arguments: (function(*arguments), next(seconds)))
    assert crops.compare_cloud_index(small_city, places[:6], 32, 2, processes=1) == pytest.approx((50 + 60) / (1 + 6))


def test_a_wrong_index_is_noticed(small_city, places, monkeypatch):
    monkeypatch.setattr(crops, "cloud_index", lambda *place: cloud_index(*place)[::-1])
    with pytest.raises(RuntimeError, match=f"'{places.ids[0]}'"):
        crops.compare_cloud_index(small_city, places[:4], 32, 2, processes=1)
