"""What a recipe may say. Every key with its type, its default, its unit and its limits; a wrong recipe is refused in one line."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from config.reader import read_settings
from utils.errors import InputError

ResNet = Literal["resnet18", "resnet34", "resnet50"]


def _check(ok: bool, message: str) -> None:
    if not ok:
        raise InputError(message)


@dataclass
class DataConfig:
    """Which areas (`<city>/<area>` under root) serve what. Validation selects the checkpoint and is never a reported area."""

    train: list[str]
    validation: list[str]
    test: list[str]
    root: str = "datasets"

    def __post_init__(self):
        for split in ("train", "validation", "test"):
            areas = getattr(self, split)
            _check(bool(areas), f"{split} is empty, it takes at least one area, e.g. [demo/{split}]")
            for area in areas:
                _check(bool(re.fullmatch(r"[^/.][^/]*/[^/.][^/]*", area)), f"{split} names {area!r}, it takes <city>/<area>")
                _check(areas.count(area) == 1, f"{split} names {area!r} twice")
        for split in ("validation", "test"):
            shared = set(getattr(self, split)) & set(self.train)
            _check(not shared, f"{split} names {min(shared, default='')!r}, which is also a training area; areas must be separate")
        shared = set(self.validation) & set(self.test)
        _check(not shared, f"test names {min(shared, default='')!r}, which is also a validation area; areas must be separate")


@dataclass
class ImageEncoderConfig:
    """A ResNet trunk for panoramas or polar tiles; its columns are azimuths."""

    encoder: ResNet = "resnet18"
    height: int = 128  # rows of the input; panoramas and polar tiles have twice as many columns, Cartesian tiles as many
    stages: int = 4  # of the trunk; 4 is the whole ResNet (stride 32), 3 leaves out the last stage (stride 16)
    sectors: int = 1  # the horizon is cut into this many sectors that are pooled apart; 1 pools globally
    weights: Literal["none", "imagenet"] = "none"  # of the trunk; none: from scratch

    def __post_init__(self):
        _check(2 <= self.stages <= 4, f"stages is {self.stages}, it takes 2, 3 or 4")
        stride = 2 ** (self.stages + 1)
        _check(self.height >= stride and self.height % stride == 0,
               f"height is {self.height}; {self.encoder} with {self.stages} stages takes multiples of {stride}")  # fmt: skip
        columns = 2 * self.height // stride
        _check(self.sectors >= 1 and columns % self.sectors == 0,
               f"sectors is {self.sectors}; it must divide the {columns} columns of the feature map")  # fmt: skip


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


@dataclass
class CloudConfig:
    """Encoder of the 2.5D cloud."""

    encoder: Literal["dgcnn"] = "dgcnn"
    points: int = 1024  # the first this many of a place's farthest points
    neighbors: int = 20  # k of the graph, the point itself included
    widths: list[int] = field(default_factory=lambda: [64, 64, 128, 256])  # of the edge convolutions
    features: int = 512  # width of a point's feature
    dynamic: bool = True  # rebuild the graph in feature space at every layer; false keeps the neighbours in space
    classes: bool = True  # semantic classes as input
    sectors: int = 1

    def __post_init__(self):
        _check(self.points >= 2, f"points is {self.points}, it takes at least 2")
        _check(1 <= self.neighbors <= self.points, f"neighbors is {self.neighbors}, it takes 1 to points ({self.points})")
        _check(bool(self.widths) and min(self.widths) > 0, f"widths is {self.widths}, it takes at least one positive width")
        _check(self.features > 0, f"features is {self.features}, it takes a positive width")
        _check(self.sectors >= 1, f"sectors is {self.sectors}, it takes 1 or more")


@dataclass
class ModelConfig:
    """The two towers: a panorama encoder, and a tile or a cloud encoder or both with a fusion."""

    panorama: PanoramaConfig
    tile: TileConfig | None = None
    cloud: CloudConfig | None = None
    fusion: Literal["concat", "pixel_to_point"] | None = None
    embedding_dim: int = 256

    def __post_init__(self):
        _check(bool(self.tile or self.cloud), "tile and cloud are both missing; a map is described by one of them or both")
        if self.fusion is not None:
            missing = "tile" if self.tile is None else "cloud" if self.cloud is None else None
            _check(missing is None,
                   f"fusion is {self.fusion!r}, but there is no {missing} encoder to fuse; add {missing}, or set fusion: null")  # fmt: skip
        elif self.tile and self.cloud:
            raise InputError("fusion is missing; a tile and a cloud are joined by one of concat, pixel_to_point")
        _check(self.embedding_dim > 0, f"embedding_dim is {self.embedding_dim}, it takes a positive width")


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
    point_drop: float = 0.1  # share of points dropped (replaced by others of the same cloud), at most

    def __post_init__(self):
        for name in ("heading_deg", "yaw_deg", "shift_m", "point_jitter_m"):
            _check(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}, it takes 0 or more")
        for name in ("brightness", "contrast", "saturation", "erase", "point_drop"):
            _check(0 <= getattr(self, name) <= 1, f"{name} is {getattr(self, name)}, it takes 0 to 1")


@dataclass
class TrainingConfig:
    """The loop."""

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.05  # share of all steps over which the learning rate rises
    gradient_clip: float = 1.0  # largest norm
    neighbors_per_batch: int = 1  # a batch is made of clumps of this many nearby places (hard negatives); 1: none
    precision: Literal["bfloat16", "float32"] = "bfloat16"
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
        is_folder_name = self.name.isprintable() and re.fullmatch(r"[^/.][^/]*", self.name) is not None
        _check(is_folder_name, f"name is {self.name!r}, it takes a folder's name")
        _check(0 <= self.seed < 2**32, f"seed is {self.seed}, it takes a whole number from 0 to 2^32 - 1")
        is_device = re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device) is not None
        _check(is_device, f"device is {self.device!r}, it takes auto, cpu or cuda")


def read_config(path: Path, overrides: list[str] | tuple[str, ...] = ()) -> Config:
    """Reads a recipe; see `read_settings` for what is refused and how."""
    return read_settings(Config, path, overrides)
