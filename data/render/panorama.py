"""Street panoramas of a city map: Embree casts the rays, numba shades the hits."""

import zlib
from typing import NamedTuple

import numpy as np
from numba import njit

from data.city import CityMap
from data.osm.mesh import CROWN, DECK, GROUND, ROOF, TRUNK, UNDERSIDE, WALL
from data.render.materials import ROOF_PALETTE, ground_colour, hash01, noise, tree_colour, wall_colour
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
        self.ground = np.asarray(city.ground)  # in memory: rays read it at random
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
        eye = np.array([x, y, floor_m + CAMERA_HEIGHT_M])
        origins = np.tile(eye.astype(np.float32), (len(rays), 1))
        hit = self.scene.run(origins, rays.astype(np.float32), output=1)
        kind, owner, distance, normal = _surfaces(eye[2], rays, hit["primID"], hit["tfar"], hit["Ng"], self.kind, self.owner)
        lit = np.zeros(len(rays), bool)
        facing = (kind != _SKY) & (normal @ conditions.sun > 0)
        spots = eye + rays[facing] * (distance[facing, None] * 0.9995) + 0.02 * normal[facing]
        towards_sun = np.tile(conditions.sun.astype(np.float32), (len(spots), 1))
        lit[facing] = self.scene.run(spots.astype(np.float32), towards_sun, query="OCCLUDED") != 0
        x0, _, _, y1 = self.city.georeference.bounds
        pixels = _shade(eye, rays, kind, owner, distance, normal, lit, self.ground, x0, y1, self.city.georeference.metres_per_pixel,
                        np.pi / self.height, *conditions)  # fmt: skip
        return pixels.reshape(self.shape)

    def free_spot(self, x: float, y: float, reach_m: float = 40.0) -> tuple[float, float]:
        """The nearest spot to (x, y) outside buildings, within reach: positions on maps and in files err by a few metres."""
        geo = self.city.georeference
        column, row = (int(v) for v in geo.to_pixels((x, y)))
        r = int(reach_m / geo.metres_per_pixel)
        r0, c0 = max(0, row - r), max(0, column - r)
        window = self.ground[r0 : row + r + 1, c0 : column + r + 1] != INDEX["buildings"]
        inside = 0 <= row - r0 < window.shape[0] and 0 <= column - c0 < window.shape[1]
        if not inside or window[row - r0, column - c0] or not window.any():
            return x, y
        rows, columns = np.nonzero(window)
        best = np.argmin((rows + r0 - row) ** 2 + (columns + c0 - column) ** 2)
        return (geo.bounds[0] + (columns[best] + c0 + 0.5) * geo.metres_per_pixel,
                geo.bounds[3] - (rows[best] + r0 + 0.5) * geo.metres_per_pixel)  # fmt: skip


@njit
def _surfaces(eye_m, rays, face, tfar, face_normal, face_kind, face_owner):
    """What each ray meets first: kind, owner, distance and the unit normal towards the camera. The ground is the plane z = 0."""
    n = len(rays)
    kind, owner = np.full(n, _SKY, np.uint8), np.zeros(n, np.int32)
    distance, normal = np.full(n, np.inf), np.zeros((n, 3))
    for i in range(n):
        if face[i] >= 0:
            kind[i], owner[i], distance[i] = face_kind[face[i]], face_owner[face[i]], tfar[i]
            length, side = 0.0, 0.0
            for k in range(3):
                length += face_normal[i, k] * face_normal[i, k]
                side += face_normal[i, k] * rays[i, k]
            scale = (-1.0 if side > 0 else 1.0) / max(np.sqrt(length), 1e-12)
            for k in range(3):
                normal[i, k] = face_normal[i, k] * scale
        down = eye_m / -rays[i, 2] if rays[i, 2] < 0 else np.inf
        if down < distance[i]:
            kind[i], distance[i] = GROUND, down
            normal[i, 0], normal[i, 1], normal[i, 2] = 0.0, 0.0, 1.0
    return kind, owner, distance, normal


@njit
def _shade(eye, rays, kind, owner, distance, normal, lit, ground, x0, y1, metres_per_pixel, pixel_rad,
           sun, sunlight, exposure, warmth, season, seed):  # fmt: skip
    """Colours (n, 3) uint8 of all rays."""
    out = np.empty((len(rays), 3), np.uint8)
    rgb, air = np.zeros(3), np.zeros(3)
    for i in range(len(rays)):
        _sky_colour(rays[i], sun, sunlight, seed, air)
        if kind[i] == _SKY:
            rgb[:] = air
        else:
            x, y = eye[0] + rays[i, 0] * distance[i], eye[1] + rays[i, 1] * distance[i]
            z = eye[2] + rays[i, 2] * distance[i]
            footprint = distance[i] * pixel_rad
            if kind[i] == GROUND:
                row, column = int((y1 - y) / metres_per_pixel), int((x - x0) / metres_per_pixel)
                semantic = 255
                if 0 <= row < ground.shape[0] and 0 <= column < ground.shape[1]:
                    semantic = ground[row, column]
                ground_colour(x, y, semantic, season, footprint / max(0.05, -rays[i, 2]), rgb)
            elif kind[i] == UNDERSIDE or (kind[i] == DECK and rays[i, 2] > 0):
                rgb[0], rgb[1], rgb[2] = CONCRETE
            elif kind[i] == DECK:
                ground_colour(x, y, owner[i], season, footprint / max(0.05, -rays[i, 2]), rgb)
            elif kind[i] == WALL:
                length = max(np.hypot(normal[i, 0], normal[i, 1]), 1e-9)
                along = (-normal[i, 1] * x + normal[i, 0] * y) / length
                wall_colour(along, z, owner[i], footprint, 0.5 + 0.5 * sunlight, rgb)
            elif kind[i] == ROOF:
                rgb[:] = ROOF_PALETTE[int(hash01(owner[i], 9, 7) * len(ROOF_PALETTE))]
            elif kind[i] == TRUNK:
                rgb[0], rgb[1], rgb[2] = 0.25, 0.19, 0.14
            elif kind[i] == CROWN:
                tree_colour(x, y, z, owner[i], season, rgb)
            direct = 0.0
            if lit[i]:
                for k in range(3):
                    direct += normal[i, k] * sun[k]
            # The sky lights upward faces fully, walls by half, and less of it reaches the foot of a street canyon.
            ambient = (0.62 + 0.2 * normal[i, 2]) * (0.75 + 0.25 * min(1.0, z / 12.0))
            light = ambient * (1.15 - 0.35 * sunlight) + 0.85 * sunlight * direct
            fade = np.exp(-distance[i] / HAZE_M)
            for k in range(3):
                rgb[k] = rgb[k] * light * fade + 0.85 * air[k] * (1 - fade)
        for k in range(3):
            value = rgb[k] * exposure * (1.0 + 0.06 * warmth * (1 - k))
            out[i, k] = np.uint8(255.0 * min(1.0, max(0.0, value)) ** 0.8)
    return out


@njit
def _sky_colour(ray, sun, sunlight, seed, rgb):
    """Sky in the direction of a ray: gradient, clouds, and a glow around the sun. Writes rgb (3,)."""
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
