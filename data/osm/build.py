"""From an OpenStreetMap extract to a stored city map."""

import json
import shutil
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import shapely

from data.city import ATTRIBUTION, FORMAT, MAP
from data.osm.buildings import GROUND_M, Volumes
from data.osm.city_graph import build_graph
from data.osm.extract import read_extract
from data.osm.features import Summary
from data.osm.heights import BY_HEIGHT, BY_LEVELS, NO_HEIGHT
from data.osm.merge import write_mesh, write_points, write_rasters
from data.osm.roofs import ROOF_NAMES
from data.osm.source import Extract, opened, read_frame
from data.osm.store import WAY, Blocks, FeatureStore, Window
from data.osm.tags import DRIVABLE
from data.osm.tile import Tile, TileMaker
from utils.arrays import sha256_of
from utils.atomic import atomic_folder
from utils.classes import CLASSES, INDEX
from utils.errors import InputError
from utils.georeference import Georeference
from utils.outputs import FolderKind, check_folder
from utils.parallel import in_order
from utils.progress import progress
from utils.projection import Projection
from utils.version import VERSION

TILE_M = 1024.0
LARGEST_M = 100_000.0  # the projection about one origin serves a city, not a country
FARTHEST_M = LARGEST_M, 2_000_000.0  # from the origin: to the east metres stretch, to the north float32 runs out of digits
_SOURCES = {NO_HEIGHT: "default", BY_LEVELS: "levels", BY_HEIGHT: "height"}


def build_map(extract: Path, city: Path, density: float = 0.2, metres_per_pixel: float = 0.45, seed: int = 0,
              origin: tuple[float, float] | None = None, bbox: tuple[float, float, float, float] | None = None,
              tile_m: float = TILE_M, processes: int | None = None, attribution: str = ATTRIBUTION,
              kind: FolderKind = MAP) -> dict:  # fmt: skip
    """Builds `city/map` from an extract.

    The map does not depend on the order of the elements in the file, on tile_m or on processes.

    Args:
        extract: OpenStreetMap file.
        city: folder of the city; the map appears in it only when complete.
        density: points per m² of surface.
        metres_per_pixel: of the raster.
        seed: of the sampled points, and of sizes that tags do not state.
        origin: latitude and longitude of (0, 0) in local metres; default: the centre of the map.
        bbox: south, west, north, east in degrees: only this part of the extract.
        tile_m: edge of the tiles that are worked on at a time, rounded up to whole blocks of about 256 m; memory grows with it.
        processes: worker processes; default: one for each core.
        attribution: whose data the map is made from; shown on every picture of it.
        kind: which command builds it.

    Returns:
        what `map.json` holds, and the `seconds` it took.

    Raises:
        InputError: the extract cannot be used, or another folder of that name is there.
    """
    started = time.monotonic()
    check_folder(Path(city) / "map", kind)
    with opened(extract) as source:
        info = _build(source, city, density, metres_per_pixel, seed, origin, bbox, tile_m, processes, attribution, kind)
    return info | {"seconds": time.monotonic() - started}


