"""Damage inside the blocks of an `.osm.pbf` (https://wiki.openstreetmap.org/wiki/PBF_Format), field by field."""

import random
import struct
import zlib

from tests.fuzz.mutations import BYTES, EXTREMES, Mutation

Field = tuple[int, int, int | bytes]  # number, wire type, value
VARINT, FIXED64, BYTES_FIELD, FIXED32 = 0, 1, 2, 5
NUMBERS = (0, 1, 2, 127, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 8000, 100_000_000)


def in_pbf(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A block's message, its frame or its place in the file changed, with sizes that fit again."""
    blocks = _blocks(data)
    if not blocks:
        return data
    at, kind = rng.randrange(len(blocks)), rng.randrange(12)
    header, body = blocks[at]
    if kind < 8:
        blocks[at] = header, message(body, rng)
    elif kind == 8:
        blocks[at] = message(header, rng), body
    elif kind == 9:
        del blocks[at]
    elif kind == 10:
        blocks.insert(rng.randint(0, len(blocks)), blocks[at])
    else:
        rng.shuffle(blocks)
    return b"".join(_packed(*block, rng) for block in blocks)


def message(data: bytes, rng: random.Random, depth: int = 0) -> bytes:
    """A message with one field changed, at any depth; bytes that are no message are damaged as bytes."""
    fields = parse(data)
    if not fields or rng.random() < 0.1:
        return rng.choice(BYTES)(data, rng, [data])
    at = rng.randrange(len(fields))
    number, wire, value = fields[at]
    if isinstance(value, bytes) and rng.random() < 0.8:
        inside = parse(value)
        if inside and depth < 5:
            value = message(value, rng, depth + 1)
        elif rng.random() < 0.3:
            value = rng.choice((*EXTREMES, b"building", b"height", b"\xff\xff", b"yes"))
        else:
            value = packed_numbers(value, rng)
        fields[at] = number, wire, value
    elif isinstance(value, int) and rng.random() < 0.7:
        fields[at] = number, wire, rng.choice(NUMBERS)
    else:
        kind = rng.randrange(4)
        if kind == 0:
            del fields[at]
        elif kind == 1:
            fields.insert(at, fields[at])
        elif kind == 2:
            fields[at] = rng.choice((1, 2, 3, 4, 5, 17, 18, 19, 20, 33, 34, 2**29 - 1)), wire, value
        else:
            fields.insert(rng.randint(0, len(fields)), fields.pop(at))
    return b"".join(map(_field, fields))


def packed_numbers(data: bytes, rng: random.Random) -> bytes:
    """A packed list of numbers (references, differences of ids and coordinates) with one replaced, left out or doubled."""
    numbers, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        if at < 0:
            return rng.choice(BYTES)(data, rng, [data])
        numbers.append(value)
    if numbers:
        i = rng.randrange(len(numbers))
        one, other = numbers[i], rng.choice(numbers)
        numbers[i : i + 1] = rng.choice(([], [one] * 2, [one] * 3000, [rng.choice(NUMBERS)], [other], [one ^ 1]))
    return b"".join(map(_encoded, numbers))


def parse(data: bytes) -> list[Field]:
    """The fields of a message; empty where the bytes are none."""
    fields, at = [], 0
    while at < len(data):
        key, at = _varint(data, at)
        if at < 0 or key >> 3 == 0:
            return []
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(data, at)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
            value, at = data[at : at + size], at + size
        elif wire == BYTES_FIELD:
            size, at = _varint(data, at)
            value, at = (data[at : at + size], at + size) if at >= 0 else (b"", -1)
        else:
            return []
        if at < 0 or at > len(data):
            return []
        fields.append((number, wire, value))
    return fields


def _field(field: Field) -> bytes:
    number, wire, value = field
    head = _encoded(number << 3 | wire)
    if isinstance(value, int):
        return head + _encoded(value)
    return head + (_encoded(len(value)) if wire == BYTES_FIELD else b"") + value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends, −1 where there is none."""
    value, shift = 0, 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at
    return 0, -1


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _blocks(data: bytes) -> list[tuple[bytes, bytes]]:
    """(BlobHeader without its size, message inside the Blob) of each block; empty where an earlier change left no blocks."""
    blocks, at = [], 0
    while at + 4 <= len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        header = parse(data[at + 4 : at + 4 + size])
        blob_size = next((value for number, _, value in header if number == 3), None)
        if not isinstance(blob_size, int):
            return []
        at += 4 + size
        blob = {number: value for number, _, value in parse(data[at : at + blob_size])}
        at += blob_size
        try:
            body = blob[1] if 1 in blob else zlib.decompress(blob[3])
        except (KeyError, zlib.error, TypeError):
            return []
        blocks.append((b"".join(_field(field) for field in header if field[0] != 3), body))
    return blocks


def _packed(header: bytes, body: bytes, rng: random.Random) -> bytes:
    stated = rng.choice((0, 2**31 - 1, len(body) + 1, 2**40)) if rng.random() < 0.03 else len(body)
    blob = _field((2, VARINT, stated)) + _field((3, BYTES_FIELD, zlib.compress(body, 1)))
    header += _field((3, VARINT, len(blob)))
    return struct.pack(">I", len(header)) + header + blob


PBF: list[Mutation] = [*[in_pbf] * 24, *BYTES]
