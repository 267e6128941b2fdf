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
# A config.yaml of format 1 holds every key. Those with these defaults, or null, had no effect.
_OLD_DEFAULTS = {"sectors": 1, "scale": "metres", "projection": [], "projection_slope": 0.1, "neighbors_per_batch": 1}
_PLAIN_CLOUD = {"scale": "metres", "projection": [], "slope": 0.1}  # what a cloud without `paper` has
_OTHER_LOSS = {"infonce": "margin", "triplet": "temperature"}  # the setting of the other loss, which format 1 stored too
_VALUES = {
    "model.preprocessing": {"ours": "antialiased", "published": "paper"},
    **{f"model.{s}.encoder": {f"resnet{n}_published": f"resnet{n}_paper" for n in (18, 34, 50)} for s in ("panorama", "tile")},
}
_REMOVED = {
    "graph_edgeconv": "dgcnn with `dynamic: false`, a similar network (a run that has it needs version 0.11)",
    "graph_point_transformer": "point_transformer (a run that has it needs version 0.11)",
}


def header() -> str:
    """The first lines of a run's config.yaml."""
    return f"format: {FORMAT}\nversion: {VERSION}\n"


def upgrade(settings: dict[str, Any], source: str) -> list[str]:
    """Brings a recipe to this version's format, in place. A recipe that has it already stays as it is.

    Returns:
        what was changed, as `old key → new key`.

    Raises:
        InputError: the recipe was written by a later version.
    """
    if "format" in settings:
        written, version = settings.pop("format"), settings.pop("version", None)
        if type(written) is not int or written > FORMAT:
            raise InputError(
                f"{source}: format {str(written)[:40]} (version {str(version)[:40]}); this version reads formats up to {FORMAT}, "
                "install a newer one"
            )
        if written == FORMAT:
            return []
    try:
        changes = _move_all(settings, overridden=False)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    loss = _section(settings, "loss")
    other = _OTHER_LOSS.get(str(loss.get("name") or "infonce"), "")
    if other in loss and (loss[other] is None or set(_OTHER_LOSS.values()) <= loss.keys()):
        changes += [f"loss.{other} (of the other loss) dropped"] if loss.pop(other) is not None else []
    return changes


def upgrade_overrides(settings: dict[str, Any], source: str) -> list[str]:
    """Moves what overrides have said in the words of earlier versions; they win over the recipe. Otherwise as `upgrade`.

    Raises:
        InputError: the recipe names a component that was removed.
    """
    changes = _move_all(settings, overridden=True)
    loss = _section(settings, "loss")
    other = _OTHER_LOSS.get(str(loss.get("name") or "infonce"), "")
    if loss.get(other, 0) is None:
        del loss[other]
    network = _section(settings, "model.cloud").get("encoder")
    name = str(network.get("name") if isinstance(network, dict) else network)
    if name in _REMOVED:
        raise InputError(f"{source}: model.cloud.encoder is {name}, which was removed in version 0.12; use {_REMOVED[name]}")
    return changes


def _move_all(settings: dict[str, Any], overridden: bool) -> list[str]:
    changes = []
    cloud = _section(settings, "model.cloud")
    had_paper = isinstance(cloud.get("paper"), dict)
    for path, moved in _MOVED.items():
        section = _section(settings, path)
        for key in [key for key in section if key in moved]:
            changes += _move(section, path, key, moved[key], overridden)
    if isinstance(cloud.get("paper"), dict) and any(".paper." in change for change in changes):
        if not had_paper:
            cloud["paper"].setdefault("scale", "metres")
        if {"scale": "unit"} | _PLAIN_CLOUD | cloud["paper"] == _PLAIN_CLOUD and "scale" in cloud["paper"]:
            del cloud["paper"]
    for path, values in _VALUES.items():
        parent, _, key = path.rpartition(".")
        section = _section(settings, parent)
        value = section.get(key)
        if isinstance(value, dict):
            section, key, value = value, "name", value.get("name")
        if isinstance(value, str) and value in values:
            section[key] = values[value]
            changes.append(f"{path} {value} → {values[value]}")
    return changes


def _section(settings: dict[str, Any], path: str) -> dict[str, Any]:
    """A section of a recipe; an empty mapping if there is none."""
    section: Any = settings
    for key in path.split("."):
        section = section.get(key) if isinstance(section, dict) else None
    return section if isinstance(section, dict) else {}


def _move(section: dict[str, Any], path: str, key: str, component: str, overridden: bool) -> list[str]:
    """Moves a setting into the component that holds it now."""
    value, new, holder = section[key], _RENAMED.get(key, key), section.get(component)
    if holder is not None and not isinstance(holder, str | dict):
        return []  # no component: the reader refuses it
    if not overridden and (isinstance(holder, dict) and new in holder or key == "neighbors_per_batch" and holder is not None):
        raise InputError(f"{path}.{key} and {path}.{component}.{new} are both given; leave out the first")
    del section[key]
    inner: dict[str, Any] = {"name": holder} if isinstance(holder, str) else holder or {}
    default = _OLD_DEFAULTS.get(key)
    resets = value is None or (type(value) is type(default) and value == default)
    change = [f"{path}.{key} → {path}.{component}.{new}"]
    if key == "neighbors_per_batch":
        if resets and overridden:
            section[component] = "shuffled"
        elif not resets:
            section[component] = {"name": "clumps", "size": value}
        return change if overridden or not resets else []
    if resets:
        if overridden and component == "paper":
            section[component] = inner | {new: default if value is None else value}
        elif overridden:
            inner.pop(new, None)
        return change if overridden else []
    section[component] = inner | {new: value}
    return change
