"""Settings that a recipe sets and nothing would read: a wrong idea of what a component does."""

from typing import Any

from config.components import Settings
from config.fusions import FUSIONS
from config.schema import AugmentationConfig, CloudConfig, Config, TileConfig
from utils.errors import InputError


def refuse_unread(config: Config) -> None:
    """Refuses a recipe that sets what its model does not read, to another value than its default.

    Only recipes of new runs are looked at: what a run has stored was good enough when it was made.

    Raises:
        InputError: names the setting and why nothing reads it.
    """
    model = config.model
    if not (model.cloud and model.cloud.reads == "points"):
        cause = f"model.cloud.encoder is {model.cloud.encoder.name}" if model.cloud else "there is no model.cloud"
        for key in ("point_jitter_m", "point_drop"):
            _refuse("augmentation", config.augmentation, AugmentationConfig(), key, cause)
    if model.fusion and model.tile and model.cloud:
        unread, cause = FUSIONS[model.fusion.name].unread, f"model.fusion is {model.fusion.name}"
        for key in unread.get("tile", ()):
            _refuse("model.tile", model.tile, TileConfig(), key, cause)
        for key in unread.get("cloud", ()):
            _refuse("model.cloud", model.cloud, CloudConfig(), key, cause)


def _refuse(prefix: str, section: Any, default: Any, key: str, cause: str) -> None:
    value, usual = section, default
    for part in key.split("."):
        value, usual = getattr(value, part), getattr(usual, part)
    if value != usual:
        shown = value.name if isinstance(value, Settings) else value
        raise InputError(f"{prefix}.{key} is {shown!r}, but {cause}, and nothing reads it; leave it out ({prefix}.{key}=null)")
