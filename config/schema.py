"""What a recipe may say. Every key with its type, its default, its unit and its limits; a wrong recipe is refused in one line."""

import copy
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from config.components import CLOUDS, FUSIONS, MAP_POOLINGS, POINT_POOLINGS, Entry, image_entry, known
from config.reader import read_settings
from utils.errors import InputError
from utils.names import NOT_A_NAME, is_area_of_city, is_name

Head = Literal["norm", "linear", "mlp", "none"]


def _check(ok: bool, message: str) -> None:
    if not ok:
        raise InputError(message)


def _complete(section, entry: Entry, settings: tuple[str, ...], component: str = "encoder") -> None:
    """Gives settings that were left out the component's defaults, and refuses those that the component does not take."""
    for key in settings:
        if key in entry.settings:
            if getattr(section, key) is None:
                setattr(section, key, copy.copy(entry.settings[key]))
        elif getattr(section, key) is not None:
            takes = ", ".join(entry.settings) or "none of its own"
            raise InputError(f"{key} is set, but {getattr(section, component)} takes no {key}; its settings: {takes}")


@dataclass
class DataConfig:
    """Which areas (`<city>/<area>` under root) serve what. Validation selects the checkpoint and is never a reported area."""

    train: list[str]
    validation: list[str]
    test: list[str]
    root: str = "datasets"

    def __post_init__(self):
        _check("\0" not in self.root, f"root is {self.root!r}, it takes a folder's path")
        for split in ("train", "validation", "test"):
            areas = getattr(self, split)
            _check(bool(areas), f"{split} is empty, it takes at least one area, e.g. [demo/{split}]")
            for area in areas:
                _check(is_area_of_city(area), f"{split} names {area!r}, it takes <city>/<area>; {NOT_A_NAME}")
                _check(areas.count(area) == 1, f"{split} names {area!r} twice")
        for split in ("validation", "test"):
            shared = set(getattr(self, split)) & set(self.train)
            _check(not shared, f"{split} names {min(shared, default='')!r}, which is also a training area; areas must be separate")
        shared = set(self.validation) & set(self.test)
        _check(not shared, f"test names {min(shared, default='')!r}, which is also a validation area; areas must be separate")


@dataclass
class ImageEncoderConfig:
    """Trunk, pooling and head for panoramas or tiles; columns of panoramas and polar tiles are azimuths. `python -m models` lists names."""

    encoder: str = "resnet18"
    height: int = 128  # rows of the input; panoramas and polar tiles have twice as many columns, Cartesian tiles as many
    stages: int | None = None  # resnet: of the trunk; 4 is the whole ResNet (stride 32), 3 leaves out the last stage (stride 16)
    layers: int | None = None  # hybrid_vit: of its transformer
    circular: bool = False  # convolutions of panoramas and polar tiles close behind the viewer, instead of padding with zeros there
    pooling: str = "mean"  # of the feature map
    hidden: int | None = None  # flat: width of its layer
    sectors: int = 1  # the horizon is cut into this many sectors that are pooled apart; 1 pools globally
    head: Head = "norm"  # from the pooling's width to embedding_dim; none: they agree
    weights: str = "none"  # none: from scratch; imagenet; or a file: of a trunk, of this encoder, or a checkpoint that holds it

    def __post_init__(self):
        entry, pooling = image_entry(self.encoder), known(MAP_POOLINGS, "pooling", self.pooling)
        _complete(self, entry, ("stages", "layers"))
        _complete(self, pooling, ("hidden",), "pooling")
        _check(self.stages is None or 2 <= self.stages <= 4, f"stages is {self.stages}, it takes 2, 3 or 4")
        for key in ("layers", "hidden"):
            _check(getattr(self, key) is None or getattr(self, key) > 0, f"{key} is {getattr(self, key)}, it takes at least 1")
        _check(self.weights in ("none", "imagenet") or Path(self.weights).suffix != "",
               f"weights is {self.weights!r}, it takes none, imagenet, or a file with the trunk's weights")  # fmt: skip
        _check(self.weights != "imagenet" or entry.imagenet, f"weights is 'imagenet', but {self.encoder} has none; set none, or a file")
        stride = 2 ** (self.stages + 1) if self.stages else entry.stride
        if stride:
            self.check_trunk(stride, entry.tokens)

    @property
    def width(self) -> int:
        """Columns of the input."""
        return 2 * self.height

    def check_trunk(self, stride: int, tokens: int) -> None:
        """Refuses settings that do not fit a trunk.

        Args:
            stride: of its feature map.
            tokens: class tokens that it has.

        Raises:
            InputError: names the setting.
        """
        with_stages = f" with {self.stages} stages" if self.stages else ""
        _check(self.height >= stride and self.height % stride == 0,
               f"height is {self.height}; {self.encoder}{with_stages} takes multiples of {stride}")  # fmt: skip
        columns, pooling = 2 * self.height // stride, MAP_POOLINGS[self.pooling]
        _check(self.sectors >= 1 and columns % self.sectors == 0,
               f"sectors is {self.sectors}; it must divide the {columns} columns of the feature map")  # fmt: skip
        _check(self.sectors == 1 or pooling.sectors, f"sectors is {self.sectors}, but pooling {self.pooling} is global; set sectors: 1")
        _check(pooling.reads == "map" or tokens > 0, f"pooling is {self.pooling!r}, but {self.encoder} has no class token; take another")
        _check(not (self.circular and tokens),
               f"circular is true, but {self.encoder} is a transformer, whose learned positions begin at the left edge")  # fmt: skip


