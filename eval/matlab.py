"""MATLAB files as published: embeddings of places with the graph of places, routes, turns."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from utils.arrays import MOST_UNPACKED
from utils.child import in_child
from utils.errors import InputError

T = TypeVar("T")
PLACE_FIELDS = ("x", "y", "gsv_yaw", "neighbor")


def read_mat(path: Path, name: str) -> np.ndarray:
    """A variable of a MATLAB 5 file.

    Raises:
        InputError: the file is missing or damaged, its variables take more than MOST_UNPACKED bytes, or none has that name.
    """
    return _in_child(path, lambda: _variable(path, name))


def read_published_places(path: Path) -> dict[str, np.ndarray | list[np.ndarray]]:
    """The struct array `routes` of a published file of embeddings, one struct a place.

    Returns:
        query (N, D) from `y` (panorama), reference (N, D) from `x` (map), heading_deg (N,) float64 from `gsv_yaw`,
        neighbors: N arrays from `neighbor`, counted from 1.

    Raises:
        InputError: as `read_mat`, or a field is missing, or embeddings are of different lengths.
    """
    return _in_child(path, lambda: _places(path, _variable(path, "routes").ravel()))


def _in_child(path: Path, work: Callable[[], T]) -> T:
    """What `work` makes of a file, in a process of its own: damage can crash the compiled reader. Small results come back fast."""
    import scipy.io  # noqa: F401  # only who reads such files waits for it; here, so that the child does not

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


def _places(path: Path, places: np.ndarray) -> dict[str, np.ndarray | list[np.ndarray]]:
    missing = [field for field in PLACE_FIELDS if field not in (places.dtype.names or ())]
    if missing or not len(places):
        raise InputError(f"{path}: `routes` has no field {missing[0]!r}" if missing else f"{path}: `routes` holds no places")
    arrays = {}
    for name, field in (("query", "y"), ("reference", "x"), ("heading_deg", "gsv_yaw")):
        rows = [np.asarray(value).ravel() for value in places[field]]
        at = next((i for i, row in enumerate(rows) if row.shape != rows[0].shape or row.dtype.kind not in "fiu" or not row.size), None)
        if at is not None:
            raise InputError(
                f"{path}: `{field}` of place {at + 1} is {rows[at].dtype}{rows[at].shape}, "
                f"of place 1 {rows[0].dtype}{rows[0].shape}; they must be numbers, equally many"
            )
        arrays[name] = np.stack(rows)
    if arrays["heading_deg"].shape[1] != 1:
        raise InputError(f"{path}: `gsv_yaw` must be one number a place, found {arrays['heading_deg'].shape[1]}")
    return arrays | {"heading_deg": arrays["heading_deg"][:, 0].astype(np.float64), "neighbors": list(places["neighbor"])}
