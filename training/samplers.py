"""Samplers: how places are grouped into batches."""

import numpy as np
from scipy.spatial import cKDTree

from config.components import Settings
from config.learning_settings import ClumpsSettings


class Shuffled:
    """Uniformly random batches.

    Args:
        xy: (n, 2) positions in metres.
        group: (n,) the city of each place; positions in different cities cannot be compared.
        batch_size: places in a batch; an incomplete last batch is left out.
        seed: of the random streams, together with the epoch.
    """

    def __init__(self, settings: Settings, xy: np.ndarray, group: np.ndarray, batch_size: int, seed: int):
        self.places, self.batch_size, self.seed = len(xy), batch_size, seed

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return self.places // self.batch_size

    def epoch(self, epoch: int) -> list[np.ndarray]:
        """The batches of an epoch, each (batch_size,) indices of places. No place is used twice."""
        order = self.order(np.random.default_rng([self.seed, epoch]))
        return list(order[: len(self) * self.batch_size].reshape(-1, self.batch_size))

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """All places (n,) in the order in which they fill the batches."""
        return rng.permutation(self.places)


class Clumps(Shuffled):
    """Random batches of clumps of nearby places. Places along one street are each other's hardest negatives."""

    def __init__(self, settings: ClumpsSettings, xy: np.ndarray, group: np.ndarray, batch_size: int, seed: int):
        super().__init__(settings, xy, group, batch_size, seed)
        self.size, self.group = settings.size, np.asarray(group)
        self.nearest = _nearest(xy, self.group, 4 * settings.size)

    def order(self, rng: np.random.Generator) -> np.ndarray:
        clumps = self._clumps(rng.permutation(self.places))
        return np.concatenate([clumps[i] for i in rng.permutation(len(clumps))])

    def _clumps(self, order: np.ndarray) -> list[np.ndarray]:
        """Goes through the places in this order; each that is in no clump yet forms one with its nearest free neighbours."""
        free = np.ones(self.places, bool)
        clumps = []
        for first in order:
            if free[first]:
                free[first] = False
                near = self.nearest[first]
                members = near[free[near] & (self.group[near] == self.group[first])][: self.size - 1]
                free[members] = False
                clumps.append(np.concatenate([[first], members]))
        return clumps


def _nearest(xy: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """(n, count) nearest other places, those of the same group first, each sorted by distance."""
    xy = xy + 1e7 * np.asarray(group)[:, None]  # moves groups far apart
    count = min(count, len(xy) - 1)
    distance, nearest = cKDTree(xy).query(xy, range(1, count + 2))
    own = nearest == np.arange(len(xy))[:, None]
    own[~own.any(1), -1] = True  # with more than `count` others at the same position, the place itself may not be found
    return nearest[~own].reshape(len(xy), count)
