"""Reads an OpenStreetMap extract (pbf, xml, gz, bz2) into polygons, lines and trees in local metres."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import osmium
import shapely

from data.osm.classes import class_of_area, class_of_way, is_underground
from data.osm.heights import building_extent, parse_length_m
from data.projection import Projection
from utils.errors import InputError
from utils.progress import progress

# Only objects with one of these keys are handed to Python: an extract is mostly untagged nodes.
KEYS = ("building", "building:part", "highway", "area:highway", "railway", "natural", "landuse", "leisure", "waterway",
        "amenity", "place", "man_made")  # fmt: skip
LANE_WIDTH_M = 3.3


@dataclass
class Features:
    """What an extract holds, in local metres (x east, y north).

    Geometry arrays are object arrays of shapely geometries; the arrays beside them have the same length.
    """

    projection: Projection
    bounds: tuple[float, float, float, float]  # x0, y0, x1, y1 of the extract
    buildings: np.ndarray  # polygons
    building_ids: np.ndarray  # int64 OSM ids: way id, or minus the relation id
    building_extent_m: np.ndarray  # (n, 2) bottom and top
    building_tagged: np.ndarray  # bool: the height comes from a tag
    building_is_part: np.ndarray  # bool: `building:part`
    surfaces: np.ndarray  # polygons and multipolygons on the ground
    surface_classes: np.ndarray
    ways: np.ndarray  # lines with a width
    way_classes: np.ndarray
    way_widths_m: np.ndarray
    coastlines: np.ndarray  # lines, land on the left
    trees: np.ndarray  # (n, 4): x, y, height, crown diameter in metres
    dropped: dict[str, int] = field(default_factory=dict)


def read_extract(path: Path, origin: tuple[float, float] | None = None) -> Features:
    """Reads an extract.

    Args:
        path: `.osm`, `.osm.gz`, `.osm.bz2` or `.osm.pbf`.
        origin: latitude and longitude that become (0, 0); by default the centre of the extract's bounding box.

    Raises:
        InputError: the file is missing, truncated or not an extract, or it holds no building.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such extract; give an .osm, .osm.gz, .osm.bz2 or .osm.pbf file")
    collector = _Collector()
    try:
        box = osmium.io.Reader(str(path)).header().box()
        processor = osmium.FileProcessor(str(path)).with_areas().with_filter(osmium.filter.KeyFilter(*KEYS))
        for element in progress(processor, desc=f"reading {path.name}", unit=" elements"):
            collector.take(element)
    except (RuntimeError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as an OpenStreetMap extract ({reason}); "
                         "download it again, it may be truncated") from None
    if not collector.buildings:
        raise InputError(f"{path}: no building above ground in this extract; it needs polygons tagged `building`")
    return collector.features(box, origin)


