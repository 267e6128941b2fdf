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


CLASSES = (
    SemanticClass("areas_footway", (232, 222, 214), 40),
    SemanticClass("areas_pedestrian", (221, 221, 232), 41),
    SemanticClass("areas_railways", (206, 200, 210), 30),
    SemanticClass("areas_service", (238, 238, 238), 42),
    SemanticClass("buildings", (200, 184, 170), 90),
    SemanticClass("coastlines", (140, 170, 190), 21, 2.0),
    SemanticClass("forest", (157, 202, 138), 12),
    SemanticClass("paths_cycleway", (150, 150, 235), 52, 2.5),
    SemanticClass("paths_footway", (250, 160, 140), 51, 2.0),
    SemanticClass("paths_steps", (250, 110, 90), 53, 2.5),
    SemanticClass("roads_motorway", (232, 146, 162), 79, 14.0),
    SemanticClass("roads_pedestrian", (221, 221, 232), 60, 6.0),
    SemanticClass("roads_primary", (252, 214, 164), 77, 14.0),
    SemanticClass("roads_residential", (255, 255, 255), 72, 8.0),
    SemanticClass("roads_secondary", (247, 250, 191), 76, 11.0),
    SemanticClass("roads_service", (246, 246, 246), 70, 4.0),
    SemanticClass("roads_trunk", (249, 178, 156), 78, 14.0),
    SemanticClass("roads_unclassified", (254, 254, 254), 73, 7.0),
    SemanticClass("vegetation", (200, 230, 180), 11),
    SemanticClass("water", (170, 211, 223), 20),
    SemanticClass("paths_bridleway", (130, 180, 120), 50, 2.5),
    SemanticClass("railways", (112, 112, 112), 81, 2.0),
    SemanticClass("roads_tertiary", (254, 254, 236), 75, 9.0),
    SemanticClass("roads_track", (172, 131, 65), 54, 3.0),
    SemanticClass("roads_other", (240, 240, 240), 71, 6.0),
)
INDEX = {c.name: i for i, c in enumerate(CLASSES)}
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
    return None


def class_of_area(tags: dict[str, str]) -> int | None:
    """Class of a polygon that is not a building, or None."""
    highway, natural, landuse = tags.get("highway"), tags.get("natural"), tags.get("landuse")
    if natural in ("water", "bay") or landuse in ("basin", "reservoir") or tags.get("waterway") in ("riverbank", "dock"):
        return INDEX["water"]
    if natural == "wood" or landuse == "forest":
        return INDEX["forest"]
    if highway in ("footway", "path", "steps", "cycleway"):
        return INDEX["areas_footway"]
    if highway == "pedestrian" or tags.get("place") == "square" or tags.get("man_made") == "pier":
        return INDEX["areas_pedestrian"]
    if highway in ROADS or tags.get("amenity") == "parking" or tags.get("area:highway") in ROADS:
        return INDEX["areas_service"]
    if landuse == "railway" or tags.get("railway") == "platform":
        return INDEX["areas_railways"]
    if any(tags.get(key) in values for key, values in VEGETATION.items()):
        return INDEX["vegetation"]
    return None


def is_underground(tags: dict[str, str]) -> bool:
    """Whether a feature lies below the ground, or inside a building, and is therefore not part of the map."""
    try:
        layer = float(tags.get("layer", 0))
    except ValueError:
        layer = 0.0
    return (
        layer < 0
        or tags.get("location") == "underground"
        or tags.get("tunnel") in ("yes", "culvert", "covered")
        or tags.get("indoor") not in (None, "no")
        or (tags.get("railway") == "subway" and tags.get("bridge") in (None, "no"))
    )
