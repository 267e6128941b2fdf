"""Reads settings into typed dataclasses. An unknown key, a wrong type or a missing key is refused with one clear line."""

import contextlib
import dataclasses
import difflib
import itertools
import math
import types
import typing
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from config.components import Entry, Settings, find
from utils.errors import InputError

if typing.TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

MOST_BYTES, MOST_VALUES = 1 << 18, 10_000  # of a YAML file


Upgrade = Callable[[dict[str, Any], str], list[str]]  # see config/upgrade.py


def read_settings(cls: type[T], path: Path, overrides: Sequence[str] = (), upgrades: tuple[Upgrade, Upgrade] | None = None) -> T:
    """Reads a YAML file into a dataclass.

    Args:
        cls: the dataclass; its fields may be dataclasses, components (config.components.component), optional (`X | None`), lists, literals,
            str, int, float or bool.
        path: the file.
        overrides: `key.path=value`, the value in YAML; they win over the file.
        upgrades: of the file, and of the file with its overrides: they bring keys and values of earlier versions to this version.

    Raises:
        InputError: names the file, the key path, what was found and what is allowed.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot read this recipe ({error.strerror})") from None
    try:
        settings = _parse(text)
    except ValueError as error:
        raise InputError(f"{path}: not valid YAML ({error})") from None
    if not isinstance(settings, dict):
        raise InputError(f"{path}: a recipe is a mapping of keys to values, found {type(settings).__name__}")
    changes = upgrades[0](settings, str(path)) if upgrades else []
    for override in sorted(overrides, key=lambda text: text.partition("=")[0].count(".")):  # a component before its settings
        _override(settings, override)
    changes += upgrades[1](settings, str(path)) if upgrades else []
    if changes:
        changes = list(dict.fromkeys(changes))
        _note(f"{path}: upgraded from an earlier version: {', '.join(changes[:3])}{', …' if len(changes) > 3 else ''}")
    return from_mapping(cls, settings, str(path))


class _UniqueKeys(yaml.SafeLoader):
    """Refuses two things that plain YAML accepts: a key that appears twice, and whole numbers too long for Python to print."""

    def construct_yaml_int(self, node):
        number = super().construct_yaml_int(node)
        if abs(number) >= 2**63:
            raise yaml.YAMLError(f"a whole number of more than 64 bits, line {node.start_mark.line + 1}")
        return number

    def compose_mapping_node(self, anchor):
        node = super().compose_mapping_node(anchor)  # merge keys (<<) are resolved later, in place
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        repeated = [key for key, count in Counter(keys).items() if count > 1]
        if repeated:
            raise yaml.YAMLError(f"key {repeated[0]!r} appears twice in one mapping, line {node.start_mark.line + 1}")
        return node


_UniqueKeys.add_constructor("tag:yaml.org,2002:int", _UniqueKeys.construct_yaml_int)


def _parse(text: bytes | str) -> Any:
    """The value of a YAML document.

    Raises:
        ValueError: it is not valid YAML, or is too large for a recipe, if only once its aliases are expanded.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES:,} bytes; a recipe has a few thousand")
    try:
        loader = _UniqueKeys(text.decode() if isinstance(text, bytes) else text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _expanded_size(node, {}) > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES:,} values, its aliases (*) written out; a recipe has about a hundred")
        return loader.construct_document(node)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except Exception as error:  # constructors of YAML's own tags raise almost anything
        raise ValueError(" ".join(str(error).split())[:500] or type(error).__name__) from None


def _expanded_size(node: yaml.Node, known: dict[yaml.Node, float]) -> float:
    """Number of values in a node with its aliases expanded; infinite if an alias is inside the node that it names."""
    if node not in known:
        known[node] = math.inf
        inside = node.value if isinstance(node, yaml.CollectionNode) else ()
        if isinstance(node, yaml.MappingNode):
            inside = itertools.chain.from_iterable(inside)
        known[node] = 1 + sum(_expanded_size(child, known) for child in inside)
    return known[node]


def from_mapping(cls: type[T], settings: Mapping[str, Any], source: str, prefix: str = "") -> T:
    """Builds a dataclass from a mapping. Messages begin with `source`, and keys in them with `prefix` (`model.tile.`)."""
    hints = typing.get_type_hints(cls)
    components = {f.name: f.metadata["components"] for f in dataclasses.fields(cls) if "components" in f.metadata}
    missing = dataclasses.MISSING
    optional = {f.name for f in dataclasses.fields(cls) if f.default is not missing or f.default_factory is not missing}
    values = {}
    for key, value in settings.items():
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(hints)}"
            inside = [] if near else difflib.get_close_matches(str(key), _inside_components(components, settings, cls), n=1)
            if inside:
                hint = f"did you mean {_inside_components(components, settings, cls)[inside[0]]!r}?"
            if issubclass(cls, Settings) and not near:
                hint = f"{settings.get('name')} takes {', '.join(k for k in hints if k != 'name') or 'no settings'}"
            shown = key if str(key).isidentifier() and len(str(key)) <= 100 else _shown(key)
            raise InputError(f"{source}: unknown key {prefix}{shown}; {hint}")
        if value is None and key in optional and not _takes_null(hints[key]):
            continue  # null means the default, so that an override can remove a setting
        if key in components and value is not None:
            values[key] = _component(components[key], _default_name(cls, key), value, source, prefix + key)
        else:
            values[key] = _value(hints[key], value, source, prefix + key)
    for field in dataclasses.fields(cls):
        if field.name not in optional and field.name not in values:
            raise InputError(f"{source}: required key {prefix}{field.name} is missing; it takes {_describe(hints[field.name])}")
    try:
        return cls(**values)
    except InputError as error:  # a dataclass that checks its own values names the key relative to itself
        raise InputError(f"{source}: {prefix}{error}") from None


