"""Trains a model by a recipe, then evaluates its test areas.

example: python -m training.train config/demo.yaml training.epochs=5 name=short
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from config.schema import Config, TrainingConfig, read_config
from data.area import Area
from data.batches import PlaceBatches, prefetch
from data.georeference import EXTENT_M
from data.locations import apart_from
from eval.embed import embed_places
from eval.evaluate import evaluate_run
from eval.metrics import retrieval_metrics, table
from models.checkpoint import load_run, load_weights, read_checkpoint, save_checkpoint
from models.model import GroundToMap, build_model
from training.losses import matching_loss
from training.run_folder import run_folder
from training.sampler import ClumpSampler
from utils.arguments import Parser
from utils.atomic import append_line, atomic_file
from utils.device import autocast, choose_device, choose_precision
from utils.errors import InputError, run_command
from utils.progress import progress


def main() -> None:
    parser = Parser(
        prog="python -m training.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path, help="YAML file, e.g. config/demo.yaml")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="settings that win over the recipe's")
    args = parser.parse_args()
    config = read_config(args.recipe, args.overrides)
    device = choose_device(config.device)
    run = train(config, device)
    config, model, epoch = load_run(run, "best", device)
    metrics = evaluate_run(run, config, model, config.data.test, device)
    print(f"\ntest areas, checkpoint of epoch {epoch} (best on {', '.join(config.data.validation)}); R and ≤ in %")
    print(table(metrics))
    print(f"run: {run} (metrics, TensorBoard events, checkpoints, evaluation)")


def train(config: Config, device: torch.device) -> Path:
    """Trains; returns the run's folder."""
    settings, root = config.training, Path(config.data.root)
    cities = {}  # loaded once
    places = PlaceBatches(root, config.data.train, config.model, device, config.augmentation, cities)
    validation = PlaceBatches(root, config.data.validation, config.model, device, cities=cities)
    PlaceBatches(root, config.data.test, config.model, device, cities=cities)  # what is wrong there shows before the training
    _note_overlap(places, root, [*config.data.validation, *config.data.test])
    sampler = ClumpSampler(places.xy, places.city_of, settings.batch_size, settings.neighbors_per_batch, config.seed)
    if not len(sampler):
        raise InputError(f"training.batch_size is {settings.batch_size}, but the training areas hold only {len(places)} places")
    model = build_model(config, device)
    optimizer = torch.optim.AdamW(_parameter_groups(model, settings.weight_decay), lr=settings.learning_rate)
    with run_folder(config) as run:
        _train_epochs(run, config, model, optimizer, places, validation, sampler)
    return run


def _train_epochs(run: Path, config: Config, model: GroundToMap, optimizer, places: PlaceBatches, validation: PlaceBatches,
                  sampler: ClumpSampler) -> None:  # fmt: skip
    settings, device = config.training, places.device
    last, best = (run / "checkpoints" / f"{name}.safetensors" for name in ("last", "best"))
    first_epoch, best_recall = 0, -1.0
    if settings.resume:
        first_epoch, best_recall = _restore(last, model, optimizer)
    _keep_epochs(run / "metrics.jsonl", first_epoch)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{run}: {len(places):,} training places, {len(validation):,} validation places, {parameters / 1e6:.1f} M parameters, "
          f"{choose_precision(device, settings.precision)} on {device}")
    writer = SummaryWriter(run, purge_step=first_epoch * len(sampler))
    for epoch in range(first_epoch, settings.epochs):
        started = time.monotonic()
        loss = _train_epoch(config, model, optimizer, places, sampler, epoch, writer)
        seconds = time.monotonic() - started
        recall = retrieval_metrics(*embed_places(model, validation, settings.precision, "validation"), validation.xy)
        speed = len(sampler) * settings.batch_size / seconds
        line = {"epoch": epoch + 1, "loss": loss, "seconds": seconds, "samples_per_second": speed, "validation": recall}
        append_line(run / "metrics.jsonl", json.dumps(line))
        for name, value in recall.items():
            writer.add_scalar(f"validation/{name}", value, (epoch + 1) * len(sampler))
        score = recall["recall@1"] + 1e-3 * recall["recall@10"]  # small validation areas tie at recall@1
        info = {"epoch": epoch + 1, "best_recall": max(best_recall, score), "validation": recall}
        weights = {f"model.{k}": v for k, v in model.state_dict().items()}
        if score > best_recall:
            best_recall = score
            save_checkpoint(best, weights, info)
        save_checkpoint(last, weights | _optimizer_tensors(optimizer), info)
        print(f"epoch {epoch + 1}/{settings.epochs}: loss {loss:.3f}, {speed:.0f} samples/s, "
              f"validation recall@1 {recall['recall@1']:.1f} %, @10 {recall['recall@10']:.1f} %, "
              f"median error {recall['median_error_m']:.0f} m", flush=True)
    writer.close()


