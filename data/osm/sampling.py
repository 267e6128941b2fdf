"""Points on surfaces."""

import numpy as np

from data.osm.mesh import Mesh
from data.osm.streams import uniforms
from data.surfaces import UNDERSIDE

_AREA_UNIT_M2 = 2.0**-20  # areas are added up in whole units: the sums are exact, whatever lies before a feature in the mesh


def sample_surface(mesh: Mesh, density: float) -> tuple[np.ndarray, np.ndarray]:
    """Points uniform by area on a mesh; nothing on undersides, which no map shows.

    Feature by feature, from the feature's own random numbers: its surface is cut into pieces of equal area, about 1 / density, and each
    gets one point, so that counts hardly fluctuate. Where the area is no whole number of pieces, chance decides on one more; the
    expected number of points is area × density for every face.

    Args:
        density: points per m².

    Returns:
        points (n, 3) float32 metres, and the face each lies on (n,).
    """
    faces = np.flatnonzero(mesh.kind != UNDERSIDE)
    a, b, c = mesh.triangles[faces].astype(np.float64).transpose(1, 0, 2)
    area = np.round(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2 / _AREA_UNIT_M2).astype(np.int64)
    end = np.cumsum(area)
    key = mesh.key[faces]
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.zeros(0, int)
    before = end[first] - area[first]
    total = np.diff(np.append(before, end[-1:]))
    count = np.floor(total * (_AREA_UNIT_M2 * density) + uniforms(key[first], 0)).astype(np.int64)
    feature = np.repeat(np.arange(len(first)), count)
    nth = np.arange(len(feature)) - np.repeat(np.cumsum(count) - count, count)
    where, u, v = (uniforms(key[first][feature], 1 + 3 * nth + k) for k in range(3))
    at = ((nth + where) / count[feature] * total[feature]).astype(np.int64)
    at = before[feature] + np.minimum(at, total[feature] - 1)  # the quotient may round up to one
    face = np.searchsorted(end, at, side="right")
    fold = u + v > 1
    u, v = np.where(fold, 1 - u, u)[:, None], np.where(fold, 1 - v, v)[:, None]
    return (a[face] + u * (b - a)[face] + v * (c - a)[face]).astype(np.float32), faces[face]
