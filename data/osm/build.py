"""From an OpenStreetMap extract to a stored city map."""

import hashlib
import json
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import shapely

from data.city import FORMAT
from data.georeference import Georeference
from data.osm.buildings import build_prisms
from data.osm.classes import CLASSES, DRIVABLE, INDEX
from data.osm.extract import Features, read_extract
from data.osm.landcover import land_cover
from data.osm.mesh import CROWN, GROUND, TRUNK, Mesh, complete_trees, flat_mesh, prism_mesh, sample_surface, tree_mesh
from data.osm.raster import draw_map
from utils.atomic import atomic_folder, save_array
from utils.errors import InputError

MOST_PIXELS = 1_500_000_000  # about 300 km² at the default resolution
ATTRIBUTION = "© OpenStreetMap contributors, ODbL 1.0 (https://www.openstreetmap.org/copyright)"


def build_map(extract: Path, city: Path, density: float = 0.2, metres_per_pixel: float = 0.45, seed: int = 0,
              origin: tuple[float, float] | None = None, attribution: str = ATTRIBUTION) -> dict:  # fmt: skip
    """Builds `city/map` from an extract.

    Args:
        extract: OpenStreetMap file.
        city: folder of the city; the map appears in it only when complete.
        density: points per m² of surface.
        metres_per_pixel: of the raster.
        seed: of the sampled points and of what tags leave open.
        origin: latitude and longitude of the local metres' (0, 0); default: centre of the extract.
        attribution: whose data the map is made from; shown on every picture of it.

    Returns:
        what `map.json` holds.

    Raises:
        InputError: the extract cannot be used.
    """
    started = time.monotonic()
    rng = np.random.default_rng(seed)
    features = read_extract(extract, origin)
    geo = Georeference(features.bounds, metres_per_pixel)
    if geo.width * geo.height > MOST_PIXELS:
        x0, y0, x1, y1 = geo.bounds
        raise InputError(f"{extract}: covers {(x1 - x0) / 1000:.0f} × {(y1 - y0) / 1000:.0f} km, too much for one map at "
                         f"{metres_per_pixel} m per pixel; cut it to the city, or raise --resolution")
    features.trees = complete_trees(features.trees, rng)
    prisms = build_prisms(features)
    ground, ground_classes = land_cover(features, prisms.on_ground)
    above = Mesh.join([prism_mesh(prisms), tree_mesh(features.trees)])
    below = flat_mesh(ground, np.zeros(len(ground)), GROUND)
    points, face = sample_surface(above, density, rng)
    ground_points, ground_face = sample_surface(below, density, rng)
    above_class = np.where(np.isin(above.kind, (TRUNK, CROWN)), INDEX["vegetation"], INDEX["buildings"]).astype(np.uint8)
    points = np.concatenate([points, ground_points])
    classes = np.concatenate([above_class[face], ground_classes[below.owner[ground_face]]])
    order, cell_start = geo.order_by_cell(points)
    points, classes = points[order], classes[order]
    raster, ground_raster = draw_map(geo, ground, ground_classes, prisms.polygons, features.trees)
    info = {
        "format": FORMAT,
        "attribution": attribution,
        "source": {"file": Path(extract).name, "sha256": hashlib.sha256(Path(extract).read_bytes()).hexdigest()},
        "origin": [features.projection.origin_lat, features.projection.origin_lon],
        "bounds": list(geo.bounds),
        "metres_per_pixel": metres_per_pixel,
        "density": density,
        "seed": seed,
        "points": len(points),
        "points_sha256": hashlib.sha256(points.tobytes()).hexdigest(),  # areas hold indices into these very points
        "points_by_class": {c.name: int(n) for c, n in zip(CLASSES, np.bincount(classes, minlength=25), strict=True) if n},
        "buildings": len(prisms.polygons),
        "buildings_with_height": int(prisms.tagged.sum()),
        "trees": len(features.trees),
        "left_out": features.dropped,
        "versions": {name: version(name) for name in ("osmium", "shapely", "numpy")},
    }
    with atomic_folder(Path(city) / "map") as folder:
        for name, array in (("points", points), ("classes", classes), ("cell_start", cell_start),
                            ("raster", raster), ("ground", ground_raster)):  # fmt: skip
            save_array(folder / f"{name}.npy", [array], array.shape, array.dtype)
        np.savez(folder / "mesh.npz", vertices=above.vertices, faces=above.faces, kind=above.kind, owner=above.owner)
        np.savez(folder / "streets.npz", **_streets(features))
        (folder / "map.json").write_text(json.dumps(info, indent=2, ensure_ascii=False) + "\n")
    return info | {"seconds": time.monotonic() - started}


def _streets(features: Features) -> dict[str, np.ndarray]:
    lines = features.ways[np.isin(features.way_classes, list(DRIVABLE))]
    lines = lines[np.lexsort(shapely.get_coordinates(shapely.line_interpolate_point(lines, 0.5, normalized=True)).T)]
    xy, line = shapely.get_coordinates(lines, return_index=True)
    return {"xy": xy, "start": np.searchsorted(line, np.arange(len(lines) + 1))}
