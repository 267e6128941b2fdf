"""Checks that there is something to learn: images of more than one colour, batches with negatives, embeddings that differ."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from data.batches.place_batches import PlaceBatches
from training.losses import same_places
from training.samplers import Shuffled
from utils.errors import InputError

LOOKED_AT = 64  # places checked in each area, spread over all of it
ONE_COLOUR = 4 / 255  # a smaller range of values counts as one colour: compression leaves a black image not quite black
SAME = 1e-6  # components of normalised embeddings that differ by less count as equal


def refuse_nothing_to_learn(training: PlaceBatches, others: list[PlaceBatches], sampler: Shuffled, same_place_m: float) -> None:
    """Checks what the model would see of each area, and the batches of the first epoch. Prints a note on anything suspicious.

    Args:
        training: the training places without augmentation.
        others: validation and test places. They get notes, but are never refused.
        same_place_m: places closer than this are not negatives of each other.

    Raises:
        InputError: all panoramas or maps checked in a training area show one colour, or no batch has two places that are negatives of
            each other.
    """
    for places in (training, *others):
        for number, area in enumerate(places.areas):
            rows = np.flatnonzero(places.area_of == number)
            shown = rows[np.linspace(0, len(rows) - 1, min(LOOKED_AT, len(rows))).astype(int)]
            batch = places.batch(shown)
            blank = {"panoramas": _one_colour(batch.need("panorama"))} | (
                {} if batch.tile is None else {"map tiles": _one_colour(batch.tile)}
            )
            for what, count in blank.items():
                if not count:
                    continue
                found = f"{area.path}: {count:,} of {len(shown):,} {what} looked at show one colour each"
                alone = what == "panoramas" or not (places.inputs.points or places.inputs.graph)
                if places is training and count == len(shown) and alone:
                    raise InputError(f"{found}; there is nothing to learn from: look at them "
                                     "(python -m data.prepare preview) and build the area again")  # fmt: skip
                print(f"note: {found}")
    _refuse_no_negatives(training, sampler, same_place_m)


def _one_colour(images: Tensor) -> int:
    """How many of the images (B, 3, H, W) show only one colour."""
    pixels = images.flatten(2)
    return int(((pixels.amax(2) - pixels.amin(2)).amax(1) <= ONE_COLOUR).sum())


def _refuse_no_negatives(places: PlaceBatches, sampler: Shuffled, same_place_m: float) -> None:
    xy, city = torch.from_numpy(places.xy), torch.from_numpy(places.city_of)
    batches = sampler.epoch(0)
    without = sum(bool(same_places(xy[indices], city[indices], same_place_m).all()) for indices in map(torch.from_numpy, batches))
    if without == len(batches):
        raise InputError(f"loss.same_place_m is {same_place_m:g}, and no batch has two places farther apart: there are no negatives, and "
                         "nothing can be learned; lower it, or train on places farther apart")  # fmt: skip
    if without:
        print(f"note: in {without:,} of {len(batches):,} batches no two places are loss.same_place_m ({same_place_m:g} m) apart; "
              "nothing is learned from them")  # fmt: skip


def note_collapse(query: Tensor, reference: Tensor) -> bool:
    """Whether all queries, or all references, have the same embedding; prints a note if so. Both are (N, D)."""
    for what, embeddings in (("panoramas", query), ("maps", reference)):
        embeddings = functional.normalize(embeddings)
        if len(embeddings) > 1 and (embeddings - embeddings[0]).abs().max() < SAME:
            print(f"note: all {what} of the validation have the same embedding: the model cannot tell places apart; "
                  "lower training.learning_rate, or look at the data")  # fmt: skip
            return True
    return False
