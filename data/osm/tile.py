"""One tile of a city map: a rectangle of blocks, made in one go by one process."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import shapely

from data.osm.buildings import HEADROOM_M, SMALLEST_M2, Volumes, build_volumes, with_passages
from data.osm.landcover import land_cover
from data.osm.mesh import GROUND_STREAM, Mesh, building_mesh, complete_trees, deck_sides, flat_triangles, tree_mesh
from data.osm.raster import MARGIN, draw_map
from data.osm.sampling import sample_surface
from data.osm.store import BLOCK_CELLS, FeatureStore, Window
from data.osm.streams import stream_keys
from data.osm.tags import DRIVABLE
from data.osm.ways import widened
from data.surfaces import DECK, DECK_M_PER_LEVEL, GROUND
from utils.atomic import save_array
from utils.georeference import Georeference

ANYWHERE = -1
_REACH = 3  # steps from building to touching building: an outline depends on its parts, these on the outlines around them, and so on


@dataclass
class Tile:
    """What a tile holds. Its arrays are in `<path>-<name>.npy`."""

    window: Window
    path: Path
    cell_counts: np.ndarray  # points in each of its storage cells
    triangle_counts: np.ndarray  # triangles in each of its blocks
    class_counts: np.ndarray  # (256,) points of each class
    volumes: Volumes  # whose middle lies in it
    hovering: int  # of these: parts above the ground with nothing below them
    too_small: int  # buildings and parts, whose middle lies in it, too small for a volume

    def array(self, name: str) -> np.ndarray:
        """One of its arrays, memory-mapped."""
        return np.load(f"{self.path}-{name}.npy", mmap_mode="r")


@dataclass
class TileMaker:
    """Makes tiles; shared by all workers."""

    store: FeatureStore
    density: float  # points per m²
    seed: int
    folder: Path  # where the arrays go

    def make(self, window: Window) -> "Tile":
        """Makes the part of the map that lies in a window of blocks; the arrays go to files, what is small is returned."""
        cv2.setNumThreads(1)  # each core has a process of its own
        blocks, geo = self.store.blocks, self.store.blocks.geo
        volumes, too_small = self._volumes(window)
        trees, tree_keys = complete_trees(*self.store.read("tree", window), self.seed)
        surfaces, classes, levels = self._surfaces(window)
        meshes = [building_mesh(volumes, self.seed), tree_mesh(trees, tree_keys)]
        # The block that each triangle is made for.
        homes: list[np.ndarray] = [np.full((len(mesh), 2), ANYWHERE) for mesh in meshes]
        colours = np.zeros(((window.r1 - window.r0) * blocks.pixels, (window.c1 - window.c0) * blocks.pixels, 3), np.uint8)
        ground = np.zeros(colours.shape[:2], np.uint8)
        surface_tree, volume_tree = shapely.STRtree(surfaces), shapely.STRtree(volumes.polygons)
        for column, row in window:
            x0, y0, x1, y1 = blocks.bounds(column, row)
            cell = shapely.box(x0, y0, x1, y1).intersection(shapely.box(*geo.bounds))
            hits, standing = (np.sort(tree.query(cell, "intersects")) for tree in (surface_tree, volume_tree))
            for mesh in self._covers(cell, column, row, surfaces[hits], classes[hits], levels[hits], volumes[standing].on_ground):
                meshes.append(mesh)
                homes.append(np.tile((column, row), (len(mesh), 1)))
            margin = MARGIN * geo.metres_per_pixel
            frame = Georeference((x0 - margin, y0 - margin, x1 + margin, y1 + margin), geo.metres_per_pixel)
            hits, standing = (np.sort(tree.query(shapely.box(*frame.bounds))) for tree in (surface_tree, volume_tree))
            raised = volumes.bottom_m[standing] >= HEADROOM_M
            drawn = draw_map(frame, surfaces[hits], classes[hits], levels[hits], volumes.polygons[standing], trees, raised)
            top, left = (row - window.r0) * blocks.pixels, (column - window.c0) * blocks.pixels
            inner = slice(MARGIN, MARGIN + blocks.pixels)
            for whole, part in zip((colours, ground), drawn, strict=True):
                whole[top : top + blocks.pixels, left : left + blocks.pixels] = part[inner, inner]
        mesh, home = Mesh.join(meshes), np.concatenate(homes)
        arrays = {"raster": colours, "ground": ground}
        arrays["points"], arrays["classes"], cells = self._points(window, mesh, home)
        arrays["triangles"], arrays["kind"], arrays["owner"], triangles = self._above(window, mesh, home)
        path = self.folder / f"{window.r0}-{window.c0}"
        for name, array in arrays.items():
            save_array(Path(f"{path}-{name}.npy"), [array], array.shape, array.dtype)
        own = self._at_home(window, shapely.centroid(volumes.polygons))
        # Counted in the window that holds the point with nothing below it: whatever stands there is known in this window.
        hovering = self._at_home(window, shapely.point_on_surface(volumes.polygons[volumes.hovering]))
        return Tile(window, path, cells, triangles, np.bincount(arrays["classes"], minlength=256), volumes[own],
                    int(hovering.sum()), too_small)  # fmt: skip

    def _volumes(self, window: Window) -> tuple[Volumes, int]:
        """Volumes that reach into the window, and how many buildings whose middle lies in it are too small for one. They may depend on
        parts and outlines farther away."""
        polygons, records = self.store.read("building", window)
        wanted = records["id"]
        small = self._at_home(window, shapely.centroid(polygons[shapely.area(polygons) <= SMALLEST_M2])).sum()
        for _ in range(_REACH if len(records) else 0):
            around, found = self.store.read("building", self._around(polygons))
            near = np.unique(shapely.STRtree(around).query(polygons)[1])
            polygons, records = around[near], found[near]
        volumes = build_volumes(polygons, records, self.store.blocks.geo.bounds, self.seed)
        volumes = volumes[np.isin(volumes.ids, wanted)]
        if volumes.covered.any():
            ways, found = self.store.read("way", self._around(volumes.polygons[volumes.covered]))
            on_ground = np.isin(found["semantic"], list(DRIVABLE)) & (found["level"] == 0)
            volumes = with_passages(volumes, shapely.buffer(ways[on_ground], found["width_m"][on_ground] / 2, cap_style="flat"))
        return volumes, int(small)

    def _around(self, polygons: np.ndarray) -> Window:
        """The blocks in which polygons lie."""
        columns, rows = self.store.blocks.of(shapely.total_bounds(polygons).reshape(2, 2))
        return Window(columns[0], rows[1], columns[1] + 1, rows[0] + 1)

    def _surfaces(self, window: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Areas, and ways widened to surfaces; their classes and levels."""
        areas, area_records = self.store.read("surface", window)
        ways, way_records = self.store.read("way", window)
        roads, way = widened(ways, way_records)
        joined = (np.concatenate([area_records[name], way_records[name][way]]) for name in ("semantic", "level"))
        return np.concatenate([areas, roads]), *joined

    def _covers(self, cell, column: int, row: int, surfaces, classes, levels, footprints) -> list[Mesh]:
        """The ground of a block, and the decks of bridges over it."""
        meshes = []
        for level in np.unique(levels):
            own = levels == level
            polygons, semantic = land_cover(cell, surfaces[own], classes[own], footprints if level == 0 else footprints[:0])
            triangles, owner = flat_triangles(polygons, level * DECK_M_PER_LEVEL)
            key = stream_keys(self.seed, GROUND_STREAM, column, row, level, semantic)
            meshes.append(Mesh.of(triangles, GROUND if level == 0 else DECK, semantic[owner], key[owner]))
            if level:
                meshes.append(deck_sides(polygons, cell, level * DECK_M_PER_LEVEL))
        return meshes

    def _points(self, window: Window, mesh: Mesh, home: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points and classes of the window's cells, cell by cell, and how many each cell holds."""
        points, face = sample_surface(mesh, self.density)
        column, row = self.store.blocks.geo.to_cells(points[:, :2])
        block = np.column_stack([column, row]) // BLOCK_CELLS
        # float32 moves a few points of the ground over their block's edge: there they would depend on the tile.
        keep = window.holds(*block.T) & ((home[face, 0] == ANYWHERE) | (home[face] == block).all(1))
        order, counts = _by_unit(column[keep], row[keep], window, BLOCK_CELLS)
        return points[keep][order], mesh.semantic[face[keep]][order], counts

    def _above(self, window: Window, mesh: Mesh, home: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Triangles of the window's blocks, block by block, their kinds and owners, and how many each block holds."""
        keep = mesh.kind != GROUND
        mesh, home = mesh[keep], home[keep]
        middle = np.column_stack(self.store.blocks.of(mesh.triangles[..., :2].astype(np.float64).mean(1)))
        home = np.where(home == ANYWHERE, middle, home)
        column, row = home.T
        keep = window.holds(column, row)
        order, counts = _by_unit(column[keep], row[keep], window, 1)
        mesh = mesh[keep][order]
        # Thirty-one bits of the key give each thing its colour; a deck has the colour of its class.
        owner = np.where(mesh.kind == DECK, mesh.semantic, (mesh.key >> np.uint64(33)).astype(np.int64))
        return mesh.triangles, mesh.kind, owner.astype(np.int32), counts

    def _at_home(self, window: Window, points: np.ndarray) -> np.ndarray:
        """(n,) bool: which points lie in the window."""
        return window.holds(*self.store.blocks.of(shapely.get_coordinates(points)))


def _by_unit(column: np.ndarray, row: np.ndarray, window: Window, units: int) -> tuple[np.ndarray, np.ndarray]:
    """The stable order by (row, column) in a window of blocks of units × units, and the count of each, (rows, columns)."""
    columns, rows = (window.c1 - window.c0) * units, (window.r1 - window.r0) * units
    unit = (row - window.r0 * units) * columns + column - window.c0 * units
    return np.argsort(unit, kind="stable"), np.bincount(unit, minlength=rows * columns).reshape(rows, columns)
