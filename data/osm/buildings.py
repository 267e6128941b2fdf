"""Buildings as volumes: which polygons stand where, from which height to which, under which roof."""

from dataclasses import dataclass, fields

import numpy as np
import shapely

from data.osm.draws import stream_keys, uniforms
from data.osm.heights import BY_HEIGHT, default_height_m
from data.osm.overlay import overlay, union_of
from data.osm.roofs import FLAT, default_roof_height_m

FULLY_COVERED = 0.9  # an outline whose parts cover this share of it is described by its parts alone
SLIVER_M = 0.3  # strips thinner than twice this between parts and outline are drawing noise
GROUND_M = 0.5  # what begins lower than this stands on the ground
_HEIGHT_DRAW = 1  # identity of the stream that default heights are drawn from


@dataclass
class Volumes:
    """Upright volumes; arrays of one length n. A feature that its parts cut into several pieces gives several volumes."""

    polygons: np.ndarray  # shapely polygons with holes, metres
    ids: np.ndarray  # int64 OSM ids (minus the id for relations)
    bottom_m: np.ndarray
    eaves_m: np.ndarray  # where the walls end and the roof begins
    top_m: np.ndarray
    roof: np.ndarray  # uint8 shape (data/osm/roofs.py)
    across: np.ndarray  # bool: the ridge runs across the longer side
    source: np.ndarray  # uint8: where the height comes from (data/osm/heights.py)
    part: np.ndarray  # bool: `building:part`
    building: np.ndarray  # int64 id of the outline that a part lies in, else its own

    def __len__(self) -> int:
        return len(self.polygons)

    def __getitem__(self, selection) -> "Volumes":
        return Volumes(*(getattr(self, f.name)[selection] for f in fields(self)))

    @property
    def on_ground(self) -> np.ndarray:
        """Footprints that touch the ground."""
        return self.polygons[self.bottom_m < GROUND_M]


def build_volumes(polygons: np.ndarray, records: np.ndarray, bounds, seed: int) -> Volumes:
    """Volumes of buildings above ground; `building:part` replaces the part of an outline that it covers
    (https://wiki.openstreetmap.org/wiki/Simple_3D_Buildings).

    Args:
        polygons, records: outlines and parts (store.BUILDING), by id.
        bounds: x0, y0, x1, y1 of the map; what reaches beyond is cut off.
        seed: of the heights that no tag tells.
    """
    part = records["part"]
    tree = shapely.STRtree(polygons[part])
    outline, covering = tree.query(polygons[~part], "intersects")
    outlines, parts = np.flatnonzero(~part)[outline], np.flatnonzero(part)[covering]
    inside = shapely.contains(polygons[outlines], shapely.point_on_surface(polygons[parts]))
    building = records["id"].copy()
    building[parts[inside]] = building[outlines[inside]]  # of several the last: the query gives them by id
    records = _complete(records, outlines[inside], parts[inside], seed)
    remaining = polygons.copy()
    for i in np.unique(outlines):
        remaining[i] = _rest(polygons[i], union_of(polygons[parts[outlines == i]]))
    remaining = overlay(shapely.intersection, remaining, shapely.box(*bounds))
    pieces, owner = shapely.get_parts(remaining, return_index=True)
    keep = (shapely.get_type_id(pieces) == shapely.GeometryType.POLYGON) & (shapely.area(pieces) > 0.5)
    pieces, owner = pieces[keep], owner[keep]
    row = records[owner]
    whole = shapely.area(pieces) > 0.99 * shapely.area(polygons[owner])
    roof = np.where(whole, row["roof"], FLAT).astype(np.uint8)  # a roof's shape says nothing of what the parts leave of it
    bottom, eaves, top = _levels(pieces, row, roof)
    return Volumes(pieces, row["id"], bottom, eaves, top, roof, row["across"], row["source"], row["part"], building[owner])


def _rest(outline: shapely.Geometry, cover: shapely.Geometry) -> shapely.Geometry:
    """What parts leave of an outline."""
    rest = overlay(shapely.difference, outline, cover)
    if rest.area < (1 - FULLY_COVERED) * outline.area:
        return shapely.Polygon()
    if rest.area < outline.area:
        opened = rest.buffer(-SLIVER_M, join_style="mitre").buffer(SLIVER_M, join_style="mitre")
        rest = overlay(shapely.intersection, opened, rest)
    return rest


def _complete(records, outlines, parts, seed: int) -> np.ndarray:
    """Records with a top for every building: a part that states no height is as high as the outline it lies in (pairs of the two), and
    an outline that states none gets one from the stated distribution."""
    records = records.copy()
    unknown = np.isnan(records["top_m"])
    draws = uniforms(stream_keys(seed, _HEIGHT_DRAW, records["id"]), 0)
    for i in np.flatnonzero(unknown):
        records["top_m"][i] = records["bottom_m"][i] + default_height_m(records["low"][i], draws[i])
    taken = unknown[parts] & (records["top_m"][outlines] > records["bottom_m"][parts])
    records["top_m"][parts[taken]] = records["top_m"][outlines[taken]]
    records["source"][parts[taken]] = records["source"][outlines[taken]]
    return records


def _levels(polygons, records, roof) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bottom, eaves and top. `height` includes the roof; a height made of levels does not include a roof that states no height."""
    bottom, top, stated = records["bottom_m"], records["top_m"].copy(), records["roof_m"]
    eaves = top.copy()
    for i in np.flatnonzero(roof != FLAT):
        default = default_roof_height_m(polygons[i], roof[i])
        if records["source"][i] == BY_HEIGHT:
            height = stated[i] if stated[i] == stated[i] else min(default, (top[i] - bottom[i]) / 2)
            eaves[i] = max(bottom[i], top[i] - height)
        elif np.isnan(stated[i]):
            top[i] += default
        else:
            eaves[i] = max(bottom[i], top[i] - stated[i])
    return bottom, eaves, top
