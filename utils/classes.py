"""The 25 semantic classes of the published dataset, and how they are drawn.

Numbers follow the published dataset (2-5DMap-Dataset, arXiv 2308.05993). Which tags of OpenStreetMap make which class: data/osm/tags.py.
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
BARE = 255  # ground without any class, in rasters of classes
BARE_RGB = (242, 239, 233)
