"""Triangles of the city: walls and roofs of prisms, trees, and the ground."""

from dataclasses import dataclass

import numpy as np
import shapely

from data.osm.buildings import Prisms

WALL, ROOF, TRUNK, CROWN, GROUND = range(5)
TREE_HEIGHT_M, CROWN_M = (6.0, 11.0), (4.0, 7.0)  # ranges for trees that state nothing


@dataclass
class Mesh:
    """Triangles; x east, y north, z up, metres. The winding is counter-clockwise seen from outside."""

    vertices: np.ndarray  # (V, 3) float32
    faces: np.ndarray  # (F, 3) int32
    kind: np.ndarray  # (F,) uint8: WALL, ROOF, TRUNK, CROWN or GROUND
    owner: np.ndarray  # (F,) int32: index of the building, tree or ground polygon

    @staticmethod
    def join(meshes: list["Mesh"]) -> "Mesh":
        """One mesh of several."""
        shift = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
        return Mesh(
            np.concatenate([m.vertices for m in meshes]),
            np.concatenate([m.faces + s for m, s in zip(meshes, shift, strict=True)]).astype(np.int32),
            np.concatenate([m.kind for m in meshes]),
            np.concatenate([m.owner for m in meshes]),
        )


def prism_mesh(prisms: Prisms) -> Mesh:
    """Walls and flat roofs. Rings are turned so that the walls' normals point outwards, out of courtyards too."""
    polygons = shapely.orient_polygons(prisms.polygons)
    rings, polygon_of_ring = shapely.get_rings(polygons, return_index=True)
    xy, ring_of_point = shapely.get_coordinates(rings, return_index=True)
    owner = polygon_of_ring[ring_of_point]
    start = np.flatnonzero(ring_of_point[1:] == ring_of_point[:-1])  # a segment goes from point i to i + 1 of one ring
    low = np.column_stack([xy, prisms.bottom_m[owner]])
    high = np.column_stack([xy, prisms.top_m[owner]])
    n = len(xy)
    lower = np.column_stack([start, start + 1, start + 1 + n])
    upper = np.column_stack([start, start + 1 + n, start + n])
    walls = Mesh(np.concatenate([low, high]).astype(np.float32), np.concatenate([lower, upper]).astype(np.int32),
                 np.full(2 * len(start), WALL, np.uint8), np.tile(owner[start], 2).astype(np.int32))  # fmt: skip
    return Mesh.join([walls, flat_mesh(polygons, prisms.top_m, ROOF)])


def flat_mesh(polygons: np.ndarray, z: np.ndarray, kind: int) -> Mesh:
    """Horizontal polygons (with holes) at heights z (n,), as constrained Delaunay triangles that face up."""
    collections = shapely.constrained_delaunay_triangles(polygons)
    triangles, owner = shapely.get_parts(collections, return_index=True)
    corners = shapely.get_coordinates(shapely.orient_polygons(triangles)).reshape(-1, 4, 2)[:, :3]
    vertices = np.concatenate([corners, np.broadcast_to(np.asarray(z)[owner][:, None, None], (*corners.shape[:2], 1))], 2)
    faces = np.arange(3 * len(corners), dtype=np.int32).reshape(-1, 3)
    return Mesh(vertices.reshape(-1, 3).astype(np.float32), faces, np.full(len(faces), kind, np.uint8), owner.astype(np.int32))


def complete_trees(trees: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fills in heights and crown diameters that the tags leave open (zeros). trees (n, 4): x, y, height, crown; metres."""
    trees = trees.copy()
    for column, (low, high) in ((2, TREE_HEIGHT_M), (3, CROWN_M)):
        drawn = rng.uniform(low, high, len(trees))
        trees[:, column] = np.where(trees[:, column] > 0, trees[:, column], drawn)
    trees[:, 3] = np.minimum(trees[:, 3], 1.5 * trees[:, 2])
    return trees


def tree_mesh(trees: np.ndarray) -> Mesh:
    """A square trunk and an eight-sided crown for each tree (n, 4): x, y, height, crown diameter; metres."""
    angle = np.arange(8) * np.pi / 4
    ring = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(8)])
    # Unit crown: waist of eight corners, narrower shoulders above and below, a tip at both ends.
    crown = np.concatenate([ring, ring * 0.7 + (0, 0, 0.7), ring * 0.7 - (0, 0, 0.7), [(0, 0, 1), (0, 0, -1)]])
    i, j = np.arange(8), (np.arange(8) + 1) % 8
    bands = [np.column_stack(t) for t in ((i, j, j + 8), (i, j + 8, i + 8), (i + 16, j + 16, j), (i + 16, j, i),
                                          (i + 8, j + 8, i * 0 + 24), (j + 16, i + 16, i * 0 + 25))]  # fmt: skip
    crown_faces = np.concatenate(bands)
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 0.2
    trunk = np.concatenate([np.column_stack([square, np.full(4, z)]) for z in (0.0, 1.0)])
    k, m = np.arange(4), (np.arange(4) + 1) % 4
    trunk_faces = np.concatenate([np.column_stack([k, m, m + 4]), np.column_stack([k, m + 4, k + 4])])

    height, half_width = trees[:, 2, None], trees[:, 3, None] / 2
    # Crowns begin above head height: street trees are trimmed, and positions in OSM err by more than a trunk.
    half_height = np.clip((height - 3.0) / 2, 0.5, 1.2 * half_width)
    base = np.concatenate([trees[:, :2], np.zeros_like(height)], 1)
    centre = base + np.concatenate([np.zeros((len(trees), 2)), height - half_height], 1)
    scale = np.concatenate([half_width, half_width, half_height], 1)
    crowns = _instances(crown, crown_faces, centre, scale, CROWN)
    trunks = _instances(trunk, trunk_faces, base, np.concatenate([height * 0 + 1, height * 0 + 1, height - half_height], 1), TRUNK)
    return Mesh.join([crowns, trunks])


def _instances(shape: np.ndarray, faces: np.ndarray, offset: np.ndarray, scale: np.ndarray, kind: int) -> Mesh:
    """Copies of one small mesh (v, 3), scaled and moved: offset and scale (n, 3)."""
    n = len(offset)
    vertices = shape[None] * scale[:, None] + offset[:, None]
    indices = faces[None] + len(shape) * np.arange(n)[:, None, None]
    return Mesh(vertices.reshape(-1, 3).astype(np.float32), indices.reshape(-1, 3).astype(np.int32),
                np.full(n * len(faces), kind, np.uint8), np.repeat(np.arange(n, dtype=np.int32), len(faces)))  # fmt: skip


def sample_surface(mesh: Mesh, density: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points uniform by area on a mesh.

    Stratified: the surface is cut into pieces of 1/density m² and each gets one point, so the count does not fluctuate.

    Args:
        density: points per m².

    Returns:
        points (n, 3) float32 metres, and the face each lies on (n,).
    """
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    area = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)
    if not len(area):
        return np.zeros((0, 3), np.float32), np.zeros(0, np.int64)
    n = round(area[-1] * density)
    face = np.searchsorted(area, (np.arange(n) + rng.random(n)) / n * area[-1]).clip(max=len(area) - 1)
    u, v = rng.random((2, n, 1))
    fold = u + v > 1
    u, v = np.where(fold, 1 - u, u), np.where(fold, 1 - v, v)
    return (a[face] + u * (b - a)[face] + v * (c - a)[face]).astype(np.float32), face
