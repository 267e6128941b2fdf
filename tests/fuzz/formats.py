"""Damage behind the packing: what is compressed, checked by a sum or counted is packed again, so that it reaches the parser."""

import ast
import bz2
import gzip
import io
import json
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable

import yaml

from tests.fuzz.mutations import BYTES, TEXT, XML, Mutation, flip_bits, truncate

VALUES = [0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 1e308, float("nan"), float("inf"), -0.5, 1e-320, 10**400, "", "0", "x" * 5000, "é\n\0",
          "../..", "1e2147483648", "/", None, True, False, [], {}, [[]], {"a": 1}, [0] * 2000, ["a"], [1, 2]]  # fmt: skip


def one_of(mutations: list[Mutation]) -> Mutation:
    """A mutation that is any of several."""
    return lambda data, rng, others: rng.choice(mutations)(data, rng, others)


def tree(value, rng: random.Random):
    """A nested value of dictionaries and lists with one change somewhere."""
    here = rng.random() < 0.25 or not isinstance(value, (dict, list)) or not value
    if here and isinstance(value, dict) and value and rng.random() < 0.7:
        key = rng.choice([*value])
        kind, rest = rng.randrange(3), {k: v for k, v in value.items() if k != key}
        if kind == 0:
            return rest
        other = rng.choice([*value])
        return rest | {other: value[key]} if kind == 1 else rest | {rng.choice((key + "x", key.upper(), "", "é", other)): value[key]}
    if here and isinstance(value, list) and value and rng.random() < 0.7:
        return rng.choice((value[1:], value * 2, value + value[:1], [value], value[::-1], value[:1] * 5000))
    if here:
        return rng.choice(VALUES)
    keys = [*value] if isinstance(value, dict) else range(len(value))
    at = rng.choice(keys)
    items = value.items() if isinstance(value, dict) else enumerate(value)
    changed = {k: tree(v, rng) if k == at else v for k, v in items}
    return changed if isinstance(value, dict) else [*changed.values()]