def _note_overlap(places: PlaceBatches, root: Path, others: list[str]) -> None:
    """Says which validation and test areas show ground that training places show, too: recall there is not recall in unseen places."""
    for other in (Area(root, name) for name in others):
        for area in (a for a in places.areas if a.path.parent == other.path.parent):
            near = len(other) - len(apart_from(other.locations, area.locations, EXTENT_M * math.sqrt(2)))
            if near:
                print(f"note: {near:,} of {len(other):,} places of {other.name} lie so near to places of {area.name} that tiles overlap "
                      "(python -m data.prepare area --apart-from)")


def _train_epoch(config: Config, model: GroundToMap, optimizer, places: PlaceBatches, sampler: ClumpSampler, epoch: int,
                 writer: SummaryWriter) -> float:  # fmt: skip
    """One pass over the places; returns the mean loss."""
    settings, device = config.training, places.device
    # All randomness of an epoch comes from (seed, epoch), so a resumed run repeats an uninterrupted one (bit for bit on a CPU).
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
    torch.manual_seed(config.seed * 1_000_003 + epoch)  # of dropout, which takes no generator
    batches = sampler.epoch(epoch)
    # On a CPU loading ahead would only compete for the cores.
    load = prefetch if device.type == "cuda" else map
    total = torch.zeros((), device=device)
    bar = progress(load(lambda indices: places.batch(indices, generator), batches), total=len(batches), desc=f"epoch {epoch + 1}",
                   unit=" batches", delay=0)  # fmt: skip
    started = time.monotonic()
    model.train()
    for i, batch in enumerate(bar):
        step = epoch * len(batches) + i
        rate = learning_rate(settings, step, settings.epochs * len(batches))
        for group in optimizer.param_groups:
            group["lr"] = rate
        with autocast(device, settings.precision):
            query, reference = model(batch)
        loss = matching_loss(config.loss, query, reference, batch.position, batch.city)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
        optimizer.step()
        total += loss.detach()
        if step % 10 == 0:  # reading a number from a GPU waits for it
            value = loss.item()
            if not math.isfinite(value):
                raise InputError(f"the loss became {value} at step {step}; lower training.learning_rate or set training.precision=float32")
            for name, scalar in (("loss", value), ("learning_rate", rate), ("gradient_norm", float(norm))):
                writer.add_scalar(f"training/{name}", scalar, step)
            samples = (i + 1) * settings.batch_size / (time.monotonic() - started)
            bar.set_postfix_str(f"loss {value:.3f}, {samples:.0f} samples/s", refresh=False)
    return total.item() / len(batches)


def learning_rate(settings: TrainingConfig, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to zero (Loshchilov & Hutter, SGDR, 2017, eq. 5, without restarts)."""
    warmup = max(1, round(settings.warmup * steps))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _parameter_groups(model: GroundToMap, weight_decay: float) -> list[dict]:
    """Weight decay on matrices and kernels only, not on norms and biases."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": weight_decay},
            {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0}]  # fmt: skip


def _optimizer_tensors(optimizer) -> dict[str, torch.Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"optimizer.{i}.{name}": torch.as_tensor(v) for i, entries in state.items() for name, v in entries.items()}


def _restore(path: Path, model: GroundToMap, optimizer) -> tuple[int, float]:
    """Loads the last checkpoint; returns the number of finished epochs and the best recall so far."""
    tensors, info = read_checkpoint(path)
    load_weights(model, {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}, path)
    state = optimizer.state_dict()
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state["state"].setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(state)
    return info["epoch"], info["best_recall"]


def _keep_epochs(path: Path, epochs: int) -> None:
    """Drops the lines (one an epoch) of epochs that will be trained again, and one that was cut off."""
    if path.is_file():
        kept = path.read_text().splitlines()[:epochs]
        with atomic_file(path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept))


if __name__ == "__main__":
    run_command(main)
