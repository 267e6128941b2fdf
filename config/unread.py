"""Refuses settings that have no effect, because whoever wrote them expected one."""

from collections.abc import Iterable, Iterator
from typing import Any

from config.components import Settings
from config.fusion_settings import FUSIONS
from config.schema import AugmentationConfig, CloudConfig, Config, ModelConfig, TileConfig
from utils.errors import InputError


def refuse_unread(config: Config, overrides: Iterable[str] = ()) -> None:
    """Refuses a recipe in which a setting that the model does not read differs from its default.

    This is for recipes of new runs only; a stored run can be opened whatever it says.

    Args:
        overrides: `key.path=value`, as given with the recipe. If one of them replaces a component, the recipe's settings for the old one
            are only noted.

    Raises:
        InputError: names the setting and why nothing reads it.
    """
    given = {text.partition("=")[0] for text in overrides}
    for key, cause, component in _unread(config.model):
        value, default = _value(config, key), _value(_DEFAULTS, key)
        if value == default:
            continue
        found = f"{key} is {_shown(value)}, but {cause} is {component}, and nothing reads it"
        if not any(f"{cause}.name".startswith(path) for path in given) or any(path.startswith(key) for path in given):
            raise InputError(f"{found}; leave it out ({key}=null)")
        print(f"note: {found}")


class _DEFAULTS:
    """The defaults of the sections that are checked, under their names in a recipe."""

    augmentation = AugmentationConfig()

    class model:
        tile, cloud = TileConfig(), CloudConfig()


def _unread(model: ModelConfig) -> Iterator[tuple[str, str, str]]:
    """Settings that a model does not read: the key, the key that is the cause, and the value of the cause."""
    if not (model.cloud and model.cloud.reads == "points"):
        cause = ("model.cloud.encoder", model.cloud.encoder.name) if model.cloud else ("model.cloud", "missing")
        yield from ((f"augmentation.{key}", *cause) for key in ("point_jitter_m", "point_drop"))
    if model.fusion:
        for section, keys in FUSIONS[model.fusion.name].unread.items():
            yield from ((f"model.{section}.{key}", "model.fusion", model.fusion.name) for key in keys)


def _shown(value: Any) -> str:
    return f"{{{', '.join(f'{k}: {v}' for k, v in vars(value).items())}}}" if isinstance(value, Settings) else repr(value)


def _value(holder: Any, key: str) -> Any:
    for part in key.split("."):
        holder = getattr(holder, part)
    return holder
