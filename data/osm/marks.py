"""Finds in the XML of an extract what libosmium does not report: every box, what an editor deleted, why a server stopped."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from data.osm.container import CHANGES, CHUNK
from utils.errors import InputError

Box = tuple[float, float, float, float]  # west, south, east, north in degrees; east > 180 over the antimeridian

_ROOT = re.compile(rb"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE[^>\[]*>\s*)*<([A-Za-z][\w.:-]*)", re.DOTALL)
_ENCODING = re.compile(rb"""\s*<\?xml[^>]*\sencoding\s*=\s*["']([\w.-]+)["']""")
_READ_ENCODINGS = ("utf-8", "iso-8859-1", "us-ascii")  # by libexpat; UTF-16, too, but not here
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_ANY = rb"""(?:\s+[^\s<>"'=]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*"""  # attributes; a value may hold > but no <
_NODE = re.compile(rb"<node\b" + _ANY + rb"""?\s+id\s*=\s*["'](-?\d{1,18})["']""")
_BOUNDS = re.compile(rb"<bounds\b" + _ANY + rb"\s*/?>")
_ATTRIBUTE = re.compile(rb"""([\w:]+)\s*=\s*("[^"]*"|'[^']*')""")
_OF_ELEMENT = re.compile(rb"<(?:way|relation)\b" + _ANY + rb"\s*>\s*\Z")  # what Overpass writes a box of its own for
_DELETED = re.compile(rb"<(node|way|relation)\b" + _ANY + rb"""?\s+action\s*=\s*["']delete["']""" + _ANY)
_INVISIBLE = re.compile(rb"""\svisible\s*=\s*["']false["']""")
_REMARK = re.compile(rb"<remark\b[^>]*>(.{0,2000}?)(?:</remark>|\Z)", re.DOTALL)
_BELOW_ZERO = (b' id="-', b" id='-", b' ref="-', b" ref='-")
_LOCATED = re.compile(rb"""\slat\s*=""")
_LOCATED_MEMBER = re.compile(rb"<member\b" + _ANY + rb"\s*>\s*<nd\b")
_CONTEXT = 2_000  # bytes before a tag that are looked at


@dataclass
class Marks:
    """What was found in the XML."""

    boxes: list[Box] = field(default_factory=list)
    deleted: set[tuple[str, int]] = field(default_factory=set)  # "node", "way" or "relation", and id
    invisible: bool = False  # whether something was deleted in the database
    below_zero: bool = False  # whether ids are
    located: bool = False  # whether ways hold the coordinates of their nodes
    nodes: list[np.ndarray] = field(default_factory=list)  # their ids

    @property
    def repeated(self) -> bool:
        """Whether a node is in it twice."""
        ids = np.concatenate([np.zeros(0, np.int64), *self.nodes])
        return len(np.unique(ids)) < len(ids)


def read_marks(path, chunks: Iterable[bytes]) -> Marks:
    """Searches the XML of an extract as text, which takes no longer than reading it.

    Args:
        path: for messages.
        chunks: its bytes.

    Raises:
        InputError: it is no extract, is truncated or cut off by a server's limit, or has impossible bounds.
    """
    marks, before, rest, first = Marks(), b"", b"", True
    for chunk in chunks:
        text = rest + chunk
        if first and len(text) < CHUNK:  # the root lies in the first megabyte
            rest = text
            continue
        first = _check_root(path, text) if first else False
        cut = max(0, text.rfind(b"<"))  # a > may stand within a tag
        if (note := text.rfind(b"<!--")) >= 0 and text.find(b"-->", note, cut) < 0:
            cut = note  # tags in a comment are none
        text, rest = text[:cut], text[cut:]
        if len(rest) > CHUNK:
            raise InputError(f"{path}: a tag or text of over {CHUNK >> 20} MB, as no extract has; take a sound copy of it")
        _look(path, before, text, marks)
        before = (before + text)[-_CONTEXT:]
    if first:
        _check_root(path, rest)
    _look(path, before, rest, marks)
    end = (before + rest).rstrip()
    if re.search(rb"</osm\s*>\s*[^<\s]", end):
        raise InputError(f"{path}: is damaged, something follows its </osm>; take that out, or take a sound copy of it")
    if not re.search(rb"</osm\s*>(?:\s*<!--.*-->)*\Z|\A[^<]*(?:<\?.*\?>\s*)?<osm\b" + _ANY + rb"\s*/>\Z", end, re.DOTALL):
        raise InputError(f"{path}: is truncated, it does not end with </osm>; download it again")
    return marks


def _check_root(path, text: bytes) -> bool:
    declared = _ENCODING.match(text.removeprefix(b"\xef\xbb\xbf"))
    encoding = "UTF-16" if b"<\0" in text[:4] or b"\0<" in text[:4] else declared[1].decode() if declared else "UTF-8"
    if encoding.lower() not in _READ_ENCODINGS:
        raise InputError(f'{path}: is text in {encoding}, which is not read; save it in UTF-8, with encoding="UTF-8" in its first line')
    match = _ROOT.match(text.removeprefix(b"\xef\xbb\xbf"))
    root = match[1].decode() if match else ""
    if not match and b"<!DOCTYPE" in text:
        raise InputError(f"{path}: declares XML entities or a document type, which are not read; take them out of it")
    if root in ("osmChange", "osmAugmentedDiff"):
        raise InputError(f"{path}: {CHANGES}")
    if root.lower() in ("html", "head", "body"):
        title = re.search(rb"<(?:title|strong)[^>]*>(.{1,200}?)<", text, re.DOTALL | re.IGNORECASE)
        said = f" ({' '.join(title[1].decode(errors='replace').split())})" if title else ""
        raise InputError(f"{path}: is a web page{said}, no extract: the server answered with it; ask it again later or for less")
    if root != "osm":
        what = f"its root is <{root}> and not <osm>" if root else "it does not begin as XML does"
        raise InputError(f"{path}: is no OpenStreetMap XML, {what}; export it as .osm")
    return False


def _look(path, before: bytes, text: bytes, marks: Marks) -> None:
    if b"<!--" in text:
        text = _COMMENT.sub(b"", text)
    marks.nodes.append(np.array(_NODE.findall(text), dtype=bytes).astype(np.int64))
    if (at := text.find(b"</osm")) >= 0 and re.search(rb"<[?\w]", text[at + 1 :]):
        raise InputError(f"{path}: holds several files, one after the other; join them with `osmium merge` instead")
    if b"<action" in text:
        raise InputError(f"{path}: {CHANGES}, or ask Overpass without `[diff:]` or `[adiff:]`")
    if b"<center" in text:
        raise InputError(
            f"{path}: holds the centres of ways and relations (Overpass `out center`), which are no map; "
            "ask for the elements themselves with `(._;>;); out;`"
        )
    if (at := text.find(b"<remark")) >= 0 and (match := _REMARK.search(text, at)) and b"error" in match[1].lower():
        remark = " ".join(match[1].decode(errors="replace").split())
        raise InputError(
            f"{path}: the query service stopped before the end: {remark!r}; ask for a smaller box, or allow it more with "
            "[timeout:900][maxsize:2000000000]"
        )
    for match in _BOUNDS.finditer(text):
        context = (before + text[max(0, match.start() - _CONTEXT) : match.start()])[-_CONTEXT:]
        if not _OF_ELEMENT.search(context):
            marks.boxes.append(_box(path, match[0]))
    if b"delete" in text:
        for match in _DELETED.finditer(text):
            number = dict(_ATTRIBUTE.findall(match[0])).get(b"id", b"")[1:-1]
            if re.fullmatch(rb"-?\d{1,18}", number):
                marks.deleted.add((match[1].decode(), int(number)))
    if b"visible" in text and _INVISIBLE.search(text):
        marks.invisible = True
    marks.below_zero = marks.below_zero or any(mark in text for mark in _BELOW_ZERO)
    if (at := text.find(b"<nd ")) >= 0 and _LOCATED.search(text, at, text.find(b">", at)):
        marks.located = True
        if _LOCATED_MEMBER.search(text):
            raise InputError(
                f"{path}: holds the coordinates of relations' members without the members (Overpass `out geom`); "
                "ask for the elements themselves with `(._;>;); out;`"
            )


def _box(path, tag: bytes) -> Box:
    values = {key.decode(): value[1:-1].decode(errors="replace") for key, value in _ATTRIBUTE.findall(tag)}
    remedy = "correct its <bounds> or delete them: then the map spans its buildings"
    degrees = {}
    for key, most in (("minlon", 180), ("minlat", 90), ("maxlon", 180), ("maxlat", 90)):
        try:
            degrees[key] = float(values.get(key, ""))
        except ValueError:
            degrees[key] = math.nan
        if not abs(degrees[key]) <= most:
            raise InputError(f"{path}: bounds with {key}={values.get(key, '')!r:.60}, which is no coordinate; {remedy}")
    west, south, east, north = degrees.values()
    if south >= north or west == east or (west > east and west - east < 180):
        raise InputError(f"{path}: bounds from {south:g},{west:g} to {north:g},{east:g} hold nothing; {remedy}")
    return west, south, east + 360 * (west > east), north
