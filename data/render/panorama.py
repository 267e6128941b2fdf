"""Street panoramas of a city map: Embree casts the rays, numba shades the hits."""

import zlib
from typing import NamedTuple

import numpy as np
from numba import njit

from data.city import CityMap
from data.render.materials import ROOF_PALETTE, ground_colour, hash01, noise, tree_colour, wall_colour
from data.surfaces import CROWN, DECK, GROUND, ROOF, TRUNK, UNDERSIDE, WALL
from utils.classes import INDEX
from utils.errors import InputError

CAMERA_HEIGHT_M = 2.5
CONCRETE = (0.45, 0.44, 0.42)  # bridges and overhangs from below
HAZE_M = 1500.0  # distance at which the air has taken 63 % of a colour
_SKY = 255  # kind of a pixel that hits nothing


class Conditions(NamedTuple):
    """Weather, season and exposure of one picture."""

    sun: np.ndarray  # (3,) unit vector towards the sun
    sunlight: float  # 0 overcast … 1 clear
    exposure: float
    warmth: float  # -1 blue … 1 yellow
    season: float  # 0 summer … 1 autumn
    seed: int

    @staticmethod
    def draw(place_id: str, seed: int) -> "Conditions":
        """The conditions of a place: from its id and the seed alone, so that they do not depend on the other places."""
        key = zlib.crc32(place_id.encode())
        rng = np.random.default_rng([seed, key])
        azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(20, 65))
        sun = np.array([np.cos(elevation) * np.sin(azimuth), np.cos(elevation) * np.cos(azimuth), np.sin(elevation)])
        return Conditions(sun, rng.uniform(0.2, 1), rng.uniform(0.85, 1.2), rng.uniform(-1, 1), rng.uniform(0, 1), key % 10_000)


class Camera(NamedTuple):
    """A camera's eye and the rays of its n pixels."""

    eye: np.ndarray  # (3,) metres
    rays: np.ndarray  # (n, 3) unit vectors
    pixel_rad: float  # angle that a pixel covers


class Hits(NamedTuple):
    """What each of n rays meets first."""

    kind: np.ndarray  # (n,) uint8, of the surface (data/osm/mesh.py), or _SKY
    owner: np.ndarray  # (n,) int32, the thing that the surface belongs to; of a deck its semantic class
    distance: np.ndarray  # (n,) metres, infinite in the sky
    normal: np.ndarray  # (n, 3) unit vectors towards the camera


class Ground(NamedTuple):
    """What covers the ground."""

    classes: np.ndarray  # (H, W) uint8, north up; 255 for bare ground
    x0: float  # metres, west edge
    y1: float  # metres, north edge
    metres_per_pixel: float