@dataclass
class PanoramaConfig(ImageEncoderConfig):
    """Encoder of the query: an equirectangular panorama, height × 2·height."""


@dataclass
class TileConfig(ImageEncoderConfig):
    """Encoder of the drawn map: 152 m × 152 m, heading up."""

    polar: bool = False  # polar tiles: columns are azimuths like a panorama's, rows are distances

    def __post_init__(self):
        super().__post_init__()
        _check(self.polar or self.sectors == 1, f"sectors is {self.sectors}; more than 1 needs polar: true")
        _check(self.polar or not self.circular, "circular is true; only polar tiles close behind the viewer, it needs polar: true")

    @property
    def width(self) -> int:
        return 2 * self.height if self.polar else self.height


@dataclass
class CloudConfig:
    """Network, pooling and head for the 2.5D cloud. A setting of some networks only (null here) has the network's own default; networks
    that read graphs have neither points nor a pooling to be set."""

    encoder: str = "dgcnn"
    points: int = 1024  # the first this many of a place's farthest points
    neighbors: int | None = None  # k of a neighbour graph, the point itself included; or the most points of a ball
    radius: float | None = None  # of balls, in units of the scaled coordinates
    strides: list[int] | None = None  # each level keeps one point in so many
    widths: list[int] | None = None  # of the layers, or of the first level and of each that follows
    attention_width: int | None = None  # inside the attention among neighbours
    features: int = 512  # width of a point's feature
    graph: Literal["positions", "inputs"] | None = None  # what the first graph is built on; inputs: positions and classes
    dynamic: bool | None = None  # rebuild the graph in feature space at every layer; false keeps the first one
    projection: list[int] = field(default_factory=list)  # widths of further layers on each point's feature
    projection_slope: float = 0.1  # of their leaky ReLU; 0: ReLU
    classes: bool = True  # semantic classes as input
    class_width: int = 8  # of a class's learned vector; 0: one-hot
    scale: Literal["metres", "unit"] = "metres"  # coordinates over 76 m, or about the cloud's mean and over its largest norm
    pooling: str = "max"  # of the points' features
    sectors: int = 1
    head: Head = "norm"
    weights: str = "none"  # none: from scratch; or a file with the encoder's weights

    def __post_init__(self):
        _check(self.points >= 2, f"points is {self.points}, it takes at least 2")
        entry, pooling = known(CLOUDS, "encoder", self.encoder), known(POINT_POOLINGS, "pooling", self.pooling)
        if entry.reads == "graph":
            for key in ("points", "projection", "projection_slope", "scale", "pooling", "sectors"):
                _check(getattr(self, key) == getattr(CloudConfig(), key),
                       f"{key} is {getattr(self, key)}, but {self.encoder} reads a graph of buildings and streets and has no points; "
                       f"leave out {key}")  # fmt: skip
        _complete(self, entry, ("neighbors", "radius", "strides", "widths", "attention_width", "graph", "dynamic"))
        _check(self.neighbors is None or 1 <= self.neighbors <= self.points,
               f"neighbors is {self.neighbors}, it takes 1 to points ({self.points})")  # fmt: skip
        _check(self.radius is None or self.radius > 0, f"radius is {self.radius}, it takes a positive number")
        for key in ("widths", "projection", "strides"):
            numbers = getattr(self, key)
            _check(not numbers or min(numbers) > 0, f"{key} is {numbers}, it takes positive numbers")
        _check(self.widths != [], "widths is [], it takes at least one positive width")
        _check(self.strides is None or len(self.widths) == len(self.strides) + 1,
               f"widths is {self.widths} and strides is {self.strides}; it takes one width more than strides")  # fmt: skip
        for key in ("features", "attention_width"):
            width = getattr(self, key)
            _check(width is None or width > 0, f"{key} is {width}, it takes a positive width")
        _check(self.projection_slope >= 0, f"projection_slope is {self.projection_slope}, it takes 0 or more")
        _check(self.class_width >= 0, f"class_width is {self.class_width}, it takes 0 or more")
        _check(self.classes or self.class_width == 8, f"class_width is {self.class_width}, but classes is false; leave out class_width")
        _check(self.projection or self.projection_slope == 0.1 or entry.reads == "graph",
               f"projection_slope is {self.projection_slope}, but there is no projection; leave out projection_slope")  # fmt: skip
        _check(self.weights == "none" or Path(self.weights).suffix != "",
               f"weights is {self.weights!r}, it takes none, or a file with the encoder's weights")  # fmt: skip
        _check(self.sectors >= 1, f"sectors is {self.sectors}, it takes 1 or more")
        _check(self.sectors == 1 or pooling.sectors, f"sectors is {self.sectors}, but pooling {self.pooling} is global; set sectors: 1")


