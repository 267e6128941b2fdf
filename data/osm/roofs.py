"""Roofs over building outlines (shapes of https://wiki.openstreetmap.org/wiki/Key:roof:shape)."""

import math
from typing import NamedTuple

import numpy as np
import shapely

from data.osm import roof_planes
from data.osm.overlay import overlay
from data.osm.roof_planes import cells, heights, with_folds

FLAT, GABLED, HIPPED, PYRAMIDAL, DOME, CONE, SKILLION, HALF_HIPPED, GAMBREL, MANSARD, SALTBOX, ROUND = range(12)
ROOF_NAMES = ("flat", "gabled", "hipped", "pyramidal", "dome", "cone", "skillion", "half-hipped", "gambrel", "mansard", "saltbox", "round")
PITCH = math.tan(math.radians(35))  # rise over run where no height is stated: the middle of what tiled roofs have
DOME_BANDS = 5
_POINTED, _BALLS = (PYRAMIDAL, DOME, CONE), (DOME, ROUND)
_ALL_ROUND = (HIPPED, MANSARD, *_POINTED)  # equal on all sides: the ridge has no choice
_PLANES = {
    GABLED: roof_planes.gabled, HIPPED: roof_planes.hipped, SKILLION: roof_planes.skillion, HALF_HIPPED: roof_planes.half_hipped,
    GAMBREL: roof_planes.gambrel, MANSARD: roof_planes.mansard, SALTBOX: roof_planes.saltbox, ROUND: roof_planes.rounded,
}  # fmt: skip
_RUN = {SKILLION: 2.0, SALTBOX: 1.5}  # from the eaves to the ridge, in half-widths; 1 for all others
_THIN_M = 1e-3  # an outline thinner than this bears no roof
_SPECK_M2 = 1e-7  # smaller triangles are rounding, where an outline touches a ridge


class Roof(NamedTuple):
    """A roof, and how far the walls rise to meet it; x east, y north, z up, metres."""

    triangles: np.ndarray  # (t, 3, 3) corners, counter-clockwise seen from above
    wall_tops: list[np.ndarray]  # closed rings (k, 3): the exterior counter-clockwise, then holes clockwise


def default_roof_height_m(polygon: shapely.Polygon, shape: int) -> float:
    """Height in metres of a roof whose tags state none, before it is bounded.

    Domes and round roofs are as high as half the shorter side of the minimum rotated rectangle, so that a round dome is half a ball.
    Other roofs rise with 35° over that length. 0 for flat roofs, and for outlines thinner than a millimetre.
    """
    frame = _frame(polygon)
    if shape == FLAT or frame is None:
        return 0.0
    return frame.half_width * (1.0 if shape in _BALLS else PITCH)


def roof_height_of_angle_m(polygon: shapely.Polygon, shape: int, angle_deg: float, across: bool, direction_deg: float) -> float:
    """Height in metres of a roof that rises with `angle_deg` from its eaves to its ridge; 0 as for `default_roof_height_m`."""
    frame = _frame(polygon)
    if shape == FLAT or frame is None:
        return 0.0
    return _laid(frame, shape, across, direction_deg).half_width * _RUN.get(shape, 1.0) * math.tan(math.radians(angle_deg))


def bears(polygon: shapely.Polygon, shape: int) -> bool:
    """Whether an outline can bear a roof of that shape: it has extent and, if the roof rises to its centroid, neither holes nor edges that
    are hidden from there."""
    return _frame(polygon) is not None and (shape not in _POINTED or _spokes(polygon) is not None)


def build_roof(polygon: shapely.Polygon, eaves_m: float, top_m: float, shape: int, across: bool = False,
               direction_deg: float = math.nan) -> Roof | None:  # fmt: skip
    """Roof of a given shape over an outline.

    Pyramids, cones and domes (as high and wide as the outline, a quarter of an ellipse in section) rise to its centroid. All others
    span the outline's minimum rotated rectangle and are cut to the outline, whatever it is (data/osm/roof_planes.py).

    Args:
        polygon: valid outline in metres; may have holes.
        eaves_m, top_m: heights of the roof's lowest and highest points.
        shape: FLAT, GABLED, …
        across: the ridge runs along the rectangle's shorter side. Of no effect on hipped and mansard roofs: equal on all four sides,
            they leave the ridge no choice.
        direction_deg: where the (longer) slope of the roof falls to, clockwise from north; it is turned to the nearest side of the
            rectangle, and wins over `across`. NaN: to a long side, of skillion and saltbox roofs the more southern one.

    Returns:
        the roof, or None where a flat one has to do: the shape is FLAT, `top_m` is not above `eaves_m`, the outline is thinner
        than a millimetre or has hardly any area; or the roof should rise to the centroid, but the outline has holes or an edge
        not seen from there.
    """
    frame = _frame(polygon)
    if shape == FLAT or frame is None or not eaves_m < top_m:
        return None
    polygon = shapely.orient_polygons(shapely.remove_repeated_points(polygon))
    if shape not in _POINTED:
        return _planar(polygon, _laid(frame, shape, across, direction_deg), eaves_m, top_m, shape)
    rise = np.sin(np.linspace(0, np.pi / 2, DOME_BANDS + 1)) if shape == DOME else np.array([0.0, 1.0])
    return _pointed(polygon, rise[::-1], eaves_m + (top_m - eaves_m) * rise)