def json_tree(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    return json.dumps(tree(json.loads(data), rng)).encode()


def json_oddity(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Keys twice, deep nesting, numbers longer than Python reads, encodings."""
    kind = rng.randrange(5)
    if kind == 0:
        return data.replace(b"{", b"{" + data.strip()[1:-1].split(b",")[0] + b",", 1)
    if kind == 1:
        return b"[" * 100_000
    if kind == 2:
        return data.replace(b"1", b"1" * 5000, 1)
    if kind == 3:
        return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-8-sig", "latin-1")), "replace")
    return b'{"a":' * 5000 + b"1" + b"}" * 5000


def yaml_tree(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    return yaml.safe_dump(tree(yaml.safe_load(data), rng), sort_keys=False, allow_unicode=True).encode()


def yaml_oddity(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Tags, aliases that multiply, anchors that hold themselves, dates, sixty-based numbers, merge keys, documents."""
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
    extra = rng.choice((
        "name: !!python/object/apply:os.system ['true']\n", bomb, "seed: &s [*s]\n", "seed: 2020-13-45\n", "seed: 2020-01-01\n",
        "seed: 1:30:00\n", "<<: {seed: 1}\n", "---\nname: two\n", "? [a, b]\n: 1\n", "? {a: b}\n: 1\n", "null: 1\n", "1: 1\n",
        "name: |\n  a\n  b\n", "seed: !!int x\n", "seed: !!binary AAA\n", "seed: !!set {a}\n",
        "seed: 0x" + "f" * 9000 + "\n", "seed: " + "1" * 9000 + "\n", "[" * 5000, "name: \"\\ud800\"\n", "\t", "%YAML 9.9\n---\n",
        "seed: !!float " + "1" * 50_000 + "\n", "{" * 3000, "name: \"a\\0b\"\n", "name: *none\n",
    )).encode("utf-8", "surrogatepass")  # fmt: skip
    return data + extra if rng.random() < 0.7 else extra + data


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)  # of no date: the same every time


def in_gzip(inner: Mutation) -> Mutation:
    return lambda data, rng, others: _gzip(inner(gzip.decompress(data), rng, [gzip.decompress(o) for o in others]))


def in_bzip2(inner: Mutation) -> Mutation:
    return lambda data, rng, others: bz2.compress(inner(bz2.decompress(data), rng, [bz2.decompress(o) for o in others]), 1)


def streams(compress: Callable[[bytes], bytes], decompress: Callable[[bytes], bytes]) -> Mutation:
    """Several streams in one file, empty ones among them, and rubbish behind."""

    def cut(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
        text = decompress(data)
        at = rng.randint(0, len(text))
        between, behind = rng.choice((b"", compress(b""), b"rubbish")), rng.choice((b"", b"\0" * 100, b"rubbish"))
        return compress(text[:at]) + between + compress(text[at:]) + behind

    return cut


def npy_header(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Another type, order or shape in the header of an array, of right length."""
    first, size = (10, struct.unpack("<H", data[8:10])[0]) if data[6] == 1 else (12, struct.unpack("<I", data[8:12])[0])
    header = ast.literal_eval(data[first : first + size].decode("latin-1"))
    shape = list(header["shape"])
    kind = rng.randrange(4)
    if kind == 0:
        header["descr"] = rng.choice(("<f4", "<f8", "<f2", ">f8", "|b1", "<i8", "<u8", "|u1", "|i1", "<c16", "|O", "<U8", "|S4", "|V0",
                                      "<M8[s]", [("a", "<f4")], "x", "", "<f16", 7, "|O8", ("<f4", (2,))))  # fmt: skip
    elif kind == 1 and shape:
        shape[rng.randrange(len(shape))] = rng.choice((0, 1, -1, 2**31, 2**40, 2**62, 2**63, 3, True, 1.5, None))
    elif kind == 2:
        shape = rng.choice((shape[::-1], [*shape, 1], shape[:-1], [1, *shape], [], [2**20] * 3, [0] + shape[1:], shape[:1]))
    else:
        header = rng.choice((header | {"fortran_order": True}, header | {"x": 1}, {"shape": ()}, [], header | {"fortran_order": None}))
    if isinstance(header, dict) and kind in (1, 2):
        header["shape"] = tuple(shape)
    text = repr(header).encode("latin-1", "replace") + b"\n"
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text)) + text + data[first + size :]


def npy_values(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Single values of an array replaced by ones that no stored array holds."""
    at = rng.randint(min(128, len(data)), len(data))
    nan, infinite = struct.pack("<f", float("nan")), struct.pack("<d", float("inf"))
    large = struct.pack("<f", 1e30), struct.pack("<d", 1e300)
    value = rng.choice((nan, infinite, b"\xff" * 8, b"\xff" * 4, b"\x7f" * 4, b"\0" * 16, *large))
    at -= at % 4
    return data[:at] + value + data[at + len(value) :]


ARRAY: list[Mutation] = [npy_header, npy_header, npy_values, npy_values, *BYTES]


def in_zip(inner: Mutation) -> Mutation:
    """A member damaged, left out, doubled, renamed, or said to be packed otherwise; with a right checksum."""

    def change(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
        members = _members(data)
        spare = [content for other in others for content in _members(other).values()] or [b""]
        name, kind = rng.choice([*members]), rng.randrange(10)
        entries = [*members.items()]
        if kind < 6:
            entries = [(n, inner(c, rng, spare) if n == name else c) for n, c in entries]
        elif kind == 6:
            entries = [(n, c) for n, c in entries if n != name]
        elif kind == 7:
            entries.append((name, rng.choice(spare)))
        elif kind == 8:
            new = rng.choice(("../" + name, "/" + name, name + "\0x", name.removesuffix(".npy"), "é" + name, " ", "x" * 3000, *members))
            entries = [(new if n == name else n, c) for n, c in entries]
        else:
            entries = [(n, rng.choice(spare) if n == name else c) for n, c in entries]
        method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
        packed = bytearray(_zip(entries, method))
        if rng.random() < 0.15:  # the flag of an encrypted member, or an unknown method, in both headers
            for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
                at = packed.find(signature)
                if at >= 0:
                    packed[at + flags] |= 1
                    packed[at + flags + 2] = rng.choice((packed[at + flags + 2], 99))
        return bytes(packed)

    return change


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def _zip(entries: list[tuple[str, bytes]], method: int) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names twice
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, method)  # of no date: the same every time
    return buffer.getvalue()


def in_safetensors(header: Mutation) -> Mutation:
    """Another header of right length before the same tensors; or other tensors behind the same header."""

    def change(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
        size = struct.unpack("<Q", data[:8])[0]
        old, tensors = data[8 : 8 + size], data[8 + size :]
        if rng.random() < 0.3:
            return data[: 8 + size] + rng.choice((npy_values, flip_bits, truncate))(tensors, rng, others)
        new = header(old, rng, [other[8 : 8 + size] for other in others])
        return struct.pack("<Q", rng.choice((len(new), len(new), len(new), 0, 2**63, len(new) + 1))) + new + tensors

    return change


def in_mat(inner: Mutation) -> Mutation:
    """The inside of a compressed variable of a MATLAB 5 file."""

    def change(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
        kind, size = struct.unpack("<II", data[128:136])
        if kind != 15:  # miCOMPRESSED
            return data[:128] + inner(data[128:], rng, [o[128:] for o in others])
        body = zlib.decompress(data[136 : 136 + size])
        packed = zlib.compress(inner(body, rng, [o[136:] for o in others]), 1)
        return data[:128] + struct.pack("<II", 15, len(packed)) + packed + data[136 + size :]

    return change


def mat_words(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A 32-bit word of types, sizes and dimensions, of which a MATLAB file mostly consists, replaced."""
    at = 4 * rng.randrange(min(len(data) // 4, rng.choice((16, 64, 100_000))))
    return data[:at] + struct.pack("<I", rng.choice((0, 1, 3, 6, 9, 13, 14, 15, 16, 17, 18, 2**31, 2**32 - 1, 2**24, 7))) + data[at + 4 :]


def in_png(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A chunk damaged, left out, doubled or moved; with a right checksum."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    i, kind = rng.randrange(len(chunks)), rng.randrange(5)
    name, body = chunks[i]
    if kind == 0 or name == b"IHDR" and kind < 3:
        body = rng.choice(BYTES)(body, rng, others)
    elif kind == 1:
        body = zlib.compress(flip_bits(_inflated(body), rng, others))
    elif kind == 2:
        del chunks[i]
        i = None
    elif kind == 3:
        chunks.insert(rng.randint(0, len(chunks)), chunks[i])
        i = None
    else:
        name = rng.choice((b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP", b"PLTE", b"tRNS", b"acTL", b"IEND", b"IDAT", b"abcd"))
    if i is not None:
        chunks[i] = name, body
    return data[:8] + b"".join(struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks)


def _inflated(body: bytes) -> bytes:
    try:
        return zlib.decompress(body)
    except zlib.error:
        return body


# Damage to the packing itself is mostly found by its checksum: little of it, much of what lies behind.
OUTSIDE = one_of(BYTES)
JSON: list[Mutation] = [*[json_tree] * 8, json_oddity, *TEXT]
YAML: list[Mutation] = [*[yaml_tree] * 8, yaml_oddity, yaml_oddity, *TEXT]
NPZ: list[Mutation] = [*[in_zip(one_of(ARRAY))] * 6, OUTSIDE]
MAT: list[Mutation] = [*[in_mat(one_of([mat_words, mat_words, *BYTES]))] * 6, OUTSIDE]
SAFETENSORS: list[Mutation] = [*[in_safetensors(one_of(JSON))] * 6, OUTSIDE]
PTH: list[Mutation] = [*[in_zip(one_of(BYTES))] * 6, OUTSIDE]
PNG: list[Mutation] = [*[in_png] * 6, OUTSIDE]
GZ: list[Mutation] = [*[in_gzip(one_of(XML))] * 6, streams(_gzip, gzip.decompress), OUTSIDE]
BZ2: list[Mutation] = [*[in_bzip2(one_of(XML))] * 6, streams(bz2.compress, bz2.decompress), OUTSIDE]
