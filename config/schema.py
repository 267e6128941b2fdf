"""All settings of a recipe, with type, default, unit and limits. A wrong recipe is refused with one line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from config.cloud_settings import CLOUDS, CloudSettings
from config.components import Settings, component, find, require
from config.fusion_settings import FUSIONS
from config.image_settings import IMAGES
from config.learning_settings import LOSSES, OPTIMIZERS, SAMPLERS, LossSettings
from config.pooling_settings import MAP_POOLINGS, POINT_POOLINGS, sectors_of
from config.reader import read_settings
from config.upgrade import upgrade, upgrade_overrides
from utils.batch import Inputs, TileInput
from utils.names import NOT_A_NAME, is_area_of_city, is_name

Head = Literal["norm", "linear", "mlp", "none"]


@dataclass
class DataConfig:
    """The areas, `<city>/<area>` under root, of each split. Validation areas select the checkpoint and are never reported as results."""

    train: list[str]  # areas to train on
    validation: list[str]  # areas that select the checkpoint
    test: list[str]  # areas for the reported results
    root: str = "datasets"  # folder with the cities

    def __post_init__(self):
        require("\0" not in self.root, f"root is {self.root!r}, it takes a folder's path")
        for split in ("train", "validation", "test"):
            areas = getattr(self, split)
            require(bool(areas), f"{split} is empty, it takes at least one area, e.g. [demo/{split}]")
            for area in areas:
                require(is_area_of_city(area), f"{split} names {area!r}, it takes <city>/<area>; {NOT_A_NAME}")
                require(areas.count(area) == 1, f"{split} names {area!r} twice")
        for split in ("validation", "test"):
            shared = set(getattr(self, split)) & set(self.train)
            require(not shared, f"{split} names {min(shared, default='')!r}, which is also a training area; areas must be separate")
        shared = set(self.validation) & set(self.test)
        require(not shared, f"test names {min(shared, default='')!r}, which is also a validation area; areas must be separate")


@dataclass
class ImageEncoderConfig:
    """Network, pooling and head for panoramas or tiles. Columns of panoramas and polar tiles are azimuths."""

    encoder: Settings = component(IMAGES, "resnet18")  # the backbone
    height: int = 128  # rows of the input; panoramas and polar tiles have twice as many columns, Cartesian tiles the same number
    circular: bool = False  # convolutions of panoramas and polar tiles wrap round behind the viewer instead of padding with zeros
    pooling: Settings = component(MAP_POOLINGS, "mean")  # of the feature map
    head: Head = "norm"  # layers from the pooling's width to embedding_dim; none: no layers, the two must be equal
    weights: str = "none"  # none: random; imagenet; or a file with a backbone, an encoder like this one, or a checkpoint that contains it

    def __post_init__(self):
        entry = find(IMAGES, "encoder", self.encoder.name)
        require(
            self.weights in ("none", "imagenet") or Path(self.weights).suffix != "",
            f"weights is {self.weights!r}, it takes none, imagenet, or a file with the backbone's weights",
        )
        require(
            self.weights != "imagenet" or entry.imagenet, f"weights is 'imagenet', but {self.encoder.name} has none; set none, or a file"
        )
        stride = entry.stride_of(self.encoder)
        if stride:
            self.check_backbone(stride, entry.tokens)

    @property
    def width(self) -> int:
        """Columns of the input."""
        return 2 * self.height

    def check_backbone(self, stride: int, tokens: int) -> None:
        """Refuses settings that do not fit a backbone.

        Args:
            stride: of its feature map.
            tokens: class tokens that it has.

        Raises:
            InputError: names the setting.
        """
        name, columns, sectors = self.encoder.name, 2 * self.height // stride, sectors_of(self.pooling)
        stages = f" with {getattr(self.encoder, 'stages', '')} stages" if hasattr(self.encoder, "stages") else ""
        require(self.height >= stride and self.height % stride == 0, f"height is {self.height}; {name}{stages} takes multiples of {stride}")
        require(columns % sectors == 0, f"pooling.sectors is {sectors}; it must divide the {columns} columns of the feature map")
        of_map = MAP_POOLINGS[self.pooling.name].reads == "map"
        require(of_map or tokens > 0, f"pooling is {self.pooling.name!r}, but {name} has no class token; take another")
        require(
            not (self.circular and tokens),
            f"circular is true, but {name} is a transformer, whose learned positions begin at the left edge",
        )


@dataclass
class PanoramaConfig(ImageEncoderConfig):
    """Encoder of the query, an equirectangular panorama of height × 2·height."""


@dataclass
class TileConfig(ImageEncoderConfig):
    """Encoder of the tile, a drawn map of 152 m × 152 m, heading up."""

    polar: bool = False  # polar tiles: columns are azimuths as in a panorama, rows are distances

    def __post_init__(self):
        super().__post_init__()
        sectors = sectors_of(self.pooling)
        require(self.polar or sectors == 1, f"pooling.sectors is {sectors}; more than 1 needs polar: true")
        require(self.polar or not self.circular, "circular is true; only polar tiles wrap round behind the viewer, so it needs polar: true")

    @property
    def width(self) -> int:
        return 2 * self.height if self.polar else self.height


@dataclass
class PaperCloudConfig:
    """Peculiarities of the paper's cloud encoders, for converted checkpoints and config/paper.yaml."""

    scale: Literal["metres", "unit"] = "unit"  # metres: coordinates over 76 m; unit: offsets from the cloud's mean over the largest
    projection: list[int] = field(default_factory=list)  # widths of additional layers on each point's feature
    slope: float = 0.1  # negative slope of their leaky ReLU; 0 is a ReLU

    def __post_init__(self):
        require(not self.projection or min(self.projection) > 0, f"projection is {self.projection}, it takes positive numbers")
        require(self.slope >= 0, f"slope is {self.slope}, it takes 0 or more")
        require(bool(self.projection) or self.slope == 0.1, f"slope is {self.slope}, but there is no projection; leave out slope")


