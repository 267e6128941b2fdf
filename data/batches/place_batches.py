"""Turns places of areas into batches of tensors on a device. Geometry is computed there for a batch at once, without worker processes."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from config.schema import AugmentationConfig
from data.area import Area
from data.batches.augmentation import Augmentation, change_colours, erase, turn_columns
from data.batches.cutters import TileCutter, TileImageCutter, cut_clouds
from data.batches.graph_cutter import GraphCutter
from data.batches.paper_images import resize_panorama, resize_tile
from data.city import CityMap
from utils.batch import Batch, Inputs
from utils.errors import InputError


class PlaceBatches:
    """Makes batches from areas.

    Args:
        root, names: the areas `<root>/<city>/<area>`.
        inputs: what the model reads.
        device: where batches are made.
        augmentation: random changes; None for evaluation.
        cities: cities that are already loaded, by path, device and what the model reads; new ones are added. Pass the same dictionary
            to share them.

    Raises:
        InputError: an area does not exist, belongs to another map, or has smaller panoramas or fewer points than the model reads; or
            the model reads a graph and the map has none.
    """

    def __init__(self, root: Path, names: list[str], inputs: Inputs, device: torch.device,
                 augmentation: AugmentationConfig | None = None, cities: dict[tuple, "City"] | None = None):  # fmt: skip
        self.inputs, self.device, self.augmentation = inputs, device, augmentation
        self.areas = [Area(root, name) for name in names]
        self.area_of = np.repeat(np.arange(len(self.areas)), [len(a) for a in self.areas])
        self.row_of = np.concatenate([np.arange(len(a)) for a in self.areas])
        self.xy = np.concatenate([a.locations.xy for a in self.areas])
        self.lat_lon = np.concatenate([np.column_stack([a.locations.lat, a.locations.lon]) for a in self.areas])
        cities = {} if cities is None else cities
        paths = [a.path.parent.resolve() for a in self.areas]
        read = (str(device), inputs.tile, inputs.paper, inputs.points > 0, inputs.graph)
        for area, path in zip(self.areas, paths, strict=True):
            if (path, read) not in cities:
                cities[path, read] = City(CityMap(path), inputs, device)
            _check_area(area, cities[path, read].map, inputs)
        self.cities = [cities[path, read] for path in paths]  # of each area
        self.city_of = np.array([paths.index(p) for p in paths])[self.area_of]
        if inputs.tile:
            self.cut_image = TileImageCutter(inputs.tile.height, inputs.tile.width, inputs.tile.polar, device, paper=inputs.paper)

    def __len__(self) -> int:
        return len(self.area_of)

    def batch(self, indices: np.ndarray, generator: torch.Generator | None = None) -> Batch:
        """The batch of some places.

        Args:
            indices: (B,) places, numbered through all areas.
            generator: CPU generator for the augmentation; required if there is one.
        """
        indices = np.asarray(indices)
        order = np.argsort(self.area_of[indices], kind="stable")
        groups = np.split(indices[order], np.flatnonzero(np.diff(self.area_of[indices[order]])) + 1)
        joined = Batch.join([self._of_one_area(g, generator) for g in groups])
        if len(groups) == 1:
            return joined
        return joined.select(torch.from_numpy(np.argsort(order)).to(self.device))

    def _of_one_area(self, indices: np.ndarray, generator: torch.Generator | None) -> Batch:
        area, rows = self.areas[self.area_of[indices[0]]], self.row_of[indices]
        city = self.cities[self.area_of[indices[0]]]
        position = torch.from_numpy(area.locations.xy[rows]).to(self.device)
        heading = image_heading = torch.from_numpy(area.locations.heading_deg[rows]).to(self.device)
        random, augmentation = None, self.augmentation
        if augmentation is not None:
            if generator is None:
                raise ValueError("augmentation needs a generator of random numbers")
            width = 2 * self.inputs.height
            random = Augmentation.draw(augmentation, len(rows), width, generator).to(self.device)
            heading = heading + random.turn * (360.0 / width)
        centre = position if random is None else position + random.shift_m
        panorama = self._panoramas(area, rows)
        tile = cloud = classes = None
        if self.inputs.tile and area.tiles is None:
            tile = city.cut_tile(centre, heading)
        elif self.inputs.tile:
            images = area.tiles[rows]
            if self.inputs.paper:
                images = np.stack([resize_tile(image, self.inputs.tile.height) for image in images])
            images = torch.from_numpy(images).to(self.device)
            if self.inputs.paper and random is None and not self.inputs.tile.polar:
                tile = images.permute(0, 3, 1, 2).float() / 255.0  # unsampled: even at the pixels' centres, sampling would round
            else:
                tile = self.cut_image(images, image_heading, centre - position, heading)
        if self.inputs.points:
            index = self._points(area, rows, generator)
            cloud, classes = cut_clouds(city.points, index, centre, heading), city.classes[index]
        graph = city.cut_graph(centre, heading) if city.cut_graph else None
        if random is not None and augmentation is not None:
            panorama = turn_columns(panorama, random)
            panorama = erase(change_colours(panorama, random), random)
            if tile is not None:
                tile = torch.where(random.mirror[:, None, None, None], tile.flip(3), tile)
            if cloud is not None:
                side = torch.where(random.mirror, -1.0, 1.0)[:, None]
                cloud = torch.cat([cloud[..., :1] * side[..., None], cloud[..., 1:]], dim=-1)
                jitter = torch.randn(cloud.shape, generator=generator).to(self.device)
                cloud = cloud + (augmentation.point_jitter_m * jitter).clamp(-2, 2)
            if graph is not None:
                graph = graph.mirrored(random.mirror)
        city_index = torch.full((len(rows),), int(self.city_of[indices[0]]), device=self.device)
        return Batch(panorama, tile, cloud, classes, position, city_index, graph)

    def _panoramas(self, area: Area, rows: np.ndarray) -> Tensor:
        images, height = area.panoramas[rows], self.inputs.height
        if self.inputs.paper:
            images = np.stack([resize_panorama(image, height) for image in images])
        images = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float() / 255.0
        if images.shape[2] % height == 0:
            return functional.avg_pool2d(images, images.shape[2] // height) if images.shape[2] > height else images
        return functional.interpolate(images, (height, 2 * height), mode="bilinear", antialias=True, align_corners=False)

    def _points(self, area: Area, rows: np.ndarray, generator: torch.Generator | None) -> Tensor:
        """Indices (B, points) of the first points in farthest-point order.

        With augmentation some are dropped at random and replaced by the next stored points. If the area stores too few, the first kept
        ones are repeated.
        """
        wanted = self.inputs.points
        if self.augmentation is None:
            return torch.from_numpy(area.cloud_index[rows, :wanted]).to(self.device).long()
        drop = 1 + self.augmentation.point_drop
        pool = min(area.cloud_index.shape[1], round(wanted * drop))
        kept = min(wanted, round(pool / drop))
        choice = torch.rand(len(rows), pool, generator=generator).argsort(1)[:, :kept].sort(1).values
        choice = choice[:, torch.arange(wanted) % kept]
        return torch.from_numpy(area.cloud_index[rows, :pool]).long().gather(1, choice).to(self.device)


class City:
    """The data of a city on the device, shared by all its places."""

    def __init__(self, city: CityMap, inputs: Inputs, device: torch.device):
        self.map, tile = city, inputs.tile
        if tile and city.holds("raster.npy"):
            self.cut_tile = TileCutter(city, tile.height, tile.width, tile.polar, device, paper=inputs.paper)
        if inputs.points:
            self.points = torch.from_numpy(np.array(city.points)).to(device)
            self.classes = torch.from_numpy(np.array(city.classes)).to(device)
        self.cut_graph = GraphCutter(city, device) if inputs.graph else None


def _check_area(area: Area, city: CityMap, inputs: Inputs) -> None:
    area.check_map(city)
    if inputs.tile and area.tiles is None and not city.holds("raster.npy"):
        raise InputError(
            f"{area.path}: holds no tile images (tiles.npy), and {city.path} no raster to cut tiles from; "
            "import the area with `python -m data.prepare streetlearn`, or leave tiles out: model.tile=null model.fusion=null"
        )
    height, points = area.panoramas.shape[1], area.cloud_index.shape[1]
    if height < inputs.height:
        raise InputError(
            f"{area.path}: panoramas of {height} rows, but model.panorama.height is {inputs.height}; "
            f"build the area with --height {inputs.height} or more"
        )
    imported = area.info.get("layout") == "streetlearn"
    if imported and inputs.paper and area.preprocessing != "paper":
        raise InputError(
            f"{area.path}: its photographs were scaled with antialiasing, but model.preprocessing is paper; import the area again "
            "with `python -m data.prepare streetlearn --preprocessing paper`"
        )
    if points < inputs.points:
        raise InputError(
            f"{area.path}: clouds of {points} points, but model.cloud.points is {inputs.points}; "
            f"build the area with --points {inputs.points} or more"
        )


T = TypeVar("T")


def prefetch(make: Callable[[T], Batch], items: Iterable[T]) -> Iterator[Batch]:
    """make(item) for each item. The next one is made in a thread meanwhile, so that a GPU does not wait for the host."""
    with ThreadPoolExecutor(1) as pool:
        pending = None
        for item in items:
            following = pool.submit(make, item)
            if pending is not None:
                yield pending.result()
            pending = following
        if pending is not None:
            yield pending.result()
