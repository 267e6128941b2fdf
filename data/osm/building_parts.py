"""Buildings and their parts in three dimensions: which outline a part belongs to, and what parts leave of their outline
(https://wiki.openstreetmap.org/wiki/Simple_3D_Buildings)."""

from typing import NamedTuple

import numpy as np
import shapely

from data.osm.overlay import overlay, union_of

BELONGS = 0.4  # a part of which at least this share lies in an outline belongs to it; borders are drawn by hand
SLIVER_M = 0.3  # strips thinner than twice this between parts and outline are drawing noise
MOSTLY_COVERED, STRIP_M = 0.9, 2.0  # where parts cover this share of an outline, so are strips thinner than twice that
STEP_M = 0.5  # heights that differ by less are the same: where a part begins, and what it stands on


class Body(NamedTuple):
    """An upright piece of a building that comes from its outline, not from a part."""

    polygon: shapely.Geometry
    bottom_m: float
    top_m: float
    covered: bool  # a part stands on all of it: its top is never seen


class Parts(NamedTuple):
    """The parts of one building; arrays of one length n."""

    polygons: np.ndarray
    bottom_m: np.ndarray
    eaves_m: np.ndarray
    top_m: np.ndarray
    slab: np.ndarray  # bool: a roof on posts, below which it is open


def outlines_of(polygons: np.ndarray, records: np.ndarray) -> np.ndarray:
    """For each feature the row of the outline that it is a part of; -1 for outlines, and for parts without one.

    A relation decides. Without one, a part belongs to the outline that holds most of it, and among equals to the smallest. A feature
    tagged as a building and as a part is a part if it lies in a larger building. If instead other parts lie in it, it is their outline and
    also a part of itself: its row is its own.

    Args:
        polygons, records: outlines and parts (store.BUILDING), by id; (n,).
    """
    part, both, named = records["part"], records["both"], records["building"]
    rows, inner, area = np.full(len(records), -1), np.flatnonzero(part | both), shapely.area(polygons)
    outline, row = shapely.STRtree(polygons[inner]).query(polygons[~part], "intersects")
    outline, row = np.flatnonzero(~part)[outline], inner[row]
    outline, row = outline[outline != row], row[outline != row]
    share = shapely.area(overlay(shapely.intersection, polygons[outline], polygons[row])) / np.maximum(area[row], 1e-9)
    larger = (area[outline] > area[row]) | ((area[outline] == area[row]) & (outline < row))
    holds = np.where(named[row] != 0, named[row] == records["id"][outline], (share >= BELONGS) & (larger | part[row]))
    inside = np.zeros(len(records), bool)
    inside[row[holds & both[row]]] = True
    holds &= ~inside[outline]
    order = np.lexsort((outline, area[outline], -share.round(2)))
    order = order[holds[order]]
    first = np.unique(row[order], return_index=True)[1]
    rows[row[order][first]] = outline[order][first]
    owners = np.unique(rows[rows >= 0])
    owners = owners[both[owners]]
    rows[owners] = owners
    return rows


def bodies(outline: shapely.Geometry, bottom_m: float, top_m: float, stated: bool, slab: bool, parts: Parts) -> list[Body]:
    """What an outline adds to its parts.

    - Beside its parts it stands as it would without them, if they leave more of it than noise. But if it states no height, or just that of
      its highest part (other than slabs), it is there only as high as the lowest part that stands on its floor; if none does, as the lowest
      underside. If it states none and parts leave more than half of it, it is no higher than the default: a tower does not lift its block.
    - Below a part it fills what no other part fills, from its own bottom on, so that nothing hovers. Below slabs it is open, unless
      nothing else of the building would stand and it is no slab itself.
    - Above its parts it adds nothing, with one exception: if they cover all of it and none reaches the height that it states, it goes on
      above the highest of those that have a flat roof.

    Args:
        outline: polygon or multipolygon.
        bottom_m, top_m: of the outline; stated: whether its tags tell the top; slab: whether it is a roof on posts.
        parts: of this building.
    """
    highest, raised = float(parts.top_m.max()), parts.bottom_m >= bottom_m + STEP_M
    rest, solid = _rest(outline, union_of(parts.polygons)), ~parts.slab
    found = []
    if not rest.is_empty:
        if solid.any() and (not stated or abs(top_m - parts.top_m[solid].max()) < STEP_M):
            standing = solid & ~raised
            lowest = float(parts.top_m[standing].min() if standing.any() else parts.bottom_m[solid].min())
            top_m = min(top_m, lowest) if not stated and rest.area > outline.area / 2 else lowest
        found.append(Body(rest, bottom_m, top_m, False))
    elif stated and top_m >= highest + STEP_M:
        peak = (parts.top_m >= highest - STEP_M) & (parts.eaves_m == parts.top_m)
        if peak.any():
            found.append(Body(overlay(shapely.intersection, union_of(parts.polygons[peak]), outline), highest, top_m, False))
    open_below = parts.slab & (slab or not rest.is_empty or not parts.slab.all())
    for i in np.flatnonzero(raised & ~open_below):
        found += [Body(piece, z, parts.bottom_m[i], True) for piece, z in _gaps(outline, bottom_m, parts, i)]
    return found


def _gaps(outline: shapely.Geometry, floor_m: float, parts: Parts, i: int) -> list[tuple[shapely.Geometry, float]]:
    """The empty space below part i within its outline: footprints, each with the height where it begins: eaves of a part, or the floor."""
    rank = np.arange(len(parts.bottom_m))
    lower = (parts.bottom_m < parts.bottom_m[i]) | ((parts.bottom_m == parts.bottom_m[i]) & (rank < i))
    lower = np.flatnonzero(lower & shapely.intersects(parts.polygons, parts.polygons[i]))
    region, gaps = overlay(shapely.intersection, parts.polygons[i], outline), []
    for j in lower[np.argsort(-parts.eaves_m[lower], kind="stable")]:
        if parts.eaves_m[j] <= floor_m:
            break
        if parts.eaves_m[j] < parts.bottom_m[i] - STEP_M:
            gaps.append((overlay(shapely.intersection, region, parts.polygons[j]), float(parts.eaves_m[j])))
        region = overlay(shapely.difference, region, parts.polygons[j])
    gaps.append((region, floor_m))
    whole = 0.99 * parts.polygons[i].area  # a part may be as thin as a sliver
    return [(piece if piece.area > whole else _opened(piece), z) for piece, z in gaps if piece.area > 0]


def _rest(outline: shapely.Geometry, cover: shapely.Geometry) -> shapely.Geometry:
    """What parts leave of an outline."""
    rest = overlay(shapely.difference, outline, cover)
    mostly = rest.area < (1 - MOSTLY_COVERED) * outline.area
    return _opened(rest, STRIP_M if mostly else SLIVER_M) if rest.area < outline.area else rest


def _opened(polygon: shapely.Geometry, sliver_m: float = SLIVER_M) -> shapely.Geometry:
    """A polygon without its slivers."""
    opened = polygon.buffer(-sliver_m, join_style="mitre").buffer(sliver_m, join_style="mitre")
    return overlay(shapely.intersection, opened, polygon)
