"""Random streams of training. They depend only on (seed, epoch, step, rank).

So a resumed run gives the same result as one that was never stopped, and no two ranks share a stream.
"""

import numpy as np


def step_seeds(seed: int, epoch: int, step: int, rank: int = 0) -> tuple[int, int]:
    """Seeds of one step: for the augmentation, and for dropout, which uses torch's global generator.

    Args:
        seed: of the recipe.
        epoch, step, rank: counted from 0; steps are counted within their epoch.
    """
    augmentation, dropout = np.random.SeedSequence(seed, spawn_key=(epoch, step, rank)).generate_state(2, np.uint64).tolist()
    return augmentation, dropout
