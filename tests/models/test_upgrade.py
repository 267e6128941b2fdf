"""Recipes, checkpoints and files of weights of version 0.11 (format 1) are still read correctly.

The folder format1 holds six runs of 0.11: their config.yaml, the shapes of their checkpoints' tensors under the names of then, and the
first numbers of the embeddings that their models gave for `inputs` with `weights`.
"""

import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from config.learning_settings import ClumpsSettings, InfoNCESettings
from config.pooling_settings import SectorSettings
from config.reader import to_yaml
from config.schema import CloudConfig, Config, ImageEncoderConfig, PaperCloudConfig, read_config
from config.upgrade import header
from models.checkpoint import open_run, read_checkpoint
from models.clouds.cloud_encoder import CloudEncoder
from models.images.image_encoder import ImageEncoder
from models.published import load
from utils.batch import FEATURES, Batch, PlaceGraph
from utils.errors import InputError

FOLDER = Path(__file__).parent / "format1"
RUNS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
CPU = torch.device("cpu")


def described(name: str) -> dict:
    """The shapes of a run's tensors, and its embeddings."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def weights(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """Tensors that depend only on their names."""
    tensors = {}
    for name, shape in shapes.items():
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.tensor(7)
            continue
        if name.endswith("running_var"):
            values = 1 + 0.2 * np.abs(values)
        elif len(shape) > 1:
            values = values / np.sqrt(max(1, values[0].size))
        elif name.endswith(("bias", "running_mean")):
            values = 0.1 * values
        else:
            values = 1 + 0.1 * values
        tensors[name] = torch.from_numpy(np.asarray(values, np.float32))
    return tensors


def inputs(config: Config) -> Batch:
    """Two places."""
    rng, model = np.random.default_rng(5), config.model

    def drawn(*shape: int) -> Tensor:
        return torch.from_numpy(rng.random(shape, dtype=np.float32))

    panorama = drawn(2, 3, model.panorama.height, model.panorama.width)
    tile = drawn(2, 3, model.tile.height, model.tile.width) if model.tile else None
    cloud = classes = graph = None
    if model.inputs.points:
        cloud = (drawn(2, model.cloud.points, 3) - 0.5) * torch.tensor([140.0, 140.0, 40.0])
        classes = torch.from_numpy(rng.integers(0, 25, (2, model.cloud.points)).astype(np.uint8))
    if model.inputs.graph:
        nodes, edges = drawn(6, len(FEATURES)), torch.tensor([[0, 1, 1, 2, 3, 4], [1, 0, 2, 1, 4, 3]])
        classes_of_nodes = torch.from_numpy(rng.integers(0, 25, 6).astype(np.uint8))
        graph = PlaceGraph(nodes, classes_of_nodes, torch.tensor([0, 0, 0, 1, 1, 1]), edges, 2)
    return Batch(panorama, tile, cloud, classes, torch.zeros(2, 2, dtype=torch.float64), torch.zeros(2, dtype=torch.long), graph)


def written(folder: Path, name: str) -> Path:
    """A run's folder as version 0.11 wrote it."""
    (folder / "checkpoints").mkdir()
    (folder / "config.yaml").write_text((FOLDER / f"{name}.yaml").read_text())
    tensors = {f"model.{key}": tensor.contiguous() for key, tensor in weights(described(name)["shapes"]).items()}
    save_file(tensors, folder / "checkpoints/best.safetensors", {"info": json.dumps({"epoch": 2, "best_recall": 1.0, "validation": {}})})
    return folder


@torch.no_grad()
@pytest.mark.parametrize("name", RUNS)
def test_runs_give_the_same_embeddings(tmp_path, name, capsys):
    expected, loaded = described(name), open_run(written(tmp_path, name), "best", CPU)
    assert any(".trunk." in key for key in expected["shapes"]) and loaded.epoch == 2
    query, reference = loaded.model.eval()(inputs(loaded.config))
    for found, of_before in ((query, expected["query"]), (reference, expected["reference"])):
        torch.testing.assert_close(found[:, :6], torch.tensor(of_before), rtol=1e-4, atol=1e-6)
    said = capsys.readouterr().out
    assert said.startswith(f"note: {tmp_path / 'config.yaml'}: upgraded from an earlier version: ") and said.count("\n") == 1