class _Collector:
    """Sorts elements by what they become; geometries stay in degrees until the projection is known."""

    def __init__(self):
        self.wkb = osmium.geom.WKBFactory()
        self.buildings, self.surfaces, self.ways, self.coastlines, self.trees = [], [], [], [], []
        self.closed_ways: dict[int, list] = {}  # by id, until their areas come: for rings that cross themselves
        self.dropped = {"underground": 0, "broken geometry": 0}

    def take(self, element) -> None:
        tags = dict(element.tags)
        if is_underground(tags):
            self.dropped["underground"] += not element.is_node()
        elif element.is_node():
            if tags.get("natural") == "tree":
                self._tree(element.location.lon, element.location.lat, tags)
        elif element.is_area():
            self._area(element, tags)
        elif element.is_way():
            self._way(element, tags)

    def _area(self, area, tags) -> None:
        line = self.closed_ways.pop(area.orig_id(), None) if area.from_way() else None
        building = tags.get("building", "no") != "no"
        part = tags.get("building:part", "no") != "no"
        semantic = None if building or part else class_of_area(tags)
        # A closed road is a loop, not a plaza, unless it says so.
        if semantic is not None and area.from_way() and "highway" in tags and tags.get("area") != "yes":
            return
        if not (building or part) and semantic is None:
            return
        # Osmium hands an area whose ring crosses itself over without rings; the way's own line can be mended.
        if line and len(line) > 3 and area.num_rings()[0] == 0:
            geometry = shapely.Polygon(line)
        else:
            geometry = self._geometry(self.wkb.create_multipolygon, area)
        if geometry is None:
            return
        if semantic is not None:
            self.surfaces.append((geometry, semantic))
        else:
            osm_id = area.orig_id() if area.from_way() else -area.orig_id()
            self.buildings.append((geometry, osm_id, building_extent(tags), part and not building))

    def _way(self, way, tags) -> None:
        if way.is_closed():
            self.closed_ways[way.id] = [(n.lon, n.lat) for n in way.nodes if n.location.valid()]
        semantic = class_of_way(tags)
        if semantic is not None and not (tags.get("area") == "yes" and way.is_closed()):
            geometry = self._geometry(self.wkb.create_linestring, way)
            if geometry is not None:
                self.ways.append((geometry, semantic, _way_width_m(tags)))
        elif tags.get("natural") == "coastline":
            self.coastlines.append(self._geometry(self.wkb.create_linestring, way))
        elif tags.get("natural") == "tree_row":
            self._tree_row(way, tags)

    def _tree(self, lon: float, lat: float, tags) -> None:
        height, crown = (parse_length_m(tags.get(key)) or 0.0 for key in ("height", "diameter_crown"))  # 0: not stated
        self.trees.append((lon, lat, height if height < 120 else 0.0, crown if crown < 60 else 0.0))  # some are in centimetres

    def _tree_row(self, way, tags, spacing_m: float = 8.0) -> None:
        line = self._geometry(self.wkb.create_linestring, way)
        if line is not None:
            step = spacing_m / 111_000  # degrees of latitude; a row's spacing is a guess anyway
            for point in shapely.line_interpolate_point(line, np.arange(0, line.length, step)):
                self._tree(point.x, point.y, tags)

    def _geometry(self, create, element):
        try:
            return shapely.from_wkb(create(element))
        except (RuntimeError, shapely.errors.GEOSException):
            self.dropped["broken geometry"] += 1
            return None

    def features(self, box, origin) -> Features:
        buildings, building_ids, extents, is_part = _columns(self.buildings, 4)
        surfaces, surface_classes = _columns(self.surfaces, 2)
        ways, way_classes, way_widths = _columns(self.ways, 3)
        lon0, lat0, lon1, lat1 = _bounds_in_degrees(box, buildings)
        projection = Projection(*(origin or ((lat0 + lat1) / 2, (lon0 + lon1) / 2)))

        def to_metres(geometries) -> np.ndarray:
            array = np.array(list(geometries), dtype=object)
            return shapely.transform(array, lambda c: np.column_stack(projection.forward(c[:, 1], c[:, 0])))

        corners = np.column_stack(projection.forward([lat0, lat0, lat1, lat1], [lon0, lon1, lon0, lon1]))
        trees = np.array(self.trees, np.float64).reshape(-1, 4)
        trees[:, 0], trees[:, 1] = projection.forward(trees[:, 1], trees[:, 0])
        polygons, areas = to_metres(buildings), to_metres(surfaces)
        self.dropped["repaired polygons"] = int((~shapely.is_valid(polygons)).sum() + (~shapely.is_valid(areas)).sum())
        return Features(
            projection=projection,
            bounds=(*corners.min(0).tolist(), *corners.max(0).tolist()),
            buildings=_mend(polygons),
            building_ids=np.array(building_ids, np.int64),
            building_extent_m=np.array([(e.bottom_m, e.top_m) for e in extents]),
            building_tagged=np.array([e.tagged for e in extents]),
            building_is_part=np.array(is_part, bool),
            surfaces=_mend(areas),
            surface_classes=np.array(surface_classes, np.uint8),
            ways=to_metres(ways),
            way_classes=np.array(way_classes, np.uint8),
            way_widths_m=np.array(way_widths, np.float64),
            coastlines=to_metres(line for line in self.coastlines if line is not None),
            trees=trees,
            dropped=self.dropped,
        )


def _mend(polygons: np.ndarray) -> np.ndarray:
    """Valid polygons and multipolygons; what collapses to a line becomes empty."""
    return shapely.make_valid(polygons, method="structure", keep_collapsed=False)


def _columns(rows: list[tuple], count: int) -> list[tuple]:
    return list(zip(*rows, strict=True)) if rows else [()] * count


def _way_width_m(tags: dict[str, str]) -> float:
    """`width`, else lanes, else 0: the class's own width."""
    width = parse_length_m(tags.get("width"))
    if width is None and (lanes := parse_length_m(tags.get("lanes"))) and "highway" in tags:
        width = lanes * LANE_WIDTH_M
    return min(width, 60.0) if width else 0.0


def _bounds_in_degrees(box, geometries) -> tuple[float, float, float, float]:
    if box.valid():
        return box.bottom_left.lon, box.bottom_left.lat, box.top_right.lon, box.top_right.lat
    return tuple(shapely.total_bounds(np.array(geometries, dtype=object)))
