"""Reads an OpenStreetMap extract (pbf, xml, gz, bz2) into features in local metres, which go to a store on disk."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import osmium
import shapely

from data.osm.building_relations import name_outlines
from data.osm.classes import CLASSES, INDEX, ISLANDS, bridge_level, class_of_area, class_of_way, is_underground
from data.osm.heights import LOW_BUILDINGS, building_extent, parse_count, parse_length_m
from data.osm.mend import Broken, mend
from data.osm.old_multipolygons import read_multipolygons
from data.osm.raster import MARGIN
from data.osm.source import WIDEST_DEG, Extract, boxes_of_buildings, guarded
from data.osm.store import KINDS, SURFACE, FeatureStore
from data.osm.water import ClippedShore, coastal_water, islands_of_coastlines, keep_dry, water_of_relations
from data.projection import Projection
from utils.errors import InputError
from utils.progress import progress

# Only objects with one of these keys are handed to Python: an extract is mostly untagged nodes.
KEYS = ("building", "building:part", "highway", "area:highway", "railway", "natural", "landuse", "leisure", "waterway",
        "amenity", "place", "man_made")  # fmt: skip
AREA_RELATIONS = ("multipolygon", "boundary")
LINE_KEYS = ("highway", "railway", "natural")  # of ways that may be lines though they end where they began
DRAWN_AS_LINES = {"man_made", "railway"}  # piers and platforms are mapped as areas or as lines
LANE_WIDTH_M = 3.3
WIDEST_M = 60.0  # a wider road, or crown of a tree, is a slip of the pen: centimetres, for one
HIGHEST_TREE_M = 120.0
TREE_SPACING_M = 8.0  # in a row of trees
SMALLEST_AREA_M2 = 1e-3
LONGEST_TREE_ROW_M = 10_000.0
LARGEST_BUILDING_M = 10_000.0  # from edge to edge; of a larger one some node is in the wrong place
FLUSH = 100_000  # features of a kind in memory at a time
WIDTH_M = np.array([c.width_m for c in CLASSES])  # of a way that states neither `width` nor `lanes`


FAR = "with a node far away"


@dataclass
class Summary:
    """What was read and what was not."""

    elements: Counter = field(default_factory=Counter)  # by what they became
    repaired: int = 0  # polygons that crossed or touched themselves
    dropped: Counter = field(default_factory=Counter)  # elements, by reason
    refused: Counter = field(default_factory=Counter)  # values of tags that say no number, by key
    flat_roofs: Counter = field(default_factory=Counter)  # roofs that are flat on the map because their shape is not built, by shape


def read_extract(extract: Extract, projection: Projection, store: FeatureStore) -> Summary:
    """Reads all features within the frame of the store's map.

    The order of the elements in the file does not matter.

    Raises:
        InputError: the extract is damaged, or no building of it stands within the map.
    """

    def read() -> tuple[Summary, dict, dict]:
        reader = _Reader(extract, projection, store)
        reader.read()
        return reader.summary, store.chunks, store.listed

    summary, store.chunks, store.listed = guarded(extract.path, read)  # in a child, whose features are on disk
    if not summary.elements["buildings"]:
        guarded(extract.path, lambda: boxes_of_buildings(extract))  # tells of missing nodes
        raise InputError(f"{extract.path}: no building above ground within the map; it needs polygons tagged `building`")
    return summary


class _Reader:
    """Sorts elements by what they become; geometries stay in degrees until they are handed to the store."""

    def __init__(self, extract: Extract, projection: Projection, store: FeatureStore):
        self.extract, self.projection, self.store, self.summary = extract, projection, store, Summary()
        self.frame = shapely.box(*store.blocks.geo.bounds)
        self.reach_m = (MARGIN + 1) * store.blocks.geo.metres_per_pixel  # what lies so near to a block may show in it
        self.wkb = osmium.geom.WKBFactory()
        self.rows: dict[str, list[tuple]] = {kind: [] for kind in KINDS}
        self.broken: list[Broken] = []
        self.relations: dict[int, dict[str, str]] = {}  # tags of multipolygons; libosmium keeps silent about those that lack members
        self.assembled: set[int] = set()
        self.rings: set[int] = set()  # ways
        self.rings_read: set[int] = set()  # those that came as areas; libosmium keeps silent about rings that lack nodes
        self.coastlines: list[np.ndarray] = []
        self.islands: list[shapely.Geometry] = []  # in degrees
        self.water: list[tuple[np.ndarray, np.ndarray]] = []  # surfaces, kept back until all islands are known
        self.built: list[np.ndarray] = []  # where buildings stand: tells land from water
        self.multipolygons = read_multipolygons(extract, KEYS)
        self.bar = progress(desc=f"reading {extract.path.name}", unit=" elements")

    def read(self) -> None:
        """Hands all elements to `take`, ways with the places of their nodes, and then finishes."""
        wanted, areas = osmium.filter.KeyFilter(*KEYS), osmium.area.AreaManager()
        self.summary.dropped["deleted"] = self.extract.deleted
        locations = self.extract.locations(osmium.filter.TagFilter(("natural", "tree")), self)
        self.extract.apply(osmium.osm.RELATION, wanted, areas.first_pass_handler())
        self.extract.apply(osmium.osm.WAY | osmium.osm.RELATION, locations, areas.second_pass_handler(wanted, self), wanted, self)
        self.finish(locations)
        self.bar.close()

    def take(self, element) -> None:
        """A handler's function for nodes, ways, relations and areas."""
        self.bar.update()
        if element.is_area() and element.from_way():
            self.rings_read.add(element.orig_id())
        elif element.is_way() and _is_ring(element):
            self.rings.add(element.id)
            if not any(key in element.tags for key in LINE_KEYS):
                return  # it comes as an area, too
        tags = dict(element.tags)
        if is_underground(tags):
            self.summary.dropped["underground"] += _stands_for_itself(element, tags)
        elif element.is_node():
            if element.location.valid():
                self._put("tree", shapely.Point(element.location.lon, element.location.lat), (element.id, 0, *_tree_size_m(tags)))
            else:
                self.summary.dropped["nodes without a place"] += 1
        elif element.is_area():
            self._area(element, tags)
        elif element.is_way():
            self._way(element, tags)
        elif tags.get("type") in AREA_RELATIONS:
            self.relations[element.id] = tags

    node = way = relation = area = take

    def _area(self, area, tags) -> None:
        if not area.from_way():
            self.assembled.add(area.orig_id())
        if tags.get("place") in ISLANDS and area.num_rings()[0]:
            with suppress(RuntimeError, shapely.errors.GEOSException):
                self.islands.append(shapely.from_wkb(self.wkb.create_multipolygon(area)))
        put = self._placer(area.orig_id() if area.from_way() else -area.orig_id(), area.from_way(), tags)
        if put is None:
            return
        # Osmium hands an area whose rings cross or do not close over without rings; its lines may still be mended.
        holes = self.multipolygons.holes.get(area.orig_id(), ()) if area.from_way() else ()
        if area.num_rings()[0] == 0 or holes:
            self.broken.append(Broken(area.orig_id(), area.from_way(), class_of_area(tags) == INDEX["water"], put, holes))
        else:
            try:
                polygon = shapely.from_wkb(self.wkb.create_multipolygon(area))
            except (RuntimeError, shapely.errors.GEOSException):
                self.summary.dropped["polygons without area"] += 1
            else:
                put(polygon)

    def _placer(self, osm_id: int, from_way: bool, tags) -> Callable | None:
        """What puts the polygon of an element where it belongs; None where it is no part of the map."""
        building = tags.get("building", "no") != "no"
        part = tags.get("building:part", "no") != "no"
        if building or part:
            extent = building_extent(tags)
            self.summary.refused.update(extent.refused)
            self.summary.flat_roofs.update([extent.flat_for] if extent.flat_for else [])
            low = (tags.get("building") or tags.get("building:part")) in LOW_BUILDINGS
            record = (osm_id, extent.bottom_m, extent.top_m, extent.roof_height_m, extent.roof_shape, extent.across, extent.source,
                      part and not building, low, extent.roof_angle_deg, extent.direction_deg, extent.slab,
                      part and building, 0)  # fmt: skip
            return lambda geometry: self._put("building", geometry, record)
        semantic = class_of_area(tags)
        # A closed road is a loop, not a plaza, unless it says so.
        if semantic is None or (from_way and "highway" in tags and tags.get("area") != "yes"):
            return None
        return lambda geometry: self._put("surface", geometry, (osm_id, semantic, bridge_level(tags)))

    def _way(self, way, tags) -> None:
        semantic = class_of_way(tags)
        if semantic is not None and not (tags.get("area") == "yes" and way.is_closed()):
            record = (way.id, semantic, bridge_level(tags), self._width_m(tags) or WIDTH_M[semantic])
            for line in self._lines(way):
                self._put("way", line, record)
        elif tags.get("natural") == "tree_row":
            numbers = itertools.count(1)
            for line in self._lines(way):
                self._tree_row(line, way.id, numbers, tags)
        elif _is_ring(way):
            return
        elif way.id in self.multipolygons.old:
            self.relations.setdefault(self.multipolygons.old[way.id], tags)
        elif way.id not in self.multipolygons.members and not tags.keys() & DRAWN_AS_LINES and self._placer(way.id, True, tags):
            self.summary.dropped["rings that do not close"] += 1

    def _tree_row(self, line: shapely.LineString, osm_id: int, numbers: Iterator[int], tags) -> None:
        line = self._to_metres(np.array([line]))[0]
        if not line.length <= LONGEST_TREE_ROW_M:
            self.summary.dropped[FAR] += 1
            return
        xy = shapely.get_coordinates(shapely.line_interpolate_point(line, np.arange(0, line.length, TREE_SPACING_M)))
        for lat, lon in zip(*self.projection.inverse(*xy.T), strict=True):
            self._put("tree", shapely.Point(lon, lat), (osm_id, next(numbers), *_tree_size_m(tags)))

    def _width_m(self, tags: dict[str, str]) -> float:
        """`width`, else lanes, else 0."""
        widths = {"width": parse_length_m(tags.get("width")), "lanes": (parse_count(tags.get("lanes")) or 0.0) * LANE_WIDTH_M or None}
        for key, width in widths.items():
            if width is None or width > WIDEST_M:
                self.summary.refused[key] += key in tags
                widths[key] = None
        return widths["width"] or ("highway" in tags and widths["lanes"]) or 0.0

    def _lines(self, way) -> list[shapely.LineString]:
        """A way's line; its pieces where the extract lacks nodes of it, as those cut without whole ways do."""
        try:
            return [shapely.from_wkb(self.wkb.create_linestring(way))]
        except osmium.InvalidLocationError:
            runs = itertools.groupby(way.nodes, lambda node: node.location.valid())
            pieces = [[xy for xy, _ in itertools.groupby((n.lon, n.lat) for n in nodes)] for valid, nodes in runs if valid]
            lines = [shapely.LineString(piece) for piece in pieces if len(piece) > 1]
        except (RuntimeError, shapely.errors.GEOSException):
            lines = []
        self.summary.dropped["cut to less than a line by the extract"] += not lines
        return lines

    def _put(self, kind: str, geometry, record: tuple) -> None:
        self.rows[kind].append((geometry, record))
        if len(self.rows[kind]) >= FLUSH:
            self._flush(kind)

    def _flush(self, kind: str) -> None:
        rows, self.rows[kind] = self.rows[kind], []
        if not rows:
            return
        geometries = np.array([geometry for geometry, _ in rows], dtype=object)
        records = np.array([record for _, record in rows], KINDS[kind])
        near = ~self._reaches_far(geometries)
        geometries, records = self._to_metres(geometries[near]), records[near]
        if kind == "building":
            x0, y0, x1, y1 = shapely.bounds(geometries).T
            small = np.maximum(x1 - x0, y1 - y0) < LARGEST_BUILDING_M
            geometries, records = geometries[small], records[small]
        self.summary.dropped[FAR] += len(rows) - len(records)
        inside = shapely.intersects(geometries, self.frame) if kind == "tree" else _touch(geometries, self.frame.bounds)
        self.summary.dropped["outside the map"] += int((~inside).sum())
        geometries, records = geometries[inside], records[inside]
        if kind in ("building", "surface"):
            invalid = ~shapely.is_valid(geometries)
            self.summary.repaired += int(invalid.sum())
            geometries[invalid] = shapely.make_valid(geometries[invalid], method="structure", keep_collapsed=False)
            whole = shapely.area(geometries) > SMALLEST_AREA_M2  # what collapses to a line has none, or what rounding leaves of it
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
        elif kind == "tree":
            elements["trees"] += len(records)
        else:
            for semantic, count in enumerate(np.bincount(records["semantic"], minlength=len(CLASSES))):
                elements[CLASSES[semantic].name] += int(count)
            elements["bridges"] += int((records["level"] > 0).sum())
            self.coastlines += list(geometries[records["semantic"] == INDEX["coastlines"]])

    def _to_metres(self, geometries: np.ndarray) -> np.ndarray:
        return shapely.transform(geometries, lambda c: np.column_stack(self.projection.forward(c[:, 1], c[:, 0])))

    def _reaches_far(self, geometries: np.ndarray) -> np.ndarray:
        """Whether a node of each is so far from the map's origin that the projection says nothing of it."""
        degrees, owner = shapely.get_coordinates(geometries, return_index=True)
        lon, lat = (degrees - (self.projection.origin_lon, self.projection.origin_lat)).T
        far = np.maximum(np.abs((lon + 180) % 360 - 180), np.abs(lat)) > WIDEST_DEG
        return np.bincount(owner[far], minlength=len(geometries)) > 0

    def finish(self, locations: osmium.NodeLocationsForWays) -> None:
        """Mends what is broken, closes the water against the map's edge, and hands the rest to the store."""
        for osm_id, tags in self.relations.items():
            if osm_id not in self.assembled and (put := self._placer(-osm_id, False, tags)):
                self.broken.append(Broken(osm_id, False, class_of_area(tags) == INDEX["water"], put))
        silent = [tags for tags in self.extract.tags_of_ways(self.rings - self.rings_read) if tags.get("area") != "no"]
        self.summary.dropped["rings that lack nodes"] += sum(self._placer(0, True, tags) is not None for tags in silent)
        shores: list[ClippedShore] = []
        for broken, geometry, outlines in mend(self.extract, locations, self.broken):
            if geometry is not None:
                # What is invalid is repaired, and counted, on its way to the store; a courtyard is no repair.
                self.summary.repaired += bool(geometry.is_valid) and not broken.holes
                broken.put(geometry)
            elif broken.water and len(outlines):
                shores.append(ClippedShore(broken.osm_id, self._to_metres(outlines)))
            else:
                self.summary.dropped["rings that do not close"] += 1
        for kind in self.rows:
            self._flush(kind)
        name_outlines(self.extract, self.store)
        bounds = self.frame.bounds
        water = coastal_water(np.array(self.coastlines, dtype=object), bounds)
        built = np.concatenate([np.zeros((0, 2)), *self.built])
        rivers, undecided = water_of_relations(shores, bounds, built)
        self.summary.dropped["water that does not close"] += undecided
        self.summary.elements["water"] += len(shores) - undecided
        water = np.concatenate([water, rivers])
        water = water[np.lexsort(shapely.bounds(water).T)]
        records = np.zeros(len(water), SURFACE)
        records["id"], records["semantic"] = np.iinfo(np.int64).min + np.arange(len(water)), INDEX["water"]
        water, records = (np.concatenate(arrays) for arrays in zip((water, records), *self.water, strict=True))
        water = keep_dry(water, self._islands())
        wet = ~shapely.is_empty(water)
        if wet.any():
            self.store.add("surface", water[wet], records[wet], self.reach_m)
        self.store.close()

    def _islands(self) -> np.ndarray:
        """Land that water does not cover, in metres, whatever the order in the file."""
        islands = self._to_metres(np.array(self.islands, dtype=object))
        islands = shapely.make_valid(islands, method="structure", keep_collapsed=False)
        islands = np.concatenate([islands, islands_of_coastlines(np.array(self.coastlines, dtype=object))])
        islands = islands[~shapely.is_empty(islands)]
        return islands[np.lexsort([*shapely.bounds(islands).T, shapely.area(islands)])]


def _touch(geometries: np.ndarray, bounds) -> np.ndarray:
    x0, y0, x1, y1 = shapely.bounds(geometries).T
    return (x0 < bounds[2]) & (x1 > bounds[0]) & (y0 < bounds[3]) & (y1 > bounds[1])


def _is_ring(way) -> bool:
    return len(way.nodes) > 3 and (way.is_closed() or way.ends_have_same_location())


def _stands_for_itself(element, tags: dict[str, str]) -> bool:
    """Whether an element is not handed over a second time: closed ways and relations come as areas, too."""
    if element.is_way():
        return not element.is_closed()
    return element.from_way() if element.is_area() else element.is_relation() and tags.get("type") in AREA_RELATIONS


def _tree_size_m(tags: dict[str, str]) -> tuple[float, float]:
    """Height and crown diameter; 0 where the tags do not say (some say it in centimetres)."""
    height, crown = (parse_length_m(tags.get(key)) or 0.0 for key in ("height", "diameter_crown"))
    return (height if height < HIGHEST_TREE_M else 0.0), (crown if crown < WIDEST_M else 0.0)