class _Frame(NamedTuple):
    """Of the minimum rotated rectangle: coordinates (u, v) from its centre, v across the ridge."""

    centre: np.ndarray  # (2,)
    axes: np.ndarray  # (2, 2) rows: unit vectors of u and v; slopes fall along v
    half_length: float  # along u
    half_width: float  # along v

    def to_uv(self, xy: np.ndarray) -> np.ndarray:
        return (xy - self.centre) @ self.axes.T

    def turned(self) -> "_Frame":
        return _Frame(self.centre, self.axes[::-1], self.half_width, self.half_length)


def _frame(polygon: shapely.Polygon) -> _Frame | None:
    """The frame with u along the longer side; None for an outline without extent."""
    corners = shapely.get_coordinates(shapely.minimum_rotated_rectangle(polygon))
    sides = np.diff(corners, axis=0)[:2]
    lengths = np.hypot(*sides.T)
    if len(corners) != 5 or lengths.min() < _THIN_M:
        return None
    u = sides[lengths.argmax()] / lengths.max()
    axes = np.array([u, (-u[1], u[0])])
    uv = shapely.get_coordinates(polygon) @ axes.T  # measured again: the rectangle's own corners are rounded
    low, high = uv.min(0), uv.max(0)
    return _Frame((low + high) / 2 @ axes, axes, *((high - low) / 2).tolist())


def _laid(frame: _Frame, shape: int, across: bool, direction_deg: float) -> _Frame:
    """The frame turned so that the roof's (longer) slope falls along v."""
    if shape in _ALL_ROUND:
        return frame
    down = np.array([0.0, -1.0])
    if not math.isnan(direction_deg):
        down = np.array([math.sin(math.radians(direction_deg)), math.cos(math.radians(direction_deg))])
        across = abs(frame.axes[0] @ down) > abs(frame.axes[1] @ down) + 1e-9
    frame = frame.turned() if across else frame
    return frame._replace(axes=frame.axes * (1 if frame.axes[1] @ down >= 0 else -1))


def _planar(polygon, frame: _Frame, eaves_m: float, top_m: float, shape: int) -> Roof | None:
    """A roof of planes: the lowest of them at every spot."""
    planes = _PLANES[shape](frame.half_length, frame.half_width)
    # The planes are turned, not the outline: rounding could make that invalid, where a hole touches its edge for one.
    regions = [shapely.Polygon(cell @ frame.axes + frame.centre) for cell in cells(planes, frame.half_length, frame.half_width)]
    triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(overlay(shapely.intersection, np.array(regions, object), polygon)))
    corners = shapely.get_coordinates(shapely.orient_polygons(triangles)).reshape(-1, 4, 2)[:, :3]
    corners = corners[shapely.area(triangles) > _SPECK_M2]
    if not len(corners):
        return None

    def rise(xy):
        return heights(planes, frame.to_uv(xy)).min(-1)

    highest = rise(corners).max()  # below the ridge where that misses the outline

    def lift(xy):
        z = eaves_m + (top_m - eaves_m) * (rise(xy) / highest).clip(0, 1)
        return np.concatenate([xy, z[..., None]], axis=-1)

    rings = [shapely.get_coordinates(ring) for ring in (polygon.exterior, *polygon.interiors)]
    return Roof(lift(corners), [lift(with_folds(ring, heights(planes, frame.to_uv(ring)))) for ring in rings])


def _spokes(polygon) -> tuple[np.ndarray, np.ndarray] | None:
    """The centroid (1, 2) and the outline's ring (k, 2), counter-clockwise, all of whose edges are seen from there; else None."""
    ring = shapely.get_coordinates(shapely.orient_polygons(polygon).exterior)
    centre = shapely.get_coordinates(polygon.centroid)
    a, b = ring[:-1] - centre, ring[1:] - centre
    hidden = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] < 2 * _SPECK_M2
    return None if polygon.interiors or hidden.any() else (centre, ring)


def _pointed(polygon, radius: np.ndarray, z_m: np.ndarray) -> Roof | None:
    """Rings around the centroid: the outline shrunk to `radius` (b,), from 1 to 0, at heights `z_m` (b,)."""
    spokes = _spokes(polygon)
    if spokes is None:
        return None
    centre, ring = spokes
    xy = centre + radius[:, None, None] * (ring - centre)
    rings = np.concatenate([xy, np.broadcast_to(z_m[:, None, None], (*xy.shape[:2], 1))], axis=2)  # b,k,3
    low, high = rings[:-1], rings[1:]
    outer = np.stack([low[:, :-1], low[:, 1:], high[:, 1:]], axis=2)
    inner = np.stack([low[:, :-1], high[:, 1:], high[:, :-1]], axis=2)[:-1]  # at the apex they have no area
    return Roof(np.concatenate([outer.reshape(-1, 3, 3), inner.reshape(-1, 3, 3)]), [rings[0]])
