"""Heights and widths from OpenStreetMap tags, in metres.

Sources: https://wiki.openstreetmap.org/wiki/Key:height (units), https://wiki.openstreetmap.org/wiki/Simple_3D_Buildings.
"""

import re
from typing import NamedTuple

METRES_PER_LEVEL = 3.0
DEFAULT_HEIGHT_M = 9.0  # three storeys, for a building that states neither a height nor its levels
SMALL_HEIGHT_M = 3.0  # of the kinds below
SMALL_BUILDINGS = {"garage", "garages", "shed", "hut", "kiosk", "carport", "roof", "service", "toilets", "guardhouse"}
HIGHEST_M = 1000.0
_LENGTH = re.compile(r"""^\s*(?:(?P<number>\d+(?:[.,]\d+)?)\s*(?P<unit>m|metres?|meters?|ft|feet|')?
                          |(?P<feet>\d+)'\s*(?P<inches>\d+(?:\.\d+)?)(?:"|''))\s*$""", re.VERBOSE | re.IGNORECASE)  # fmt: skip
_FOOT_M, _INCH_M = 0.3048, 0.0254


class Extent(NamedTuple):
    """Where a building begins and ends above the ground, and whether a tag says so."""

    bottom_m: float
    top_m: float
    tagged: bool


def parse_length_m(text: str | None) -> float | None:
    """`12`, `12.5 m`, `12,5`, `40 ft`, `40'` or `5'10"` in metres; None where the text is missing or says no length."""
    match = _LENGTH.match(text or "")
    if match is None:
        return None
    if match["feet"]:
        return int(match["feet"]) * _FOOT_M + float(match["inches"]) * _INCH_M
    unit = (match["unit"] or "m").lower()
    return float(match["number"].replace(",", ".")) * (1.0 if unit.startswith("m") else _FOOT_M)


def building_extent(tags: dict[str, str]) -> Extent:
    """Bottom and top of a building or building part from its tags.

    `height` wins over `building:levels`; roof levels and the parts' own lower edges (`min_height`, `building:min_level`) count
    as in the Simple 3D Buildings scheme.
    """
    top = parse_length_m(tags.get("height"))
    if top is not None and not 0 < top <= HIGHEST_M:
        top = None  # a slip of the pen
    levels = _parse_count(tags.get("building:levels"))
    tagged = top is not None or levels is not None
    if top is None and levels is not None:
        top = (levels + (_parse_count(tags.get("roof:levels")) or 0)) * METRES_PER_LEVEL
    if top is None or top <= 0:
        kind = tags.get("building") or tags.get("building:part")
        top, tagged = (SMALL_HEIGHT_M if kind in SMALL_BUILDINGS else DEFAULT_HEIGHT_M), False
    bottom = parse_length_m(tags.get("min_height"))
    if bottom is None:
        bottom = (_parse_count(tags.get("building:min_level")) or 0) * METRES_PER_LEVEL
    if bottom >= top:
        bottom = 0.0
    return Extent(bottom, top, tagged)


def _parse_count(text: str | None) -> float | None:
    try:
        count = float((text or "").replace(",", "."))
    except ValueError:
        return None
    return count if 0 <= count < 300 else None
