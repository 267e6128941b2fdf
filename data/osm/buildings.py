"""Buildings as volumes: which polygons stand where, from which height to which, under which roof."""

from dataclasses import dataclass, fields

import numpy as np
import shapely

from data.osm.building_parts import STEP_M, Body, Parts, bodies, outlines_of
from data.osm.heights import BY_HEIGHT, METRES_PER_LEVEL, NO_HEIGHT, SLAB_M, default_height_m
from data.osm.overlay import overlay, union_of
from data.osm.roofs import DOME, FLAT, bears, default_roof_height_m, roof_height_of_angle_m
from data.osm.streams import stream_keys, uniforms

GROUND_M = 0.5  # what begins lower than this stands on the ground
HEADROOM_M = 2.6  # a camera 2.5 m above the ground passes below what begins higher than this
SMALLEST_M2 = 0.5  # a smaller footprint makes no volume
HIGHEST_DEFAULT_ROOF_M = 2 * METRES_PER_LEVEL
HIGHEST_ROOF_BY_ANGLE_M = 30.0  # a steep angle over a wide hall means its many small roofs, or is an error
_HEIGHT_STREAM = 1  # what the streams of default heights belong to (data/osm/streams.py)


@dataclass
class Volumes:
    """Upright volumes; arrays of one length n. One outline may give several volumes: what its parts leave of it."""

    polygons: np.ndarray  # shapely polygons with holes, metres
    ids: np.ndarray  # int64 OSM ids (minus the id for relations)
    bottom_m: np.ndarray
    eaves_m: np.ndarray  # where the walls end and the roof begins
    top_m: np.ndarray
    roof: np.ndarray  # uint8 shape (data/osm/roofs.py)
    across: np.ndarray  # bool: the ridge runs across the longer side
    direction_deg: np.ndarray  # where the roof falls to; NaN where no tag says it
    source: np.ndarray  # uint8: where the height comes from (data/osm/heights.py)
    part: np.ndarray  # bool: `building:part`
    building: np.ndarray  # int64 id of the outline that a part belongs to, else its own
    covered: np.ndarray  # bool: a part stands on all of it

    def __len__(self) -> int:
        return len(self.polygons)

    def __getitem__(self, selection) -> "Volumes":
        return Volumes(*(getattr(self, f.name)[selection] for f in fields(self)))

    @property
    def on_ground(self) -> np.ndarray:
        """Footprints that touch the ground."""
        return self.polygons[self.bottom_m < GROUND_M]

    @property
    def hovering(self) -> np.ndarray:
        """(n,) bool: parts above the ground with nothing, within half a metre, below a point in the middle of them."""
        hovers = self.part & (self.bottom_m >= GROUND_M)
        raised = np.flatnonzero(hovers)
        row, below = shapely.STRtree(self.polygons).query(shapely.point_on_surface(self.polygons[raised]), "intersects")
        row = raised[row]
        carries = (self.bottom_m[below] < self.bottom_m[row]) & (self.top_m[below] >= self.bottom_m[row] - STEP_M)
        hovers[row[carries]] = False
        return hovers


def build_volumes(polygons: np.ndarray, records: np.ndarray, bounds, seed: int) -> Volumes:
    """Volumes of buildings above ground; a `building:part` takes the place of its own outline and of nothing else
    (data/osm/building_parts.py).

    Args:
        polygons, records: outlines and parts (store.BUILDING), by id.
        bounds: x0, y0, x1, y1 of the map; what reaches beyond is cut off.
        seed: of the heights that no tag tells.
    """
    outline = outlines_of(polygons, records)
    owned = np.flatnonzero(outline >= 0)
    building = np.where(records["building"] != 0, records["building"], records["id"])
    building[owned] = records["id"][outline[owned]]
    stated = records["source"] != NO_HEIGHT
    records = _complete(records, outline[owned], owned, seed)
    bottom, eaves, top, roof = _levels(polygons, records)

    found: list[tuple[int, Body]] = []  # rows of outlines, and what their parts leave to them
    owned = owned[np.argsort(outline[owned], kind="stable")]
    for rows in np.split(owned, np.flatnonzero(np.diff(outline[owned])) + 1) if len(owned) else ():
        i = outline[rows[0]]
        parts = Parts(polygons[rows], bottom[rows], eaves[rows], top[rows], records["slab"][rows])
        found += [(i, body) for body in bodies(polygons[i], bottom[i], records["top_m"][i], stated[i], records["slab"][i], parts)]
    own = np.setdiff1d(np.arange(len(records)), np.setdiff1d(outline, owned[outline[owned] == owned]))
    row = np.concatenate([own, np.array([i for i, _ in found], int)])
    columns = zip(*(body for _, body in found), strict=True) if found else ((),) * len(Body._fields)
    left, low, high, covered = (np.array(column, dtype) for column, dtype in zip(columns, (object, float, float, bool), strict=True))
    low, high = np.concatenate([bottom[own], low]), np.concatenate([records["top_m"][own], high])
    covered = np.concatenate([np.zeros(len(own), bool), covered])

    standing = overlay(shapely.intersection, np.concatenate([polygons[own], left]), shapely.box(*bounds))
    pieces, piece = shapely.get_parts(standing, return_index=True)
    keep = (shapely.get_type_id(pieces) == shapely.GeometryType.POLYGON) & (shapely.area(pieces) > SMALLEST_M2)
    pieces, piece = pieces[keep], piece[keep]
    row, low, high, covered = row[piece], low[piece], high[piece], covered[piece]
    # What parts or the map's edge leave of a building is flat: its roof was meant for all of it.
    whole = (shapely.area(pieces) > 0.99 * shapely.area(polygons[row])) & (high == records["top_m"][row]) & ~covered
    record, part = records[row], (records["part"] | (outline >= 0))[row]
    return Volumes(pieces, record["id"], low, np.where(whole, eaves[row], high), np.where(whole, top[row], high),
                   np.where(whole, roof[row], FLAT).astype(np.uint8), record["across"], record["direction_deg"], record["source"],
                   part, building[row], covered)  # fmt: skip


