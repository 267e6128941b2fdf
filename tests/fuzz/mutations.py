"""Damage that needs to know nothing of a format, or only that it is text: bytes, tokens, cells, numbers."""

import random
import re
from collections.abc import Callable

Mutation = Callable[[bytes, random.Random, list[bytes]], bytes]  # data, random numbers, other inputs to splice with → damaged data

EXTREMES = [
    b"0", b"-1", b"1", b"NaN", b"nan", b"inf", b"-inf", b"1e308", b"-1e308", b"1e-320", b"1e2147483648", b"1e4294967296",
    b"2147483647", b"2147483648", b"-2147483649", b"4294967296", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616",
    b"", b" ", b"9" * 400, b"x" * 5000, b"0.5", b"-0.0", b"1_000", b"0x10", b"1,5", b"--1", b"1e", b"\xd9\xa1", b"True", b"null", b"None",
    b"abc", b"\0", b"\n", b"\r", b"\xe9", b"\xff\xfe", b"'", b'"', b"#", b"&", b"<", b"../..", b"/etc/passwd", b"180", b"256",
]  # fmt: skip
NUMBER = re.compile(rb"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
TOKEN = re.compile(rb"[A-Za-z_][\w:.-]*|[-+]?\d[\d.eE+-]*|[^\w\s]")
VALUE = re.compile(rb'(?<==")[^"]*(?=")')  # of an XML attribute


def flip_bits(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 4, 16))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def write_bytes(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    at, run = rng.randint(0, len(data)), rng.choice((1, 2, 4, 8))
    return data[:at] + rng.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * run + data[at + run :]


def insert(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 2, 8, 64))) + data[at:]


