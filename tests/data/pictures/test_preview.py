"""Previews: one picture of the places asked for."""

import shutil

import numpy as np
import pytest
from PIL import Image

from data.area import Area
from data.areas.build_area import build_area
from data.areas.sample_streets import sample_streets
from data.city import CityMap
from data.pictures.preview import SIDE, save_preview
from utils.errors import InputError


def test_preview(small_city, tmp_path):
    shutil.copytree(small_city.path, tmp_path / "city/map")
    city = CityMap(tmp_path / "city")
    places = sample_streets(city, 100.0, None, "p", np.random.default_rng(0))[:3]
    build_area(city, tmp_path / "city/area", places, None, 16, 64, 0, 1)
    area = Area(tmp_path, "city/area")
    save_preview(city, area, [0, 2], tmp_path / "out/preview.png")
    image = np.asarray(Image.open(tmp_path / "out/preview.png"))
    assert image.shape == (2 * SIDE, 4 * SIDE, 3)
    assert all(part.std() > 5 for row in np.split(image, 2) for part in np.split(row, 4, axis=1))
    for row in (-1, 3):
        with pytest.raises(InputError, match=f"no place {row}; the area has rows 0 to 2"):
            save_preview(city, area, [row], tmp_path / "bad.png")
    assert not (tmp_path / "bad.png").exists()
