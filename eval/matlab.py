"""Reads MATLAB files of the published system: embeddings with the graph of their places, routes, turns."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from utils.arrays import MOST_UNPACKED
from utils.child import in_child
from utils.errors import InputError

T = TypeVar("T")
PLACE_FIELDS = ("x", "y", "gsv_yaw", "neighbor")


@dataclass
class PublishedPlaces:
    """A published file of embeddings of N places; row i of everything is the same place."""

    query: np.ndarray  # (N, D) of panoramas: the field `y`
    reference: np.ndarray  # (N, D) of the map: the field `x`
    heading_deg: np.ndarray  # (N,) float64: the field `gsv_yaw`
    neighbors: list[np.ndarray]  # N arrays of places, counted from 1: the field `neighbor`


def read_mat(path: Path, name: str) -> np.ndarray:
    """A variable of a MATLAB 5 file.

    Raises:
        InputError: the file is missing or damaged, its variables take more than MOST_UNPACKED bytes, or none has that name.
    """
    return _in_child(path, lambda: _variable(path, name))


def read_published_places(path: Path) -> PublishedPlaces:
    """The struct array `routes` of a published file of embeddings, which has one struct for each place.

    Raises:
        InputError: as `read_mat`; a field is missing; embeddings are of different lengths.
    """
    return _in_child(path, lambda: _places(path, _variable(path, "routes").ravel()))


def _in_child(path: Path, work: Callable[[], T]) -> T:
    """The result of `work`, which reads the file, in a child process: SciPy's compiled reader can crash on a damaged file.

    Results are sent back, so they should be small.
    """
    import scipy.io  # noqa: F401  # slow, and only these files need it; imported before the fork, so that no child does it again

    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        return in_child(work, str(path), MOST_UNPACKED)
    except MemoryError:
        raise InputError(f"{path}: damaged, or its variables take more than {MOST_UNPACKED / 2**30:g} GiB; save those alone that are "
                         "needed, or give an .npz file") from None  # fmt: skip


def _variable(path: Path, name: str) -> np.ndarray:
    from scipy.io import loadmat

    try:
        variables = loadmat(path)
    except MemoryError:
        raise
    except NotImplementedError:  # HDF5
        raise InputError(f"{path}: a MATLAB 7.3 file; save it again in MATLAB with save(…, '-v7')") from None
    except Exception as error:  # a damaged file makes it raise almost anything
        raise InputError(f"{path}: not a MATLAB 5 file, or damaged ({' '.join(str(error).split())[:200]})") from None
    if name not in variables:
        found = ", ".join(key for key in variables if not key.startswith("__")) or "nothing"
        raise InputError(f"{path}: no variable {name!r} in this file (found {found[:200]})")
    return variables[name]


def _places(path: Path, places: np.ndarray) -> PublishedPlaces:
    missing = [field for field in PLACE_FIELDS if field not in (places.dtype.names or ())]
    if missing or not len(places):
        raise InputError(f"{path}: `routes` has no field {missing[0]!r}" if missing else f"{path}: `routes` holds no places")
    query, reference, yaw = (_rows(path, field, places[field]) for field in ("y", "x", "gsv_yaw"))
    if yaw.shape[1] != 1:
        raise InputError(f"{path}: `gsv_yaw` must be one number a place, found {yaw.shape[1]}")
    return PublishedPlaces(query, reference, yaw[:, 0].astype(np.float64), list(places["neighbor"]))


def _rows(path: Path, field: str, values: np.ndarray) -> np.ndarray:
    """(N, D) of the N arrays of D numbers that a field holds."""
    rows = [np.asarray(value).ravel() for value in values]
    for number, row in enumerate(rows, start=1):
        if row.shape != rows[0].shape or row.dtype.kind not in "fiu" or not row.size:
            raise InputError(
                f"{path}: `{field}` of place {number} is {row.dtype}{row.shape}, "
                f"of place 1 {rows[0].dtype}{rows[0].shape}; they must be numbers, equally many"
            )
    return np.stack(rows)
