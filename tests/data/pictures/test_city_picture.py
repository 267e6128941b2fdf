"""Pictures of a city map: the spot in the middle, heading up, and the same things in the view from above it."""

import numpy as np
import pytest
from PIL import Image

from data.pictures.city_picture import DOWN_DEG, SIDE, UP_DEG, save_picture
from utils.classes import CLASSES, INDEX
from utils.errors import InputError
from utils.outputs import check_files


def picture_of(city, path, heading_deg, above_m=2.0, spot=None, extent_m=200.0):
    save_picture(city, spot, heading_deg, extent_m, above_m, path)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def is_building(drawn):
    return np.abs(drawn - CLASSES[INDEX["buildings"]].rgb).sum(-1) < 10


@pytest.mark.parametrize(("heading", "column", "row"), [(0, 0.75, 0.5), (90, 0.5, 0.25), (180, 0.25, 0.5)])
def test_the_tower_east_of_the_middle(tower_city, tmp_path, heading, column, row):
    """20 m × 20 m, 50 m east of the middle: 72 of 720 pixels at 200 m."""
    drawn = picture_of(tower_city, tmp_path / "p.png", heading)[:, :SIDE]
    rows, columns = np.nonzero(is_building(drawn[: SIDE - 20]))  # without the line below that says whose data it is
    assert abs(columns.mean() - column * SIDE) < 3 and abs(rows.mean() - row * SIDE) < 3
    assert np.ptp(columns) == pytest.approx(72, abs=6) and np.ptp(rows) == pytest.approx(72, abs=6)


def test_the_view_shows_it_ahead_and_the_horizon_level(tower_city, tmp_path):
    view = picture_of(tower_city, tmp_path / "p.png", 90.0)[:, SIDE:]
    away = picture_of(tower_city, tmp_path / "q.png", 270.0)[:, SIDE:]
    middle, horizon = view.shape[1] // 2, round(SIDE * UP_DEG / (UP_DEG + DOWN_DEG))
    assert np.abs(view[horizon - 100 : horizon - 10, middle] - away[horizon - 100 : horizon - 10, middle]).mean() > 20  # a wall, not sky
    edge = np.abs(np.diff(away[:, middle - 200], axis=0)).sum(1)[horizon - 60 : horizon + 60].argmax() - 60
    assert abs(edge) < 4


def test_a_spot_and_its_extent(tower_city, tmp_path):
    lat, lon = (float(v) for v in tower_city.projection.inverse(50.0, 0.0))
    drawn = picture_of(tower_city, tmp_path / "p.png", 0.0, spot=(lat, lon), extent_m=40.0)[:, :SIDE]
    assert is_building(drawn)[SIDE // 2, SIDE // 2] and is_building(drawn).mean() == pytest.approx(0.25, abs=0.03)


def test_a_spot_outside_the_map(tower_city, tmp_path):
    with pytest.raises(InputError, match="lies outside the map"):
        save_picture(tower_city, (10.0, 10.0), 0.0, 100.0, 50.0, tmp_path / "p.png")
    assert not list(tmp_path.iterdir())


def test_a_picture_replaces_one_of_its_own_and_no_photograph(tower_city, tmp_path):
    path = tmp_path / "p.png"
    picture_of(tower_city, path, 0.0)
    check_files({"--out": path})
    Image.open(path).save(path)  # without what tells whose it is
    with pytest.raises(InputError, match="holds something else"):
        check_files({"--out": path})


def test_it_says_whose_data_it_shows(tower_city, tmp_path, monkeypatch):
    with_text = picture_of(tower_city, tmp_path / "p.png", 0.0)
    monkeypatch.setattr("data.pictures.city_picture.attribute", lambda picture, text: None)
    without = picture_of(tower_city, tmp_path / "q.png", 0.0)
    changed = np.argwhere((with_text != without).any(-1))
    assert len(changed) > 200 and changed[:, 0].min() > SIDE - 20 and changed[:, 1].min() < 10
