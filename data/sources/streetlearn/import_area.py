"""Imports areas in the published layout: the city's cloud becomes a map, and each area gets its panoramas and tiles."""

import hashlib
import json
from pathlib import Path

import numpy as np

from data.areas.cloud_index import cloud_of_spans
from data.areas.write_area import AREA, write_area
from data.city import ATTRIBUTION, FORMAT, MAP, CityMap
from data.sources.photographs.photograph_files import describe_blank, read_photograph
from data.sources.streetlearn.check import FIRST, Report, examine
from data.sources.streetlearn.dataset_files import Cloud, read_index, read_tile
from data.sources.streetlearn.dataset_tables import MOST_RESIDUAL_M, read_tables
from data.sources.streetlearn.layout import Layout
from utils.arrays import sha256_of
from utils.atomic import atomic_folder, save_array
from utils.classes import CLASSES
from utils.damage import read_json
from utils.errors import InputError
from utils.georeference import Georeference
from utils.outputs import check_folder
from utils.version import VERSION

IMPORTED_AREA = AREA.by("data.prepare streetlearn", lambda info: info.get("layout") == "streetlearn")
IMPORTED_MAP = MAP.by("data.prepare streetlearn", lambda info: "points_sha256" in info and "density" not in info)
METRES_PER_PIXEL = 0.45  # there is no raster, but storage cells are counted in its pixels


def import_area(layout: Layout, name: str, datasets: Path, height: int = 224, points: int = 1024, skip: bool = False,
                processes: int | None = None, preprocessing: str = "antialiased") -> list[Path]:  # fmt: skip
    """Packs an area into `datasets/<city>/<name>`, in each city that it covers, and the city's cloud into `datasets/<city>/map`.

    Args:
        height: rows of a stored panorama.
        points: of a place's cloud.
        skip: leave out places of which something is missing or unreadable, instead of refusing the area.
        processes: worker processes; default: one for each core.
        preprocessing: antialiased or paper, how panoramas are scaled (data/sources/photographs/photograph_files.py).

    Returns:
        the folders of the areas.

    Raises:
        InputError: the tables are inconsistent; something is missing or unreadable (or everything, with `skip`); a city's folder holds a
            map made from OpenStreetMap.
    """
    tables = read_tables(layout, name)
    for city in tables.origins:
        _refuse_built_map(Path(datasets) / city, layout.points(city))
        check_folder(Path(datasets) / city / name, IMPORTED_AREA)
        if not _stored_info(Path(datasets) / city):
            check_folder(Path(datasets) / city / "map", IMPORTED_MAP)
    report = examine(layout, name, tables, {}, processes)
    usable = report.usable
    if report.blank:
        print(f"{name}: {describe_blank(report.blank)}")
    if not usable.all():
        _refuse_or_report(layout, report, skip)
    paths = []
    for city in np.unique(tables.city[usable]).tolist():
        path = Path(datasets) / city / name
        city_map, rank = import_map(layout, city, report.clouds[city], tables.origins[city], path.parent)
        rows = np.flatnonzero(usable & (tables.city == city))
        if (path / "area.json").is_file():
            print(f"{path}: replacing the area of that name")
        _write(layout, report, city, rows, path, city_map, rank, height, points, processes, preprocessing)
        print(f"{path}: {len(rows):,} places, panoramas {height} × {2 * height}, tile images, {points:,} points each")
        paths.append(path)
    return paths


