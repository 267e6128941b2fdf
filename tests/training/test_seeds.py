"""Random numbers of a training step depend only on the step, not on how many were used before."""

import itertools

import torch

from models.model import GroundToMap
from training.seeds import step_seeds
from training.train import train_recipe

CPU = torch.device("cpu")


def test_every_step_of_every_rank_has_seeds_of_its_own():
    seeds = [seed for key in itertools.product(range(3), range(4), range(5), range(2)) for seed in step_seeds(*key)]
    assert len(set(seeds)) == len(seeds) == 240
    assert step_seeds(2**32 - 1, 5, 7, 3) == step_seeds(2**32 - 1, 5, 7, 3)


def test_a_step_sees_the_same_whatever_came_before(configure, monkeypatch):
    """The last batch of an epoch, after earlier batches used additional random numbers."""
    seen = []

    def watched(greedy):
        def embed(self, batch):
            seen[-1].append((batch.panorama.clone(), torch.rand(3)))
            torch.rand(greedy)
            return original(self, batch)

        return embed

    original = GroundToMap.embed_queries
    for greedy in (0, 1000):
        seen.append([])
        monkeypatch.setattr(GroundToMap, "embed_queries", watched(greedy))
        train_recipe(configure("training.epochs=1"), CPU)
    steps = len(seen[0]) - 2  # the others embed the validation places
    assert steps > 1 and len(seen[0]) == len(seen[1])
    for (panorama, drawn), (again, drawn_again) in zip(seen[0][:steps], seen[1], strict=False):
        assert torch.equal(panorama, again) and torch.equal(drawn, drawn_again)
    assert not torch.equal(seen[0][0][1], seen[0][1][1])
