"""The 25 semantic classes of the published dataset, how OpenStreetMap tags map to them, and how they are drawn.

Numbers follow the published dataset (2-5DMap-Dataset, arXiv 2308.05993). Tags follow https://wiki.openstreetmap.org/wiki/Map_features.
"""

from typing import NamedTuple


class SemanticClass(NamedTuple):
    """One row of the class table."""

    name: str
    rgb: tuple[int, int, int]  # colour on the drawn map
    layer: int  # drawing order: a higher layer covers a lower one where surfaces overlap
    width_m: float = 0.0  # width of a way that states neither `width` nor `lanes`
    casing_rgb: tuple[int, int, int] | None = None  # line around the union of its surfaces


# Colours are close to those of OpenStreetMap Carto, which the published tiles are drawn in, but no two are the same: Carto's white
# roads are tinted here. Paths cover roads, so that crossings and pavements stay on the map beside a road that is drawn too wide.
CLASSES = (
    SemanticClass("areas_footway", (240, 224, 216), 40),
    SemanticClass("areas_pedestrian", (221, 221, 232), 41),
    SemanticClass("areas_railways", (206, 196, 214), 30),
    SemanticClass("areas_service", (228, 230, 224), 42),
    SemanticClass("buildings", (217, 208, 201), 90, 0.0, (158, 140, 126)),
    SemanticClass("coastlines", (128, 176, 196), 21, 2.0),
    SemanticClass("forest", (173, 209, 158), 12),
    SemanticClass("paths_cycleway", (172, 156, 228), 82, 2.0),
    SemanticClass("paths_footway", (250, 160, 148), 81, 1.6),
    SemanticClass("paths_steps", (225, 95, 80), 83, 2.0),
    SemanticClass("roads_motorway", (232, 146, 162), 79, 14.0, (205, 60, 110)),
    SemanticClass("roads_pedestrian", (228, 214, 244), 60, 6.0, (153, 150, 165)),
    SemanticClass("roads_primary", (252, 214, 164), 77, 14.0, (160, 107, 0)),
    SemanticClass("roads_residential", (255, 255, 255), 72, 8.0, (170, 168, 166)),
    SemanticClass("roads_secondary", (247, 250, 191), 76, 11.0, (112, 125, 5)),
    SemanticClass("roads_service", (241, 246, 255), 70, 4.0, (186, 184, 182)),
    SemanticClass("roads_trunk", (249, 178, 156), 78, 14.0, (200, 78, 47)),
    SemanticClass("roads_unclassified", (245, 255, 243), 73, 7.0, (170, 168, 166)),
    SemanticClass("vegetation", (205, 240, 190), 11),
    SemanticClass("water", (170, 211, 223), 20),
    SemanticClass("paths_bridleway", (110, 170, 100), 80, 2.0),
    SemanticClass("railways", (112, 112, 118), 85, 2.0),
    SemanticClass("roads_tertiary", (255, 255, 228), 75, 9.0, (143, 143, 125)),
    SemanticClass("roads_track", (172, 131, 65), 54, 3.0),
    SemanticClass("roads_other", (255, 243, 248), 71, 6.0, (186, 184, 182)),
)
INDEX = {c.name: i for i, c in enumerate(CLASSES)}
ISLANDS = {"island", "islet"}  # of `place`
HIGHEST_LEVEL = 9  # of a bridge; more is a slip of the pen
BARE = 255  # ground without any class, in rasters of classes
BARE_RGB = (242, 239, 233)

ROADS = {
    "motorway": "roads_motorway", "motorway_link": "roads_motorway", "trunk": "roads_trunk", "trunk_link": "roads_trunk",
    "primary": "roads_primary", "primary_link": "roads_primary", "secondary": "roads_secondary",
    "secondary_link": "roads_secondary", "tertiary": "roads_tertiary", "tertiary_link": "roads_tertiary",
    "residential": "roads_residential", "living_street": "roads_residential", "unclassified": "roads_unclassified",
    "service": "roads_service", "pedestrian": "roads_pedestrian", "track": "roads_track", "road": "roads_other",
    "busway": "roads_other", "bus_guideway": "roads_other", "raceway": "roads_other",
    "footway": "paths_footway", "path": "paths_footway", "steps": "paths_steps", "cycleway": "paths_cycleway",
    "bridleway": "paths_bridleway",
}  # fmt: skip
RAILS = {"rail", "light_rail", "tram", "subway", "narrow_gauge", "monorail", "funicular", "preserved"}
VEGETATION = {
    "leisure": {"park", "garden", "dog_park", "golf_course", "nature_reserve", "common"},
    "landuse": {"grass", "meadow", "recreation_ground", "village_green", "flowerbed", "cemetery", "allotments",
                "orchard", "vineyard", "greenery", "greenfield"},
    "natural": {"grassland", "scrub", "heath", "wetland", "shrubbery"},
}  # fmt: skip
DRIVABLE = frozenset(INDEX[n] for n in (
    "roads_motorway", "roads_primary", "roads_residential", "roads_secondary", "roads_service", "roads_trunk", "roads_unclassified",
    "roads_tertiary",
))  # fmt: skip  # where a survey car drives: locations are sampled on these


