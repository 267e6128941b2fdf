"""Areas that libosmium cannot assemble because their rings cross themselves or do not close, or because the extract lacks members:
their lines, read again, may still do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import osmium
import shapely


@dataclass
class Broken:
    """An area without rings, as libosmium sees it."""

    osm_id: int  # of the way or relation
    from_way: bool
    water: bool
    put: Callable  # takes its polygon in degrees


def mend(path: Path, broken: list[Broken]) -> Iterator[tuple[Broken, shapely.Geometry | None, np.ndarray]]:
    """Polygons of broken areas.

    Args:
        path: the extract, in order.

    Yields:
        each area with its polygon in degrees (perhaps invalid), or None; and the lines of its relation in degrees, none where they are no
        shores.
    """
    members = _members(path, {b.osm_id for b in broken if not b.from_way})
    wanted = {b.osm_id for b in broken if b.from_way} | {ref for m in members.values() for ref, _ in m}
    found = _lines(path, wanted)
    for area in sorted(broken, key=lambda b: (b.from_way, b.osm_id)):
        if area.from_way:
            ring = found.get(area.osm_id)
            closed = ring is not None and len(ring.coords) > 3 and ring.is_closed
            yield area, shapely.Polygon(ring) if closed else None, np.array([], object)
            continue
        by_role = {True: [], False: []}
        for ref, role in members.get(area.osm_id, ()):
            if ref in found:
                by_role[role == "inner"].append(found[ref])
        outer = shapely.union_all(_faces(by_role[False]))
        polygon = outer.difference(shapely.union_all(_faces(by_role[True])))
        dangling = shapely.length(shapely.union_all(by_role[False])) > 1.01 * shapely.length(shapely.boundary(outer))
        whole = not polygon.is_empty and not (area.water and dangling)
        lines = [*by_role[False], *by_role[True]] if by_role[False] else []  # islands alone tell nothing of the shores
        yield area, polygon if whole else None, np.array(lines, object)


def _faces(lines: list[shapely.LineString]) -> np.ndarray:
    return shapely.get_parts(shapely.polygonize(list(shapely.get_parts(shapely.unary_union(lines))))) if lines else np.array([], object)


def _members(path: Path, relations: set[int]) -> dict[int, list[tuple[int, str]]]:
    if not relations:
        return {}
    found = osmium.FileProcessor(str(path), osmium.osm.RELATION).with_filter(osmium.filter.IdFilter(relations))
    return {r.id: [(m.ref, m.role) for m in r.members if m.type == "w"] for r in found}


def _lines(path: Path, ways: set[int]) -> dict[int, shapely.LineString]:
    if not ways:
        return {}
    found = osmium.FileProcessor(str(path), osmium.osm.NODE | osmium.osm.WAY).with_locations()
    found = found.with_filter(osmium.filter.EntityFilter(osmium.osm.WAY)).with_filter(osmium.filter.IdFilter(ways))
    nodes = {way.id: [(n.lon, n.lat) for n in way.nodes if n.location.valid()] for way in found}
    return {osm_id: shapely.LineString(xy) for osm_id, xy in nodes.items() if len(xy) > 1}
