"""Relations `type=building`: which outline a part belongs to (https://wiki.openstreetmap.org/wiki/Relation:building)."""

import numpy as np
import osmium

from data.osm.source import Extract
from data.osm.store import FeatureStore


def name_outlines(extract: Extract, store: FeatureStore) -> None:
    """Writes into the records of buildings the outline that a relation names: for a part the relation's outline, for an outline itself.

    Relations whose outline is not in the store are ignored. Where a relation has several outlines, the place of a part decides to which it
    belongs. If several relations hold a part, the one with the lowest id counts.
    """
    records = [chunk[0] for chunk in store.chunks["building"]]
    known = set(np.concatenate([r["id"] for r in records]).tolist()) if records else set()
    outline_of: dict[int, int] = {}
    relations = extract.relations(osmium.filter.TagFilter(("type", "building")))
    found = [(r.id, [(m.ref if m.type == "w" else -m.ref, m.role) for m in r.members if m.type in "wr"]) for r in relations]
    for _, members in sorted(found):  # whatever the order in the file
        outlines = [member for member, role in members if role == "outline" and member in known]
        if outlines:
            outline_of |= {o: o for o in outlines}
            if len(outlines) == 1:
                outline_of |= {m: outlines[0] for m, role in members if role == "part" and m not in outline_of}
    for rows in records if outline_of else ():
        rows["building"] = [outline_of.get(i, 0) for i in rows["id"].tolist()]
