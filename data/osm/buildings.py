"""Buildings as prisms: which polygons stand where, from which height to which."""

from dataclasses import dataclass

import numpy as np
import shapely

from data.osm.extract import Features

FULLY_COVERED = 0.9  # an outline whose parts cover this share of it is described by its parts alone
SLIVER_M = 0.3  # strips thinner than twice this between parts and outline are drawing noise


@dataclass
class Prisms:
    """Upright prisms; arrays of one length n."""

    polygons: np.ndarray  # shapely polygons with holes, metres
    ids: np.ndarray  # int64 OSM ids (minus the id for relations)
    bottom_m: np.ndarray
    top_m: np.ndarray
    tagged: np.ndarray  # bool: the height comes from a tag

    @property
    def on_ground(self) -> np.ndarray:
        """Footprints that touch the ground."""
        return self.polygons[self.bottom_m < 0.5]


def build_prisms(features: Features) -> Prisms:
    """Prisms of all buildings above ground; `building:part` replaces the part of an outline that it covers
    (https://wiki.openstreetmap.org/wiki/Simple_3D_Buildings)."""
    part = features.building_is_part
    parts, outlines = features.buildings[part], np.flatnonzero(~part)
    tree = shapely.STRtree(parts)
    remaining = features.buildings.copy()
    outline_of_pair, part_of_pair = tree.query(remaining[outlines], "intersects")
    for i in np.unique(outline_of_pair):
        outline = remaining[outlines[i]]
        cover = shapely.unary_union(parts[part_of_pair[outline_of_pair == i]])
        rest = outline.difference(cover)
        if rest.area < (1 - FULLY_COVERED) * outline.area:
            rest = shapely.Polygon()
        elif rest.area < outline.area:
            rest = rest.buffer(-SLIVER_M, join_style="mitre").buffer(SLIVER_M, join_style="mitre").intersection(rest)
        remaining[outlines[i]] = rest
    remaining = shapely.intersection(remaining, shapely.box(*features.bounds))
    pieces, source = shapely.get_parts(remaining, return_index=True)
    keep = (shapely.get_type_id(pieces) == shapely.GeometryType.POLYGON) & (shapely.area(pieces) > 0.5)
    pieces, source = pieces[keep], source[keep]
    extent = features.building_extent_m[source]
    return Prisms(pieces, features.building_ids[source], extent[:, 0], extent[:, 1], features.building_tagged[source])