@dataclass
class CloudConfig:
    """Network, pooling and head for the 2.5D cloud. Networks that read a graph ignore points and pooling, which then cannot be set."""

    encoder: CloudSettings = component(CLOUDS, "dgcnn")  # the network
    points: int = 1024  # how many points of a place are used: the first ones in farthest-point order
    classes: bool = True  # semantic classes are inputs, too
    class_width: int = 8  # width of the learned vector of a class; 0: one-hot vectors
    pooling: Settings = component(POINT_POOLINGS, "max")  # of the points' features
    head: Head = "norm"  # layers from the pooling's width to embedding_dim; none: no layers, the two must be equal
    weights: str = "none"  # none: random; or a file with the encoder's weights
    paper: PaperCloudConfig | None = None  # only for networks of the paper

    def __post_init__(self):
        name, neighbors = self.encoder.name, getattr(self.encoder, "neighbors", 1)
        require(self.points >= 2, f"points is {self.points}, it takes at least 2")
        if self.reads == "graph":
            for key, default in (("points", 1024), ("pooling", POINT_POOLINGS["max"].settings("max")), ("paper", None)):
                value = getattr(self, key)
                shown = vars(value) if hasattr(value, "__dict__") else value
                found = f"{key} is {shown}, but {name} reads a graph of buildings and streets and has no points"
                require(value == default, f"{found}; leave out {key}")
        require(neighbors <= self.points, f"encoder.neighbors is {neighbors}, it takes 1 to points ({self.points})")
        require(self.class_width >= 0, f"class_width is {self.class_width}, it takes 0 or more")
        require(self.classes or self.class_width == 8, f"class_width is {self.class_width}, but classes is false; leave out class_width")
        require(
            self.weights == "none" or Path(self.weights).suffix != "",
            f"weights is {self.weights!r}, it takes none, or a file with the encoder's weights",
        )

    @property
    def reads(self) -> str:
        """points or graph."""
        return CLOUDS[self.encoder.name].reads


@dataclass
class ModelConfig:
    """The two towers: a panorama encoder for queries; a tile encoder, a cloud encoder, or both with a fusion for references.

    A fusion that reads features (`python -m models`) ignores the heads of tile and cloud. It pools points with the cloud's pooling and
    pixels with the tile's.
    """

    panorama: PanoramaConfig  # encoder of the query
    tile: TileConfig | None = None  # encoder of the tile (the drawn map)
    cloud: CloudConfig | None = None  # encoder of the 2.5D cloud
    fusion: Settings | None = component(FUSIONS)  # of tile and cloud, if there are both
    head: Head | None = None  # layers after the fusion; null: norm if the fusion's width differs from embedding_dim, else none
    embedding_dim: int = 256  # width of the embeddings
    preprocessing: Literal["antialiased", "paper"] = "antialiased"  # paper: images and polar tiles are sampled as in the paper's code

    def __post_init__(self):
        require(bool(self.tile or self.cloud), "tile and cloud are both missing; a map is described by one of them or both")
        require(self.embedding_dim > 0, f"embedding_dim is {self.embedding_dim}, it takes a positive width")
        if self.fusion is None:
            require(not (self.tile and self.cloud), f"fusion is missing; a tile and a cloud are joined by one of {', '.join(FUSIONS)}")
            return
        name, fusion = self.fusion.name, FUSIONS[self.fusion.name]
        missing = "tile" if self.tile is None else "cloud"
        if self.tile is None or self.cloud is None:
            require(False, f"fusion is {name!r}, but there is no {missing} encoder to fuse; add {missing}, or set fusion: null")
            return
        if fusion.reads == "vectors":
            return
        others = ", ".join(other for other, entry in FUSIONS.items() if entry.reads == "vectors")
        require(
            self.cloud.reads == "points",
            f"fusion is {name!r}, which reads features of points; {self.cloud.encoder.name} has none, use one of {others}",
        )
        pooling = self.tile.pooling.name
        require(
            MAP_POOLINGS[pooling].reads != "tokens",
            f"fusion is {name!r}, which reads the tile's feature map; tile.pooling {pooling} pools class tokens, set another",
        )
        require(
            fusion.polar or not self.tile.polar,
            f"fusion is {name!r}, which, as in the paper, takes only Cartesian tiles; set tile.polar: false, or use "
            "pixel_to_point or point_to_pixel",
        )

    @property
    def inputs(self) -> Inputs:
        """What the model reads of a place."""
        tile = TileInput(self.tile.height, self.tile.width, self.tile.polar) if self.tile else None
        points = self.cloud.points if self.cloud and self.cloud.reads == "points" else 0
        graph = self.cloud is not None and self.cloud.reads == "graph"
        return Inputs(self.panorama.height, tile, points, graph, self.preprocessing == "paper")


