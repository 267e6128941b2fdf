"""Published preprocessing, from the files of a dataset in the published layout to what a network reads."""

import shutil
from dataclasses import fields

import numpy as np
import pytest
import torch
from PIL import Image

from config.schema import AugmentationConfig, ModelConfig, PanoramaConfig, TileConfig
from data.area import Area
from data.batches.place_batches import PlaceBatches
from data.sources.streetlearn.import_area import import_area
from data.sources.streetlearn.layout import Layout
from models.images.image_encoder import normalise
from tests.data.sources.streetlearn.published import PLACES, write_dataset
from utils.errors import InputError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A small dataset in the published layout. Tests must not change it."""
    return write_dataset(tmp_path_factory.mktemp("layout") / "root")


def inputs(height, size, preprocessing="paper"):
    """The inputs of a model of panoramas and tiles."""
    return ModelConfig(PanoramaConfig(height=height), TileConfig(height=size), preprocessing=preprocessing).inputs


@pytest.mark.parity("h_preprocess*")
@pytest.mark.parametrize("stored", ["at the network's size", "as they come"])
def test_from_files_to_network(published, dataset, tmp_path, stored):
    panorama, tile = (drawn.astype(np.uint8) for drawn in published.draws())
    (_, height, _), size = published.spec["outputs"]["pano"]["shape"], published.spec["outputs"]["tile"]["shape"][1]
    place, layout = PLACES[0], Layout(shutil.copytree(dataset, tmp_path / "root"))
    Image.fromarray(panorama[..., ::-1]).save(layout.panorama(place.city, place.id), "PNG")  # lossless, whatever the name says
    Image.fromarray(tile).save(layout.tile(place.city, place.tile))
    rows = height if stored == "at the network's size" else len(panorama)
    (area,) = import_area(layout, "eastU", tmp_path / "datasets", rows, 16, processes=1, preprocessing="paper")
    if rows == height:
        published.compare("pano_resized_uint8_bgr", Area(area.parent, area.name).panoramas[0][..., ::-1], 0)
    batch = PlaceBatches(area.parent.parent, ["alpha/eastU"], inputs(height, size), torch.device("cpu")).batch(np.arange(2))
    off = AugmentationConfig(**{field.name: type(field.default)(0) for field in fields(AugmentationConfig)})
    places = PlaceBatches(area.parent.parent, ["alpha/eastU"], inputs(height, size), torch.device("cpu"), off)
    unchanged = places.batch(np.arange(2), torch.Generator().manual_seed(0))  # in training tiles are always sampled
    published.compare("tile", normalise(unchanged.tile)[0], 5e-5)
    published.compare("pano", normalise(batch.panorama)[0], 1e-6)
    published.compare("tile", normalise(batch.tile)[0], 1e-6)


def test_an_area_scaled_our_way_is_refused(dataset, tmp_path):
    """The two differ: the published one skips pixels."""
    images = []
    for preprocessing in ("antialiased", "paper"):
        (area,) = import_area(Layout(dataset), "eastU", tmp_path / preprocessing, 32, 16, processes=1, preprocessing=preprocessing)
        images.append(np.array(Area(area.parent, area.name).panoramas))
        PlaceBatches(tmp_path / preprocessing, ["alpha/eastU"], inputs(32, 64, "antialiased"), torch.device("cpu"))
    assert not np.array_equal(*images)
    with pytest.raises(InputError, match="model.preprocessing is paper.*--preprocessing paper"):
        PlaceBatches(tmp_path / "antialiased", ["alpha/eastU"], inputs(32, 64), torch.device("cpu"))
    PlaceBatches(tmp_path / "paper", ["alpha/eastU"], inputs(32, 64), torch.device("cpu"))
