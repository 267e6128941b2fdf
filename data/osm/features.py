"""Features on their way to the store: turned into metres, cut to the map, repaired, counted."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import shapely

from data.osm.raster import MARGIN
from data.osm.roofs import FLAT, ROOF_NAMES, bears
from data.osm.source import WIDEST_DEG
from data.osm.store import KINDS, SURFACE, FeatureStore
from data.osm.water import ClippedShore, coastal_water, islands_of_coastlines, keep_dry, water_of_relations
from utils.classes import CLASSES, INDEX
from utils.projection import Projection

WIDEST_M = 60.0  # a wider road or tree crown is a mistake, e.g. a width in centimetres
SMALLEST_AREA_M2 = 1e-3
LARGEST_BUILDING_M = 10_000.0  # from edge to edge; a larger one has a misplaced node
FLUSH = 100_000  # features of a kind in memory at a time
FAR = "with a node far away"  # a reason to be dropped


@dataclass
class Summary:
    """What was read and what was not."""

    elements: Counter = field(default_factory=Counter)  # by what they became
    repaired: int = 0  # polygons that crossed or touched themselves
    dropped: Counter = field(default_factory=Counter)  # elements, by reason
    refused: Counter = field(default_factory=Counter)  # unparsable values of tags, by key
    flat_roofs: Counter = field(default_factory=Counter)  # roofs drawn flat because their shape is not built there, by shape


class Features:
    """Takes features in degrees. Water is kept back until all islands are known.

    Args:
        projection: degrees to the map's metres.
        store: where they go.
        summary: where they are counted.
    """

    def __init__(self, projection: Projection, store: FeatureStore, summary: Summary):
        self.projection, self.store, self.summary = projection, store, summary
        self.bounds = store.blocks.geo.bounds
        self.reach_m = (MARGIN + 1) * store.blocks.geo.metres_per_pixel  # a feature this near to a block may show in it
        self.rows: dict[str, list[tuple]] = {kind: [] for kind in KINDS}
        self.coastlines: list[np.ndarray] = []
        self.water: list[tuple[np.ndarray, np.ndarray]] = []  # surfaces and their records
        self.built: list[np.ndarray] = []  # where buildings stand: tells land from water

    def put(self, kind: str, geometry, record: tuple) -> None:
        """Takes a geometry of a kind in degrees, and its record, as `store.KINDS` has it."""
        self.rows[kind].append((geometry, record))
        if len(self.rows[kind]) >= FLUSH:
            self._flush(kind)

    def flush(self) -> None:
        """Hands all that was put to the store, but for water."""
        for kind in self.rows:
            self._flush(kind)

    def _flush(self, kind: str) -> None:
        rows, self.rows[kind] = self.rows[kind], []
        if not rows:
            return
        geometries = np.array([geometry for geometry, _ in rows], dtype=object)
        records = np.array([record for _, record in rows], KINDS[kind])
        near = ~self._reaches_far(geometries)
        geometries, records = self.to_metres(geometries[near]), records[near]
        if kind == "building":
            x0, y0, x1, y1 = shapely.bounds(geometries).T
            small = np.maximum(x1 - x0, y1 - y0) < LARGEST_BUILDING_M
            geometries, records = geometries[small], records[small]
        self.summary.dropped[FAR] += len(rows) - len(records)
        inside = shapely.intersects(geometries, shapely.box(*self.bounds)) if kind == "tree" else _touch(geometries, self.bounds)
        self.summary.dropped["outside the map"] += int((~inside).sum())
        geometries, records = geometries[inside], records[inside]
        if kind in ("building", "surface"):
            invalid = ~shapely.is_valid(geometries)
            self.summary.repaired += int(invalid.sum())
            geometries[invalid] = shapely.make_valid(geometries[invalid], method="structure", keep_collapsed=False)
            whole = shapely.area(geometries) > SMALLEST_AREA_M2  # a polygon that collapses to a line has no area, but for rounding
            self.summary.dropped["polygons without area"] += int((~whole).sum())
            geometries, records = geometries[whole], records[whole]
        self._count(kind, geometries, records)
        if kind == "surface":
            water = records["semantic"] == INDEX["water"]
            self.water.append((geometries[water], records[water]))
            geometries, records = geometries[~water], records[~water]
        if len(records):
            reach = records["width_m"] / 2 if kind == "way" else WIDEST_M / 2 if kind == "tree" else 0.0
            self.store.add(kind, geometries, records, reach + self.reach_m)

    def _count(self, kind: str, geometries: np.ndarray, records: np.ndarray) -> None:
        elements = self.summary.elements
        if kind == "building":
            elements["buildings"] += int((~records["part"]).sum())
            elements["building parts"] += int(records["part"].sum())
            self.built.append(shapely.get_coordinates(shapely.point_on_surface(geometries)))
            shaped = (records["roof"] != FLAT) & (records["roof_m"] != 0)
            roofs = zip(geometries[shaped], records["roof"][shaped], strict=True)
            slabs = (records["slab"] & np.isnan(records["roof_m"]) & (records["angle_deg"] == 0))[shaped]  # those are built flat
            for (polygon, shape), slab in zip(roofs, slabs, strict=True):
                self.summary.flat_roofs[ROOF_NAMES[shape]] += bool(slab) or not _one_bears(polygon, shape)
        elif kind == "tree":
            elements["trees"] += len(records)
        else:
            for semantic, count in enumerate(np.bincount(records["semantic"], minlength=len(CLASSES))):
                elements[CLASSES[semantic].name] += int(count)
            elements["bridges"] += int((records["level"] > 0).sum())
            self.coastlines += list(geometries[records["semantic"] == INDEX["coastlines"]])

    def close(self, shores: list[ClippedShore], islands: np.ndarray) -> None:
        """Closes the water against the map's edge, cuts the islands out of it, and completes the store.

        Args:
            shores: what the extract has cut of the lines of water relations.
            islands: polygons in degrees.
        """
        coastlines = np.array(self.coastlines, dtype=object)
        water = coastal_water(coastlines, self.bounds)
        rivers, undecided = water_of_relations(shores, self.bounds, np.concatenate([np.zeros((0, 2)), *self.built]))
        self.summary.dropped["water that does not close"] += undecided
        self.summary.elements["water"] += len(shores) - undecided
        water = np.concatenate([water, rivers])
        water = water[np.lexsort(shapely.bounds(water).T)]
        records: np.ndarray = np.zeros(len(water), SURFACE)
        records["id"], records["semantic"] = np.iinfo(np.int64).min + np.arange(len(water)), INDEX["water"]
        water, records = (np.concatenate(arrays) for arrays in zip((water, records), *self.water, strict=True))
        islands = shapely.make_valid(self.to_metres(islands), method="structure", keep_collapsed=False)
        islands = np.concatenate([islands, islands_of_coastlines(coastlines)])
        islands = islands[~shapely.is_empty(islands)]
        water = keep_dry(water, islands[np.lexsort([*shapely.bounds(islands).T, shapely.area(islands)])])
        wet = ~shapely.is_empty(water)
        if wet.any():
            self.store.add("surface", water[wet], records[wet], self.reach_m)
        self.store.close()

    def to_metres(self, geometries: np.ndarray) -> np.ndarray:
        """Geometries (n,) in degrees, in the map's metres."""
        return shapely.transform(geometries, lambda c: np.column_stack(self.projection.forward(c[:, 1], c[:, 0])))

    def _reaches_far(self, geometries: np.ndarray) -> np.ndarray:
        """(n,) bool: geometries with a node so far from the map's origin that the projection fails there."""
        degrees, owner = shapely.get_coordinates(geometries, return_index=True)
        lon, lat = (degrees - (self.projection.origin_lon, self.projection.origin_lat)).T
        far = np.maximum(np.abs((lon + 180) % 360 - 180), np.abs(lat)) > WIDEST_DEG
        return np.bincount(owner[far], minlength=len(geometries)) > 0


def _one_bears(polygon: shapely.Geometry, shape: int) -> bool:
    return shapely.get_num_geometries(polygon) == 1 and bears(shapely.get_geometry(polygon, 0), shape)


def _touch(geometries: np.ndarray, bounds) -> np.ndarray:
    x0, y0, x1, y1 = shapely.bounds(geometries).T
    return (x0 < bounds[2]) & (x1 > bounds[0]) & (y0 < bounds[3]) & (y1 > bounds[1])
