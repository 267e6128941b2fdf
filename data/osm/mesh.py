"""Triangles of the city: walls and roofs, trees, the ground and the decks of bridges."""

from dataclasses import dataclass, fields

import numpy as np
import shapely

from data.osm.buildings import GROUND_M, Volumes
from data.osm.overlay import overlay, union_of
from data.osm.roofs import FLAT, build_roof
from data.osm.streams import stream_keys, uniforms
from data.surfaces import CROWN, ROOF, TRUNK, UNDERSIDE, WALL
from utils.classes import INDEX

TREE_HEIGHT_M, CROWN_M = (6.0, 11.0), (4.0, 7.0)  # ranges for trees that state nothing
DECK_THICKNESS_M = 1.2
BUILDING_STREAM, TREE_STREAM, GROUND_STREAM = 2, 3, 4  # kinds of features that have random streams (data/osm/streams.py)


@dataclass
class Mesh:
    """Triangles; x east, y north, z up, metres. The winding is counter-clockwise seen from outside or above."""

    triangles: np.ndarray  # (F, 3, 3) float32 corners
    kind: np.ndarray  # (F,) uint8: WALL, ROOF, TRUNK, CROWN, GROUND, DECK or UNDERSIDE
    semantic: np.ndarray  # (F,) uint8 class
    key: np.ndarray  # (F,) uint64 of the feature it belongs to; a feature's triangles follow each other

    @staticmethod
    def of(triangles: np.ndarray, kind: int, semantic: np.ndarray | int, key: np.ndarray) -> "Mesh":
        """Triangles of one kind; semantic and key broadcast to (F,)."""
        n = len(triangles)
        return Mesh(triangles.astype(np.float32).reshape(-1, 3, 3), np.full(n, kind, np.uint8),
                    np.broadcast_to(np.asarray(semantic, np.uint8), n), np.broadcast_to(key, n))  # fmt: skip

    @staticmethod
    def join(meshes: list["Mesh"]) -> "Mesh":
        """One mesh of several."""
        return Mesh(*(np.concatenate([getattr(m, f.name) for m in meshes]) for f in fields(Mesh)))

    def __len__(self) -> int:
        return len(self.triangles)

    def __getitem__(self, selection) -> "Mesh":
        return Mesh(*(getattr(self, f.name)[selection] for f in fields(Mesh)))


NO_MESH = Mesh(np.zeros((0, 3, 3), np.float32), np.zeros(0, np.uint8), np.zeros(0, np.uint8), np.zeros(0, np.uint64))


