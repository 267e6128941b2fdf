"""Photographs: real ones are read, unusable ones are named."""

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data.photographs import find_photographs, read_photograph
from utils.errors import InputError


@pytest.fixture(scope="module")
def real(shared_data):
    """Real panoramas by id."""
    ids = pd.read_csv(shared_data / "panoramas/panoramas.csv")["pano_id"].to_numpy(str)
    return dict(zip(ids, find_photographs(shared_data / "panoramas", ids), strict=True))


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


def test_scaled_as_published(real):
    """To the last grey level what OpenCV reads and scales."""
    for path in real.values():
        expected = cv2.resize(cv2.imread(str(path)), (448, 224))[..., ::-1]
        assert np.array_equal(read_photograph(path, 224, published=True), expected)


@pytest.mark.parametrize("height", [32, 64, 512])
def test_scaled_by_the_mean_over_each_pixel(real, height):
    """Against the whole image decoded at full size; JPEG's decoding at a fraction of the size may differ by a little."""
    path = next(iter(real.values()))
    full = Image.open(path).convert("RGB").resize((2 * height, height), Image.Resampling.BOX)
    assert np.abs(read_photograph(path, height).astype(float) - np.asarray(full)).mean() < 1


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


def test_photographs_are_found_by_id_in_the_order_asked_for(tmp_path):
    for name in ("b.jpg", "a.PNG", "c.v2.jpeg", "readme.txt"):
        (tmp_path / name).touch()
    found = find_photographs(tmp_path, np.array(["c.v2", "a", "b"]))
    assert [p.name for p in found] == ["c.v2.jpeg", "a.PNG", "b.jpg"]


def test_missing_photographs(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find_photographs(tmp_path / "no", np.array(["a"]))
    (tmp_path / "a.jpg").touch()
    with pytest.raises(InputError) as caught:
        find_photographs(tmp_path, np.array(["a", "x", "y"]))
    assert str(tmp_path) in str(caught.value) and "2 of 3" in str(caught.value) and "x.jpg" in str(caught.value)
