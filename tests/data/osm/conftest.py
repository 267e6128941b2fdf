"""Reading an extract into a store without making its map."""

import tempfile
from dataclasses import dataclass

import numpy as np
import pytest

from data.osm.extract import read_extract
from data.osm.features import Summary
from data.osm.source import opened, read_frame
from data.osm.store import KINDS, Blocks, FeatureStore
from utils.georeference import Georeference
from utils.projection import Projection


@dataclass
class Reading:
    """What was read of an extract, in metres about the middle of its map."""

    store: FeatureStore
    summary: Summary
    projection: Projection

    def all(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """Geometries and records of a kind, by id."""
        chunks = list(self.store.scan(kind))
        if not chunks:
            return np.array([], object), np.zeros(0, KINDS[kind])
        geometries, records = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
        order = np.lexsort([records[name] for name in ("index", "id") if name in records.dtype.names])
        return geometries[order], records[order]


@pytest.fixture(scope="session")
def read(tmp_path_factory):
    """Reads an extract, or a part of it, as the building of its map does."""

    def call(path, bbox=None, metres_per_pixel=1.0) -> Reading:
        with opened(path) as extract:
            west, south, east, north = read_frame(extract, bbox)
            projection = Projection((south + north) / 2, (west + east) / 2)
            corners = np.column_stack(projection.forward([south, south, north, north], [west, east, west, east]))
            geo = Georeference((*corners.min(0), *corners.max(0)), metres_per_pixel)
            store = FeatureStore(tempfile.mkdtemp(dir=tmp_path_factory.mktemp("store")), Blocks(geo))
            return Reading(store, read_extract(extract, projection, store), projection)

    return call


@pytest.fixture(scope="session")
def frame():
    """What a map of an extract, or of a part of it, covers: west, south, east, north."""

    def call(path, bbox=None) -> tuple[float, float, float, float]:
        with opened(path) as extract:
            return read_frame(extract, bbox)

    return call