def class_of_way(tags: dict[str, str]) -> int | None:
    """Class of a line that becomes a surface by its width, or None. `tags` are the way's OSM tags."""
    if tags.get("highway") in ROADS:
        return INDEX[ROADS[tags["highway"]]]
    if tags.get("railway") in RAILS:
        return INDEX["railways"]
    if tags.get("natural") == "coastline":
        return INDEX["coastlines"]
    return None


def class_of_area(tags: dict[str, str]) -> int | None:
    """Class of a polygon that is not a building, or None."""
    highway, natural, landuse = tags.get("highway"), tags.get("natural"), tags.get("landuse")
    # Neither bays, straits nor seas: their outlines run over islands and along no shore; the coastline tells where their water is.
    if natural == "water" or landuse in ("basin", "reservoir") or tags.get("waterway") in ("riverbank", "dock"):
        return None if tags.get("covered") == "yes" else INDEX["water"]  # a covered reservoir shows what lies on it
    if natural == "wood" or landuse == "forest":
        return INDEX["forest"]
    if highway in ("footway", "path", "steps", "cycleway"):
        return INDEX["areas_footway"]
    if highway == "pedestrian" or tags.get("place") == "square" or tags.get("man_made") == "pier":
        return INDEX["areas_pedestrian"]
    if highway in ROADS or (tags.get("amenity") == "parking" and tags.get("parking") != "underground") or tags.get("area:highway") in ROADS:
        return INDEX["areas_service"]
    if landuse == "railway" or tags.get("railway") == "platform":
        return INDEX["areas_railways"]
    if any(tags.get(key) in values for key, values in VEGETATION.items()):
        return INDEX["vegetation"]
    return None


def bridge_level(tags: dict[str, str]) -> int:
    """How many levels above the ground a way or area runs: the `layer` of a bridge (1 where it states none), otherwise 0."""
    if tags.get("bridge", "no") == "no":
        return 0
    return int(min(max(1, _layer(tags)), HIGHEST_LEVEL))


def _layer(tags: dict[str, str]) -> float:
    try:
        layer = float(tags.get("layer", 0))
    except ValueError:
        return 0.0
    return layer if abs(layer) < 100 else 0.0  # neither `inf` nor `nan`


def is_underground(tags: dict[str, str]) -> bool:
    """Whether a feature lies below the ground, or inside a building, and is therefore not part of the map.

    `layer` orders what crosses (https://wiki.openstreetmap.org/wiki/Key:layer): below 0 it does not mean underground by itself, as
    roads in cuttings and water under bridges have it, but only beside another sign. A passage through a building, and what is merely
    `covered`, lie on the ground: nine tenths of the covered ways of lower Manhattan are streets below bridges. So do subways without
    `tunnel`: lines come up in the suburbs.
    """
    return (
        tags.get("location") == "underground"
        or tags.get("tunnel", "no") not in ("no", "building_passage")
        or tags.get("indoor", "no") != "no"
        or (tags.get("building:levels") == "0" and tags.get("building:levels:underground", "0") != "0" and not _has_height(tags))
        or (_layer(tags) < 0 and _has_sign_of_depth(tags))
    )


def _has_height(tags: dict[str, str]) -> bool:
    return "height" in tags or "roof:height" in tags or tags.get("roof:levels", "0") != "0"


def _has_sign_of_depth(tags: dict[str, str]) -> bool:
    levels = tags.get("level", "0").split(";")
    return (
        tags.get("covered") == "yes"
        or "subway" in (tags.get("railway"), tags.get("station"))
        or tags.get("subway") == "yes"
        or tags.get("parking") == "underground"
        or all(level.strip().startswith("-") for level in levels)
    )