def test_all_kinds_of_norms_are_renamed_and_their_statistics_kept(tmp_path):
    """A norm of points had tensors of its own and now contains a norm. A head's norm is a plain one, as before."""
    state = open_run(written(tmp_path, "pct"), "best", CPU).model.state_dict()
    old = weights(described("pct")["shapes"])
    for before, now in (("cloud.network.enter.0.1", "cloud.network.enter.0.1.norm"), ("cloud.head.1", "cloud.head.1")):
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            assert torch.equal(state[f"{now}.{part}"], old[f"{before}.{part}"])
    assert len(state) == len(old)


def test_a_checkpoint_of_a_later_version_is_refused(tmp_path):
    run = written(tmp_path, "graph")
    (run / "config.yaml").write_text("format: 3\nversion: 0.13.0\n" + (FOLDER / "graph.yaml").read_text())
    with pytest.raises(InputError) as caught:
        open_run(run, "best", CPU)
    assert str(caught.value) == f"{run / 'config.yaml'}: format 3 (version 0.13.0); this version reads formats up to 2, install a newer one"
    path, info = tmp_path / "later.safetensors", {"epoch": 3, "format": 3}
    save_file({"a": torch.ones(1)}, path, {"info": json.dumps(info)})
    with pytest.raises(InputError, match="later.safetensors: .*format 3; this version reads formats up to 2, install a newer one"):
        read_checkpoint(path)


def read(tmp_path: Path, name: str, *overrides: str, change: tuple[str, str] = ("", "")) -> Config:
    """A run's recipe, in which one text is replaced by another, with overrides."""
    text = (FOLDER / f"{name}.yaml").read_text()
    assert change[0] in text
    (tmp_path / "recipe.yaml").write_text(text.replace(*change, 1) if change[0] else text)
    return read_config(tmp_path / "recipe.yaml", overrides)


def test_recipes_and_overrides_are_read_with_one_note(tmp_path, capsys):
    overrides = ("training.neighbors_per_batch=8", "model.tile.sectors=2", "model.tile.polar=true", "model.fusion=concat")
    config = read(tmp_path, "paper", *overrides, "model.preprocessing=ours", "model.tile.encoder=resnet34_published")
    said = capsys.readouterr().out
    assert said.startswith(f"note: {tmp_path / 'recipe.yaml'}: upgraded from an earlier version: ") and said.count("\n") == 1
    assert "model.cloud.neighbors → model.cloud.encoder.neighbors" in said
    model = config.model
    assert config.training.sampler == ClumpsSettings("clumps", 8) and config.training.optimizer.weight_decay == 0.03
    assert config.loss == InfoNCESettings("infonce", 0.0, 0.07)
    assert model.tile.pooling == SectorSettings("mean", 2) and model.tile.encoder.name == "resnet34_paper"
    assert model.panorama.encoder.name == "resnet50_paper" and model.preprocessing == "antialiased"
    assert (model.cloud.encoder.neighbors, model.cloud.encoder.graph, model.cloud.encoder.widths) == (4, "inputs", [8, 8, 16, 16])
    assert (model.cloud.paper.scale, model.cloud.paper.projection, model.cloud.paper.slope) == ("unit", [64, 512], 0.1)


def test_a_projection_without_a_scale_keeps_to_metres(tmp_path):
    """The default of the old `scale` was metres; that of `paper.scale` is unit."""
    paper = read(tmp_path, "pct").model.cloud.paper
    assert (paper.scale, paper.projection, paper.slope) == ("metres", [16], 0.2)


@pytest.mark.parametrize("name", RUNS)
def test_an_upgraded_recipe_is_none_to_upgrade(tmp_path, name, capsys):
    config = read(tmp_path, name)
    capsys.readouterr()
    (tmp_path / "now.yaml").write_text(header() + to_yaml(config))
    assert read_config(tmp_path / "now.yaml") == config and capsys.readouterr().out == ""