@dataclass
class ModelConfig:
    """The two towers: a panorama encoder, and a tile or a cloud encoder or both with a fusion.

    A fusion that reads features (`python -m models`) leaves heads of tile and cloud unused, and pools as the cloud's section says where its
    result lies on points, as the tile's where it lies on pixels.
    """

    panorama: PanoramaConfig
    tile: TileConfig | None = None
    cloud: CloudConfig | None = None
    fusion: str | None = None
    head: Head | None = None  # of the map's tower; null: norm where the fusion's width is not embedding_dim
    embedding_dim: int = 256
    preprocessing: Literal["ours", "published"] = "ours"  # published: images scaled, polar tiles sampled as the published weights expect

    def __post_init__(self):
        _check(bool(self.tile or self.cloud), "tile and cloud are both missing; a map is described by one of them or both")
        _check(self.embedding_dim > 0, f"embedding_dim is {self.embedding_dim}, it takes a positive width")
        if self.fusion is None:
            _check(not (self.tile and self.cloud), f"fusion is missing; a tile and a cloud are joined by one of {', '.join(FUSIONS)}")
            return
        fusion = known(FUSIONS, "fusion", self.fusion)
        missing = "tile" if self.tile is None else "cloud" if self.cloud is None else None
        _check(missing is None,
               f"fusion is {self.fusion!r}, but there is no {missing} encoder to fuse; add {missing}, or set fusion: null")  # fmt: skip
        graph = CLOUDS[self.cloud.encoder].reads == "graph"
        _check(fusion.reads == "vectors" or not graph,
               f"fusion is {self.fusion!r}, which reads features of points; {self.cloud.encoder} has none, use one of "
               + ", ".join(name for name, entry in FUSIONS.items() if entry.reads == "vectors"))  # fmt: skip
        _check(fusion.reads == "vectors" or MAP_POOLINGS[self.tile.pooling].reads != "tokens",
               f"fusion is {self.fusion!r}, which reads the tile's feature map; tile.pooling {self.tile.pooling} pools class tokens, "
               "set another")  # fmt: skip
        _check(fusion.polar or not self.tile.polar,
               f"fusion is {self.fusion!r}, which as published places points on Cartesian tiles only; set tile.polar: false, or use "
               "pixel_to_point or point_to_pixel")  # fmt: skip


