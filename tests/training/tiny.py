"""A made-up city with areas in the stored format, small enough to train on in a second, and a recipe for them."""

import hashlib
import json
from pathlib import Path

import numpy as np
import yaml

from data.areas.write_area import write_area
from data.city import FORMAT, CityMap
from data.locations import Locations
from utils.georeference import Georeference

BOUNDS = (-200.0, -160.0, 200.0, 160.0)
HEIGHT, POINTS = 32, 24  # of the stored panoramas and clouds


def write_city(root: Path, seed: int = 0, points: int = 600) -> CityMap:
    """Writes `root/map`: random points, classes and colours on 400 m × 320 m."""
    rng = np.random.default_rng(seed)
    x0, y0, x1, y1 = BOUNDS
    xyz = rng.uniform((x0, y0, 0), (x1, y1, 30), (points, 3)).astype(np.float32)
    order, cell_start = Georeference(BOUNDS, 2.0).order_by_cell(xyz)
    xyz = xyz[order]
    patches = rng.integers(0, 256, (32, 40, 3), dtype=np.uint8)
    arrays = {"points": xyz, "classes": rng.integers(0, 25, points).astype(np.uint8), "cell_start": cell_start,
              "raster": patches.repeat(5, 0).repeat(5, 1), "ground": np.zeros((160, 200), np.uint8)}  # fmt: skip
    (root / "map").mkdir(parents=True)
    for name, array in arrays.items():
        np.save(root / "map" / f"{name}.npy", array)
    info = {"format": FORMAT, "attribution": "made up", "source": {"file": "none", "sha256": "0"}, "origin": [40.0, -74.0],
            "bounds": BOUNDS, "metres_per_pixel": 2.0, "points": points,
            "points_sha256": hashlib.sha256(xyz.tobytes()).hexdigest()}  # fmt: skip
    (root / "map/map.json").write_text(json.dumps(info))
    return CityMap(root)


def write_places(city: CityMap, name: str, places: int, seed: int) -> None:
    """Writes an area of a city: random places, each with its nearest points and a panorama of random patches."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-120, 120, places), rng.uniform(-80, 80, places)
    lat, lon = city.projection.inverse(x, y)
    locations = Locations(np.array([f"{name}-{i}" for i in range(places)]), lat, lon, rng.uniform(0, 360, places), x, y)
    panoramas = rng.integers(0, 256, (places, 4, 8, 3), dtype=np.uint8).repeat(HEIGHT // 4, 1).repeat(HEIGHT // 4, 2)

    def cloud_of(i: int) -> np.ndarray:
        return np.argsort(np.linalg.norm(city.points[:, :2] - (x[i], y[i]), axis=1))[:POINTS].astype(np.int32)

    write_area(city.path.parent / name, city, locations, lambda i: panoramas[i], cloud_of, HEIGHT, POINTS, {}, processes=1)


def write_datasets(root: Path) -> Path:
    """A data root with the city `tiny` and its areas `train` (24 places), `more` (10), `validation` (12) and `test` (11)."""
    city = write_city(root / "tiny")
    for seed, (name, places) in enumerate((("train", 24), ("more", 10), ("validation", 12), ("test", 11)), start=1):
        write_places(city, name, places, seed)
    return root


def write_recipe(folder: Path, datasets: Path, **model) -> Path:
    """A recipe for these areas, with runs in `folder/runs`; by default a panorama, a polar tile and a cloud, concatenated."""
    image = {"height": HEIGHT, "encoder": {"name": "resnet18", "stages": 2}, "pooling": {"name": "mean", "sectors": 4}}
    network = {"name": "dgcnn", "neighbors": 4, "widths": [8, 8], "features": 16}
    cloud = {"points": 16, "encoder": network, "pooling": {"name": "max", "sectors": 4}}
    model = model or {"tile": image | {"polar": True}, "cloud": cloud, "fusion": "concat"}
    settings = {
        "name": "tiny",
        "data": {"train": ["tiny/train"], "validation": ["tiny/validation"], "test": ["tiny/test"], "root": str(datasets)},
        "model": {"panorama": image, "embedding_dim": 16} | model,
        "training": {"epochs": 4, "batch_size": 8, "sampler": {"name": "clumps", "size": 2}, "precision": "float32"},
        "device": "cpu",
        "runs": str(folder / "runs"),
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path
