"""Trains a model from a recipe, then evaluates it on the test areas.

example: python -m training.train config/demo.yaml training.epochs=5 name=short
"""

import argparse
import json
import math
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from config.learning_settings import LOSSES, OPTIMIZERS
from config.schema import Config, TrainingConfig, read_config
from config.unread import refuse_unread
from data.batches.place_batches import PlaceBatches, prefetch
from eval.embed import embed_places
from eval.evaluate import evaluate_run
from eval.metrics import metrics_table, retrieval_metrics
from models.checkpoint import open_run, without_pretraining
from models.model import GroundToMap, build_model
from training.checks import note_collapse
from training.losses import Loss, cosine_similarity, same_places
from training.open_places import TrainingPlaces, open_places
from training.run_folder import run_folder
from training.seeds import step_seeds
from training.state import State, keep_best, keep_lines, read_state, restore, save_epoch, score
from utils.arguments import Parser
from utils.atomic import append_line
from utils.batch import Batch
from utils.device import autocast, choose_device, choose_precision
from utils.errors import NO_SPACE, InputError, run_command
from utils.outputs import check_place
from utils.progress import progress


def main() -> None:
    parser = Parser(prog="python -m training.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="YAML file, e.g. config/demo.yaml")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="settings that win over the recipe's")
    args = parser.parse_args()
    config = read_config(args.recipe, args.overrides)
    if not config.training.resume:
        refuse_unread(config, args.overrides)
    device = choose_device(config.device)
    run = train_recipe(config, device)
    loaded = open_run(run, "best", device)
    metrics = evaluate_run(run, loaded, config.data.test, device)
    print(f"\ntest areas, checkpoint of epoch {loaded.epoch} (best on {', '.join(config.data.validation)}); R and ≤ in %")
    print(metrics_table(metrics))
    print(f"run: {run} (metrics, TensorBoard events, checkpoints, evaluation)")


def train_recipe(config: Config, device: torch.device) -> Path:
    """Opens the places that a recipe names and trains its model; returns the run's folder."""
    check_place(Path(config.runs) / config.name, f"runs {config.runs}")
    return train(config, open_places(config, device))


def train(config: Config, places: TrainingPlaces) -> Path:
    """Trains a recipe's model on its places; returns the run's folder."""
    resume, device = config.training.resume, places.training.device
    # Mistakes in a new model should show before the run gets a folder. A resumed one may take its weights from the folder.
    model = None if resume else build_model(config.model, config.seed, device)
    with run_folder(config) as run, _resumable(run), _one_line_if_the_disk_is_full(run):
        state = read_state(run, config.training.epochs) if resume else None
        model = model or build_model(without_pretraining(config.model) if state else config.model, config.seed, device)
        learner = Learner(config, model, places)
        _train_epochs(run, state, learner, places.validation, config.training)
    return run


class Learner:
    """Makes the training steps: a model with its loss, its optimiser and the places that it learns from.

    Args:
        config: the recipe, of which loss, optimiser, seed and training settings are used.
    """

    def __init__(self, config: Config, model: GroundToMap, places: TrainingPlaces):
        self.model, self.places, self.sampler = model, places.training, places.sampler
        self.settings, self.seed, self.same_place_m = config.training, config.seed, config.loss.same_place_m
        self.loss: Loss = LOSSES[config.loss.name].load()(config.loss)
        optimizer = config.training.optimizer
        self.optimizer = OPTIMIZERS[optimizer.name].load()(optimizer, model, config.training.learning_rate)

    def epoch(self, epoch: int, writer: SummaryWriter) -> float:
        """One pass over the places; returns the mean loss.

        Raises:
            InputError: the loss is not finite.
        """
        settings, device, batches = self.settings, self.places.device, self.sampler.epoch(epoch)
        load = prefetch if device.type == "cuda" else map  # on a CPU, loading ahead would only take cores from the model
        loaded = load(lambda step: self._batch(batches[step], epoch, step), range(len(batches)))
        bar = progress(loaded, total=len(batches), desc=f"epoch {epoch + 1}/{settings.epochs}", unit=" batches", delay=0)
        total, started = torch.zeros((), device=device), time.monotonic()
        self.model.train()
        for i, batch in enumerate(bar):
            step = epoch * len(batches) + i
            rate = learning_rate(settings, step, settings.epochs * len(batches))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            torch.manual_seed(step_seeds(self.seed, epoch, i)[1])
            with autocast(device, settings.precision):
                query, reference = self.model(batch)
            own = torch.arange(len(query), device=device)
            loss = self.loss(cosine_similarity(query, reference), own, same_places(batch.position, batch.city, self.same_place_m))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.gradient_clip)
            self.optimizer.step()
            total += loss.detach()
            if step % 10 == 0:  # not every step: reading a number from a GPU waits for it
                value = loss.item()
                if not math.isfinite(value):
                    raise InputError(
                        f"the loss became {value} at step {step}; lower training.learning_rate or set training.precision=float32"
                    )
                for name, scalar in (("loss", value), ("learning_rate", rate), ("gradient_norm", float(norm))):
                    writer.add_scalar(f"training/{name}", scalar, step)
                samples = (i + 1) * settings.batch_size / (time.monotonic() - started)
                bar.set_postfix_str(f"loss {value:.3f}, {samples:.0f} samples/s", refresh=False)
        return total.item() / len(batches)

    def _batch(self, indices: np.ndarray, epoch: int, step: int) -> Batch:
        generator = torch.Generator().manual_seed(step_seeds(self.seed, epoch, step)[0])
        return self.places.batch(indices, generator)


