"""docs/recipes.md is up to date and describes every setting."""

from pathlib import Path

from config.recipe_reference import REGISTRIES, recipe_reference

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_reference_is_current():
    assert (DOCS / "recipes.md").read_text(encoding="utf-8") == recipe_reference(), "write it again: python -m config > docs/recipes.md"


def test_every_component_and_every_setting_is_there_with_its_comment():
    text = recipe_reference()
    for registry in REGISTRIES.values():
        assert all(f"`{name}`" in text for name in registry)
    assert "| learning_rate | a number | `0.001` | the highest;" in text
    assert "nearest neighbours of each point, itself included" in text
    without_text = [
        line for line in text.splitlines() if line.startswith("| ") and line.endswith("|  |") and "key" not in line and "name" not in line
    ]
    assert len(without_text) < 8, without_text
