"""The documentation names files, commands, options and versions that exist."""

import importlib
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import yaml

from config.schema import read_config
from utils.version import VERSION

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
README_BYTES = 8_000
FOREIGN = {"--logdir"}  # options of other programs: tensorboard
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^(?: {4}|\t).*$|`([^`]+)`", re.MULTILINE)
OPTION = re.compile(r"--[a-z][\w-]*")


def commands_of(text: str, call: str = "python -m") -> list[list[str]]:
    """The words after a call in a page's code, of each command; a line that ends with a backslash goes on in the next."""
    command, text = re.compile(f"{call} (.+)"), re.sub(r"\\\n\s*", "", text)
    found = [command.search(match[1] or match[0]) for match in CODE.finditer(text)]
    found += [match for fence in FENCE.findall(text) for match in command.finditer(fence)]
    lines = [re.split(r"\s+#\s|\s[|&]", match[1])[0] for match in found if match]
    return [shlex.split(line) for line in dict.fromkeys(lines)]


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def file_of(module: str) -> Path | None:
    """The file that `python -m MODULE` runs."""
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__main__.py") if file.is_file()), None)


@cache
def main_of(module: str):
    """What a command runs; imported once."""
    package = ROOT.joinpath(*module.split(".")).is_dir()
    return importlib.import_module(f"{module}.__main__" if package else module).main


@pytest.fixture
def help_of(call_main):
    """A command's help: help_of(module, *subcommand)."""

    def read(*words: str) -> str:
        status, text, errors = call_main(main_of(words[0]), *words[1:], "--help")
        assert status == 0, errors
        return text

    return read


COMMANDS = [(page, words) for page in PAGES for words in commands_of(page.read_text(encoding="utf-8"))]
MODULES = sorted({words[0] for _, words in COMMANDS})


def test_commands_are_found():
    assert {"data.prepare", "eval.evaluate", "eval.routes", "models.published", "models.export"} <= set(MODULES)
    text = "\n    python -m eval.routes --a 1 \\\n        --b 2  # note\n\nsay `python -m models`\n\n```\npython -m x.y z\n```\n"
    assert commands_of(text) == [["eval.routes", "--a", "1", "--b", "2"], ["models"], ["x.y", "z"]]


def test_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= README_BYTES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files_and_headings(page):
    broken = []
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        if not file.is_file() or (anchor and anchor not in anchors_of(file)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("module", MODULES)
def test_commands_are_modules(module):
    assert file_of(module), f"python -m {module} runs nothing of this project"


@pytest.mark.parametrize("module", MODULES)
def test_options_of_commands_exist(module, help_of):
    commands = [(page, words[1:]) for page, words in COMMANDS if words[0] == module]
    unknown = []
    for page, words in commands:
        subcommands = words[:1] if module == "data.prepare" and words and not words[0].startswith("-") else []
        known = set(OPTION.findall(help_of(module, *subcommands))) if words else set()
        unknown += [f"{page.name}: {' '.join([module, *words])}: {word}" for word in words
                    if OPTION.fullmatch(word.partition("=")[0]) and word.partition("=")[0] not in known]  # fmt: skip
    assert not unknown


def test_options_in_prose_exist(help_of):
    commands = {tuple(words[: 1 + (words[0] == "data.prepare")]) for _, words in COMMANDS}
    known = set(OPTION.findall("\n".join(help_of(*words) for words in commands)))
    named = {(page.name, option) for page in PAGES for option in OPTION.findall(page.read_text(encoding="utf-8"))}
    assert not {pair for pair in named if pair[1] not in known | FOREIGN}


def test_recipes_named_exist():
    named = {name for page in PAGES for name in re.findall(r"config/\w+\.yaml", page.read_text(encoding="utf-8"))}
    assert named and not [name for name in named if not (ROOT / name).is_file()]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "extending.md"], ids=lambda page: page.name)
def test_trainings_are_recipes(page):
    """Those of extending.md train components of its own: tests/test_extending.py."""
    for words in commands_of(page.read_text(encoding="utf-8"), "sh trains.sh"):
        if words and words[0].endswith(".yaml"):
            read_config(ROOT / words[0], words[1:])


def test_versions_agree():
    released = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[1]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert released == citation["version"] == VERSION
