"""The format of recipes and of a run's config.yaml, and how recipes of earlier versions are brought to it.

In format 1 (before version 0.12) a section held all settings of its components (`cloud: {encoder: dgcnn, neighbors: 8}`). Since format 2
each component holds its own (`cloud: {encoder: {name: dgcnn, neighbors: 8}}`).
"""

from typing import Any

from utils.errors import InputError
from utils.version import VERSION

FORMAT = 2  # of runs: their config.yaml, and the names of tensors in their checkpoints

_IMAGE = {"stages": "encoder", "layers": "encoder", "hidden": "pooling", "sectors": "pooling"}
_NETWORK = ("neighbors", "radius", "strides", "widths", "attention_width", "features", "graph", "dynamic")
_CLOUD = dict.fromkeys(_NETWORK, "encoder") | {"sectors": "pooling", "scale": "paper", "projection": "paper", "projection_slope": "paper"}
# {section: {old key: component that holds it now}}
_MOVED = {
    "model.panorama": _IMAGE,
    "model.tile": _IMAGE,
    "model.cloud": _CLOUD,
    "training": {"weight_decay": "optimizer", "neighbors_per_batch": "sampler"},
}
_RENAMED = {"projection_slope": "slope", "neighbors_per_batch": "size"}
# A config.yaml of format 1 holds every key. Those with these defaults, or null, had no effect and are dropped.
_OLD_DEFAULTS = {"sectors": 1, "scale": "metres", "projection": [], "projection_slope": 0.1, "neighbors_per_batch": 1}
_UNREAD_BY_LOSS = {"infonce": ("margin", 0.1), "triplet": ("temperature", 0.07)}
_VALUES = {
    "model.preprocessing": {"ours": "antialiased", "published": "paper"},
    **{f"model.{s}.encoder": {f"resnet{n}_published": f"resnet{n}_paper" for n in (18, 34, 50)} for s in ("panorama", "tile")},
}
_REMOVED = {
    "graph_edgeconv": "dgcnn with `dynamic: false`, the same network",
    "graph_point_transformer": "point_transformer",
}


def header() -> str:
    """The first lines of a run's config.yaml."""
    return f"format: {FORMAT}\nversion: {VERSION}\n"


def upgrade(settings: dict[str, Any], source: str, overridden: bool = False) -> list[str]:
    """Brings a recipe to this version's format, in place. A recipe that has it already stays as it is.

    Args:
        overridden: keys of earlier versions come from overrides, which win over the recipe.

    Returns:
        what was changed, as `old key → new key`.

    Raises:
        InputError: the recipe was written by a later version, or names a component that was removed.
    """
    written, version = settings.pop("format", None), settings.pop("version", None)
    if written is not None and (type(written) is not int or written > FORMAT):
        raise InputError(
            f"{source}: format {str(written)[:40]} (version {str(version)[:40]}); this version reads formats up to {FORMAT}, "
            "install a newer one"
        )
    if written == FORMAT:
        return []
    changes = []
    for path, moved in _MOVED.items():
        section = _section(settings, path)
        for key in [key for key in section if key in moved]:
            changes += _move(section, path, key, moved[key], overridden)
    paper = _section(settings, "model.cloud.paper")
    if any(change.startswith("model.cloud.") and ".paper." in change for change in changes):
        paper.setdefault("scale", "metres")
    for path, values in _VALUES.items():
        parent, _, key = path.rpartition(".")
        section = _section(settings, parent)
        value = section.get(key)
        if isinstance(value, dict):
            section, key, value = value, "name", value.get("name")
        if isinstance(value, str) and value in values:
            section[key] = values[value]
            changes.append(f"{path} {value} → {values[value]}")
    loss = _section(settings, "loss")
    unread, default = _UNREAD_BY_LOSS.get(str(loss.get("name", "infonce")), ("", None))
    if loss.get(unread) == default:
        loss.pop(unread, None)
    network = _section(settings, "model.cloud").get("encoder")
    name = str(network.get("name") if isinstance(network, dict) else network)
    if name in _REMOVED:
        raise InputError(f"{source}: model.cloud.encoder is {name}, which was removed in version 0.12; use {_REMOVED[name]}")
    return changes


def _section(settings: dict[str, Any], path: str) -> dict[str, Any]:
    """A section of a recipe; an empty mapping if there is none."""
    section: Any = settings
    for key in path.split("."):
        section = section.get(key) if isinstance(section, dict) else None
    return section if isinstance(section, dict) else {}


def _move(section: dict[str, Any], path: str, key: str, component: str, overridden: bool) -> list[str]:
    """Moves a setting into the component that holds it now."""
    value, new = section[key], _RENAMED.get(key, key)
    holder = section.get(component)
    if isinstance(holder, str):
        holder = section[component] = {"name": holder}
    elif not isinstance(holder, dict):
        holder = {}
    if new in holder and not overridden:
        return []  # given under both keys: the old one stays, and is refused as unknown
    del section[key]
    if not overridden and (value is None or _OLD_DEFAULTS.get(key) == value):
        return []
    if key == "neighbors_per_batch":
        holder.setdefault("name", "clumps")
    holder[new] = value
    section[component] = holder
    return [f"{path}.{key} → {path}.{component}.{new}"]
