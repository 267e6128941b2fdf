"""Photographs: real ones are read, unusable ones are named."""

from unicodedata import normalize

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data.sources.photographs import photograph_files as photographs
from data.sources.photographs.photograph_files import find_photographs, read_photograph, usable_photographs
from utils.errors import InputError


@pytest.fixture(scope="module")
def real(shared_data):
    """Real panoramas by id."""
    ids = pd.read_csv(shared_data / "photographs/stuttgart.csv")["id"].to_numpy(str)[:6]
    return {name: shared_data / f"photographs/images/{name}.jpg" for name in ids}


def assert_refused(path, *words):
    with pytest.raises(InputError) as caught:
        read_photograph(path, 64)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    assert all(word in message for word in words), message


def test_real_panoramas(real):
    assert len(real) == 6
    for name, path in real.items():
        image = read_photograph(path, 64)
        assert path.stem == name and image.shape == (64, 128, 3) and image.dtype == np.uint8
        assert image.std() > 20
        # The sky is the brightest part of these, the vehicle at the bottom is not.
        assert image[:16].mean() > image[48:].mean()


def test_scaled_as_by_the_paper(real):
    """To the last grey level what OpenCV reads and scales."""
    for path in real.values():
        expected = cv2.resize(cv2.imread(str(path)), (448, 224))[..., ::-1]
        assert np.array_equal(read_photograph(path, 224, paper=True), expected)


@pytest.mark.parametrize("height", [32, 64, 512])
def test_scaled_by_the_mean_over_each_pixel(real, height):
    """Against the whole image decoded at full size; JPEG's decoding at a fraction of the size may differ by a little."""
    path = next(iter(real.values()))
    full = Image.open(path).convert("RGB").resize((2 * height, height), Image.Resampling.BOX)
    assert np.abs(read_photograph(path, height).astype(float) - np.asarray(full)).mean() < 1


@pytest.mark.parametrize("rows", [1, 5, 31])
def test_scaled_in_bands_as_in_one(tmp_path, monkeypatch, rows):
    """Bands that begin and end within a row of the picture: no row is left out or counted twice."""
    image = np.repeat(np.random.default_rng(0).integers(0, 256, (101, 1, 3)), 202, 1).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "p.png")
    monkeypatch.setattr(photographs, "BAND_PIXELS", 202 * 101 / 32 * (rows + 0.5))
    whole = np.asarray(Image.fromarray(image).resize((64, 32), Image.Resampling.BOX))
    assert np.abs(read_photograph(tmp_path / "p.png", 32).astype(int) - whole).max() <= 1


def test_small_pictures_grow(tmp_path):
    Image.fromarray(np.full((16, 32, 3), (10, 120, 200), np.uint8)).save(tmp_path / "small.png")
    assert (read_photograph(tmp_path / "small.png", 64) == (10, 120, 200)).all()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_other_colour_modes(tmp_path, mode):
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    image = Image.new("RGB", (128, 64), (90, 90, 90))
    (image.quantize(4) if mode == "P" else image.convert(mode)).save(path)
    assert np.abs(read_photograph(path, 32).astype(int) - 90).max() < 6


def test_truncated_jpeg(real, tmp_path):
    whole = next(iter(real.values())).read_bytes()
    for share in (0.01, 0.5, 0.9):
        (tmp_path / "cut.jpg").write_bytes(whole[: int(share * len(whole))])
        assert_refused(tmp_path / "cut.jpg", "cannot be read as an image")


@pytest.mark.parametrize("name", ["text.jpg", "text.png"])
def test_a_text_file(tmp_path, name):
    (tmp_path / name).write_text("no image")
    assert_refused(tmp_path / name, "cannot be read as an image")


def test_an_empty_file(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert_refused(tmp_path / "empty.jpg", "cannot be read as an image")


@pytest.mark.parametrize("size", [(100, 100), (64, 128), (300, 100)])
def test_not_twice_as_wide_as_high(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "square.jpg")
    assert_refused(tmp_path / "square.jpg", f"{size[0]} × {size[1]}", "twice as wide as high")


def test_photographs_are_found_by_id(tmp_path):
    for name in ("b.jpg", "a.PNG", "c.v2.jpeg", "d.WebP", "readme.txt"):
        (tmp_path / name).touch()
    (tmp_path / "e.jpg").mkdir()
    found, reasons = find_photographs(tmp_path, ["c.v2", "a", "b", "d", "e", "../a"])
    assert {name: path.name for name, path in found.items()} == {"c.v2": "c.v2.jpeg", "a": "a.PNG", "b": "b.jpg", "d": "d.WebP"}
    assert list(reasons) == ["e", "../a"] and all(reason.startswith("missing") for reason in reasons.values())
    with pytest.raises(InputError, match="no such folder"):
        find_photographs(tmp_path / "no", ["a"])


def test_photographs_are_found_however_their_accents_are_written(tmp_path):
    """Files copied from a Mac, whose names are taken apart: u and ¨ for ü."""
    path = tmp_path / f"{normalize('NFD', 'Süd 1')}.jpg"
    path.touch()
    for name in (normalize("NFC", "Süd 1"), path.stem):
        assert find_photographs(tmp_path, [name]) == ({name: path}, {})


def test_two_files_of_one_id(tmp_path):
    for name in ("a.jpg", "a.png", "b.JPG", "b.jpg", "c.jpg"):
        (tmp_path / name).touch()
    found, reasons = find_photographs(tmp_path, ["a", "b", "c"])
    assert list(found) == ["c"] and "a.jpg and a.png" in reasons["a"] and "b.JPG and b.jpg" in reasons["b"]


def save(path, size=(64, 32), colour=None):
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[: size[1] // 2] = (90, 140, 220)
    Image.fromarray(image if colour is None else np.full_like(image, colour)).save(path)


def test_all_that_cannot_be_used_is_named_before_anything_is_written(tmp_path, capsys):
    for name in ("a.jpg", "b.jpg", "c.jpg", "c.png"):
        save(tmp_path / name)
    save(tmp_path / "square.jpg", (32, 32))
    (tmp_path / "text.jpg").write_text("no image")
    ids = ["a", "b", "c", "square", "text", *(f"none{i}" for i in range(20))]
    with pytest.raises(InputError) as caught:
        usable_photographs(tmp_path, ids, processes=1)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: 23 of 25 panoramas cannot be used: ") and "\n" not in message
    for words in (
        "'c': c.jpg and c.png",
        "'square': square.jpg: 32 × 32",
        "'text': text.jpg: cannot be read",
        "'none6'",
        "and 13 more",
        "--skip",
    ):
        assert words in message
    files, left_out = usable_photographs(tmp_path, ids, True, 1)
    assert [path.name for path in files] == ["a.jpg", "b.jpg"] and list(left_out) == ids[2:]
    assert "23 of 25 places left out" in capsys.readouterr().out
    with pytest.raises(InputError, match="2 of 2 panoramas cannot be used") as caught:
        usable_photographs(tmp_path, ["text", "none"], True, 1)
    assert "--skip" not in str(caught.value)


def test_pictures_that_show_nothing_are_said(tmp_path, capsys):
    save(tmp_path / "a.jpg")
    save(tmp_path / "black.jpg", colour=0)
    save(tmp_path / "white.png", colour=255)
    usable_photographs(tmp_path, ["a", "black", "white"], processes=1)
    out = capsys.readouterr().out
    assert "panoramas of one colour only" in out and "2 (black.jpg, white.png)" in out
    usable_photographs(tmp_path, ["a"], processes=1)
    assert capsys.readouterr().out == ""
