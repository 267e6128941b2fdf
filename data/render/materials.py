"""Procedural appearance: what colour a wall, a roof, a tree or a patch of ground has. Compiled with numba (without its
disk cache, which does not notice changes in imported functions and constants).

Everything is a function of position and of the seed of the thing it belongs to, so that a façade looks the same from every place.
Colours are linear-ish RGB in 0..1; positions are metres (x east, y north, z up).
"""

import numpy as np
from numba import njit

from utils.classes import CLASSES, INDEX

WALL_PALETTE = np.array([
    (0.55, 0.30, 0.22), (0.62, 0.40, 0.28), (0.78, 0.70, 0.56), (0.66, 0.64, 0.60), (0.50, 0.51, 0.53), (0.82, 0.80, 0.76),
    (0.38, 0.28, 0.23), (0.70, 0.55, 0.40), (0.45, 0.52, 0.58), (0.60, 0.34, 0.30), (0.74, 0.72, 0.62), (0.33, 0.36, 0.40),
])  # fmt: skip
ROOF_PALETTE = np.array([(0.35, 0.34, 0.34), (0.48, 0.45, 0.42), (0.28, 0.27, 0.28), (0.55, 0.33, 0.26)])
_GRASS, _WOOD, _WATER = (0.30, 0.42, 0.18), (0.20, 0.33, 0.14), (0.20, 0.30, 0.36)
_ASPHALT, _PAVING = (0.25, 0.25, 0.27), (0.60, 0.57, 0.53)
_GROUND_BY_NAME = {
    "vegetation": _GRASS, "forest": _WOOD, "water": _WATER, "coastlines": (0.5, 0.48, 0.4), "buildings": (0.42, 0.41, 0.40),
    "railways": (0.33, 0.28, 0.25), "areas_railways": (0.40, 0.36, 0.33), "paths_cycleway": (0.45, 0.30, 0.27),
    "roads_track": (0.46, 0.38, 0.28), "paths_bridleway": (0.46, 0.38, 0.28), "roads_pedestrian": (0.56, 0.50, 0.46),
    "areas_service": (0.33, 0.33, 0.34), "roads_service": (0.33, 0.33, 0.34),
}  # fmt: skip


def _ground_palette() -> np.ndarray:
    """(256, 3): colour of each class of ground; roads are asphalt, the rest paving."""
    palette = np.tile(np.array([0.50, 0.48, 0.45]), (256, 1))  # bare ground: pavements and yards
    for i, c in enumerate(CLASSES):
        palette[i] = _GROUND_BY_NAME.get(c.name, _ASPHALT if c.name.startswith("roads") else _PAVING)
    return palette


GROUND_PALETTE = _ground_palette()
_WATER_CLASS, _GREEN_CLASSES = INDEX["water"], (INDEX["vegetation"], INDEX["forest"])


@njit
def hash01(a: int, b: int, c: int) -> float:
    """A number in [0, 1) from three integers (xor-multiply mixing of 32-bit words)."""
    mask = 0xFFFFFFFF  # numba widens products to 64 bits
    h = ((a & mask) * 0x9E3779B1 ^ (b & mask) * 0x85EBCA77 ^ (c & mask) * 0xC2B2AE3D) & mask
    h = ((h ^ (h >> 15)) * 0x2C1B3C6D) & mask
    h = ((h ^ (h >> 12)) * 0x297A2D39) & mask
    h = h ^ (h >> 15)
    return float(h) / 4294967296.0


@njit
def noise(x: float, y: float, seed: int) -> float:
    """Smooth value noise in [0, 1] with features one unit wide."""
    i, j = int(np.floor(x)), int(np.floor(y))
    u, v = x - i, y - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    low = hash01(i, j, seed) * (1 - u) + hash01(i + 1, j, seed) * u
    high = hash01(i, j + 1, seed) * (1 - u) + hash01(i + 1, j + 1, seed) * u
    return low * (1 - v) + high * v


@njit
def wall_colour(along: float, z: float, owner: int, footprint_m: float, sky: float, rgb: np.ndarray) -> None:
    """A façade: bays and storeys with windows, a ground floor of its own. Writes rgb (3,).

    Args:
        along: metres along the wall; z: metres above ground; owner: the building.
        footprint_m: what a pixel covers there; a pattern finer than that fades into its mean.
        sky: brightness that windows reflect.
    """
    base = WALL_PALETTE[int(hash01(owner, 1, 7) * len(WALL_PALETTE))]
    shade = 0.85 + 0.3 * hash01(owner, 2, 7)
    bay, storey = 2.2 + 2.8 * hash01(owner, 3, 7), 3.0 + 1.0 * hash01(owner, 4, 7)
    share_u, share_v = 0.35 + 0.5 * hash01(owner, 5, 7), 0.45 + 0.35 * hash01(owner, 6, 7)
    if z < storey:  # shops: wide openings and a colour of their own
        bay, share_u, share_v, shade = 2 * bay, 0.8, 0.75, shade * (0.55 + 0.5 * hash01(owner, 8, 7))
    u, v = along / bay, z / storey
    i, j = int(np.floor(u)), int(np.floor(v))
    in_window = abs(u - i - 0.5) < share_u / 2 and abs(v - j - 0.55) < share_v / 2
    detail = min(1.0, max(0.0, 1.5 - footprint_m / (0.5 * bay)))
    window = share_u * share_v * (1 - detail) + detail * (1.0 if in_window else 0.0)
    glass = 0.10 + 0.35 * sky * hash01(i, j, owner)
    grain = 0.94 + 0.12 * noise(along * 0.7, z * 0.7, owner)
    for k in range(3):
        tint = glass * (0.9 + 0.1 * k)
        rgb[k] = base[k] * shade * grain * (1 - window) + tint * window


@njit
def ground_colour(x: float, y: float, semantic: int, season: float, footprint_m: float, rgb: np.ndarray) -> None:
    """A patch of ground of a semantic class (255: none). Writes rgb (3,)."""
    base = GROUND_PALETTE[semantic]
    texture = 0.25 * (noise(x * 0.15, y * 0.15, semantic + 300) - 0.5)
    if footprint_m < 1.0 and semantic != _WATER_CLASS:
        texture += 0.18 * (noise(x * 2.5, y * 2.5, semantic) - 0.5)
    for k in range(3):
        rgb[k] = base[k] * (1.0 + texture)
    if semantic in _GREEN_CLASSES:
        rgb[0] += 0.12 * season


@njit
def tree_colour(x: float, y: float, z: float, owner: int, season: float, rgb: np.ndarray) -> None:
    """Leaves of a tree's crown. Writes rgb (3,)."""
    leaf = 0.6 + 0.8 * noise((x + y) * 1.5, z * 1.5, owner)
    hue = hash01(owner, 11, 7)
    rgb[0] = (0.16 + 0.10 * hue + 0.15 * season) * leaf
    rgb[1] = (0.30 + 0.08 * hue) * leaf
    rgb[2] = (0.10 + 0.05 * hue) * leaf
