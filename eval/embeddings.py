"""Reads files of embeddings."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.locations import read_table
from data.projection import Projection
from utils.errors import InputError


def read_embeddings(path: Path, locations: Path | None = None) -> tuple[Tensor, Tensor, np.ndarray | None]:
    """Query and reference embeddings and positions of the same N places, from an `.npz` file.

    Args:
        path: archive with `query` and `reference` (N, D), and x, y (N,) metres where known.
        locations: CSV of the places in the order of the rows (data/locations.py), for positions that the file does not hold.

    Returns:
        query (N, D), reference (N, D), and xy (N, 2) in metres or None.

    Raises:
        InputError: a file is missing or damaged, or what it holds does not fit together.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file of embeddings")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {k: archive[k] for k in ("query", "reference", "x", "y") if k in archive.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError):
        raise InputError(f"{path}: not an .npz file with arrays `query` and `reference`, or damaged") from None
    for key in ("query", "reference"):
        array = arrays.get(key)
        if array is None or array.ndim != 2 or array.dtype.kind != "f" or not array.size:
            found = "missing" if array is None else f"{array.dtype}{array.shape}"
            raise InputError(f"{path}: {key} is {found}; it must be an array of floats (N, D)")
    query, reference = (torch.from_numpy(arrays[key].astype(np.float32)) for key in ("query", "reference"))
    if query.shape != reference.shape:
        raise InputError(f"{path}: query is {tuple(query.shape)} but reference is {tuple(reference.shape)}; rows must be the same places")
    if locations is not None:
        table = read_table(locations)
        projection = Projection(table["lat"].mean(), table["lon"].mean())
        xy = np.column_stack(projection.forward(table["lat"], table["lon"]))
    elif {"x", "y"} <= arrays.keys():
        for key in ("x", "y"):
            array = arrays[key]
            if array.ndim != 1 or array.dtype.kind not in "fiu" or not np.isfinite(array).all() or len(array) != len(query):
                raise InputError(f"{path}: {key} is {array.dtype}{array.shape}; it must hold {len(query)} finite numbers")
        xy = np.column_stack([arrays["x"], arrays["y"]])
    else:
        return query, reference, None
    if len(xy) != len(query):
        raise InputError(f"{locations or path}: {len(xy)} positions for {len(query)} embeddings; rows must be the same places")
    return query, reference, xy
