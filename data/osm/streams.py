"""Random streams: each feature has one of its own, which depends only on the seed and on the feature's identity.

So a building gets the same points whatever else the extract holds, in any order, and however the city is cut into tiles. An identity is
the key of a SplitMix64 stream (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). The n-th number of such a
stream can be computed directly, and so the numbers of millions of streams at once.
"""

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def stream_keys(seed: int, *identity) -> np.ndarray:
    """One uint64 key for each feature.

    Args:
        seed: of the map.
        identity: integers or integer arrays of one shape, e.g. a number for the kind, and OpenStreetMap ids.
    """
    key = np.asarray(seed % 2**64, np.uint64)
    with np.errstate(over="ignore"):
        for part in identity:
            key = _mix(key + _GOLDEN + np.asarray(part).astype(np.int64).view(np.uint64))
    return key


def uniforms(keys: np.ndarray, index: np.ndarray | int) -> np.ndarray:
    """Number `index` (from 0 on) of each key's stream: float64 in [0, 1). keys and index broadcast."""
    with np.errstate(over="ignore"):
        bits = _mix(keys + (np.asarray(index).astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