class Renderer:
    """Renders equirectangular panoramas of one city. The centre column looks along the heading; left is left.

    Args:
        city: the map.
        height: rows of a panorama; it has twice as many columns and covers the full sphere.
        rows, columns: render this part of it only.

    Raises:
        InputError: Embree's Python binding is not installed.
    """

    def __init__(self, city: CityMap, height: int, rows: slice = slice(None), columns: slice = slice(None)):
        try:
            from embreex.mesh_construction import TriangleMesh
            from embreex.rtcore_scene import EmbreeScene
        except ImportError:
            raise InputError("rendering needs Embree; install it with `pip install embreex`") from None
        self.city, self.height = city, height
        self.kind, self.owner = np.array(city.mesh["kind"]), np.array(city.mesh["owner"])
        geo = city.georeference
        self.ground = Ground(np.asarray(city.ground), geo.bounds[0], geo.bounds[3], geo.metres_per_pixel)
        self.scene = EmbreeScene()
        TriangleMesh(self.scene, np.array(city.mesh["triangles"]))
        azimuth = (((np.arange(2 * height) + 0.5) / (2 * height) - 0.5) * 2 * np.pi)[columns]
        elevation = (np.pi / 2 - (np.arange(height) + 0.5) / height * np.pi)[rows]
        self.shape = len(elevation), len(azimuth), 3
        self.azimuth, self.elevation = (a.ravel() for a in np.meshgrid(azimuth, elevation))

    def render(self, x: float, y: float, heading_deg: float, conditions: Conditions, floor_m: float = 0.0) -> np.ndarray:
        """One panorama from a camera 2.5 m above the floor at (x, y), which is floor_m above the ground.

        Returns:
            (height, 2·height, 3) uint8 RGB, or the part of it.
        """
        azimuth = self.azimuth + np.radians(heading_deg)
        rays = np.column_stack([np.cos(self.elevation) * np.sin(azimuth), np.cos(self.elevation) * np.cos(azimuth), np.sin(self.elevation)])
        camera = Camera(np.array([x, y, floor_m + CAMERA_HEIGHT_M]), rays, np.pi / self.height)
        origins = np.tile(camera.eye.astype(np.float32), (len(rays), 1))
        found = self.scene.run(origins, rays.astype(np.float32), output=1)
        hits = _first_hits(camera, found["primID"], found["tfar"], found["Ng"], self.kind, self.owner)
        lit = self._lit(camera, hits, conditions.sun)
        return _shade(camera, hits, lit, self.ground, conditions).reshape(self.shape)

    def _lit(self, camera: Camera, hits: Hits, sun: np.ndarray) -> np.ndarray:
        """(n,) bool: which hits the sun shines on directly."""
        lit = np.zeros(len(hits.kind), bool)
        facing = (hits.kind != _SKY) & (hits.normal @ sun > 0)
        spots = camera.eye + camera.rays[facing] * (hits.distance[facing, None] * 0.9995) + 0.02 * hits.normal[facing]
        towards_sun = np.tile(sun.astype(np.float32), (len(spots), 1))
        lit[facing] = self.scene.run(spots.astype(np.float32), towards_sun, query="OCCLUDED") != 0
        return lit

    def free_spot(self, x: float, y: float, reach_m: float = 40.0) -> tuple[float, float]:
        """The nearest spot to (x, y) outside buildings, within reach: positions on maps and in files err by a few metres."""
        geo = self.city.georeference
        column, row = geo.to_pixels(np.array([x, y])).astype(int)
        r = int(reach_m / geo.metres_per_pixel)
        r0, c0 = max(0, row - r), max(0, column - r)
        window = self.ground.classes[r0 : row + r + 1, c0 : column + r + 1] != INDEX["buildings"]
        inside = 0 <= row - r0 < window.shape[0] and 0 <= column - c0 < window.shape[1]
        if not inside or window[row - r0, column - c0] or not window.any():
            return x, y
        rows, columns = np.nonzero(window)
        best = np.argmin((rows + r0 - row) ** 2 + (columns + c0 - column) ** 2)
        return (geo.bounds[0] + (columns[best] + c0 + 0.5) * geo.metres_per_pixel,
                geo.bounds[3] - (rows[best] + r0 + 0.5) * geo.metres_per_pixel)  # fmt: skip


@njit
def _first_hits(camera: Camera, face, tfar, face_normal, face_kind, face_owner) -> Hits:
    """What each ray meets first, from Embree's hits (face: -1 for none) and the faces' kinds and owners. The ground is the plane z = 0."""
    n = len(camera.rays)
    kind, owner = np.full(n, _SKY, np.uint8), np.zeros(n, np.int32)
    distance, normal = np.full(n, np.inf), np.zeros((n, 3))
    for i in range(n):
        ray = camera.rays[i]
        if face[i] >= 0:
            kind[i], owner[i], distance[i] = face_kind[face[i]], face_owner[face[i]], tfar[i]
            length, side = 0.0, 0.0
            for k in range(3):
                length += face_normal[i, k] * face_normal[i, k]
                side += face_normal[i, k] * ray[k]
            scale = (-1.0 if side > 0 else 1.0) / max(np.sqrt(length), 1e-12)
            for k in range(3):
                normal[i, k] = face_normal[i, k] * scale
        down = camera.eye[2] / -ray[2] if ray[2] < 0 else np.inf
        if down < distance[i]:
            kind[i], distance[i] = GROUND, down
            normal[i, 0], normal[i, 1], normal[i, 2] = 0.0, 0.0, 1.0
    return Hits(kind, owner, distance, normal)