def with_passages(volumes: Volumes, streets: np.ndarray) -> Volumes:
    """Opens passages: what outlines fill below parts is cut where streets run through it, so that the part spans the street.

    Args:
        streets: (s,) surfaces of streets on the ground.
    """
    filled = np.flatnonzero(volumes.covered & (volumes.bottom_m < GROUND_M))
    street, row = shapely.STRtree(volumes.polygons[filled]).query(streets, "intersects")
    polygons = volumes.polygons.copy()
    for i in np.unique(row):
        polygons[filled[i]] = overlay(shapely.difference, polygons[filled[i]], union_of(streets[np.sort(street[row == i])]))
    pieces, owner = shapely.get_parts(polygons, return_index=True)
    keep = (shapely.get_type_id(pieces) == shapely.GeometryType.POLYGON) & (shapely.area(pieces) > SMALLEST_M2)
    cut = volumes[owner[keep]]
    cut.polygons = pieces[keep]
    return cut


def _complete(records, outlines, parts, seed: int) -> np.ndarray:
    """Records with a top for every building. A part that states no height is as high as its outline (outlines, parts: their rows, in
    pairs). An outline that states none gets a random height (default_height_m)."""
    records = records.copy()
    unknown = np.isnan(records["top_m"])
    numbers = uniforms(stream_keys(seed, _HEIGHT_STREAM, records["id"]), 0)
    for i in np.flatnonzero(unknown):
        records["top_m"][i] = records["bottom_m"][i] + default_height_m(records["low"][i], numbers[i])
    taken = unknown[parts] & (records["top_m"][outlines] > records["bottom_m"][parts])
    records["top_m"][parts[taken]] = records["top_m"][outlines[taken]]
    records["source"][parts[taken]] = records["source"][outlines[taken]]
    return records


def _levels(polygons, records) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bottom, eaves, top and the roof's shape, flat where it has no height or cannot be built.

    `height` includes the roof; a height made of levels does not include a roof that states no height. A roof by default is at most as high
    as the walls below it and, but for domes, at most two storeys (6 m), one by its angle at most 30 m; that of a slab is flat. A slab ends
    0.3 m below its eaves where no tag says where it begins.
    """
    bottom, top, roof = records["bottom_m"].copy(), records["top_m"].copy(), records["roof"].copy()
    eaves = top.copy()
    roof[shapely.get_num_geometries(polygons) != 1] = FLAT
    polygons = shapely.get_geometry(polygons, 0)
    for i in np.flatnonzero(roof != FLAT):
        row, by_height = records[i], records["source"][i] == BY_HEIGHT
        height, added = row["roof_m"], np.isnan(row["roof_m"]) and not by_height
        if np.isnan(height) and row["angle_deg"] > 0:
            height = roof_height_of_angle_m(polygons[i], roof[i], row["angle_deg"], row["across"], row["direction_deg"])
            height = min(height, HIGHEST_ROOF_BY_ANGLE_M)
        elif np.isnan(height):
            walls = (top[i] - bottom[i]) / (2 if by_height else 1)
            height = 0.0 if row["slab"] else min(default_roof_height_m(polygons[i], roof[i]), walls,
                                                 np.inf if roof[i] == DOME else HIGHEST_DEFAULT_ROOF_M)  # fmt: skip
        if not bears(polygons[i], roof[i]) or not height > 0:
            roof[i] = FLAT
        elif added:
            top[i] += height
        else:
            eaves[i] = max(bottom[i], top[i] - height)
    slab = records["slab"] & (bottom == 0)
    bottom[slab] = np.maximum(0.0, eaves[slab] - SLAB_M)
    return bottom, eaves, top, roof
