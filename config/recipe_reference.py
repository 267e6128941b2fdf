"""The reference of all settings, written from the dataclasses: docs/recipes.md."""

import dataclasses
import inspect
import io
import tokenize
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from config.cloud_settings import CLOUDS
from config.components import Entry, Settings
from config.fusion_settings import FUSIONS
from config.image_settings import IMAGES
from config.learning_settings import LOSSES, OPTIMIZERS, SAMPLERS
from config.pooling_settings import MAP_POOLINGS, POINT_POOLINGS
from config.schema import Config

_PLURAL = {int: "whole numbers", str: "texts"}
REGISTRIES: dict[str, Mapping[str, Entry]] = {
    "Image encoders": IMAGES,
    "Cloud encoders": CLOUDS,
    "Poolings of feature maps": MAP_POOLINGS,
    "Poolings of points": POINT_POOLINGS,
    "Fusions": FUSIONS,
    "Losses": LOSSES,
    "Samplers": SAMPLERS,
    "Optimisers": OPTIMIZERS,
}
INTRODUCTION = """# Recipes: every setting

*Written by `python -m config` from the schema; a test keeps it current. How the settings work together: [models.md](models.md).*

A recipe is a YAML file. Every key can be overridden on the command line: `sh trains.sh config/demo.yaml training.epochs=5`.
A key that is left out, or null, has its default. A wrong recipe is refused with one line that names the key.

A component is chosen by its name, `encoder: dgcnn`, or by its name with settings, `encoder: {name: dgcnn, neighbors: 8}`.
An override that names another component, `model.cloud.encoder=pct`, brings that component's own defaults;
`model.cloud.encoder.neighbors=8` changes one setting of the component that the recipe has.
"""


def recipe_reference() -> str:
    """The reference as Markdown."""
    parts = [INTRODUCTION, *_sections(Config, "")]
    for title, registry in REGISTRIES.items():
        parts += ["\n# " + title + "\n", *_components(registry)]
    return "\n".join(parts).rstrip() + "\n"


def _sections(cls: type, path: str) -> Iterator[str]:
    """A section of a recipe, and then those inside of it."""
    yield f"\n## {f'`{path}`' if path else 'The recipe itself'}\n\n{_summary(cls)}\n"
    inner: list[tuple[type, str]] = []
    rows: list[tuple[str, ...]] = []
    hints = typing.get_type_hints(cls)
    notes = _comments(cls)
    for field in dataclasses.fields(cls):
        section = next((hint for hint in (hints[field.name], *typing.get_args(hints[field.name])) if _is_section(hint)), None)
        key = f"{path}.{field.name}".removeprefix(".")
        if section is not None and "components" not in field.metadata:
            inner.append((section, key))
            rows.append((field.name, f"section [below](#{key.replace('.', '')})", _default(field), notes.get(field.name, "")))
        else:
            rows.append((field.name, _type(hints[field.name], field), _default(field), notes.get(field.name, "")))
    yield _table(("key", "takes", "default", ""), rows)
    for section, key in inner:
        yield from _sections(section, key)


def _components(registry: Mapping[str, Entry]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    for names, entry in _alike(registry):
        own = [field for field in dataclasses.fields(entry.settings) if field.name != "name"]
        notes, hints = _comments(entry.settings), typing.get_type_hints(entry.settings)
        label = ", ".join(f"`{name}`" for name in names) + (f" (paper: {entry.paper})" if entry.paper else "")
        about = entry.about or (_summary(entry.settings) if own else "")
        rows.append((label, "", "", about + (f" (needs {entry.package})" if entry.package else "")))
        rows += [(f"&nbsp;&nbsp;{f.name}", _type(hints[f.name], f), _default(f), notes.get(f.name, "")) for f in own]
    yield _table(("name", "takes", "default", ""), rows)


def _alike(registry: Mapping[str, Entry]) -> Iterator[tuple[list[str], Entry]]:
    """Names of entries that differ in nothing but their name, together."""
    entries = list(registry.values())
    for i, entry in enumerate(entries):
        if entry not in entries[:i]:
            yield [name for name, other in registry.items() if other == entry], entry


def _is_section(hint: Any) -> bool:
    return dataclasses.is_dataclass(hint) and not (isinstance(hint, type) and issubclass(hint, Settings))


def _summary(cls: type) -> str:
    return " ".join(inspect.cleandoc(cls.__doc__ or "").split())


def _type(hint: Any, field: dataclasses.Field) -> str:
    if "components" in field.metadata:
        names = ", ".join(f"`{name}`" for name in field.metadata["components"])
        return f"one of {names}"
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join("null" if a is type(None) else _type(a, field) for a in arguments)
    if origin is typing.Literal:
        return " or ".join(f"`{a}`" for a in arguments)
    if origin is list:
        return f"a list of {_PLURAL[arguments[0]]}"
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}[hint]


def _default(field: dataclasses.Field) -> str:
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        return "required"
    if isinstance(value, Settings):
        return f"`{value.name}`"
    if dataclasses.is_dataclass(value):
        return ""
    return "null" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _comments(cls: type) -> dict[str, str]:
    """The comment behind each field, also of the classes that a class extends."""
    notes: dict[str, str] = {}
    for part in reversed([c for c in cls.__mro__ if dataclasses.is_dataclass(c)]):
        name = ""
        for token in tokenize.generate_tokens(io.StringIO(inspect.cleandoc("\n" + inspect.getsource(part))).readline):
            if token.type == tokenize.NAME and token.start[1] == 4:
                name = token.string
            elif token.type == tokenize.COMMENT and name in {f.name for f in dataclasses.fields(part)}:
                notes[name] = token.string.removeprefix("#").strip()
    return notes


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
