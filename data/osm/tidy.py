"""Rewrites extracts that libosmium cannot read as they are: with ids below zero, copies of elements, deleted elements, or the coordinates
of nodes within ways. Such extracts are rare and small, so this may go element by element."""

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

import osmium
from osmium.osm import mutable

from data.osm.container import HISTORY
from utils.errors import InputError
from utils.progress import progress

BELOW_ZERO = 1 << 40  # an id below zero, of an element never uploaded, becomes this less the id; OpenStreetMap's are far smaller
_KINDS = {"node": mutable.Node, "way": mutable.Way, "relation": mutable.Relation}


class _Element(NamedTuple):
    """A node, way or relation."""

    version: int
    tags: dict[str, str]
    body: tuple  # a node's longitude and latitude, ids of a way's nodes, (type, id, role) of a relation's members; empty where unknown


def workers() -> osmium.io.ThreadPool:
    """The two threads of a process in which libosmium unpacks. They are never freed, because that sometimes hangs (a lost wake-up)."""
    return _workers_of(os.getpid())  # a forked process has none of its parent's threads


@cache
def _workers_of(process: int) -> osmium.io.ThreadPool:
    return osmium.io.ThreadPool(2)


def rewrite(path: Path, source: Path, target: Path, deleted: set[tuple[str, int]]) -> int:
    """Writes a sorted pbf with each element once, ids above zero, and nodes for the coordinates within ways.

    Args:
        path: for messages.
        source: what libosmium reads.
        deleted: elements to leave out, besides those that are invisible.

    Returns:
        how many elements with tags were left out because they were deleted.

    Raises:
        InputError: it holds several versions of an element.
    """
    elements: dict[str, dict[int, _Element]] = {kind: {} for kind in _KINDS}
    places: dict[int, tuple[float, float]] = {}
    gone = 0
    for element in progress(osmium.FileProcessor(str(source), thread_pool=workers()), desc=f"sorting {path.name}", unit=" elements"):
        kind = "node" if element.is_node() else "way" if element.is_way() else "relation"
        if element.deleted or (kind, element.id) in deleted:
            gone += len(element.tags) > 0
            continue
        body: tuple
        if kind == "node":
            body = (element.lon, element.lat) if element.location.valid() else ()
        elif kind == "way":
            body = tuple(_above_zero(node.ref) for node in element.nodes)
            places.update((_above_zero(n.ref), (n.lon, n.lat)) for n in element.nodes if n.location.valid())
        else:
            body = tuple((m.type, _above_zero(m.ref), m.role) for m in element.members)
        known, number = elements[kind], _above_zero(element.id)
        read = _Element(element.version, dict(element.tags), body)
        known[number] = read if number not in known else _one_of(path, f"{kind} {element.id}", known[number], read)
    for number, place in places.items():
        elements["node"].setdefault(number, _Element(0, {}, place))
    with osmium.SimpleWriter(str(target), thread_pool=workers()) as writer:
        for kind, body_of in (("node", "location"), ("way", "nodes"), ("relation", "members")):
            for number, (version, tags, body) in sorted(elements[kind].items()):
                writer.add(_KINDS[kind](id=number, version=version, tags=tags, **{body_of: body or None}))
    return gone


def _above_zero(number: int) -> int:
    return number if number >= 0 else BELOW_ZERO - number


def _one_of(path: Path, what: str, a: _Element, b: _Element) -> _Element:
    """Merges two copies. Query services send an element in full and, as part of another, once more without its tags or its nodes."""
    same_version = a.version == b.version or not a.version or not b.version
    if not same_version or (a.tags and b.tags and a.tags != b.tags) or (a.body and b.body and a.body != b.body):
        raise InputError(f"{path}: {what} is in it more than once, and different: it {HISTORY}")
    return _Element(max(a.version, b.version), a.tags or b.tags, a.body or b.body)