@dataclass
class LossConfig:
    """What brings matching pairs together."""

    name: Literal["infonce", "triplet"] = "infonce"
    temperature: float = 0.07  # InfoNCE: of the cosine similarities
    margin: float = 0.1  # triplet
    same_place_m: float = 5.0  # places nearer than this are not negatives of each other

    def __post_init__(self):
        _check(self.temperature > 0, f"temperature is {self.temperature}, it takes a positive number")
        _check(self.same_place_m >= 0, f"same_place_m is {self.same_place_m}, it takes metres, 0 or more")


@dataclass
class AugmentationConfig:
    """Random changes of training samples. `mirror`, `turn` and `heading_deg` change query and reference alike, the others one of them."""

    mirror: bool = True  # left and right exchanged in half of the samples
    turn: bool = True  # the viewer turned round (180°) in half of the samples
    heading_deg: float = 10.0  # the viewer turned by up to this either way, in whole columns of the panorama
    yaw_deg: float = 5.0  # panorama rotated by up to this
    shift_m: float = 0.0  # map views moved by up to this in x and in y
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    erase: float = 0.5  # probability that a rectangle of the panorama is blanked
    point_jitter_m: float = 0.3  # standard deviation, each axis
    point_drop: float = 0.1  # 0.1: of 11 points 1 is dropped; others that the area stores take its place, else copies of those kept

    def __post_init__(self):
        for name in ("heading_deg", "yaw_deg", "shift_m", "point_jitter_m"):
            _check(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}, it takes 0 or more")
        for name in ("brightness", "contrast", "saturation", "erase", "point_drop"):
            _check(0 <= getattr(self, name) <= 1, f"{name} is {getattr(self, name)}, it takes 0 to 1")


@dataclass
class TrainingConfig:
    """The loop."""

    epochs: int = 30
    batch_size: int = 64  # a norm over few samples says little: of two, only which is larger
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.05  # share of all steps over which the learning rate rises
    gradient_clip: float = 1.0  # largest norm
    neighbors_per_batch: int = 1  # a batch is made of clumps of this many nearby places (hard negatives); 1: none
    precision: Literal["auto", "bfloat16", "float32"] = "auto"  # auto: bfloat16 where the device computes it, else float32
    resume: bool = False  # go on from the run's last checkpoint

    def __post_init__(self):
        _check(self.epochs >= 1, f"epochs is {self.epochs}, it takes at least 1")
        _check(self.batch_size >= 2, f"batch_size is {self.batch_size}; a contrastive loss needs at least 2")
        _check(1 <= self.neighbors_per_batch <= self.batch_size,
               f"neighbors_per_batch is {self.neighbors_per_batch}, it takes 1 to batch_size ({self.batch_size})")  # fmt: skip
        _check(self.learning_rate > 0, f"learning_rate is {self.learning_rate}, it takes a positive number")
        _check(self.weight_decay >= 0, f"weight_decay is {self.weight_decay}, it takes 0 or more")
        _check(0 <= self.warmup < 1, f"warmup is {self.warmup}, it takes a share from 0 to below 1")
        _check(self.gradient_clip > 0, f"gradient_clip is {self.gradient_clip}, it takes a positive number")


@dataclass
class Config:
    """A recipe."""

    name: str  # of the run's folder, runs/<name>
    data: DataConfig
    model: ModelConfig
    loss: LossConfig = field(default_factory=LossConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    seed: int = 0
    device: str = "auto"  # auto: cuda where there is one, else cpu
    runs: str = "runs"  # where the run's folder is made

    def __post_init__(self):
        _check(is_name(self.name), f"name is {self.name!r}, it takes a folder's name; {NOT_A_NAME}")
        _check("\0" not in self.runs, f"runs is {self.runs!r}, it takes a folder's path")
        _check(0 <= self.seed < 2**32, f"seed is {self.seed}, it takes a whole number from 0 to 2^32 - 1")
        is_device = re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device) is not None
        _check(is_device, f"device is {self.device!r}, it takes auto, cpu or cuda")


def read_config(path: Path, overrides: list[str] | tuple[str, ...] = ()) -> Config:
    """Reads a recipe; see `read_settings` for what is refused and how."""
    return read_settings(Config, path, overrides)