def delete(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    first, last = _span(data, rng)
    return data[:first] + data[last:]


def duplicate(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    first, last = _span(data, rng)
    return data[:last] + data[first:last] * rng.choice((1, 1, 3, 50)) + data[last:]


def move(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    first, last = _span(data, rng)
    rest, at = data[:first] + data[last:], rng.randint(0, len(data) - (last - first))
    return rest[:at] + data[first:last] + rest[at:]


def truncate(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    return data[: rng.choice((0, 1, len(data) // 2, max(0, len(data) - 1), rng.randint(0, len(data))))]


def splice(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    other = rng.choice(others)
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def number(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    return _replace_one(NUMBER, data, rng)


def near_number(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A number as a slip of the pen changes it."""
    found = [*NUMBER.finditer(data)]
    if not found:
        return data
    match = rng.choice(found)
    text = rng.choice((b"-" + match[0], match[0] + b"0", match[0][:-1], match[0] + b"e9", match[0].replace(b".", b","), b"0" + match[0]))
    return data[: match.start()] + text + data[match.end() :]


def token(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    return _replace_one(TOKEN, data, rng)


def swap_tokens(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    found = [*TOKEN.finditer(data)]
    if len(found) < 2:
        return data
    a, b = sorted(rng.sample(found, 2), key=lambda match: match.start())
    return data[: a.start()] + b[0] + data[a.end() : b.start()] + a[0] + data[b.end() :]


def lines(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Lines left out, doubled, moved, or in another order."""
    rows = data.splitlines(keepends=True)
    if len(rows) < 2:
        return data
    kind, at = rng.randrange(4), rng.randrange(len(rows))
    if kind == 0:
        del rows[at]
    elif kind == 1:
        rows[at:at] = [rows[at]] * rng.choice((1, 2, 100))
    elif kind == 2:
        rows.insert(rng.randrange(len(rows)), rows.pop(at))
    else:
        rng.shuffle(rows)
    return b"".join(rows)


def attribute(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Another value of an XML attribute: an extreme one, or that of another attribute."""
    found = [*VALUE.finditer(data)]
    if not found:
        return data
    match = rng.choice(found)
    value = rng.choice((rng.choice(EXTREMES).translate(None, b'"<&'), rng.choice(found)[0]))
    return data[: match.start()] + value + data[match.end() :]


def markup(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """What XML allows but an extract does not hold: entities, comments, deep nesting, other names, a huge text."""
    head = b'<?xml version="1.0"?>\n'
    body = data.split(b"?>\n", 1)[-1]
    entity = b'<!DOCTYPE osm [<!ENTITY a "yes"><!ENTITY b SYSTEM "file:///etc/passwd">]>\n'
    kind = rng.randrange(7)
    if kind == 0:
        return head + entity + body.replace(b'"yes"', rng.choice((b'"&a;"', b'"&b;"')), 1)
    if kind == 1:
        return head + b"<a>" * 2000 + body
    if kind == 2:
        names = ((b"<osm", b"<osmChange"), (b"node", b"Node"), (b"<way", b"<delete><way"), (b"<nd", b"<member"))
        return head + body.replace(*rng.choice(names))
    if kind == 3:
        return body.replace(b'"building"', b'"building" v="' + b"y" * 300_000 + b'" w="', 1)
    if kind == 4:
        return data.replace(b'version="1"', rng.choice((b'version="0"', b'version="1" visible="false"', b'action="delete"')), 3)
    if kind == 5:
        return rng.choice((b"\xef\xbb\xbf", b"\n", b"<!-- -->")) + data
    return data.decode(errors="replace").encode(rng.choice(("utf-16", "utf-32", "latin-1", "utf-7")), "replace")


def cell(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A cell of a table replaced, left out, added or doubled."""
    rows = [row.split(b",") for row in data.splitlines()]
    if not rows:
        return data
    row = rng.choice(rows)
    kind, at = rng.randrange(5), rng.randrange(len(row))
    if kind < 2:
        row[at] = rng.choice(EXTREMES)
    elif kind == 2:
        del row[at]
    elif kind == 3:
        row.insert(at, rng.choice((b"0", b"", row[at])))
    else:
        row[at] = rng.choice(rng.choice(rows) or [b""])
    return b"\n".join(map(b",".join, rows)) + b"\n"


def column(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A column of a table left out, doubled, filled or exchanged with another."""
    rows = [row.split(b",") for row in data.splitlines()]
    width = min(map(len, rows), default=0)
    if not width:
        return data
    kind, at, other, value = rng.randrange(4), rng.randrange(width), rng.randrange(width), rng.choice(EXTREMES)
    for row in rows:
        if kind == 0:
            del row[at]
        elif kind == 1:
            row.insert(at, row[at])
        elif kind == 2:
            row[at] = value
        else:
            row[at], row[other] = row[other], row[at]
    return b"\n".join(map(b",".join, rows)) + b"\n"


def dialect(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A table as other programs write it."""
    text = data.decode("utf-8", "replace")
    kind = rng.randrange(7)
    if kind == 0:
        return text.replace(".", ",").encode() if rng.random() < 0.3 else text.replace(",", ";").replace(".", ",").encode()
    if kind == 1:
        return text.replace(",", rng.choice((";", "\t", "|", " ", ", ", ",,"))).encode()
    if kind == 2:
        return ("é" + text).encode(rng.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig")))
    if kind == 3:
        return text.replace("\n", rng.choice(("\r\n", "\r", "\n\n", "\0\n", "\n \n"))).encode()
    if kind == 4:
        return "\n".join(f'"{line}"' for line in text.splitlines()).encode()
    if kind == 5:
        return data.replace(b",", b',"', 1)
    return rng.choice((b"# a comment\n", b"sep=,\n", b"\n\n", b"title\n")) + data


def _span(data: bytes, rng: random.Random) -> tuple[int, int]:
    first = rng.randint(0, len(data))
    return first, min(len(data), first + rng.choice((1, 1, 2, 4, 16, 64, 256, 4096)))


def _replace_one(pattern: re.Pattern, data: bytes, rng: random.Random) -> bytes:
    found = [*pattern.finditer(data)]
    if not found:
        return data
    match = rng.choice(found)
    return data[: match.start()] + rng.choice(EXTREMES) + data[match.end() :]


BYTES: list[Mutation] = [flip_bits, write_bytes, insert, delete, duplicate, move, truncate, splice]
TEXT: list[Mutation] = [*BYTES, number, number, near_number, token, swap_tokens, lines]
XML: list[Mutation] = [*TEXT, *[attribute] * 16, *[lines] * 4, markup, markup]
TABLE: list[Mutation] = [*TEXT, cell, cell, cell, column, dialect]
