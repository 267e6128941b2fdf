"""Settings that a recipe sets and nothing would read: a typing error in the name of a component, or a wrong idea of it."""

from collections.abc import Iterable

from config.components import CLOUDS, FUSIONS
from config.schema import AugmentationConfig, CloudConfig, Config, LossConfig, TileConfig
from utils.errors import InputError


def refuse_unread(config: Config, overrides: Iterable[str] = ()) -> None:
    """Refuses a recipe that sets what its model, loss and augmentation do not read, to another value than its default.

    Only recipes of new runs are looked at: what a run has stored was good enough when it was made.

    Args:
        overrides: `key.path=value`, as given with the recipe. What is left of a component that one of them exchanges is only noted.

    Raises:
        InputError: names the setting and why nothing reads it.
    """
    given = {text.partition("=")[0] for text in overrides}
    model, loss = config.model, config.loss
    unread = [("loss", loss, LossConfig(), "temperature" if loss.name == "triplet" else "margin", "loss.name", loss.name)]
    if not (model.cloud and CLOUDS[model.cloud.encoder].reads == "points"):
        cause = ("model.cloud.encoder", model.cloud.encoder) if model.cloud else ("model.cloud", "missing")
        unread += [("augmentation", config.augmentation, AugmentationConfig(), key, *cause) for key in ("point_jitter_m", "point_drop")]
    if model.fusion and FUSIONS[model.fusion].reads == "features":
        for name, section, default in (("tile", model.tile, TileConfig()), ("cloud", model.cloud, CloudConfig())):
            keys = ("head", *(key for key in FUSIONS[model.fusion].unread.get(name, ()) if hasattr(section, key)))
            unread += [(f"model.{name}", section, default, key, "model.fusion", model.fusion) for key in keys]
    for prefix, section, default, key, cause, component in unread:
        value = getattr(section, key)
        if value == getattr(default, key):
            continue
        found = f"{prefix}.{key} is {value!r}, but {cause} is {component}, and nothing reads it"
        if cause not in given or f"{prefix}.{key}" in given:
            raise InputError(f"{found}; leave it out ({prefix}.{key}=null)")
        print(f"note: {found}")