def import_map(layout: Layout, city: str, cloud: Cloud, origin: tuple[float, float], folder: Path) -> tuple[CityMap, np.ndarray]:
    """Packs a city's cloud into `folder/map`, unless it is there already.

    Args:
        origin: latitude and longitude of the cloud's (0, 0).

    Returns:
        the map, and (M,) int64: which point of the map each published point became.

    Raises:
        InputError: the same cloud is there with another origin.
    """
    print(f"{layout.points(city)}: {len(cloud.stored):,} points, about the origin {origin[0]}, {origin[1]}", flush=True)
    points = cloud.points()
    low, high = np.floor(points[:, :2].min(0)), np.floor(points[:, :2].max(0)) + 1
    geo = Georeference((*low, *high), METRES_PER_PIXEL)
    order, cell_start = geo.order_by_cell(points)
    points, classes = points[order], cloud.classes[order]
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    info = {
        "format": FORMAT,
        "version": VERSION,
        "attribution": ATTRIBUTION,
        "source": {"file": layout.points(city).name, "sha256": _hash(layout.points(city), layout.classes(city))},
        "origin": list(origin),
        "bounds": list(geo.bounds),
        "metres_per_pixel": METRES_PER_PIXEL,
        "points": len(points),
        "points_sha256": sha256_of(points),
        "points_by_class": {c.name: int(n) for c, n in zip(CLASSES, np.bincount(classes, minlength=25), strict=True) if n},
    }
    before = _stored_info(folder)
    if any(before.get(key) != info[key] for key in ("format", "source", "points_sha256")):
        with atomic_folder(folder / "map", IMPORTED_MAP) as temporary:
            for name, array in (("points", points), ("classes", classes), ("cell_start", cell_start)):
                save_array(temporary / f"{name}.npy", [array], array.shape, array.dtype)
            (temporary / "map.json").write_text(json.dumps(IMPORTED_MAP.signed(info), indent=2, ensure_ascii=False) + "\n",
                                                encoding="utf-8")  # fmt: skip
        return CityMap(folder), rank
    stored = CityMap(folder)
    apart = float(np.hypot(*stored.projection.forward(*origin)))
    if apart > MOST_RESIDUAL_M:
        raise InputError(
            f"{folder / 'map'}: its origin is {stored.info['origin']}, but these tables imply {list(origin)}, "
            f"{apart:.3g} m away; they belong to another version of the dataset: import it with another --datasets"
        )
    return stored, rank


def _write(layout: Layout, report: Report, city: str, rows: np.ndarray, path: Path, city_map: CityMap, rank: np.ndarray, height: int,
           points: int, processes: int | None, preprocessing: str) -> None:  # fmt: skip
    places, tile = report.tables.locations[rows], report.tables.tile[rows]
    ids, stored = places.ids.tolist(), np.asarray(city_map.points)

    def cloud_of(i: int) -> np.ndarray:
        index = np.sort(rank[read_index(layout.index(report.area, ids[i]), len(rank))])
        return cloud_of_spans(stored, np.column_stack([index, index + 1]), places.x[i], places.y[i], places.heading_deg[i], points)

    left_out: dict[str, list[str]] = {}
    for problem in report.problems:
        if report.tables.city[problem.row] == city:
            left_out.setdefault(str(report.tables.locations.ids[problem.row]), []).append(problem.reason)

    def panorama_of(i: int) -> np.ndarray:
        return read_photograph(layout.panorama(city, ids[i]), height, preprocessing == "paper")

    info = {"panoramas": "photographs", "layout": "streetlearn", "preprocessing": preprocessing, "left_out": left_out}
    write_area(path, city_map, places, panorama_of, cloud_of, height, points, info, processes,
               lambda i: read_tile(layout.tile(city, int(tile[i]))), IMPORTED_AREA)  # fmt: skip


def _refuse_or_report(layout: Layout, report: Report, skip: bool) -> None:
    usable, n = report.usable, len(report.tables)
    kinds = dict.fromkeys(problem.kind for problem in report.problems)
    what = "; ".join([*report.broken.values(), *(f"{kind}s: {report.counts(kind)}" for kind in kinds)])
    if not skip or not usable.any():
        remedy = "get the files, or leave these places out with --skip" if usable.any() else "get the files"
        raise InputError(f"{layout.root}: {n - usable.sum():,} of {n:,} places of {report.area} cannot be imported: {what}; {remedy} "
                         f"(`python -m data.prepare check --root {layout.root} --area {report.area}` says more)")  # fmt: skip
    print(f"{report.area}: {n - usable.sum():,} of {n:,} places left out: {what}")
    for problem in report.problems[: 4 * FIRST]:
        print(f"  {report.tables.locations.ids[problem.row]}: {problem.reason}")
    if len(report.problems) > 4 * FIRST:
        print(f"  … and {len(report.problems) - 4 * FIRST:,} more; all are listed in area.json")


def _refuse_built_map(folder: Path, source: Path) -> None:
    made_from = _stored_info(folder).get("source", {"file": source.name})
    made_from = str(made_from.get("file", "something else")) if isinstance(made_from, dict) else "something else"
    if Path(made_from).suffix != source.suffix:
        raise InputError(
            f"{folder / 'map'}: holds a map made from {made_from}, which an import would overwrite; "
            "import with another --datasets, or remove that city's folder"
        )


def _stored_info(folder: Path) -> dict:
    path = folder / "map" / "map.json"
    return read_json(path) if path.is_file() else {}


def _hash(*files: Path) -> str:
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            while block := file.read(1 << 24):
                digest.update(block)
    return digest.hexdigest()