def _build(source: Extract, city: Path, density: float, metres_per_pixel: float, seed: int, origin, bbox, tile_m: float,
           processes: int | None, attribution: str, kind: FolderKind) -> dict:  # fmt: skip
    extract = source.path
    west, south, east, north = read_frame(source, bbox)
    projection = Projection(*(origin or ((south + north) / 2, (west + east) / 2)))
    corners = np.column_stack(projection.forward([south, south, north, north], [west, east, west, east]))
    geo = Georeference((*corners.min(0).tolist(), *corners.max(0).tolist()), metres_per_pixel)
    if np.ptp(corners, axis=0).max() > LARGEST_M:
        raise InputError(
            f"{extract}: covers {np.ptp(corners[:, 0]) / 1000:.0f} × {np.ptp(corners[:, 1]) / 1000:.0f} km, more than a city; "
            f"give its --bbox, at most {LARGEST_M / 1000:.0f} km wide and high"
        )
    if (np.abs(corners).max(0) > FARTHEST_M).any() or not -90 <= projection.origin_lat <= 90:
        raise InputError(
            f"{extract}: the origin {projection.origin_lat:.4f},{projection.origin_lon:.4f} is too far away for true metres; "
            "give an --origin in or near the city"
        )
    blocks = Blocks(geo)
    with atomic_folder(Path(city) / "map", kind) as folder:
        work = folder / kind.scratch
        work.mkdir()
        store = FeatureStore(work, blocks)
        summary = read_extract(source, projection, store)
        tiles = _make_tiles(TileMaker(store, density, seed, work), tile_m, processes)
        summary.dropped["buildings too small"] += sum(tile.too_small for tile in tiles)
        write_points(folder, tiles, blocks)
        write_mesh(folder, tiles)
        write_rasters(folder, tiles, blocks)
        volumes, streets = _in_one([tile.volumes for tile in tiles]), _streets(store)
        _write_buildings(folder / "buildings.csv", volumes)
        _write_streets(folder / "streets.npz", *streets)
        graph = build_graph(volumes, *streets, geo.bounds)
        np.savez(folder / "graph.npz", **vars(graph))
        by_class = np.sum([tile.class_counts for tile in tiles], axis=0)
        info = {
            "format": FORMAT,
            "version": VERSION,
            "attribution": attribution,
            "source": {"file": Path(extract).name, "sha256": sha256_of(np.memmap(extract, np.uint8, "r"))},
            "origin": [projection.origin_lat, projection.origin_lon],
            "bounds": list(geo.bounds),
            "metres_per_pixel": metres_per_pixel,
            "density": density,
            "seed": seed,
            "points": int(by_class.sum()),
            "points_sha256": sha256_of(np.load(folder / "points.npy", mmap_mode="r")),  # areas hold indices into these very points
            "points_by_class": {c.name: int(n) for c, n in zip(CLASSES, by_class, strict=False) if n},
            "building_volumes": len(volumes.ids),
            "height_from": {name: int((volumes.source == source).sum()) for source, name in _SOURCES.items()},
            "roofs": {name: int(n) for name, n in zip(ROOF_NAMES, np.bincount(volumes.roof, minlength=len(ROOF_NAMES)), strict=True)},
            "raised_parts": {
                "above the ground": int((volumes.part & (volumes.bottom_m >= GROUND_M)).sum()),
                "with nothing below": sum(tile.hovering for tile in tiles),
            },
            "graph": {
                "buildings": int((graph.classes == INDEX["buildings"]).sum()),
                "street_pieces": int((graph.classes != INDEX["buildings"]).sum()),
                "neighbours": graph.edges.shape[1] // 2,
            },
            **_told(summary),
            "versions": {name: version(name) for name in ("osmium", "shapely", "numpy")},
        }
        (folder / "map.json").write_text(json.dumps(kind.signed(info), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        shutil.rmtree(work)
    return info


def _make_tiles(maker: TileMaker, tile_m: float, processes: int | None) -> list[Tile]:
    blocks = maker.store.blocks
    step = max(1, int(np.ceil(tile_m / blocks.edge_m)))
    windows = [Window(c, r, min(c + step, blocks.columns), min(r + step, blocks.rows))
               for r in range(0, blocks.rows, step) for c in range(0, blocks.columns, step)]  # fmt: skip
    made = in_order(lambda i: maker.make(windows[i]), len(windows), processes, chunk=1)
    return list(progress(made, total=len(windows), desc="map", unit=" tiles"))


def _in_one(volumes: list[Volumes]) -> Volumes:
    joined = Volumes(*(np.concatenate([getattr(v, name) for v in volumes]) for name in vars(volumes[0])))
    return joined[np.lexsort([*shapely.bounds(joined.polygons).T, joined.ids])]


def _write_buildings(path: Path, volumes: Volumes) -> None:
    middle = shapely.get_coordinates(shapely.centroid(volumes.polygons))
    pd.DataFrame({
        "id": volumes.ids,
        "part": volumes.part.astype(int),
        "x": middle[:, 0].round(2),
        "y": middle[:, 1].round(2),
        "area_m2": shapely.area(volumes.polygons).round(2),
        "bottom_m": volumes.bottom_m.round(3),
        "eaves_m": volumes.eaves_m.round(3),
        "top_m": volumes.top_m.round(3),
        "roof": [ROOF_NAMES[v] for v in volumes.roof],
        "height_from": [_SOURCES[v] for v in volumes.source],
    }).to_csv(path, index=False)  # fmt: skip


def _streets(store: FeatureStore) -> tuple[np.ndarray, np.ndarray]:
    """Drivable centre lines (n,) and their records, by id."""
    found: list[tuple[np.ndarray, np.ndarray]] = [(np.array([], object), np.zeros(0, WAY))]
    for geometries, ways in store.scan("way"):
        drivable = np.isin(ways["semantic"], list(DRIVABLE))
        found.append((geometries[drivable], ways[drivable]))
    lines, records = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(records["id"], kind="stable")
    return lines[order], records[order]


def _write_streets(path: Path, lines: np.ndarray, records: np.ndarray) -> None:
    xy, line = shapely.get_coordinates(lines, return_index=True)
    np.savez(path, xy=xy, start=np.searchsorted(line, np.arange(len(lines) + 1)), level=records["level"])


def _told(summary: Summary) -> dict:
    return {
        "elements": {name: n for name, n in sorted(summary.elements.items()) if n},
        "repaired": summary.repaired,
        "dropped": {reason: n for reason, n in sorted(summary.dropped.items()) if n},
        "refused_values": {key: n for key, n in sorted(summary.refused.items()) if n},
        "roofs_drawn_flat": {shape: n for shape, n in sorted(summary.flat_roofs.items()) if n},
    }
