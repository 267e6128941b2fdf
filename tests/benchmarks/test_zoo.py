"""The comparison of components: every variant is a recipe, and no component is left out."""

from pathlib import Path

from benchmarks.zoo import variants
from config.schema import read_config
from models.registry import CLOUDS, FUSIONS, MAP_POOLINGS, POINT_POOLINGS

RECIPE = Path("config/zoo.yaml")


def test_every_component_is_compared():
    configs = {group: [read_config(RECIPE, list(overrides)).model for overrides in named.values()] for group, named in variants().items()}
    models = [model for group in configs.values() for model in group]
    assert {m.cloud.encoder for m in models if m.cloud} == set(CLOUDS)
    assert {m.fusion for m in models if m.fusion} == set(FUSIONS)
    assert {m.panorama.pooling for m in models} == {name for name, entry in MAP_POOLINGS.items() if entry.reads == "map"}
    assert {m.cloud.pooling for m in models if m.cloud} == set(POINT_POOLINGS)
    assert {(bool(m.tile), bool(m.cloud)) for m in configs["modality"]} == {(True, False), (False, True), (True, True)}


def test_a_group_varies_one_thing():
    """Within a group no two variants are the same recipe."""
    for group, named in variants().items():
        described = [repr(read_config(RECIPE, list(overrides))) for overrides in named.values()]
        assert len(set(described)) == len(described), group
