"""How high a camera stands: on the ground, or on the bridge that its street runs over."""

import numpy as np
import shapely

from data.city import Streets
from data.surfaces import DECK_M_PER_LEVEL

REACH_M = 12.0  # a camera farther from every street's centre line stands on the ground
AGREE_DEG = 30.0  # a street whose direction differs more from the camera's heading crosses above or below it


class Floors:
    """Finds the street that a camera is on: the nearest one that runs along its heading, in either direction.

    Args:
        streets: of the map.
    """

    def __init__(self, streets: Streets):
        first = np.setdiff1d(np.arange(len(streets.xy)), streets.start[1:] - 1)  # of each segment
        ends = streets.xy[np.column_stack([first, first + 1])]
        step = ends[:, 1] - ends[:, 0]
        self.level = streets.level[np.searchsorted(streets.start, first, side="right") - 1]
        self.direction_deg = np.degrees(np.arctan2(step[:, 0], step[:, 1]))
        self.segments = shapely.linestrings(ends)
        self.tree = shapely.STRtree(self.segments)

    def height_m(self, x: float, y: float, heading_deg: float) -> float:
        """Height of the floor at (x, y) above the ground."""
        spot = shapely.Point(x, y)
        near = np.sort(self.tree.query(spot, "dwithin", REACH_M))
        turn = (self.direction_deg[near] - heading_deg + 90) % 180 - 90
        near = near[np.abs(turn) <= AGREE_DEG]
        if not len(near):
            return 0.0
        return float(self.level[near[np.argmin(shapely.distance(self.segments[near], spot))]] * DECK_M_PER_LEVEL)
