"""Random streams of training: a step's numbers follow from (seed, epoch, step, rank) alone.

So a run that goes on repeats one that never stopped, and no rank draws what another draws.
"""

import numpy as np


def step_seeds(seed: int, epoch: int, step: int, rank: int = 0) -> tuple[int, int]:
    """Seeds of one step's streams: of the augmentation, and of dropout (which takes no generator).

    Args:
        seed: of the recipe.
        epoch, step, rank: from 0 on; steps are counted within their epoch.
    """
    augmentation, dropout = np.random.SeedSequence([seed, epoch, step, rank]).generate_state(2, np.uint64).tolist()
    return augmentation, dropout
