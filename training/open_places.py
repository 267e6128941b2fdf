"""Opens the places that a recipe names, and refuses what nothing can be learned from."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from config.learning_settings import SAMPLERS
from config.schema import Config, TrainingConfig
from data.area import Area
from data.areas.sample_streets import apart_from
from data.batches.place_batches import City, PlaceBatches
from training.checks import refuse_nothing_to_learn
from training.samplers import Shuffled
from utils.errors import InputError
from utils.georeference import EXTENT_M


@dataclass
class TrainingPlaces:
    """What a training reads: places to learn from, how batches are made of them, and places that choose the checkpoint."""

    training: PlaceBatches  # with augmentation
    sampler: Shuffled
    validation: PlaceBatches


def open_places(config: Config, device: torch.device) -> TrainingPlaces:
    """Opens all areas of a recipe, the test areas too: mistakes in them should show before training.

    Raises:
        InputError: an area is missing, or does not have what the model reads; or nothing can be learned from the training areas.
    """
    root, inputs = Path(config.data.root), config.model.inputs
    cities: dict[tuple, City] = {}  # shared, so that each is loaded once
    places = PlaceBatches(root, config.data.train, inputs, device, config.augmentation, cities)
    validation = PlaceBatches(root, config.data.validation, inputs, device, cities=cities)
    test = PlaceBatches(root, config.data.test, inputs, device, cities=cities)
    _note_overlap(places, [*validation.areas, *test.areas])
    sampler = _sampler(config.training, places, config.seed)
    seen = PlaceBatches(root, config.data.train, inputs, device, cities=cities)  # without augmentation
    refuse_nothing_to_learn(seen, [validation, test], sampler, config.loss.same_place_m)
    return TrainingPlaces(places, sampler, validation)


def _sampler(settings: TrainingConfig, places: PlaceBatches, seed: int) -> Shuffled:
    make = SAMPLERS[settings.sampler.name].load()
    sampler = make(settings.sampler, places.xy, places.city_of, settings.batch_size, seed)
    if not len(sampler):
        raise InputError(f"training.batch_size is {settings.batch_size}, but the training areas hold only {len(places)} places")
    return sampler


def _note_overlap(places: PlaceBatches, others: list[Area]) -> None:
    """Prints which other areas overlap with training areas: recall in them is not recall at unseen places."""
    for other in others:
        for area in (a for a in places.areas if a.path.parent == other.path.parent):
            near = len(other) - len(apart_from(other.locations, area.locations, EXTENT_M * math.sqrt(2)))
            if near:
                print(
                    f"note: {near:,} of {len(other):,} places of {other.name} are so near to places of {area.name} that tiles overlap "
                    "(python -m data.prepare area --apart-from)"
                )