def _train_epochs(run: Path, state: State | None, learner: Learner, validation: PlaceBatches, settings: TrainingConfig) -> None:
    """Trains all epochs, or those after a state. Each one writes metrics, TensorBoard events and checkpoints to the run's folder."""
    model, optimizer, places, device = learner.model, learner.optimizer, learner.places, learner.places.device
    steps = len(learner.sampler)
    first_epoch, best_recall, collapsed = 0, -1.0, False
    if state is not None:
        restore(state, model, optimizer)
        first_epoch, best_recall = state.epoch, keep_best(run, state)
    keep_lines(run / "metrics.jsonl", first_epoch)
    parameters = sum(p.numel() for p in model.parameters())
    print(
        f"{run}: {len(places):,} training places, {len(validation):,} validation places, {parameters / 1e6:.1f} M parameters, "
        f"{choose_precision(device, settings.precision)} on {device}"
    )
    writer = SummaryWriter(run, purge_step=first_epoch * steps)
    for epoch in range(first_epoch, settings.epochs):
        started = time.monotonic()
        loss = learner.epoch(epoch, writer)
        seconds = time.monotonic() - started
        embedded = embed_places(model, validation, settings.precision, "validation")
        recall = retrieval_metrics(*embedded, validation.xy, city=validation.city_of, lat_lon=validation.lat_lon)
        speed = steps * settings.batch_size / seconds
        line = {"epoch": epoch + 1, "loss": loss, "seconds": seconds, "samples_per_second": speed, "validation": recall}
        append_line(run / "metrics.jsonl", json.dumps(line))
        for name, value in recall.items():
            writer.add_scalar(f"validation/{name}", value, (epoch + 1) * steps - 1)  # the epoch's last step, so that purge_step keeps it
        is_best, best_recall = score(recall) > best_recall, max(best_recall, score(recall))
        info = {"epoch": epoch + 1, "best_recall": best_recall, "validation": recall}
        # The checkpoint from which the run continued stays until this epoch is complete; a damaged last one must not replace it.
        keep = epoch > first_epoch or state is None or state.path.stem == "last"
        save_epoch(run, model, optimizer, info, is_best, keep)
        print(
            f"epoch {epoch + 1}/{settings.epochs}: loss {loss:.3f}, {speed:.0f} samples/s, "
            f"validation recall@1 {recall['recall@1']:.1f} %, @10 {recall['recall@10']:.1f} %, "
            f"median error {recall['median_error_m']:.0f} m",
            flush=True,
        )
        collapsed = collapsed or note_collapse(*embedded)
    writer.close()


@contextmanager
def _resumable(run: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print(f"\n{run}: continue with training.resume=true", file=sys.stderr)
        raise


@contextmanager
def _one_line_if_the_disk_is_full(run: Path) -> Iterator[None]:
    original_hook = threading.excepthook
    # TensorBoard writes in a thread and raises the error of that thread here as well, so the thread need not print it.
    threading.excepthook = lambda thread: None if _is_full(thread.exc_value) else original_hook(thread)
    try:
        yield
    except OSError as error:
        if not _is_full(error):
            raise
        raise InputError(f"{run}: no space left while writing {error.filename or 'there'}; what was written before is intact: free some "
                         "space and continue with training.resume=true") from None  # fmt: skip
    finally:
        threading.excepthook = original_hook


def _is_full(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in NO_SPACE


def learning_rate(settings: TrainingConfig, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to zero (Loshchilov & Hutter, SGDR, 2017, eq. 5, without restarts)."""
    warmup = max(1, round(settings.warmup * steps))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


if __name__ == "__main__":
    run_command(main)