def building_mesh(volumes: Volumes, seed: int) -> Mesh:
    """Walls, roofs, and the undersides of what does not stand on the ground. Rings are turned so that the walls' normals point
    outwards, out of courtyards too. A roof that cannot be built over its outline becomes flat."""
    polygons = shapely.orient_polygons(volumes.polygons)
    key = stream_keys(seed, BUILDING_STREAM, volumes.ids)
    flat, roofs, shaped = volumes.roof == FLAT, [NO_MESH], []
    for i in np.flatnonzero(~flat):
        roof = build_roof(polygons[i], volumes.eaves_m[i], volumes.top_m[i], int(volumes.roof[i]), bool(volumes.across[i]),
                          float(volumes.direction_deg[i]))  # fmt: skip
        if roof is None:
            flat[i] = True
        else:
            roofs.append(Mesh.of(roof.triangles, ROOF, INDEX["buildings"], key[i]))
            shaped += [(ring, i) for ring in roof.wall_tops]
    rings, owner = shapely.get_rings(polygons[flat], return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    owner = np.flatnonzero(flat)[owner]
    tops = [np.column_stack([xy, volumes.top_m[owner[ring]]]), *(r for r, _ in shaped)]
    sizes = [*np.bincount(ring, minlength=len(rings)), *(len(r) for r, _ in shaped)]
    walls = _walls(np.concatenate(tops), np.array(sizes, int), np.concatenate([owner, np.array([i for _, i in shaped], int)]),
                   volumes.bottom_m, key)  # fmt: skip
    raised = volumes.bottom_m >= GROUND_M
    below = flat_triangles(polygons[raised], volumes.bottom_m[raised])
    above = flat_triangles(polygons[flat], volumes.top_m[flat])
    # Where a part stands on it, the top is no roof: nobody sees it, and it gets no points.
    flat_roofs = Mesh.of(above[0], ROOF, INDEX["buildings"], key[flat][above[1]])
    flat_roofs.kind[volumes.covered[flat][above[1]]] = UNDERSIDE
    mesh = Mesh.join([
        walls, *roofs, flat_roofs,
        Mesh.of(below[0][:, ::-1], UNDERSIDE, INDEX["buildings"], key[raised][below[1]]),
    ])  # fmt: skip
    return mesh[np.argsort(mesh.key, kind="stable")]


def _walls(tops: np.ndarray, sizes: np.ndarray, owner_of_ring: np.ndarray, bottom_m: np.ndarray, key: np.ndarray) -> Mesh:
    """Walls below closed rings (their corners (n, 3), one ring after the other) down to their owner's bottom."""
    owner = np.repeat(owner_of_ring, sizes)
    last = np.cumsum(sizes) - 1
    start = np.setdiff1d(np.arange(len(tops)), last)  # a segment goes from corner i to i + 1 of one ring
    foot = np.column_stack([tops[:, :2], bottom_m[owner]])
    a, b, c, d = foot[start], foot[start + 1], tops[start + 1], tops[start]
    triangles = np.stack([np.stack([a, b, c], 1), np.stack([a, c, d], 1)], 1).reshape(-1, 3, 3)
    return Mesh.of(triangles, WALL, INDEX["buildings"], key[np.repeat(owner[start], 2)])


def flat_triangles(polygons: np.ndarray, z: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Horizontal polygons (n,) with holes at heights z, as constrained Delaunay triangles that face up.

    Returns:
        triangles (F, 3, 3) and the polygon of each (F,).
    """
    triangles, owner = shapely.get_parts(shapely.constrained_delaunay_triangles(polygons), return_index=True)
    corners = shapely.get_coordinates(shapely.orient_polygons(triangles)).reshape(-1, 4, 2)[:, :3]
    height = np.broadcast_to(np.asarray(z, np.float64), len(polygons))[owner]
    return np.concatenate([corners, np.broadcast_to(height[:, None, None], (*corners.shape[:2], 1))], 2), owner


def deck_sides(polygons: np.ndarray, cell: shapely.Polygon, z: float) -> Mesh:
    """The sides of decks: strips below their edges at height z, except where a cell cuts them."""
    edges = overlay(shapely.difference, shapely.boundary(union_of(polygons)), cell.exterior)
    lines = [shapely.get_coordinates(line) for line in shapely.get_parts(edges) if not line.is_empty]
    if not lines:
        return NO_MESH
    a, b = (np.concatenate([np.column_stack([xy[i], np.full(len(xy) - 1, z)]) for xy in lines]) for i in (slice(None, -1), slice(1, None)))
    down = np.array([0, 0, DECK_THICKNESS_M])
    triangles = np.stack([np.stack([a - down, b - down, b], 1), np.stack([a - down, b, a], 1)], 1).reshape(-1, 3, 3)
    return Mesh.of(triangles, UNDERSIDE, INDEX["buildings"], np.zeros(len(triangles), np.uint64))


def complete_trees(geometries: np.ndarray, records: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Trees with random heights and crown diameters where the tags state none (zeros).

    Returns:
        (n, 4): x, y, height, crown diameter, metres; and their keys (n,) uint64.
    """
    key = stream_keys(seed, TREE_STREAM, records["id"], records["index"])
    sizes = []
    for k, (name, (low, high)) in enumerate((("height_m", TREE_HEIGHT_M), ("crown_m", CROWN_M))):
        # Sampling does not reach these numbers of the stream: a tree's points come from others than its size.
        drawn = low + (high - low) * uniforms(key, 2**40 + k)
        sizes.append(np.where(records[name] > 0, records[name], drawn))
    height, crown = sizes[0], np.minimum(sizes[1], 1.5 * sizes[0])
    return np.column_stack([shapely.get_coordinates(geometries), height, crown]), key


def tree_mesh(trees: np.ndarray, key: np.ndarray) -> Mesh:
    """A square trunk and an eight-sided crown for each tree (n, 4): x, y, height, crown diameter; metres."""
    angle = np.arange(8) * np.pi / 4
    ring = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(8)])
    # Unit crown: waist of eight corners, narrower shoulders above and below, a tip at both ends.
    crown = np.concatenate([ring, ring * 0.7 + (0, 0, 0.7), ring * 0.7 - (0, 0, 0.7), [(0, 0, 1), (0, 0, -1)]])
    i, j = np.arange(8), (np.arange(8) + 1) % 8
    bands = [np.column_stack(t) for t in ((i, j, j + 8), (i, j + 8, i + 8), (i + 16, j + 16, j), (i + 16, j, i),
                                          (i + 8, j + 8, i * 0 + 24), (j + 16, i + 16, i * 0 + 25))]  # fmt: skip
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 0.2
    trunk = np.concatenate([np.column_stack([square, np.full(4, z)]) for z in (0.0, 1.0)])
    k, m = np.arange(4), (np.arange(4) + 1) % 4
    trunk_faces = np.concatenate([np.column_stack([k, m, m + 4]), np.column_stack([k, m + 4, k + 4])])

    height, half_width = trees[:, 2, None], trees[:, 3, None] / 2
    # Crowns begin above head height: street trees are trimmed, and positions in OSM err by more than a trunk.
    half_height = np.clip((height - 3.0) / 2, 0.5, np.minimum(1.2 * half_width, height / 2))
    base = np.concatenate([trees[:, :2], np.zeros_like(height)], 1)
    centre = base + np.concatenate([np.zeros((len(trees), 2)), height - half_height], 1)
    scale = np.concatenate([half_width, half_width, half_height], 1)
    crown, faces = crown[np.concatenate(bands)], len(np.concatenate(bands))
    crowns = crown[None] * scale[:, None, None] + centre[:, None, None]
    stretch = np.concatenate([height * 0 + 1, height * 0 + 1, height - half_height], 1)
    trunks = trunk[trunk_faces][None] * stretch[:, None, None] + base[:, None, None]
    both = np.concatenate([crowns, trunks], 1)  # tree by tree
    kind = np.repeat(np.array([CROWN, TRUNK], np.uint8), [faces, len(trunk_faces)])
    mesh = Mesh.of(both.reshape(-1, 3, 3), CROWN, INDEX["vegetation"], np.repeat(key, len(kind)))
    mesh.kind = np.tile(kind, len(trees))
    return mesh
