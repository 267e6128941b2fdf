"""Which places make a batch."""

import numpy as np
from scipy.spatial import cKDTree


class ClumpSampler:
    """Random batches, made of clumps of nearby places.

    Places along one street are each other's hardest negatives; with clumps of one the batches are uniformly random.

    Args:
        xy: (n, 2) metres; group: (n,) places of different groups (cities) are never in one clump.
        batch_size: places of a batch; an incomplete last batch is left out.
        clump: nearby places taken together.
        seed: with the epoch it determines the batches.
    """

    def __init__(self, xy: np.ndarray, group: np.ndarray, batch_size: int, clump: int, seed: int):
        self.n, self.batch_size, self.clump, self.seed = len(xy), batch_size, clump, seed
        self.group = np.asarray(group)
        self.nearest = _nearest(xy, group, 4 * clump) if clump > 1 else None

    def __len__(self) -> int:
        return self.n // self.batch_size

    def epoch(self, epoch: int) -> list[np.ndarray]:
        """The batches of an epoch, each (batch_size,) indices; every place is in at most one."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(self.n)
        if self.nearest is not None:
            clumps = self._clumps(order)
            order = np.concatenate([clumps[i] for i in rng.permutation(len(clumps))])
        return list(order[: len(self) * self.batch_size].reshape(-1, self.batch_size))

    def _clumps(self, order: np.ndarray) -> list[np.ndarray]:
        """Each place that is still free takes its nearest free neighbours with it."""
        free = np.ones(self.n, bool)
        clumps = []
        for seed in order:
            if free[seed]:
                free[seed] = False
                near = self.nearest[seed]
                members = near[free[near] & (self.group[near] == self.group[seed])][: self.clump - 1]
                free[members] = False
                clumps.append(np.concatenate([[seed], members]))
        return clumps


def _nearest(xy: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """(n, count) nearest other places, those of the same group first, then by distance."""
    xy = xy + 1e7 * np.asarray(group)[:, None]  # pushes groups apart
    count = min(count, len(xy) - 1)
    distance, nearest = cKDTree(xy).query(xy, range(1, count + 2))
    own = nearest == np.arange(len(xy))[:, None]
    own[~own.any(1), -1] = True  # more than `count` others on the same spot have left the place itself out
    return nearest[~own].reshape(len(xy), count)