def test_a_key_given_in_both_ways_is_refused(tmp_path):
    with pytest.raises(InputError, match="model.cloud.neighbors and model.cloud.encoder.neighbors are both given; leave out the first"):
        read(tmp_path, "paper", change=("encoder: dgcnn", "encoder: {name: dgcnn, neighbors: 8}"))
    with pytest.raises(InputError, match="training.neighbors_per_batch and training.sampler.size are both given"):
        read(tmp_path, "demo", change=("neighbors_per_batch: 4", "neighbors_per_batch: 4\n  sampler: {name: clumps, size: 2}"))
    with pytest.raises(InputError, match="training.neighbors_per_batch and training.sampler.size are both given"):
        read(tmp_path, "demo", change=("neighbors_per_batch: 4", "neighbors_per_batch: 4\n  sampler: shuffled"))


@pytest.mark.parametrize(
    ("encoder", "successor"),
    [
        ("graph_edgeconv", "dgcnn with `dynamic: false`, a similar network (a run that has it needs version 0.11)"),
        ("graph_point_transformer", "point_transformer (a run that has it needs version 0.11)"),
    ],
)
def test_removed_encoders_are_refused_with_their_successors(tmp_path, encoder, successor):
    message = f"{tmp_path / 'recipe.yaml'}: model.cloud.encoder is {encoder}, which was removed in version 0.12; use {successor}"
    for overrides, change in (((f"model.cloud.encoder={encoder}",), ("", "")), ((), ("encoder: dgcnn", f"encoder: {encoder}"))):
        with pytest.raises(InputError) as caught:
            read(tmp_path, "paper", *overrides, change=change)
        assert str(caught.value) == message


def converted(path: Path, run: str, part: str) -> ImageEncoderConfig | CloudConfig:
    """Writes an encoder of a run as `python -m models.published` of 0.11 wrote a single one; the configuration that starts from it."""
    settings, prefix = yaml.safe_load((FOLDER / f"{run}.yaml").read_text())["model"], f"{part}."
    tensors = {key.removeprefix(prefix): t for key, t in weights(described(run)["shapes"]).items() if key.startswith(prefix)}
    save_file(tensors, path, {"info": json.dumps({"part": part, "settings": settings[part], "embedding_dim": settings["embedding_dim"]})})
    return replace(getattr(read_config(FOLDER / f"{run}.yaml").model, part), weights=str(path))


def built(config: ImageEncoderConfig | CloudConfig, part: str) -> ImageEncoder | CloudEncoder:
    return CloudEncoder(config, 64) if part == "cloud" else ImageEncoder(config, 64, name=f"model.{part}")


def test_converted_encoders_start_others(tmp_path, capsys):
    """The same tensors are read from the run's own checkpoint."""
    model = open_run(written(tmp_path, "pct"), "best", CPU).model
    for part in ("panorama", "tile", "cloud"):
        path = tmp_path / f"{part}.safetensors"
        config, expected = converted(path, "pct", part), getattr(model, part).state_dict()
        capsys.readouterr()
        for encoder in (built(config, part), load(path)):
            state = encoder.state_dict()
            assert state.keys() == expected.keys() and all(torch.equal(tensor, state[key]) for key, tensor in expected.items())
        assert capsys.readouterr().out == ""  # everything is used


@pytest.mark.parametrize(
    ("run", "part", "key", "value", "message"),
    [
        ("pct", "cloud", "encoder.neighbors", 5, "encoder.neighbors 4, but model.cloud.encoder.neighbors is 5"),
        ("pct", "cloud", "paper", None, "paper.projection [16], but model.cloud.paper.projection is [] (2 settings differ)"),
        ("pct", "cloud", "paper.scale", "unit", "paper.scale 'metres', but model.cloud.paper.scale is 'unit'"),
        ("demo", "cloud", "paper", PaperCloudConfig(), "paper.scale 'metres', but model.cloud.paper.scale is 'unit'"),
        ("demo", "cloud", "class_width", 0, "class_width 8, but model.cloud.class_width is 0"),
        ("pct", "tile", "encoder.name", "resnet34", "encoder 'resnet18', but model.tile.encoder is 'resnet34'"),
    ],
)
def test_settings_that_contradict_a_converted_encoder_s(tmp_path, run, part, key, value, message):
    path = tmp_path / "encoder.safetensors"
    config = converted(path, run, part)
    section, _, name = key.rpartition(".")
    setattr(getattr(config, section) if section else config, name, value)
    with pytest.raises(InputError) as caught:
        built(config, part)
    assert str(caught.value) == (
        f"{path}: weights of another network than the recipe's: the file has {message}; make them agree, or use other weights"
    )


