"""Repairs areas that libosmium cannot assemble: their rings cross themselves or do not close, or the extract lacks members. Their lines are
read again and joined to polygons as far as they allow it."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import osmium
import shapely

from data.osm.overlay import GRID_DEG, overlay, union_of
from data.osm.source import Extract


@dataclass
class Broken:
    """An area that libosmium gives without rings."""

    osm_id: int  # of the way or relation
    from_way: bool
    water: bool
    put: Callable  # takes its polygon in degrees
    holes: tuple[int, ...] = ()  # of a way: the ways that an old multipolygon cuts out of it


def repair_areas(extract: Extract, locations: osmium.NodeLocationsForWays, broken: list[Broken]) -> Iterator[
        tuple[Broken, shapely.Geometry | None, np.ndarray]]:  # fmt: skip
    """Polygons of broken areas.

    Args:
        locations: of the extract's nodes.

    Yields:
        each area; its polygon in degrees (perhaps invalid), or None; and the lines of its relation in degrees, none unless they may be
        shores.
    """
    members = _members(extract, {b.osm_id for b in broken if not b.from_way})
    wanted = {b.osm_id for b in broken if b.from_way} | {ref for m in members.values() for ref, _ in m}
    found = _lines(extract, locations, wanted.union(*(b.holes for b in broken)))
    for area in sorted(broken, key=lambda b: (b.from_way, b.osm_id)):
        if area.from_way:
            ring = found.get(area.osm_id)
            closed = ring is not None and len(ring.coords) > 3 and ring.is_closed
            yield area, _cut(shapely.Polygon(ring), [found[h] for h in area.holes if h in found]) if closed else None, _NO_LINES
            continue
        by_role: dict[bool, list[shapely.LineString]] = {True: [], False: []}
        for ref, role in members.get(area.osm_id, ()):
            if ref in found:
                by_role[role == "inner"].append(found[ref])
        lines = [*by_role[False], *by_role[True]] if by_role[False] else []  # inner lines alone are islands, not shores
        yield area, _polygon(by_role[False], by_role[True], area.water), np.array(lines, object)


_NO_LINES = np.array([], object)


def _polygon(outer_lines: list[shapely.LineString], inner_lines: list[shapely.LineString], water: bool) -> shapely.Geometry | None:
    outer = union_of(_faces(outer_lines), GRID_DEG)
    polygon = _cut(outer, inner_lines)
    dangling = shapely.length(union_of(np.array(outer_lines, object), GRID_DEG)) > 1.01 * shapely.length(shapely.boundary(outer))
    return None if polygon.is_empty or (water and dangling) else polygon


def _cut(polygon: shapely.Geometry, inner_lines: list[shapely.LineString]) -> shapely.Geometry:
    return overlay(shapely.difference, polygon, union_of(_faces(inner_lines), GRID_DEG), GRID_DEG) if inner_lines else polygon


def _faces(lines: list[shapely.LineString]) -> np.ndarray:
    return shapely.get_parts(shapely.polygonize(shapely.get_parts(union_of(np.array(lines, object), GRID_DEG)))) if lines else _NO_LINES


def _members(extract: Extract, relations: set[int]) -> dict[int, list[tuple[int, str]]]:
    if not relations:
        return {}
    found = extract.relations(osmium.filter.IdFilter(relations))
    return {r.id: [(m.ref, m.role) for m in r.members if m.type == "w"] for r in found}


class _Lines:
    """A handler that keeps the lines of ways, those that are longer than a point."""

    def __init__(self):
        self.found: dict[int, shapely.LineString] = {}

    def way(self, way) -> None:
        """Takes a way."""
        xy = [place for place, _ in itertools.groupby((n.lon, n.lat) for n in way.nodes if n.location.valid())]
        if len(xy) > 1:
            self.found[way.id] = shapely.LineString(xy)


def _lines(extract: Extract, locations: osmium.NodeLocationsForWays, ways: set[int]) -> dict[int, shapely.LineString]:
    lines = _Lines()
    if ways:
        extract.apply(osmium.osm.WAY, locations, osmium.filter.IdFilter(ways), lines)
    return lines.found
