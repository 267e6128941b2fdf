"""Settings that a recipe sets and nothing would read: a typing error in the name of a component, or a wrong idea of it."""


from config.schema import AugmentationConfig, CloudConfig, Config, LossConfig, TileConfig
from models.registry import CLOUDS, FUSIONS
from utils.errors import InputError

POOLING = ("pooling", "hidden", "sectors")
# What fusions that read features pool: tile's map, cloud's points, or as published, whatever the recipe says.
POOLS = {"pixel_to_point": ("cloud",), "point_to_pixel": ("tile",), "cross_attention": ("tile", "cloud"), "2to3": (), "3to2": ()}


def refuse_unread(config: Config) -> None:
    """Refuses a recipe that sets what its model, loss and augmentation do not read, to another value than its default.

    Only recipes of new runs are looked at: what a run has stored was good enough when it was made.

    Raises:
        InputError: names the setting and why nothing reads it.
    """
    model, loss = config.model, config.loss
    unread = [("loss", loss, LossConfig(), "margin", "loss.name is infonce")] if loss.name == "infonce" else [
        ("loss", loss, LossConfig(), "temperature", "loss.name is triplet")
    ]
    if not (model.cloud and CLOUDS[model.cloud.encoder].reads == "points"):
        why = f"model.cloud.encoder {model.cloud.encoder} reads no points" if model.cloud else "there is no model.cloud"
        unread += [("augmentation", config.augmentation, AugmentationConfig(), key, why) for key in ("point_jitter_m", "point_drop")]
    if model.fusion and FUSIONS[model.fusion].reads == "features":
        why = f"model.fusion {model.fusion} reads features of tile and cloud before "
        for name, section in (("tile", model.tile), ("cloud", model.cloud)):
            default = (TileConfig if name == "tile" else CloudConfig)()
            unread.append((f"model.{name}", section, default, "head", f"{why}their heads"))
            if name not in POOLS[model.fusion]:
                keys = [key for key in POOLING if hasattr(section, key)]
                unread += [(f"model.{name}", section, default, key, f"{why}the {name} is pooled") for key in keys]
    for prefix, section, default, key, why in unread:
        value = getattr(section, key)
        if value != getattr(default, key):
            raise InputError(f"{prefix}.{key} is {value!r}, but {why}, and nothing reads it; leave it out ({prefix}.{key}=null)")
