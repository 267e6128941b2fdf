"""Samplers: which places make a batch."""

import numpy as np
from scipy.spatial import cKDTree

from config.components import Settings
from config.learning_settings import ClumpsSettings


class Shuffled:
    """Uniformly random batches.

    Args:
        xy: (n, 2) metres; group: (n,) places of different groups (cities) have nothing to do with each other.
        batch_size: places of a batch; an incomplete last batch is left out.
        seed: with the epoch it determines the batches.
    """

    def __init__(self, settings: Settings, xy: np.ndarray, group: np.ndarray, batch_size: int, seed: int):
        self.places, self.batch_size, self.seed = len(xy), batch_size, seed

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self.places // self.batch_size

    def epoch(self, epoch: int) -> list[np.ndarray]:
        """The batches of an epoch, each (batch_size,) indices; every place is in at most one."""
        order = self.order(np.random.default_rng([self.seed, epoch]))
        return list(order[: len(self) * self.batch_size].reshape(-1, self.batch_size))

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """All places (n,) in the order in which they fill the batches."""
        return rng.permutation(self.places)


class Clumps(Shuffled):
    """Random batches that are made of clumps of nearby places: along one street, places are each other's hardest negatives."""

    def __init__(self, settings: ClumpsSettings, xy: np.ndarray, group: np.ndarray, batch_size: int, seed: int):
        super().__init__(settings, xy, group, batch_size, seed)
        self.size, self.group = settings.size, np.asarray(group)
        self.nearest = _nearest(xy, self.group, 4 * settings.size)

    def order(self, rng: np.random.Generator) -> np.ndarray:
        clumps = self._clumps(rng.permutation(self.places))
        return np.concatenate([clumps[i] for i in rng.permutation(len(clumps))])

    def _clumps(self, order: np.ndarray) -> list[np.ndarray]:
        """Each place that is still free takes its nearest free neighbours with it."""
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
    """(n, count) nearest other places, those of the same group first, then by distance."""
    xy = xy + 1e7 * np.asarray(group)[:, None]  # pushes groups apart
    count = min(count, len(xy) - 1)
    distance, nearest = cKDTree(xy).query(xy, range(1, count + 2))
    own = nearest == np.arange(len(xy))[:, None]
    own[~own.any(1), -1] = True  # more than `count` others on the same spot have left the place itself out
    return nearest[~own].reshape(len(xy), count)
