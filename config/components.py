"""Components that a recipe chooses by name: each is a class, a dataclass of its settings, and a line in a registry.

The registries are in config/image_settings.py, cloud_settings.py, pooling_settings.py, fusion_settings.py and learning_settings.py. They
load no network: a component's code is imported when it is built. How to add one: docs/extending.md.
"""

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from utils.errors import InputError


@dataclass
class Settings:
    """The settings of a component. Components with settings of their own extend this class."""

    name: str  # of the component


@dataclass(frozen=True)
class Entry:
    """A line of a registry.

    Attributes:
        path: `module:Class`; how it is built is described at the registry.
        settings: dataclass of its settings.
        about: what it is, in a few words, for docs/recipes.md; empty: the docstring of its settings is used.
        paper: its name in the reference implementation of arXiv 2308.05993; empty if it has none.
        package: an optional package that it needs; empty if none.
    """

    path: str
    settings: type[Settings] = Settings
    about: str = ""
    paper: str = ""
    package: str = ""

    def load(self) -> Callable[..., Any]:
        """Imports the class.

        Raises:
            InputError: its optional package is not installed.
        """
        module, name = self.path.split(":")
        try:
            return getattr(importlib.import_module(module), name)
        except ImportError as error:
            if not self.package:
                raise
            raise InputError(f"{name} needs the package {self.package} ({error}); install it: pip install {self.package}") from None


E = TypeVar("E", bound=Entry)


def find(registry: Mapping[str, E], key: str, name: str) -> E:
    """The entry of a name. An entry `family/*` serves all names of the family without an entry of their own.

    Raises:
        InputError: there is none. The message suggests known names that are similar, or that have this name in the paper's code.
    """
    family = f"{name.partition('/')[0]}/*"
    if name in registry or (family in registry and "/" in name):
        return registry.get(name) or registry[family]
    words: dict[str, list[str]] = {}  # names by which people may look for a component
    for known, entry in registry.items():
        for word in (known, known.rpartition("/")[2], *filter(None, entry.paper.split(", "))):
            words.setdefault(word, []).append(known)
    near = [name] if name in words else difflib.get_close_matches(name, words, n=2) or [word for word in words if name and name in word]
    found = list(dict.fromkeys(known for word in near for known in words[word]))[:3]
    hint = f"; did you mean {' or '.join(map(repr, found))}?" if found else ""
    raise InputError(f"{key} is {name!r}, it takes one of {', '.join(registry)}{hint}")


def component(registry: Mapping[str, Entry], default: str | None = None) -> Any:
    """A dataclass field for one component of a registry.

    In a recipe it is `encoder: dgcnn`, or `encoder: {name: dgcnn, neighbors: 8}`. Without a default the field may be null.
    """
    metadata = {"components": registry}
    if default is None:
        return field(default=None, metadata=metadata)
    return field(default_factory=lambda: registry[default].settings(default), metadata=metadata)


def require(ok: bool, message: str) -> None:
    """Checks a setting.

    Raises:
        InputError: `ok` is false. The message names the key relative to its dataclass.
    """
    if not ok:
        raise InputError(message)


def whole_numbers(*values: int) -> Any:
    """A dataclass field for a list of whole numbers, with its default."""
    return field(default_factory=lambda: list(values))
