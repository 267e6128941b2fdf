"""Settings that nothing reads are refused, unless they have their default."""

import sys
from pathlib import Path

import pytest

from benchmarks import zoo
from config.fusion_settings import FUSIONS, FusionEntry
from config.schema import read_config
from config.unread import refuse_unread
from training import train as module
from utils.errors import InputError, run_command

RECIPES = sorted((Path(__file__).resolve().parents[2] / "config").glob("*.yaml"))
DATA = "name: a\ndata: {train: [c/train], validation: [c/validation], test: [c/test]}\n"
BOTH = DATA + "model: {panorama: {}, tile: {}, cloud: {}, fusion: concat}\n"


@pytest.fixture
def read(tmp_path):
    (tmp_path / "recipe.yaml").write_text(BOTH)
    return lambda *overrides: read_config(tmp_path / "recipe.yaml", overrides)


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_our_recipes_set_nothing_in_vain(path):
    refuse_unread(read_config(path))


def test_variants_of_the_comparison_set_nothing_in_vain():
    for named in zoo.variants().values():
        for overrides in named.values():
            refuse_unread(read_config(Path("config/zoo.yaml"), overrides))


def test_a_new_fusion_is_a_line_in_the_registry(read, monkeypatch):
    monkeypatch.setitem(FUSIONS, "new", FusionEntry("models.fusions.new:New", reads="features", unread={"tile": ("head",)}))
    refuse_unread(read("model.fusion=new", "model.tile.pooling=gem"))
    with pytest.raises(InputError, match="model.tile.head is 'linear'"):
        refuse_unread(read("model.fusion=new", "model.tile.head=linear"))


NO_CLOUD = ("model.cloud=null", "model.fusion=null")
BUILDINGS = ("model.cloud.encoder=buildings",)


@pytest.mark.parametrize(
    ("overrides", "unread", "harmless"),
    [
        (NO_CLOUD, "augmentation.point_drop=0.3", "augmentation.erase=0"),
        (NO_CLOUD, "augmentation.point_jitter_m=1", "augmentation.point_jitter_m=null"),
        (BUILDINGS, "augmentation.point_drop=0", "augmentation.shift_m=1"),
        (("model.fusion=pixel_to_point",), "model.tile.pooling=gem", "model.cloud.pooling=gem"),
        (("model.fusion=pixel_to_point", "model.tile.polar=true"), "model.tile.pooling={sectors: 8}", "model.cloud.pooling.sectors=8"),
        (("model.fusion=point_to_pixel",), "model.cloud.pooling=gem", "model.tile.pooling=gem"),
        (("model.fusion=2to3",), "model.cloud.pooling.name=gem", "model.cloud.pooling.sectors=8"),
        (("model.fusion=3to2",), "model.tile.pooling=safa", "model.tile.height=64"),
        (("model.fusion=3to2",), "model.tile.head=linear", "model.head=linear"),
        (("model.fusion=cross_attention",), "model.cloud.head=mlp", "model.cloud.pooling=mean"),
    ],
)
def test_what_nothing_reads_is_named(read, overrides, unread, harmless):
    refuse_unread(read(*overrides, harmless))
    key = unread.partition("=")[0]
    with pytest.raises(InputError) as caught:
        refuse_unread(read(*overrides, unread))
    message = str(caught.value)
    assert message.startswith(f"{key} is ") and message.endswith(f"nothing reads it; leave it out ({key}=null)") and "\n" not in message
    refuse_unread(read(*overrides, unread, f"{key}=null"))


@pytest.mark.parametrize(
    ("recipe", "overrides", "left"),
    [
        ("manhattan", ("training.epochs=10", "model.fusion=pixel_to_point"), ["model.tile.pooling is {name: mean, sectors: 8}"]),
        ("demo", ("model.fusion=point_to_pixel",), ["model.cloud.pooling is {name: max, sectors: 8}"]),
        ("paper", ("model.cloud=null", "model.fusion=null"), ["augmentation.point_jitter_m is 1.0"]),
        ("manhattan", ("model.tile=null", "model.fusion=null"), []),
        ("manhattan", ("model.cloud.encoder=dgcnn",), []),
    ],
)
def test_what_an_override_leaves_behind_is_noted(recipe, overrides, left, capsys):
    """Examples of README.md among them."""
    config = read_config(Path("config") / f"{recipe}.yaml", overrides)
    capsys.readouterr()
    refuse_unread(config, overrides)
    notes = capsys.readouterr().out.splitlines()
    assert [note.partition(", but")[0] for note in notes] == [f"note: {text}" for text in left]


def test_what_an_override_sets_itself_is_refused(read):
    for overrides in (["model.fusion=pixel_to_point", "model.tile.pooling=gem"], ["model.fusion=2to3", "model.cloud.head=linear"]):
        with pytest.raises(InputError, match=overrides[1].partition("=")[0]):
            refuse_unread(read(*overrides), overrides)


def test_a_width_that_an_override_sets_for_a_pooling_that_nothing_reads_is_refused(read):
    overrides = ["model.fusion=pixel_to_point", "model.tile.pooling.name=flat", "model.tile.pooling.hidden=64"]
    with pytest.raises(InputError, match="model.tile.pooling is {name: flat, hidden: 64}"):
        refuse_unread(read(*overrides), overrides)


def test_the_training_refuses_it_before_it_looks_at_data(monkeypatch, tmp_path, capsys):
    (tmp_path / "recipe.yaml").write_text(BOTH)
    monkeypatch.setattr(sys, "argv", ["train", str(tmp_path / "recipe.yaml"), "model.fusion=2to3", "model.tile.pooling=gem"])
    with pytest.raises(SystemExit):
        run_command(module.main)
    assert capsys.readouterr().err.startswith("error: model.tile.pooling is {name: gem}, but model.fusion is 2to3, and nothing")
