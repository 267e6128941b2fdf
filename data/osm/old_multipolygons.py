"""Multipolygons as they were mapped until 2017: the tags are on the outer ways, the relation has none of its own.

Source: https://wiki.openstreetmap.org/wiki/Old_style_multipolygons.
"""

from dataclasses import dataclass, field

import osmium

from data.osm.source import Extract


@dataclass
class Multipolygons:
    """What relations say about ways."""

    members: set[int] = field(default_factory=set)  # ways that are part of a multipolygon's ring
    old: dict[int, int] = field(default_factory=dict)  # outer way → its old multipolygon
    holes: dict[int, tuple[int, ...]] = field(default_factory=dict)  # outer way → the inner ways of its old multipolygons


def read_multipolygons(extract: Extract, keys: tuple[str, ...]) -> Multipolygons:
    """Reads the relations of an extract.

    Args:
        keys: a multipolygon without any of these takes its meaning from its outer ways.
    """
    found = Multipolygons()
    for relation in extract.relations(osmium.filter.TagFilter(("type", "multipolygon"), ("type", "boundary"))):
        ways = [(member.ref, member.role) for member in relation.members if member.type == "w"]
        found.members.update(ref for ref, _ in ways)
        if relation.tags["type"] == "multipolygon" and not any(key in relation.tags for key in keys):
            inner = tuple(ref for ref, role in ways if role == "inner")
            for ref, role in ways:
                if role != "inner":
                    found.old[ref] = relation.id
                    found.holes[ref] = found.holes.get(ref, ()) + inner
    return found
