"""Losses, samplers and optimisers, and their settings."""

from dataclasses import dataclass

from config.components import Entry, Settings, require


@dataclass
class LossSettings(Settings):
    """Base of the settings of all losses."""

    same_place_m: float = 5.0  # places closer than this, in metres, are not negatives of each other

    def __post_init__(self):
        require(self.same_place_m >= 0, f"same_place_m is {self.same_place_m}, it takes metres, 0 or more")


@dataclass
class InfoNCESettings(LossSettings):
    """InfoNCE: cross-entropy of the similarities, in both directions."""

    temperature: float = 0.07  # divides the cosine similarities

    def __post_init__(self):
        super().__post_init__()
        require(self.temperature > 0, f"temperature is {self.temperature}, it takes a positive number")


@dataclass
class TripletSettings(LossSettings):
    """Soft triplet loss over all negatives, in both directions."""

    margin: float = 0.1  # by how much a negative should be farther away than the own reference


@dataclass
class ClumpsSettings(Settings):
    """Batches of clumps: groups of nearby places, which are each other's hardest negatives."""

    size: int = 4  # places of a clump

    def __post_init__(self):
        require(self.size >= 1, f"size is {self.size}, it takes at least 1")


@dataclass
class AdamWSettings(Settings):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019)."""

    weight_decay: float = 0.05  # of matrices and convolution kernels; norms and biases have none

    def __post_init__(self):
        require(self.weight_decay >= 0, f"weight_decay is {self.weight_decay}, it takes 0 or more")


# Built as `Class(settings)`; see training/losses.py.
LOSSES = {
    "infonce": Entry("training.losses:InfoNCE", InfoNCESettings),
    "triplet": Entry("training.losses:Triplet", TripletSettings),
}
# Built as `Class(settings, xy, group, batch_size, seed)`; see training/samplers.py.
SAMPLERS = {
    "shuffled": Entry("training.samplers:Shuffled", about="uniformly random batches"),
    "clumps": Entry("training.samplers:Clumps", ClumpsSettings),
}
# Built as `function(settings, model, learning_rate)`; see training/optimizers.py.
OPTIMIZERS = {
    "adamw": Entry("training.optimizers:adamw", AdamWSettings),
}
