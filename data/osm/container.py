"""The file of an extract: its format by name and first bytes, what it unpacks to, and whether it is complete."""

import bz2
import gzip
import lzma
import math
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

from utils.errors import InputError

SUFFIXES = ".osm, .osm.gz, .osm.bz2 or .osm.pbf"
MOST_TIMES = 100  # an extract unpacks to some ten times its size; a bomb to a thousand times
SMALLEST_LIMIT = 1 << 26  # bytes that any file may unpack to
LARGEST_BLOB = 1 << 25  # bytes, unpacked (https://wiki.openstreetmap.org/wiki/PBF_Format)
LARGEST_BLOB_HEADER = 1 << 16
CHUNK = 1 << 20

_XML, _PBF, _GZIP, _BZIP2 = "XML", "pbf", "gzip", "bzip2"
_STARTS = {b"\x1f\x8b": _GZIP, b"BZh": _BZIP2, b"\xfd7zXZ\0": "xz", b"(\xb5/\xfd": "zstd", b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7z"}
_ADVICE = {_XML: "it holds XML: rename it to end in .osm", _PBF: "it holds pbf: rename it to end in .osm.pbf",
           _GZIP: "it is packed with gzip: rename it to end in .osm.gz if it holds XML, otherwise unpack it with `gzip -d`",
           _BZIP2: "it is packed with bzip2: rename it to end in .osm.bz2 if it holds XML, otherwise unpack it with `bzip2 -d`",
           "xz": "unpack it with `xz -d`", "zstd": "unpack it with `zstd -d`", "zip": "unpack it with `unzip`",
           "7z": "unpack it with `7z x`"}  # fmt: skip
_NO_MAP = "give the file of a map: rename it if it is one of these, unpack it, or convert it with `osmium cat`"


def extract_format(path: Path) -> str:
    """The format of an extract's file, by its first bytes: "XML", "pbf", "gzip" or "bzip2". Its name must end as an extract's does.

    Raises:
        InputError: there is no such file, or it has another format.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: no such extract but a folder; give a file, {SUFFIXES}")
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is no file but a pipe or a device; save the extract to a file, {SUFFIXES}")
    if not path.exists():
        raise InputError(f"{path}: no such extract; give an {SUFFIXES} file")
    try:
        with open(path, "rb") as file:
            start = file.read(CHUNK)
    except PermissionError:
        raise InputError(f"{path}: may not be read; give yourself the right to, with `chmod u+r`") from None
    name = path.name.lower()
    if re.search(r"\.os[ch](\.|$)", name):
        raise InputError(f"{path}: {CHANGES if '.osc' in name else HISTORY}")
    kind = _kind(start)
    if not name.endswith((".osm", ".osm.gz", ".osm.bz2", ".pbf")):
        raise InputError(f"{path}: the name of an extract ends in {SUFFIXES}; {_ADVICE.get(kind, _NO_MAP)}")
    if not start:
        raise InputError(f"{path}: is empty; download it again")
    if kind not in (_XML, _PBF, _GZIP, _BZIP2):
        what = {"JSON": "JSON, which is not read: ask for XML (Overpass: `[out:xml]`)"}.get(kind, f"neither OSM XML nor pbf; {_NO_MAP}")
        raise InputError(f"{path}: holds {what if kind not in _ADVICE else f'{kind}; {_ADVICE[kind]}'}")
    return kind


CHANGES = "is a change file, no map; apply it to its extract (`osmium apply-changes EXTRACT CHANGES -o NEW.osm.pbf`) and give the result"
HISTORY = "holds a history, several versions of its elements; take those of one time (`osmium time-filter HISTORY -o NEW.osm.pbf`)"


def _kind(start: bytes) -> str:
    """What a file that begins so holds; "" where that is not known."""
    for magic, kind in _STARTS.items():
        if start.startswith(magic):
            return kind
    if start[4:15] == b"\x0a\x09OSMHeader":
        return _PBF
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    utf16 = text.startswith((b"\xff\xfe<\0", b"\xfe\xff\0<", b"\0<"))  # reported and refused with the XML
    return _XML if text.startswith(b"<") or utf16 else "JSON" if text.startswith((b"{", b"[")) else ""


def unpacked(path: Path, kind: str) -> Iterator[bytes]:
    """What an XML file holds, about a megabyte at a time; several streams one after the other are read as one.

    Args:
        kind: "XML", "gzip" or "bzip2".

    Raises:
        InputError: it is truncated or damaged, or unpacks to more than `MOST_TIMES` its size.
    """
    if kind == _XML:
        limit = math.inf
    else:
        limit = max(SMALLEST_LIMIT, MOST_TIMES * path.stat().st_size)
    size = 0
    try:
        with _open_text(path, kind) as file:
            while chunk := file.read(CHUNK):
                size += len(chunk)
                if size > limit:
                    raise InputError(
                        f"{path}: unpacks to more than {MOST_TIMES} times its size (and {limit / 2**20:.0f} MB), as no extract "
                        "does; unpack it yourself if you trust it"
                    )
                yield chunk
    except EOFError:
        raise InputError(f"{path}: is truncated; download it again") from None
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(f"{path}: is damaged ({error}); take a sound copy of it") from None


def _open_text(path: Path, kind: str) -> BufferedIOBase:
    return gzip.open(path) if kind == _GZIP else bz2.open(path) if kind == _BZIP2 else open(path, "rb")


def check_pbf(path: Path) -> None:
    """Checks that the blobs of a pbf file are all there and no larger than the format allows.

    Raises:
        InputError: the file is truncated or damaged, or unpacks to more than `MOST_TIMES` its size.
    """
    size, whole = path.stat().st_size, 0
    limit = max(SMALLEST_LIMIT, MOST_TIMES * size)
    damaged = InputError(f"{path}: is damaged (one of its blocks is invalid); take a sound copy of it")
    with open(path, "rb") as file:
        while length := file.read(4):
            header_bytes = int.from_bytes(length, "big")
            if header_bytes > LARGEST_BLOB_HEADER:
                raise damaged
            header = file.read(header_bytes)
            if len(length) < 4 or len(header) < header_bytes:
                raise InputError(f"{path}: is truncated; download it again")
            try:
                fields = dict(_fields(header))
                blob_bytes = fields[3]
                if not isinstance(blob_bytes, int) or blob_bytes > LARGEST_BLOB:
                    raise damaged
                blob = file.read(blob_bytes)
                if len(blob) < blob_bytes:
                    raise InputError(f"{path}: is truncated; download it again")
                raw = dict(_fields(blob)).get(2, blob_bytes)
            except (IndexError, KeyError, ValueError):
                raise damaged from None
            if not isinstance(raw, int) or raw > LARGEST_BLOB:
                raise damaged
            whole += raw
            if whole > limit:
                raise InputError(
                    f"{path}: unpacks to more than {MOST_TIMES} times its size (and {limit >> 20} MB), as no extract does; "
                    "take a sound copy of it"
                )


def _fields(message: bytes) -> Iterator[tuple[int, int | None]]:
    """The numbers of a protobuf message's fields, each with its value if that is an integer, else None
    (https://protobuf.dev/programming-guides/encoding)."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
        elif tag & 7 == 2:
            length, at = _varint(message, at)
            at += length
            yield tag >> 3, None
        else:
            raise ValueError("neither an integer nor bytes")
    if at > len(message):
        raise ValueError("ends within a field")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while message[at] & 0x80:
        value |= (message[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | message[at] << shift, at + 1


def link_or_copy(path: Path, name: Path) -> Path:
    """`path` under another name, which tells libosmium how to read it."""
    try:
        os.symlink(path.absolute(), name)
    except OSError:
        shutil.copyfile(path, name)
    return name
