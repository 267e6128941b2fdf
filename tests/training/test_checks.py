"""A training that cannot learn anything is refused before it starts."""

import json
import re
import shutil

import numpy as np
import pytest
import torch

from config.schema import read_config
from tests.training.tiny import write_city, write_places, write_recipe
from training import train as module
from training.checks import note_collapse
from training.open_places import open_places
from training.train import train_recipe
from utils.classes import BARE_RGB
from utils.errors import InputError

CPU = torch.device("cpu")
TILE = {"tile": {"height": 16, "encoder": {"stages": 2}}}


@pytest.fixture
def root(tmp_path, datasets):
    return shutil.copytree(datasets, tmp_path / "data")


@pytest.fixture
def start(tmp_path, root, capsys):
    """Trains the tiny recipe on the copy for an epoch, and gives what it printed."""

    def start(*overrides, **model):
        config = read_config(write_recipe(tmp_path, root, **model), ["training.epochs=1", *overrides])
        train_recipe(config, CPU)
        return capsys.readouterr().out

    return start


def paint(root, area, colour, places=slice(None)):
    path = root / "tiny" / area / "panoramas.npy"
    panoramas = np.load(path)
    panoramas[places] = colour
    np.save(path, panoramas)


@pytest.mark.parametrize("colour", [0, 255, [10, 200, 30], "noise"])
def test_panoramas_of_one_colour_are_refused(start, root, tmp_path, colour):
    """The colour may vary a little, as in black frames of a compressed video."""
    paint(root, "train", np.random.default_rng(0).integers(0, 4, (24, 32, 64, 3)) if colour == "noise" else colour)
    with pytest.raises(InputError, match="tiny/train: 24 of 24 panoramas looked at show one colour each; there is nothing to learn"):
        start()
    assert not (tmp_path / "runs").exists()


def test_some_panoramas_of_one_colour_are_noted(start, root):
    assert "note" not in start().replace("note: 11 of", "").replace("note: 12 of", "")
    paint(root, "train", 0, slice(5))
    paint(root, "test", 7)
    paint(root, "validation", 7)
    out = start()
    assert "tiny/validation: 12 of 12 panoramas looked at show one colour each" in out
    assert "tiny/train: 5 of 24 panoramas looked at show one colour each" in out
    assert "tiny/test: 11 of 11 panoramas looked at show one colour each" in out


def test_maps_of_one_colour(start, root):
    """If the model reads only tiles they are refused; with a cloud there is a note."""
    raster = root / "tiny/map/raster.npy"
    np.save(raster, np.broadcast_to(np.uint8(BARE_RGB), np.load(raster).shape))
    with pytest.raises(InputError, match="tiny/train: 24 of 24 map tiles looked at show one colour each; there is nothing to learn"):
        start(**TILE)
    assert "tiny/train: 24 of 24 map tiles" in start()


def test_batches_without_negatives(start):
    with pytest.raises(InputError, match="loss.same_place_m is 1000, and no batch has two places farther apart"):
        start("loss.same_place_m=1000")
    assert re.search(r"note: in \d+ of 12 batches no two places are", start("training.batch_size=2", "loss.same_place_m=60"))


def test_places_of_two_cities_are_negatives_however_near(start, root):
    """Two cities with the same coordinates: places a few metres apart, but in different cities, are different places."""
    write_places(write_city(root / "other", seed=9), "train", 24, 1)
    start("loss.same_place_m=1000", "data.train=[tiny/train, other/train]", "training.sampler=shuffled")


@pytest.mark.parametrize("place", [0, 1])
def test_a_collapsed_model_is_noted(place, capsys):
    torch.manual_seed(0)
    embedded = [torch.randn(20, 8), torch.randn(20, 8)]
    assert not note_collapse(*embedded)
    embedded[place] = torch.randn(1, 8) * torch.rand(20, 1)
    assert note_collapse(*embedded) and "the same embedding" in capsys.readouterr().out


def test_a_training_notes_a_collapsed_model_once(start, monkeypatch):
    monkeypatch.setattr(module, "embed_places", lambda model, places, *args: (torch.ones(len(places), 8), torch.ones(len(places), 8)))
    assert start("training.epochs=2", **TILE).count("the same embedding") == 1


def test_answers_in_another_city_are_no_metres_away_from_anything(tmp_path, datasets, root, monkeypatch):
    """Validation on two cities with places at the same coordinates: a place in the other city never counts as near."""
    write_places(write_city(root / "other", seed=9), "validation", 12, 3)
    for city in ("tiny", "other"):
        path = root / city / "validation/locations.csv"
        path.write_text((root / "tiny/validation/locations.csv").read_text())

    def other_city(model, places, *args):
        query = torch.eye(24)
        return query, query.roll(12, 0)  # each query finds the place of the same row of the other city

    monkeypatch.setattr(module, "embed_places", other_city)
    config = read_config(write_recipe(tmp_path, root), ["training.epochs=1", "data.validation=[tiny/validation, other/validation]"])
    line = json.loads((train_recipe(config, CPU) / "metrics.jsonl").read_text())["validation"]
    assert line["recall@1"] == line["within_10m"] == line["within_50m"] == 0 and line["median_error_m"] > 50


def test_areas_that_show_ground_of_training_places_are_named(tmp_path, datasets, capsys):
    """Validation and test areas alike."""
    open_places(read_config(write_recipe(tmp_path, datasets)), torch.device("cpu"))
    told = capsys.readouterr().out
    assert "12 of 12 places of tiny/validation are so near to places of tiny/train" in told
    assert "11 of 11 places of tiny/test are so near to places of tiny/train" in told