@dataclass
class AugmentationConfig:
    """Random changes of training samples. `mirror`, `turn` and `heading_deg` change query and reference together, the others only one."""

    mirror: bool = True  # swap left and right, in half of the samples
    turn: bool = True  # turn the viewer by 180°, in half of the samples
    heading_deg: float = 10.0  # turn the viewer by up to this, left or right, in whole columns of the panorama
    yaw_deg: float = 5.0  # turn only the panorama by up to this, left or right
    shift_m: float = 0.0  # move the centre of tile, cloud and graph by up to this in x and in y
    brightness: float = 0.2  # change the panorama's brightness by a factor between 1 − this and 1 + this
    contrast: float = 0.2  # the same for its contrast
    saturation: float = 0.2  # the same for its saturation
    erase: float = 0.5  # probability that a rectangle of the panorama is erased
    point_jitter_m: float = 0.3  # standard deviation of the noise on each coordinate of a point
    point_drop: float = 0.1  # 0.1: one point in 11 is dropped and replaced by a further stored one, or by a copy of a kept one

    def __post_init__(self):
        for name in ("heading_deg", "yaw_deg", "shift_m", "point_jitter_m"):
            require(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}, it takes 0 or more")
        for name in ("brightness", "contrast", "saturation", "erase", "point_drop"):
            require(0 <= getattr(self, name) <= 1, f"{name} is {getattr(self, name)}, it takes 0 to 1")


@dataclass
class TrainingConfig:
    """The training loop."""

    epochs: int = 30  # passes over the training places
    batch_size: int = 64  # places in a batch
    sampler: Settings = component(SAMPLERS, "shuffled")  # how places are grouped into batches
    optimizer: Settings = component(OPTIMIZERS, "adamw")  # what updates the weights
    learning_rate: float = 1e-3  # the highest; after the warm-up it falls to zero along a cosine
    warmup: float = 0.05  # share of all steps in which the learning rate rises
    gradient_clip: float = 1.0  # largest norm of the gradient
    precision: Literal["auto", "bfloat16", "float32"] = "auto"  # auto: bfloat16 if the device supports it, else float32
    resume: bool = False  # continue from the run's last checkpoint

    def __post_init__(self):
        require(self.epochs >= 1, f"epochs is {self.epochs}, it takes at least 1")
        require(self.batch_size >= 2, f"batch_size is {self.batch_size}; a contrastive loss needs at least 2")
        size = getattr(self.sampler, "size", 1)
        require(size <= self.batch_size, f"sampler.size is {size}, it takes 1 to batch_size ({self.batch_size})")
        require(self.learning_rate > 0, f"learning_rate is {self.learning_rate}, it takes a positive number")
        require(0 <= self.warmup < 1, f"warmup is {self.warmup}, it takes a share from 0 to below 1")
        require(self.gradient_clip > 0, f"gradient_clip is {self.gradient_clip}, it takes a positive number")


@dataclass
class Config:
    """A recipe."""

    name: str  # name of the run's folder, `runs/<name>`
    data: DataConfig  # the areas
    model: ModelConfig  # the networks
    loss: LossSettings = component(LOSSES, "infonce")  # what training minimises
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)  # random changes of training samples
    training: TrainingConfig = field(default_factory=TrainingConfig)  # the training loop
    seed: int = 0  # of the initial weights and of all random streams
    device: str = "auto"  # auto: cuda if there is one, else cpu
    runs: str = "runs"  # folder in which the run's folder is created

    def __post_init__(self):
        require(is_name(self.name), f"name is {self.name!r}, it takes a folder's name; {NOT_A_NAME}")
        require("\0" not in self.runs, f"runs is {self.runs!r}, it takes a folder's path")
        require(0 <= self.seed < 2**32, f"seed is {self.seed}, it takes a whole number from 0 to 2^32 - 1")
        is_device = re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device) is not None
        require(is_device, f"device is {self.device!r}, it takes auto, cpu or cuda")


def read_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Reads a recipe, or a run's config.yaml, of this version or an earlier one. Errors: see `read_settings`."""
    return read_settings(Config, path, overrides, (upgrade, upgrade_overrides))
