"""Reads an OpenStreetMap extract: sorts its elements by what they become (data/osm/features.py) and repairs what is broken."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
import osmium
import shapely

from data.osm.building_relations import name_outlines
from data.osm.features import FAR, WIDEST_M, Features, Summary
from data.osm.heights import LOW_BUILDINGS, building_extent, parse_count, parse_length_m
from data.osm.old_multipolygons import read_multipolygons
from data.osm.repair import Broken, repair_areas
from data.osm.source import Extract, boxes_of_buildings, guarded
from data.osm.store import FeatureStore
from data.osm.tags import ISLANDS, bridge_level, class_of_area, class_of_way, is_underground
from data.osm.water import ClippedShore
from utils.classes import CLASSES, INDEX
from utils.errors import InputError
from utils.progress import progress
from utils.projection import Projection

# Only objects with one of these keys are handed to Python: an extract is mostly untagged nodes.
KEYS = ("building", "building:part", "highway", "area:highway", "railway", "natural", "landuse", "leisure", "waterway",
        "amenity", "place", "man_made")  # fmt: skip
AREA_RELATIONS = ("multipolygon", "boundary")
LINE_KEYS = ("highway", "railway", "natural")  # of ways that may be lines though they end where they began
DRAWN_AS_LINES = {"man_made", "railway"}  # piers and platforms are mapped as areas or as lines
LANE_WIDTH_M = 3.3
HIGHEST_TREE_M = 120.0
TREE_SPACING_M = 8.0  # in a row of trees
LONGEST_TREE_ROW_M = 10_000.0
WIDTH_M = np.array([c.width_m for c in CLASSES])  # of a way that states neither `width` nor `lanes`


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
        guarded(extract.path, lambda: boxes_of_buildings(extract))  # its message is better if nodes are missing
        raise InputError(f"{extract.path}: no building above ground within the map; it needs polygons tagged `building`")
    return summary


class _Reader:
    """Handles the elements of an extract; geometries are still in degrees."""

    def __init__(self, extract: Extract, projection: Projection, store: FeatureStore):
        self.extract, self.projection, self.store, self.summary = extract, projection, store, Summary()
        self.features = Features(projection, store, self.summary)
        self.wkb = osmium.geom.WKBFactory()
        self.broken: list[Broken] = []
        self.relations: dict[int, dict[str, str]] = {}  # tags of multipolygons; libosmium silently skips those that lack members
        self.assembled: set[int] = set()
        self.rings: set[int] = set()  # ways
        self.rings_read: set[int] = set()  # those that came as areas; libosmium silently skips rings that lack nodes
        self.islands: list[shapely.Geometry] = []  # in degrees
        self.multipolygons = read_multipolygons(extract, KEYS)
        self.bar = progress(desc=f"reading {extract.path.name}", unit=" elements")

    def read(self) -> None:
        """Hands all elements to `take`, ways together with the places of their nodes, and then finishes."""
        wanted, areas = osmium.filter.KeyFilter(*KEYS), osmium.area.AreaManager()
        self.summary.dropped["deleted"] = self.extract.deleted
        locations = self.extract.locations(osmium.filter.TagFilter(("natural", "tree")), self)
        self.extract.apply(osmium.osm.RELATION, wanted, areas.first_pass_handler())
        self.extract.apply(osmium.osm.WAY | osmium.osm.RELATION, locations, areas.second_pass_handler(wanted, self), wanted, self)
        self.finish(locations)
        self.bar.close()

    def take(self, element) -> None:
        """Handles a node, way, relation or area."""
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
                self.features.put("tree", shapely.Point(element.location.lon, element.location.lat), (element.id, 0, *_tree_size_m(tags)))
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
        # An area whose rings cross or do not close comes without rings; its lines may still be repaired.
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
        """A function that takes the polygon of an element and puts it where it belongs; None if it is not part of the map."""
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
            return lambda geometry: self.features.put("building", geometry, record)
        semantic = class_of_area(tags)
        # A closed road is a loop, not a plaza, unless it says so.
        if semantic is None or (from_way and "highway" in tags and tags.get("area") != "yes"):
            return None
        return lambda geometry: self.features.put("surface", geometry, (osm_id, semantic, bridge_level(tags)))

    def _way(self, way, tags) -> None:
        semantic = class_of_way(tags)
        if semantic is not None and not (tags.get("area") == "yes" and way.is_closed()):
            record = (way.id, semantic, bridge_level(tags), self._width_m(tags) or WIDTH_M[semantic])
            for line in self._lines(way):
                self.features.put("way", line, record)
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
        line = self.features.to_metres(np.array([line]))[0]
        if not line.length <= LONGEST_TREE_ROW_M:
            self.summary.dropped[FAR] += 1
            return
        xy = shapely.get_coordinates(shapely.line_interpolate_point(line, np.arange(0, line.length, TREE_SPACING_M)))
        for lat, lon in zip(*self.projection.inverse(*xy.T), strict=True):
            self.features.put("tree", shapely.Point(lon, lat), (osm_id, next(numbers), *_tree_size_m(tags)))

    def _width_m(self, tags: dict[str, str]) -> float:
        """`width`, else lanes, else 0."""
        widths = {"width": parse_length_m(tags.get("width")), "lanes": (parse_count(tags.get("lanes")) or 0.0) * LANE_WIDTH_M or None}
        for key, width in widths.items():
            if width is None or width > WIDEST_M:
                self.summary.refused[key] += key in tags
                widths[key] = None
        return widths["width"] or ("highway" in tags and widths["lanes"]) or 0.0

    def _lines(self, way) -> list[shapely.LineString]:
        """A way's line, or its pieces if the extract lacks some of its nodes, as extracts do that are cut without complete ways."""
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

    def finish(self, locations: osmium.NodeLocationsForWays) -> None:
        """Repairs broken areas, closes the water against the map's edge, and hands the rest to the store."""
        for osm_id, tags in self.relations.items():
            if osm_id not in self.assembled and (put := self._placer(-osm_id, False, tags)):
                self.broken.append(Broken(osm_id, False, class_of_area(tags) == INDEX["water"], put))
        silent = [tags for tags in self.extract.tags_of_ways(self.rings - self.rings_read) if tags.get("area") != "no"]
        self.summary.dropped["rings that lack nodes"] += sum(self._placer(0, True, tags) is not None for tags in silent)
        shores: list[ClippedShore] = []
        for broken, geometry, outlines in repair_areas(self.extract, locations, self.broken):
            if geometry is not None:
                # Invalid polygons are repaired and counted on their way to the store; cutting out a courtyard is no repair.
                self.summary.repaired += bool(geometry.is_valid) and not broken.holes
                broken.put(geometry)
            elif broken.water and len(outlines):
                shores.append(ClippedShore(broken.osm_id, self.features.to_metres(outlines)))
            else:
                self.summary.dropped["rings that do not close"] += 1
        self.features.flush()
        name_outlines(self.extract, self.store)
        self.features.close(shores, np.array(self.islands, dtype=object))


def _is_ring(way) -> bool:
    return len(way.nodes) > 3 and (way.is_closed() or way.ends_have_same_location())


def _stands_for_itself(element, tags: dict[str, str]) -> bool:
    """Whether an element comes only once: closed ways and multipolygons come again as areas."""
    if element.is_way():
        return not element.is_closed()
    return element.from_way() if element.is_area() else element.is_relation() and tags.get("type") in AREA_RELATIONS


def _tree_size_m(tags: dict[str, str]) -> tuple[float, float]:
    """Height and crown diameter; 0 where the tags do not say (some say it in centimetres)."""
    height, crown = (parse_length_m(tags.get(key)) or 0.0 for key in ("height", "diameter_crown"))
    return (height if height < HIGHEST_TREE_M else 0.0), (crown if crown < WIDEST_M else 0.0)
