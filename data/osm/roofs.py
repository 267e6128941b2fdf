"""Roofs over building outlines (shapes of https://wiki.openstreetmap.org/wiki/Key:roof:shape)."""

import math
from typing import NamedTuple

import numpy as np
import shapely

FLAT, GABLED, HIPPED, PYRAMIDAL, DOME, CONE = range(6)
PITCH = math.tan(math.radians(35))  # rise over run where no height is stated: the middle of what tiled roofs have
DOME_BANDS = 5
_THIN_M = 1e-3  # an outline thinner than this bears no roof
_SPECK_M2 = 1e-7  # smaller triangles are rounding, where an outline touches a ridge


class Roof(NamedTuple):
    """A roof, and how far the walls rise to meet it; x east, y north, z up, metres."""

    triangles: np.ndarray  # (t, 3, 3) corners, counter-clockwise seen from above
    wall_tops: list[np.ndarray]  # closed rings (k, 3): the exterior counter-clockwise, then holes clockwise


def default_roof_height_m(polygon: shapely.Polygon, shape: int) -> float:
    """Height in metres of a roof whose tags state none.

    A dome is as high as half the shorter side of the minimum rotated rectangle, so that a round one is half a ball. Other roofs
    rise with 35° over that length. 0 for flat roofs, and for outlines thinner than a millimetre.
    """
    frame = _frame(polygon)
    if shape == FLAT or frame is None:
        return 0.0
    return frame.half_width * (1.0 if shape == DOME else PITCH)


def build_roof(polygon: shapely.Polygon, eaves_m: float, top_m: float, shape: int, across: bool = False) -> Roof | None:
    """Roof of a given shape over an outline.

    Gabled and hipped roofs span the outline's minimum rotated rectangle and are cut to the outline, whatever it is.
    Pyramids, cones and domes (as high and wide as the outline, a quarter of an ellipse in section) rise to its centroid.

    Args:
        polygon: valid outline in metres; may have holes.
        eaves_m, top_m: heights of the roof's lowest and highest points.
        shape: FLAT, GABLED, HIPPED, PYRAMIDAL, DOME or CONE.
        across: a gabled roof's ridge runs along the rectangle's shorter side. Of no effect on a hipped roof: four equally steep
            sides leave the ridge no choice.

    Returns:
        the roof, or None where a flat one has to do: the shape is FLAT, `top_m` is not above `eaves_m`, the outline is thinner
        than a millimetre or has hardly any area; or the roof should rise to the centroid, but the outline has holes or an edge
        not seen from there.
    """
    frame = _frame(polygon)
    if shape == FLAT or frame is None or not eaves_m < top_m:
        return None
    polygon = shapely.orient_polygons(shapely.remove_repeated_points(polygon))
    if shape in (GABLED, HIPPED):
        return _ridged(polygon, frame.turned() if across and shape == GABLED else frame, eaves_m, top_m, shape)
    rise = np.sin(np.linspace(0, np.pi / 2, DOME_BANDS + 1)) if shape == DOME else np.array([0.0, 1.0])
    return _pointed(polygon, rise[::-1], eaves_m + (top_m - eaves_m) * rise)


class _Frame(NamedTuple):
    """Of the minimum rotated rectangle: coordinates (u, v) from its centre, v across the ridge."""

    centre: np.ndarray  # (2,)
    axes: np.ndarray  # (2, 2) rows: unit vectors of u and v
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


def _ridged(polygon, frame: _Frame, eaves_m: float, top_m: float, shape: int) -> Roof | None:
    """A hipped roof: four planes that rise from the rectangle's sides. A gabled one has its hips beyond the outline."""
    width = frame.half_width
    ridge = 2 * frame.half_length if shape == GABLED else frame.half_length - width  # half its length
    if ridge < _THIN_M:
        ridge = 0.0  # the rectangle is a square but for rounding
    far_u, far_v = ridge + 2 * width, 2 * width
    side = np.array([(ridge, 0), (far_u, far_v), (-far_u, far_v), (-ridge, 0)])
    hip = np.array([(ridge, 0), (far_u, -far_v), (far_u, far_v)])
    folds = np.array([(0, 1, 0), (1, 1, ridge), (1, 1, -ridge), (1, -1, ridge), (1, -1, -ridge)])  # a u + b v + c = 0

    # The planes are turned, not the outline: rounding could make that invalid, where a hole touches its edge for one.
    planes = [shapely.Polygon(plane @ frame.axes + frame.centre) for plane in (side, hip, -side, -hip)]
    triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(shapely.intersection(planes, polygon)))
    corners = shapely.get_coordinates(shapely.orient_polygons(triangles)).reshape(-1, 4, 2)[:, :3]
    corners = corners[shapely.area(triangles) > _SPECK_M2]
    if not len(corners):
        return None

    def rise(xy):
        u, v = np.moveaxis(np.abs(frame.to_uv(xy)), -1, 0)
        return np.minimum(width - v, ridge + width - u)

    highest = rise(corners).max()  # below the ridge where that misses the outline

    def lift(xy):
        z = eaves_m + (top_m - eaves_m) * (rise(xy) / highest).clip(0, 1)
        return np.concatenate([xy, z[..., None]], axis=-1)

    rings = [shapely.get_coordinates(ring) for ring in (polygon.exterior, *polygon.interiors)]
    distances = [frame.to_uv(ring) @ folds[:, :2].T + folds[:, 2] for ring in rings]
    return Roof(lift(corners), [lift(_with_crossings(*pair)) for pair in zip(rings, distances, strict=True)])


def _with_crossings(ring: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """A closed ring (k, 2) with vertices added where it crosses lines, at signed `distance` (k, m) from its vertices."""
    edge, line = np.nonzero(distance[:-1] * distance[1:] < 0)
    before, after = distance[edge, line], distance[edge + 1, line]
    own = np.arange(len(ring))
    at = np.unique(np.concatenate([own, np.round(edge + before / (before - after), 9)]))  # rounded: one vertex where lines meet
    return np.column_stack([np.interp(at, own, ring[:, 0]), np.interp(at, own, ring[:, 1])])


def _pointed(polygon, radius: np.ndarray, z_m: np.ndarray) -> Roof | None:
    """Rings around the centroid: the outline shrunk to `radius` (b,), from 1 to 0, at heights `z_m` (b,)."""
    ring = shapely.get_coordinates(polygon.exterior)
    centre = shapely.get_coordinates(polygon.centroid)
    a, b = ring[:-1] - centre, ring[1:] - centre
    if polygon.interiors or (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] < 2 * _SPECK_M2).any():
        return None
    xy = centre + radius[:, None, None] * (ring - centre)
    rings = np.concatenate([xy, np.broadcast_to(z_m[:, None, None], (*xy.shape[:2], 1))], axis=2)  # b,k,3
    low, high = rings[:-1], rings[1:]
    outer = np.stack([low[:, :-1], low[:, 1:], high[:, 1:]], axis=2)
    inner = np.stack([low[:, :-1], high[:, 1:], high[:, :-1]], axis=2)[:-1]  # at the apex they have no area
    return Roof(np.concatenate([outer.reshape(-1, 3, 3), inner.reshape(-1, 3, 3)]), [rings[0]])