def _inside_components(components: Mapping[str, Mapping[str, Entry]], settings: Mapping[str, Any], cls: type) -> dict[str, str]:
    """Settings of a section's components: their names, and where they are (`encoder.neighbors`)."""
    found: dict[str, str] = {}
    for key, registry in components.items():
        value = settings.get(key)
        name = value.get("name") if isinstance(value, dict) else value
        entry = registry.get(str(name or _default_name(cls, key)))
        found |= {field.name: f"{key}.{field.name}" for field in dataclasses.fields(entry.settings)} if entry else {}
    return found


@cache
def _note(text: str) -> None:
    """Prints a note, once: a command may read a recipe several times."""
    print(f"note: {text}")


def _default_name(cls: type, key: str) -> str | None:
    """Name of a field's default component."""
    make = next(f.default_factory for f in dataclasses.fields(cls) if f.name == key)
    return None if make is dataclasses.MISSING else make().name


def _component(registry: Mapping[str, Entry], default: str | None, value: Any, source: str, key: str) -> Settings:
    """The settings of a component, from its name, or from a mapping of its name and of settings that differ from its defaults."""
    mapping = {"name": value} if isinstance(value, str) else value
    if not isinstance(mapping, dict):
        raise InputError(f"{source}: {key} is {_shown(value)}, it takes {_describe_components(registry)}")
    name = default if mapping.get("name") is None else mapping["name"]
    if not isinstance(name, str):
        found = f"{key}.name is {_shown(name)}, it" if name is not None else f"required key {key}.name is missing; it"
        raise InputError(f"{source}: {found} takes one of {', '.join(registry)}")
    try:
        entry = find(registry, key, name)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    return from_mapping(entry.settings, mapping | {"name": name}, source, f"{key}.")


def _describe_components(registry: Mapping[str, Entry]) -> str:
    return f"one of {', '.join(registry)}; or a mapping with its name and settings"


def _takes_null(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def to_yaml(settings: Any) -> str:
    """A dataclass as YAML that `read_settings` reads back to the same value."""
    return yaml.safe_dump(dataclasses.asdict(settings), sort_keys=False, allow_unicode=True)


def _override(settings: dict, text: str) -> None:
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise InputError(f"{_shown(text)}: an override is key.path=value, e.g. training.epochs=5")
    *parents, last = path.split(".")
    for key in parents:
        if not isinstance(settings.get(key), dict):
            settings[key] = {"name": settings[key]} if isinstance(settings.get(key), str) else {}  # a component, by name alone
        settings = settings[key]
    try:
        new = _parse(value)
    except ValueError:
        raise InputError(f"{_shown(text)}: the value is not valid YAML") from None
    old = settings.get(last)
    if isinstance(new, str) and isinstance(old, dict) and "name" in old:  # a component with settings
        if new == old["name"]:
            return
        if len(old) > 1:
            _note(f"{path}={new} replaces {{{', '.join(f'{k}: {v}' for k, v in old.items())}}}")
    settings[last] = new


def _value(hint: Any, value: Any, source: str, key: str):
    """Converts a value to the type `hint`, or refuses it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and _takes_null(hint):
            return None
        return _value(next(a for a in arguments if a is not type(None)), value, source, key)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return from_mapping(hint, value, source, f"{key}.")
    if origin is list and isinstance(value, list):
        return [_value(arguments[0], v, source, f"{key}[{i}]") for i, v in enumerate(value)]
    if origin is typing.Literal and value in arguments and type(value) is type(arguments[0]):
        return value
    if hint is float and not isinstance(value, bool):
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            number = float(value)  # YAML 1.1 reads 1e-3 as a string
            if math.isfinite(number):
                return number
    if hint is not float and isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    near = difflib.get_close_matches(str(value), [str(a) for a in arguments], n=1) if origin is typing.Literal else []
    hint_text = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(f"{source}: {key} is {_shown(value)}, it takes {_describe(hint)}{hint_text}")


def _shown(value: Any) -> str:
    """A value as text for a message, shortened."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _describe(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join("null" if a is type(None) else _describe(a) for a in arguments)
    if origin is list:
        return f"a list of {_describe(arguments[0])}"
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, arguments))
    if dataclasses.is_dataclass(hint):
        return f"a mapping with the keys {', '.join(f.name for f in dataclasses.fields(hint))}"
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}[hint]
