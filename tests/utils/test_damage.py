"""Damaged JSON of maps and areas."""

import json

import pytest

from utils import damage
from utils.damage import read_info
from utils.errors import InputError


@pytest.mark.parametrize(("text", "message"), [
    ("", "missing or damaged"), ("[1]", "a mapping was expected, found list"), ('{"format": 2', "missing or damaged"),
    ('{"format": 2, "x": NaN}', "damaged"), ('{"format": 2, "x": [Infinity]}', "damaged"), ('{"format": 2, "x": 1e999}', "damaged"),
    ('{"format": 2, "x": "\\ud800"}', "damaged"), ("[" * 100_000, "nested too deeply"),
    ('{"format": 2, "x": %s}' % ("9" * 5000), "damaged"),
    ("{}", "map format None, this version reads 2; build it again"), ('{"format": true}', "map format True"),
    ('{"format": "2"}', "map format 2"), ('{"format": 1}', "map format 1, this version reads 2; build it again"),
    ('{"format": 3}', "map format 3, this version reads 2; it is of a newer version of this program: update it"),
])  # fmt: skip
def test_refused(tmp_path, text, message):
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_info(path, 2, "map")
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value) and "\n" not in str(caught.value)


def test_read(tmp_path, monkeypatch):
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"format": 2, "name": "Zürich"}, ensure_ascii=False), encoding="utf-8")
    assert read_info(path, 2, "map") == {"format": 2, "name": "Zürich"}
    with pytest.raises(InputError, match="missing or damaged"):
        read_info(tmp_path / "none.json", 2, "map")
    monkeypatch.setattr(damage, "MOST_JSON", 10)
    with pytest.raises(InputError, match="of 32 bytes, more than 10"):
        read_info(path, 2, "map")
