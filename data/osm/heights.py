"""Lengths, heights and roofs from OpenStreetMap tags, in metres.

Sources: https://wiki.openstreetmap.org/wiki/Map_features/Units (how a length is written),
https://wiki.openstreetmap.org/wiki/Simple_3D_Buildings (what the keys mean).
"""

import math
import re
from bisect import bisect
from typing import NamedTuple

from data.osm.roofs import CONE, FLAT, HALF_HIPPED, ROOF_NAMES, SKILLION

METRES_PER_LEVEL = 3.0
HIGHEST_M = 1000.0
MOST_LEVELS = 300
NO_HEIGHT, BY_LEVELS, BY_HEIGHT = range(3)  # what the height of a building comes from
ROOF_SHAPES = {name: shape for shape, name in enumerate(ROOF_NAMES)} | {"conical": CONE, "half_hipped": HALF_HIPPED, "lean_to": SKILLION}
DRAWN_FLAT = frozenset((
    "onion", "sawtooth", "butterfly", "gabled_row", "crosspitched", "cross_gabled", "side_hipped", "side_half-hipped",
    "gabled_height_moved", "double_saltbox", "quadruple_saltbox", "hipped-and-gabled", "bellcast_gable", "monitor", "many", "pitched",
))  # fmt: skip  # shapes counted by their names; whatever else is written counts as "other"
STEEPEST_DEG = 85.0
COMPASS = {name: 22.5 * i for i, name in enumerate("N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split())}
SLABS = {"roof", "carport"}  # roofs on posts: seen, walked and driven through
SLAB_M = 0.3  # from the underside of a slab to its eaves
LOW_HEIGHT_M = 3.0  # of the kinds below
LOW_BUILDINGS = {"carport", "garage", "garages", "guardhouse", "hut", "kiosk", "roof", "service", "shed", "toilets"}
SHARE_UP_TO_LEVEL = (0.15, 0.50, 0.75, 0.90)  # of buildings that state nothing: at most 1, 2, 3, 4 levels; the rest have 5

# A comma before three digits may group thousands: only one or two digits make it a decimal comma.
# At most six digits before it: no length has more, and the number stays finite.
_NUMBER = r"\d{1,6}(?:\.\d+|,\d{1,2})?"
_ANGLE = re.compile(rf"(-?{_NUMBER})\s*°?", re.ASCII)
_COUNT = re.compile(_NUMBER, re.ASCII)
_LENGTH = re.compile(rf"(?P<number>{_NUMBER})\s*(?P<unit>m|met(?:re|er)s?|ft|feet|')?", re.ASCII | re.IGNORECASE)
_FEET_AND_INCHES = re.compile(r"""(\d{1,6})'\s*(\d{1,2}(?:\.\d+)?)(?:"|'')""", re.ASCII)
_FOOT_M, _INCH_M = 0.3048, 0.0254
_ROUNDING_M = 0.01  # tags are decimal: a roof of 2.3 m from 10 m to 12.3 m is not too high


class Extent(NamedTuple):
    """What tags say about the heights of a building or building part; metres above the ground."""

    bottom_m: float
    top_m: float  # highest point of the roof; NaN where neither height nor levels say it
    source: int  # of top_m: NO_HEIGHT, BY_LEVELS or BY_HEIGHT
    roof_shape: int  # FLAT, GABLED, …
    roof_height_m: float  # part of top_m; 0 for flat; NaN where not stated: then top_m BY_LEVELS is where the walls end
    across: bool  # the ridge runs along the shorter side
    refused: tuple[str, ...]  # keys whose values are not understood or contradict others
    roof_angle_deg: float  # of a roof whose height is not stated; 0 where that is not stated either
    direction_deg: float  # where the roof's (longer) slope falls to, clockwise from north; NaN where not stated
    slab: bool  # a roof on posts: nothing stands below it
    flat_for: str | None  # a stated shape that is not built here: the roof is flat instead


def parse_length_m(text: str | None) -> float | None:
    """A length as OpenStreetMap writes it: `12`, `12.5 m`, `12,5`, `40 ft`, `40'`, `5'10"`; without unit metres.

    Returns:
        metres, finite and not negative; None where the text is missing, is no length, or can be read in two ways (`1,234`).
    """
    text = (text or "").strip()
    if match := _FEET_AND_INCHES.fullmatch(text):
        feet, inches = float(match[1]), float(match[2])
        return feet * _FOOT_M + inches * _INCH_M if inches < 12 else None
    match = _LENGTH.fullmatch(text)
    if match is None:
        return None
    unit = (match["unit"] or "m").lower()
    return float(match["number"].replace(",", ".")) * (1.0 if unit.startswith("m") else _FOOT_M)


def parse_count(text: str | None) -> float | None:
    """A number of levels or lanes: `3`, `3.5`, `3,5`; None where the text is missing, is no number, or is 300 or more."""
    text = (text or "").strip()
    count = float(text.replace(",", ".")) if _COUNT.fullmatch(text) else math.inf
    return count if count < MOST_LEVELS else None


def parse_angle_deg(text: str | None) -> float | None:
    """An angle in degrees: `30`, `30.5°`, `-90`; None where the text is missing or no number."""
    match = _ANGLE.fullmatch((text or "").strip())
    return float(match[1].replace(",", ".")) if match else None


def parse_direction_deg(text: str | None) -> float | None:
    """A direction clockwise from north, in [0, 360): degrees, or one of the 16 points of the compass (`N`, `ssw`); else None."""
    angle = COMPASS.get((text or "").strip().upper(), parse_angle_deg(text))
    return None if angle is None or abs(angle) > 360 else angle % 360


def building_extent(tags: dict[str, str]) -> Extent:
    """Heights and roof of a building or building part by the Simple 3D Buildings scheme.

    `height` reaches from the ground to the highest point of the roof and wins over `building:levels`, which do not count the
    levels inside the roof; `min_height` wins over `building:min_level`, and `roof:height` over `roof:levels` (0 of which say nothing
    of the height) and those over `roof:angle`. A bottom above the top is taken for the ground, and a roof higher than its building
    fills it. Shapes of roofs that are not built here (`ROOF_NAMES`) count as flat.
    """
    refused = []

    def read(key, parse, unit_m=1.0):
        value = parse(tags.get(key))
        metres = math.inf if value is None else value * unit_m
        if metres <= HIGHEST_M:
            return metres
        if key in tags:
            refused.append(key)
        return None

    def read_either(length_key, levels_key):
        length, levels = read(length_key, parse_length_m), read(levels_key, parse_count, METRES_PER_LEVEL)
        return (levels, levels_key) if length is None else (length, length_key)

    height, walls = read("height", parse_length_m), read("building:levels", parse_count, METRES_PER_LEVEL)
    (bottom, bottom_key), (roof, roof_key) = read_either("min_height", "building:min_level"), read_either("roof:height", "roof:levels")
    bottom = bottom or 0.0
    if roof == 0 and roof_key == "roof:levels":  # no storey within the roof
        roof = None
    if height == 0:
        refused.append("height")
    top, source = math.nan, NO_HEIGHT
    if height:
        top, source = height, BY_HEIGHT
    elif walls is not None and walls + (roof or 0.0) > 0:
        top, source = walls + (roof or 0.0), BY_LEVELS
    elif walls is not None:
        refused.append("building:levels")
    if bottom >= top:
        refused.append(bottom_key)
        bottom = 0.0
    if roof is not None and roof > top - bottom:
        if roof > top - bottom + _ROUNDING_M:
            refused.append(roof_key)
        roof = top - bottom
    stated = tags.get("roof:shape", "flat").strip().lower()
    shape = ROOF_SHAPES.get(stated, FLAT)
    flat_for = None if stated in ROOF_SHAPES else stated if stated in DRAWN_FLAT else "other"
    angle, direction = parse_angle_deg(tags.get("roof:angle")), parse_direction_deg(tags.get("roof:direction"))
    if "roof:angle" in tags and (angle is None or not 0 <= angle <= STEEPEST_DEG):
        refused.append("roof:angle")
        angle = None
    if "roof:direction" in tags and direction is None:
        refused.append("roof:direction")
    orientation = tags.get("roof:orientation", "along")
    if orientation not in ("along", "across"):
        refused.append("roof:orientation")
    angle = None if shape == FLAT or roof is not None else angle
    roof = 0.0 if shape == FLAT else math.nan if roof is None else roof
    slab = bool(SLABS & {tags.get("building"), tags.get("building:part")})
    return Extent(bottom, top, source, shape, roof, orientation == "across", tuple(refused), angle or 0.0,
                  math.nan if direction is None else direction, slab, flat_for)  # fmt: skip


def default_height_m(low: bool, uniform: float) -> float:
    """Height of a building whose tags state neither a height nor levels.

    Garages, sheds and the like: 3 m (the median of those that state it in the lower Manhattan extract is 3.2 m). All others
    have 1, 2, 3, 4 or 5 levels of 3 m, with the shares 15, 35, 25, 15 and 10 % (mean 8.1 m). The shares are a choice for
    low-rise quarters anywhere, not a fit: buildings that state a height are no fair sample of those that do not. In lower
    Manhattan half of those with a footprint below 400 m² that state it are above 16 m, in the West Village above 14 m.

    Args:
        low: it is one of LOW_BUILDINGS.
        uniform: a random number in [0, 1), which picks the number of levels.

    Returns:
        metres.
    """
    if low:
        return LOW_HEIGHT_M
    return METRES_PER_LEVEL * (1 + bisect(SHARE_UP_TO_LEVEL, uniform))
