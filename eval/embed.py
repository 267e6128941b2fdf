"""Embeds whole areas and stores the embeddings."""

import json
import pickle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from config.schema import Config
from data.batches.place_batches import PlaceBatches
from eval.metrics import retrieval_metrics
from models.model import GroundToMap
from utils.atomic import atomic_folder
from utils.device import autocast
from utils.outputs import FolderKind
from utils.progress import progress
from utils.version import code_version

BATCH = 128
EVALUATION = FolderKind(
    "eval.evaluate", "metrics.json", ("embeddings.npz", "embeddings.pkl"), was_ours=lambda info: {"queries", "recall@1"} <= info.keys()
)


@torch.inference_mode()
def embed_places(model: GroundToMap, places: PlaceBatches, precision: str, label: str = "embedding") -> tuple[Tensor, Tensor]:
    """Query and reference embeddings (N, D) float32 on the CPU, in the order of the places."""
    training = model.training
    model.eval()
    queries, references = [], []
    for first in progress(range(0, len(places), BATCH), desc=label, unit=" batches"):
        batch = places.batch(np.arange(first, min(first + BATCH, len(places))))
        with autocast(places.device, precision):
            query, reference = model(batch)
        queries.append(query.float().cpu())
        references.append(reference.float().cpu())
    model.train(training)
    return torch.cat(queries), torch.cat(references)


def evaluate_area(model: GroundToMap, config: Config, name: str, device: torch.device, folder: Path,
                  checkpoint: dict | None = None, maps: dict[tuple, str] | None = None) -> dict[str, float]:  # fmt: skip
    """Embeds and measures an area, and writes `folder`: metrics.json, embeddings.npz and embeddings.pkl.

    metrics.json holds the metrics and names what was measured: checkpoint, code and data. Both files of embeddings hold the same arrays:
    query and reference (N, D) float32, not normalised; ids, lat, lon, heading_deg, x, y (N,); and the metric that compares them.

    Args:
        name: the area, `city/area`.
        checkpoint: description of the checkpoint for metrics.json.
        maps: hashes of city maps that are known already (see `Area.identity`).

    Raises:
        InputError: the area cannot be read, or `folder` exists and holds something else.
    """
    with atomic_folder(folder, EVALUATION) as temporary:
        places = PlaceBatches(Path(config.data.root), [name], config.model.inputs, device)
        query, reference = embed_places(model, places, config.training.precision, name)
        metrics = retrieval_metrics(query, reference, places.xy)
        measured = {"checkpoint": checkpoint, "code": code_version(), "data": places.areas[0].identity(places.cities[0].map, maps)}
        arrays = {"query": query.numpy(), "reference": reference.numpy(), **vars(places.areas[0].locations), "metric": "cosine"}
        (temporary / "metrics.json").write_text(json.dumps(EVALUATION.signed(metrics | measured), indent=2) + "\n", encoding="utf-8")
        np.savez(temporary / "embeddings.npz", **arrays)
        with open(temporary / "embeddings.pkl", "wb") as file:
            pickle.dump(arrays, file)
    return metrics
