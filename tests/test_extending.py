"""docs/extending.md, followed to the letter in a copy of the code: its cloud encoder and its loss train."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.training.tiny import write_datasets, write_recipe

ROOT = Path(__file__).resolve().parents[1]


def blocks(part: str) -> list[str]:
    """The indented code under a heading of the page."""
    page = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    text = re.search(rf"^## {part}\n(.*?)(?=^## |\Z)", page, re.M | re.S)[1]
    return [textwrap.dedent(block).strip("\n") for block in re.findall(r"(?:^(?: {4}.*)?\n)+", text, re.M) if block.strip()]


def insert(path: Path, before: str, text: str) -> None:
    code = path.read_text(encoding="utf-8")
    assert code.count(before) == 1, (path, before)
    path.write_text(code.replace(before, f"{text}\n\n\n{before}"), encoding="utf-8")


def register(path: Path, registry: str, line: str) -> None:
    """Adds a line at the end of a registry."""
    code = path.read_text(encoding="utf-8")
    begin = code.index(f"\n{registry} = {{\n")
    end = code.index("\n}", begin + 1)
    path.write_text(f"{code[:end]}\n    {line}{code[end:]}", encoding="utf-8")


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A copy of the code with the page's cloud encoder and loss."""
    copy = tmp_path_factory.mktemp("extended")
    for package in ("benchmarks", "config", "data", "eval", "models", "training", "utils"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    network, settings, check, line, *_ = blocks("A new cloud encoder")
    (copy / "models/clouds/rings.py").write_text(network + "\n", encoding="utf-8")
    insert(copy / "config/cloud_settings.py", "CLOUDS = {", settings + "\n\n" + textwrap.indent(check, "    "))
    register(copy / "config/cloud_settings.py", "CLOUDS", line)
    for name in ("require", "whole_numbers"):  # "come from config.components"
        assert re.search(rf"^from config.components import .*\b{name}\b", (copy / "config/cloud_settings.py").read_text(), re.M)

    loss, settings, line, *_ = blocks("A new loss")
    insert(copy / "training/losses.py", "def cosine_similarity", loss)
    path = copy / "training/losses.py"
    code = path.read_text(encoding="utf-8").replace("import InfoNCESettings,", "import InfoNCESettings, MarginSettings,")
    path.write_text(code, encoding="utf-8")
    insert(copy / "config/learning_settings.py", "# Built as `Class(settings)`; see training/losses.py.", settings)
    register(copy / "config/learning_settings.py", "LOSSES", line)
    return copy


def test_the_pages_cloud_encoder_and_loss_train(extended, tmp_path):
    recipe = write_recipe(tmp_path, write_datasets(tmp_path / "data"), cloud={"points": 16})
    overrides = ["training.epochs=2", "model.cloud.encoder={name: rings, rings: 4}", "loss={name: margin, margin: 0.3}"]
    command = [sys.executable, "-m", "training.train", str(recipe), *overrides]
    done = subprocess.run(command, cwd=extended, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, last = (float(loss) for loss in re.findall(r"epoch \d/2: loss ([\d.]+)", done.stdout))
    assert 0 < last < first
    assert "name: rings\n      rings: 4" in (tmp_path / "runs/tiny/config.yaml").read_text()
    refused = subprocess.run([*command[:-2], "model.cloud.encoder={name: rings, rings: 0}"], cwd=extended, capture_output=True, text=True)
    assert refused.returncode == 2 and "model.cloud.encoder.rings is 0, it takes at least 1" in refused.stderr


def test_the_reference_lists_them(extended):
    told = subprocess.run([sys.executable, "-m", "config"], cwd=extended, capture_output=True, text=True, check=True).stdout
    assert subprocess.run([sys.executable, "-m", "benchmarks.zoo", "--help"], cwd=extended, capture_output=True).returncode == 0
    assert "`rings`" in told and "| number of rings |" in told and "by how much the own reference should be more similar" in told
