"""How tags of OpenStreetMap map to the 25 semantic classes (https://wiki.openstreetmap.org/wiki/Map_features)."""

from utils.classes import INDEX

ISLANDS = {"island", "islet"}  # of `place`
HIGHEST_LEVEL = 9  # of a bridge; more is a mistake

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
    # Not bays, straits or seas: their outlines cross islands and follow no shore. The coastline says where their water is.
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

    `layer` orders what crosses (https://wiki.openstreetmap.org/wiki/Key:layer). A layer below 0 means underground only together with
    another sign: roads in cuttings and water under bridges have it, too. A passage through a building, and what is only `covered`, lie on
    the ground: nine tenths of the covered ways of lower Manhattan are streets below bridges. Subways without `tunnel` lie on the ground,
    too: in the suburbs lines come to the surface.
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
