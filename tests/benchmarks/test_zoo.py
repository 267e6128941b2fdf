"""The comparison of components: each variant is a valid recipe, no component is left out, and the table shows the metrics."""

import sys
from pathlib import Path

import pytest

from benchmarks import zoo
from config.cloud_settings import CLOUDS
from config.fusion_settings import FUSIONS
from config.pooling_settings import MAP_POOLINGS, POINT_POOLINGS
from config.reader import to_yaml
from config.schema import read_config
from utils.errors import InputError

RECIPE = Path("config/zoo.yaml")


def test_every_component_is_compared():
    groups = {group: [read_config(RECIPE, list(o)).model for o in named.values()] for group, named in zoo.variants().items()}
    models = [model for group in groups.values() for model in group]
    assert {m.cloud.encoder.name for m in models if m.cloud} == set(CLOUDS)
    assert {m.fusion.name for m in models if m.fusion} == set(FUSIONS)
    assert {m.panorama.pooling.name for m in models} == {name for name, entry in MAP_POOLINGS.items() if entry.reads == "map"}
    assert {m.cloud.pooling.name for m in models if m.cloud} == set(POINT_POOLINGS)
    assert {(bool(m.tile), bool(m.cloud)) for m in groups["modality"]} == {(True, False), (False, True), (True, True)}


def test_variants_of_a_group_differ():
    for group, named in zoo.variants().items():
        described = [repr(read_config(RECIPE, list(overrides))) for overrides in named.values()]
        assert len(set(described)) == len(described), group


@pytest.fixture
def table(monkeypatch, capsys):
    """The lines that the command prints, and the runs that it asks for. A run's metrics are its seed; runs with linear heads fail."""

    def make(*groups: str) -> tuple[list[str], list[tuple]]:
        runs = []

        def train_variant(recipe, name, overrides, number, folder):
            runs.append((name, overrides, number))
            return None if "model.tile.head=linear" in overrides else dict.fromkeys(zoo.SHOWN, number)

        monkeypatch.setattr(zoo, "train_variant", train_variant)
        monkeypatch.setattr(sys, "argv", ["zoo", str(RECIPE), "--seeds", "1", "2", "6", *(["--groups", *groups] if groups else [])])
        zoo.main()
        return capsys.readouterr().out.splitlines(), runs

    return make


def test_table(table):
    lines, _ = table("heads")
    assert lines[1] == "heads" and lines[3].split() == ["norm,", "tile", *["3.0", "±", "2.6"] * len(zoo.SHOWN)]
    assert lines[4].startswith("linear, tile") and "failed, see" in lines[4]


@pytest.mark.parametrize("group", ["fusion_polar_tiles_and_sectors", "fusion, polar tiles and sectors"])
def test_groups_are_given_without_spaces_or_as_the_table_prints_them(table, group):
    lines, runs = table(group, "modality")
    assert [line for line in lines if line in zoo.variants()] == ["modality", "fusion, polar tiles and sectors"]
    assert {name for name, *_ in runs} > {"modality-tile", "fusion_polar_tiles_and_sectors-concat"}
    with pytest.raises(InputError, match="invalid choice: 'fusions'.*fusion_polar_tiles_and_sectors"):
        table("fusions")


def test_runs_of_another_configuration_are_kept(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(zoo.subprocess, "run", lambda command, **_: commands.append(command))
    stored = "# as an earlier version wrote it\n" + to_yaml(read_config(RECIPE, ["name=modality-tile-1", f"runs={tmp_path}", "seed=1"]))
    run = tmp_path / "modality-tile-1"
    run.mkdir()
    (run / "config.yaml").write_text(stored)
    zoo.refuse_others(RECIPE, "modality-tile", (), 1, tmp_path)
    assert zoo.train_variant(RECIPE, "modality-tile", (), 1, tmp_path) is None and commands.pop()[-1] == "training.resume=true"
    names = {overrides: name for name, overrides in zoo.variants()["modality"].items()}
    monkeypatch.setattr(sys, "argv", ["zoo", str(RECIPE), "--seeds", "1", "--runs", str(tmp_path), "--groups", "modality"])
    monkeypatch.setattr(zoo, "variants", lambda: {"modality": {name: overrides for overrides, name in reversed(names.items())}})
    with pytest.raises(InputError, match="modality-tile-1: is there already with another configuration"):
        zoo.main()
    assert not commands and (run / "config.yaml").read_text() == stored


def test_a_run_is_shared_by_groups_and_keeps_its_name(table):
    _, some = table("modality")
    _, runs = table()
    assert len({overrides for _, overrides, _ in runs}) * 3 == len(runs) == len({(name, number) for name, _, number in runs})
    assert set(some) < set(runs)
