"""Which part of the sphere a panorama shows, as its metadata say (Photo Sphere XMP, https://developers.google.com/streetview/spherical-metadata)."""

import math
import re
from dataclasses import dataclass
from xml.etree import ElementTree

from utils.errors import InputError

NAMESPACE = "{http://ns.google.com/photos/1.0/panorama/}"
MOST_BYTES = 4 << 20  # of metadata
TOLERANCE = 0.01  # of a side: rounding, and pictures that were scaled after their metadata were written


@dataclass(frozen=True)
class Sphere:
    """The part that is shown; left and right as shares of the width of the whole sphere, top and bottom of its height."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    @property
    def partial(self) -> bool:
        return self != Sphere()

    def box(self, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom pixels of the part in a panorama of (height, 2·height); one pixel at least."""
        left, top = min(round(self.left * 2 * height), 2 * height - 1), min(round(self.top * height), height - 1)
        return left, top, max(left + 1, round(self.right * 2 * height)), max(top + 1, round(self.bottom * height))


def sphere_of(xmp: bytes | str | None, width: int, height: int) -> Sphere:
    """Reads the metadata of a picture. Unless they say that it is a part, it shows the whole sphere.

    Args:
        xmp: the packet, where there is one.
        width, height: of the picture in pixels. Sizes in the metadata may be those of a larger original.

    Raises:
        InputError: the projection is another, the metadata contradict themselves or the picture, do not say which part it is, or cannot
            be read.
    """
    stated = _stated(xmp) if xmp else {}
    projection = stated.get("ProjectionType", "equirectangular")
    if projection.lower() != "equirectangular":
        raise InputError(f"its metadata (GPano) say {projection[:40]!r}; only equirectangular panoramas can be read")
    names = [f"{area}{side}Pixels" for area in ("FullPano", "CroppedAreaImage") for side in ("Width", "Height")]
    corner = ("CroppedAreaLeftPixels", "CroppedAreaTopPixels")
    given = {name: _pixels(stated, name) for name in (*names, *corner) if name in stated}
    if missing := _missing(given, names, corner):
        raise InputError(f"its metadata (GPano) say that it is a part of the sphere, but not {', '.join(missing)}; add what is missing, "
                         f"e.g. with `exiftool -XMP-GPano:{missing[0]}=NUMBER FILE`, or remove them if it is the whole sphere, "
                         "with `exiftool -XMP-GPano:all= FILE`")  # fmt: skip
    if not all(name in given for name in names):
        return Sphere()
    full_width, full_height, part_width, part_height = (given[name] for name in names)
    left, top = (given.get(name, 0.0) for name in corner)
    part = Sphere(*(min(share, 1.0) for share in (left / full_width, top / full_height,
                                                  (left + part_width) / full_width, (top + part_height) / full_height)))  # fmt: skip
    if part_width >= (1 - TOLERANCE) * full_width and part_height >= (1 - TOLERANCE) * full_height:
        part = Sphere()
    if (
        abs(full_width - 2 * full_height) > TOLERANCE * full_width
        or abs(width * part_height - height * part_width) > TOLERANCE * width * part_height
        or left + part_width > (1 + TOLERANCE) * full_width
        or top + part_height > (1 + TOLERANCE) * full_height
        or (part.partial and (width, height) == (full_width, full_height))
    ):
        raise InputError(f"its metadata (GPano) say that {part_width:.0f} × {part_height:.0f} pixels from {left:.0f}, {top:.0f} on "
                         f"are shown of {full_width:.0f} × {full_height:.0f}, which contradicts itself or its {width} × {height} pixels; "
                         "correct or remove them, e.g. with `exiftool -XMP-GPano:all= FILE`")  # fmt: skip
    return part


def _missing(given: dict[str, float], names: list[str], corner: tuple[str, str]) -> list[str]:
    """The properties that are needed to place a part of the sphere but missing; empty if the given ones do not say that it is a part."""
    widths = [given[name] * factor for name, factor in zip(names, (1, 2, 1, 2), strict=True) if name in given]  # equal in a whole sphere
    parts = [given[name] * factor for name, factor in zip(names[2:], (1, 2), strict=True) if name in given]
    if not any(given.get(name) for name in corner) and not (parts and min(parts) < (1 - TOLERANCE) * max(widths)):
        return []
    needed = list(names)
    for full, part, start in zip(names[:2], names[2:], corner, strict=True):
        if given.get(part, 0) < (1 - TOLERANCE) * given.get(full, math.inf):  # a full width or height begins at 0
            needed.append(start)
    return [name for name in needed if name not in given]


def _stated(xmp: bytes | str) -> dict[str, str]:
    """The GPano properties, which may be attributes or elements."""
    if len(xmp) > MOST_BYTES:
        raise InputError(f"its XMP metadata are {len(xmp) >> 20} MB; remove them, e.g. with `exiftool -XMP:all= FILE`")
    packet = xmp.strip("\0 \n") if isinstance(xmp, str) else xmp.strip(b"\0 \n")
    try:
        root = ElementTree.fromstring(packet, ElementTree.XMLParser(target=_NoDoctype()))
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # LookupError: of an unknown encoding
        if b"GPano" not in (packet.encode() if isinstance(packet, str) else packet):
            return {}
        raise InputError(f"its XMP metadata cannot be read ({error}); remove them, e.g. with `exiftool -XMP:all= FILE`") from None
    stated: dict[str, str] = {}
    for element in root.iter():
        stated |= {name.removeprefix(NAMESPACE): text.strip() for name, text in element.attrib.items() if name.startswith(NAMESPACE)}
        if element.tag.startswith(NAMESPACE) and element.text:
            stated[element.tag.removeprefix(NAMESPACE)] = element.text.strip()
    return stated


def _pixels(stated: dict[str, str], name: str) -> float:
    text = stated[name]
    pixels = float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else -1.0
    if pixels < (0 if name.endswith(("LeftPixels", "TopPixels")) else 1):
        raise InputError(f"its metadata (GPano) say {name} is {text[:40]!r}; correct or remove them, e.g. with "
                         "`exiftool -XMP-GPano:all= FILE`")  # fmt: skip
    return pixels


class _NoDoctype(ElementTree.TreeBuilder):
    """Entities can only be declared in a document type, which XMP has none of."""

    def doctype(self, name, public_id, system) -> None:
        raise ValueError("a document type is declared")