def test_overrides_in_the_words_of_before_win_over_the_recipe(tmp_path):
    """Also the old default values, which have no effect in a recipe."""
    config = read(tmp_path, "demo", "model.panorama.sectors=1", "model.cloud.widths=null", "training.neighbors_per_batch=8")
    assert (config.model.panorama.pooling.sectors, config.model.tile.pooling.sectors) == (1, 8)
    assert config.model.cloud.encoder.widths == [64, 64, 64, 128] and config.training.sampler.size == 8


@pytest.mark.parametrize(
    ("recipe", "overrides", "expected"),
    [
        ("demo", ["training.neighbors_per_batch=null"], {"training.sampler.name": "shuffled"}),
        ("demo", ["training.neighbors_per_batch=1"], {"training.sampler.name": "shuffled"}),
        ("demo", ["training.sampler=shuffled", "training.neighbors_per_batch=4"], {"training.sampler.size": 4}),
        ("demo", ["model.cloud.scale=null"], {"model.cloud.paper": None}),
        ("demo", ["model.cloud.scale=metres", "model.cloud.projection=[]"], {"model.cloud.paper": None}),
        ("demo", ["model.cloud.scale=unit"], {"model.cloud.paper.scale": "unit", "model.cloud.paper.projection": []}),
        ("demo", ["model.cloud.paper={projection: [64]}", "model.cloud.projection_slope=0"], {"model.cloud.paper.scale": "unit"}),
        ("paper", ["model.cloud.scale=null"], {"model.cloud.paper.scale": "metres", "model.cloud.paper.projection": [64, 512]}),
        ("demo", ["model.cloud.encoder=dgcnn", "model.cloud.radius=null"], {"model.cloud.encoder.name": "dgcnn"}),
        ("demo", ["model.tile.pooling=gem", "model.tile.sectors=1"], {"model.tile.pooling.name": "gem"}),
        ("demo", ["model.panorama.encoder=hybrid_vit", "model.panorama.stages=null", "model.panorama.circular=false",
                  "model.panorama.sectors=null"], {"model.panorama.encoder.name": "hybrid_vit"}),
        ("graph", ["loss.temperature=null"], {"loss.margin": 0.2}),
        ("demo", ["training.sampler.size=3", "training.sampler=clumps"], {"training.sampler.size": 3}),
        ("demo", ["loss.temperature=0.2", "loss=infonce"], {"loss.temperature": 0.2}),
    ],
)  # fmt: skip
def test_what_overrides_mean(tmp_path, recipe, overrides, expected):
    """In the words of 0.11 they mean what they meant there, and their order does not matter."""
    config = read(tmp_path, recipe, *overrides)
    for key, value in expected.items():
        found = config
        for part in key.split("."):
            found = getattr(found, part)
        assert found == value, key


@pytest.mark.parametrize("loss", ["{name: triplet, temperature: 0.05, margin: 0.2}", "{name: triplet, temperature: null, margin: 0.2}"])
def test_the_setting_of_the_other_loss_that_a_run_stored_is_dropped(tmp_path, loss):
    text = (FOLDER / "demo.yaml").read_text()
    settings = yaml.safe_load(text) | {"loss": yaml.safe_load(loss)}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    assert read_config(tmp_path / "config.yaml").loss.margin == 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("encoder: pointnet", "encoder: [dgcnn]"), "model.cloud.encoder is ['dgcnn'], it takes one of dgcnn, "),
        (("    sectors: 8\n    head: norm\n    weights: none\n  tile", "    sectors: true\n    head: norm\n    weights: none\n  tile"),
         "model.panorama.pooling.sectors is True"),
        (("seed: 0", "seed: 0\nversion: 7"), "unknown key version"),
    ],
)  # fmt: skip
def test_odd_values_of_before_are_still_refused(tmp_path, change, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, "demo", change=change)
    assert message in str(caught.value)


def test_a_removed_encoder_gives_way_to_an_override(tmp_path):
    config = read(tmp_path, "paper", "model.cloud.encoder=dgcnn", change=("encoder: dgcnn", "encoder: graph_edgeconv"))
    assert config.model.cloud.encoder.name == "dgcnn"