@njit
def _shade(camera: Camera, hits: Hits, lit: np.ndarray, ground: Ground, conditions: Conditions) -> np.ndarray:
    """Colours (n, 3) uint8 of all rays. lit: (n,) bool, where the sun shines directly."""
    out = np.empty((len(camera.rays), 3), np.uint8)
    rgb, air = np.zeros(3), np.zeros(3)
    for i in range(len(camera.rays)):
        ray, kind, owner, distance, normal = camera.rays[i], hits.kind[i], hits.owner[i], hits.distance[i], hits.normal[i]
        _sky_colour(ray, conditions, air)
        if kind == _SKY:
            rgb[:] = air
        else:
            x, y, z = camera.eye[0] + ray[0] * distance, camera.eye[1] + ray[1] * distance, camera.eye[2] + ray[2] * distance
            footprint_m = distance * camera.pixel_rad
            if kind == GROUND:
                row, column = int((ground.y1 - y) / ground.metres_per_pixel), int((x - ground.x0) / ground.metres_per_pixel)
                semantic = 255
                if 0 <= row < ground.classes.shape[0] and 0 <= column < ground.classes.shape[1]:
                    semantic = ground.classes[row, column]
                ground_colour(x, y, semantic, conditions.season, footprint_m / max(0.05, -ray[2]), rgb)
            elif kind == UNDERSIDE or (kind == DECK and ray[2] > 0):
                rgb[0], rgb[1], rgb[2] = CONCRETE
            elif kind == DECK:
                ground_colour(x, y, owner, conditions.season, footprint_m / max(0.05, -ray[2]), rgb)
            elif kind == WALL:
                length = max(np.hypot(normal[0], normal[1]), 1e-9)
                along = (-normal[1] * x + normal[0] * y) / length
                wall_colour(along, z, owner, footprint_m, 0.5 + 0.5 * conditions.sunlight, rgb)
            elif kind == ROOF:
                rgb[:] = ROOF_PALETTE[int(hash01(owner, 9, 7) * len(ROOF_PALETTE))]
            elif kind == TRUNK:
                rgb[0], rgb[1], rgb[2] = 0.25, 0.19, 0.14
            elif kind == CROWN:
                tree_colour(x, y, z, owner, conditions.season, rgb)
            direct = 0.0
            if lit[i]:
                for k in range(3):
                    direct += normal[k] * conditions.sun[k]
            # The sky lights upward faces fully and walls by half; at the foot of a street canyon it lights less.
            ambient = (0.62 + 0.2 * normal[2]) * (0.75 + 0.25 * min(1.0, z / 12.0))
            light = ambient * (1.15 - 0.35 * conditions.sunlight) + 0.85 * conditions.sunlight * direct
            fade = np.exp(-distance / HAZE_M)
            for k in range(3):
                rgb[k] = rgb[k] * light * fade + 0.85 * air[k] * (1 - fade)
        for k in range(3):
            value = rgb[k] * conditions.exposure * (1.0 + 0.06 * conditions.warmth * (1 - k))
            out[i, k] = np.uint8(255.0 * min(1.0, max(0.0, value)) ** 0.8)
    return out


@njit
def _sky_colour(ray: np.ndarray, conditions: Conditions, rgb: np.ndarray) -> None:
    """Sky in the direction of a ray (3,): gradient, clouds, and a glow around the sun. Writes rgb (3,)."""
    sun, sunlight, seed = conditions.sun, conditions.sunlight, conditions.seed
    up = max(0.0, ray[2])
    cloud = 0.0
    if up > 0.02:
        u, v = ray[0] / (up + 0.15), ray[1] / (up + 0.15)
        texture = 0.6 * noise(1.5 * u, 1.5 * v, seed) + 0.3 * noise(4 * u, 4 * v, seed + 1) + 0.1 * noise(10 * u, 10 * v, seed + 2)
        cloud = min(1.0, max(0.0, (texture - 0.75 * sunlight) * 3.0))
    cosine = max(0.0, ray[0] * sun[0] + ray[1] * sun[1] + ray[2] * sun[2])
    glow = sunlight * (0.25 * cosine**12 + 1.5 * cosine**900)
    for k in range(3):
        blue = (0.62, 0.74, 0.88)[k] * (1 - up) + (0.25, 0.45, 0.80)[k] * up
        rgb[k] = blue * (1 - cloud) + 0.82 * cloud + glow
