"""The list of components: all in the registries, with their costs."""

import sys

import pytest

from config.cloud_settings import CLOUDS
from config.fusion_settings import FUSIONS
from config.image_settings import IMAGES
from config.pooling_settings import MAP_POOLINGS, POINT_POOLINGS
from models.__main__ import main
from utils.errors import InputError


def test_every_component_is_listed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["models", "--height", "64", "--points", "64"])
    main()
    parts = capsys.readouterr().out.strip().split("\n\n")
    assert len(parts) == 6  # the last explains mult-adds
    for part, registry in zip(parts, (IMAGES, MAP_POOLINGS, CLOUDS, POINT_POOLINGS, FUSIONS), strict=False):
        lines = part.splitlines()[1:]
        entries = {name: entry for name, entry in registry.items() if not name.endswith("*")}  # a family has no cost
        assert [line.split()[0] for line in lines] == [*entries]
        for line, entry in zip(lines, entries.values(), strict=True):
            assert line.endswith(entry.paper) and (" M " in line or "pip install" in line), line
    assert "11,176,512" in parts[0] and "542,728" in parts[2]


@pytest.mark.parametrize("arguments", [["--height", "48"], ["--points", "16"]])
def test_sizes_that_do_not_fit_some_components(arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["models", *arguments])
    with pytest.raises(InputError, match="--height takes multiples of 32, and --points 32 or more"):
        main()
