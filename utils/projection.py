"""Latitude and longitude to local metres: the spherical transverse Mercator projection about a city's origin."""

import numpy as np

EARTH_RADIUS_M = 6_378_137.0  # the published system's sphere; its scale on the central meridian is 1


class Projection:
    """Spherical transverse Mercator about an origin (Snyder, Map Projections: A Working Manual, 1987, eq. 8-1 to 8-7).

    x points east and y north, in metres; the origin maps to (0, 0). Within 20 km of the origin the scale differs from 1 by
    less than 5e-6.

    Args:
        origin_lat, origin_lon: degrees.
    """

    def __init__(self, origin_lat: float, origin_lon: float):
        self.origin_lat = float(origin_lat)
        self.origin_lon = float(origin_lon)

    def forward(self, lat, lon) -> tuple[np.ndarray, np.ndarray]:
        """Degrees (arrays of any one shape) to metres (x east, y north), float64."""
        phi = np.radians(np.asarray(lat, np.float64))
        lam = np.radians(np.asarray(lon, np.float64) - self.origin_lon)
        b = np.cos(phi) * np.sin(lam)
        x = EARTH_RADIUS_M * np.arctanh(b)
        y = EARTH_RADIUS_M * (np.arctan2(np.tan(phi), np.cos(lam)) - np.radians(self.origin_lat))
        return x, y

    def inverse(self, x, y) -> tuple[np.ndarray, np.ndarray]:
        """Metres (x east, y north) to degrees (latitude, longitude), float64."""
        x = np.asarray(x, np.float64) / EARTH_RADIUS_M
        d = np.asarray(y, np.float64) / EARTH_RADIUS_M + np.radians(self.origin_lat)
        lat = np.degrees(np.arcsin(np.sin(d) / np.cosh(x)))
        lon = self.origin_lon + np.degrees(np.arctan2(np.sinh(x), np.cos(d)))
        return lat, lon


def great_circle_m(lat, lon, other_lat, other_lon) -> np.ndarray:
    """Distance on the sphere in metres between places in degrees (arrays of any one shape), by the haversine formula."""
    phi, other_phi, apart = np.radians(lat), np.radians(other_lat), np.radians(np.subtract(other_lon, lon))
    haversine = np.sin((other_phi - phi) / 2) ** 2 + np.cos(phi) * np.cos(other_phi) * np.sin(apart / 2) ** 2
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(haversine, 0, 1)))
