"""Recipes: all in config/ can be read, and combinations that cannot work are refused before anything is computed."""

from pathlib import Path

import pytest

from config.reader import to_yaml
from config.schema import read_config
from utils.errors import InputError

RECIPES = sorted((Path(__file__).resolve().parents[2] / "config").glob("*.yaml"))
DATA = "name: a\ndata: {train: [c/train], validation: [c/validation], test: [c/test]}\n"
TILE = DATA + "model: {panorama: {}, tile: {}}\n"
BOTH = DATA + "model: {panorama: {}, tile: {}, cloud: {}, fusion: concat}\n"


@pytest.fixture
def read(tmp_path):
    def read(text, *overrides):
        (tmp_path / "recipe.yaml").write_text(text)
        return read_config(tmp_path / "recipe.yaml", overrides)

    return read


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_our_recipes_load_and_survive_a_round_trip(path, tmp_path):
    config = read_config(path)
    assert config.name == path.stem  # a run is found under its recipe's name
    (tmp_path / "again.yaml").write_text(to_yaml(config))
    assert read_config(tmp_path / "again.yaml") == config


def test_there_are_recipes():
    assert "demo" in {path.stem for path in RECIPES}


@pytest.mark.parametrize(
    "model", ["tile: {}", "cloud: {}", "tile: {}, cloud: {}, fusion: concat", "tile: {}, cloud: {}, fusion: pixel_to_point"]
)
def test_combinations_that_work(read, model):
    assert read(DATA + f"model: {{panorama: {{}}, {model}}}\n").model.embedding_dim == 256


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        (DATA + "model: {panorama: {}}\n", [], "model.tile and cloud are both missing"),
        (DATA, [], "required key model is missing"),
        (DATA + "model: {tile: {}}\n", [], "required key model.panorama is missing"),
        (TILE, ["model.fusion=concat"], "model.fusion is 'concat', but there is no cloud encoder"),
        (TILE, ["model.tile=null", "model.cloud={}", "model.fusion=concat"], "model.fusion is 'concat', but there is no tile encoder"),
        (TILE, ["model.cloud={}"], "model.fusion is missing"),
        (BOTH, ["model.fusion=2to3", "model.tile.polar=true"], "model.fusion is '2to3', which, as in the paper, takes only Cartesian"),
        (BOTH, ["model.fusion=join"], "model.fusion is 'join', it takes one of concat, "),
        (BOTH, ["model.embedding_dim=0"], "model.embedding_dim is 0"),
        (BOTH, ["model.panorama.height=100"], "model.panorama.height is 100; resnet18 with 4 stages takes multiples of 32"),
        (BOTH, ["model.panorama.height=0"], "model.panorama.height is 0"),
        (BOTH, ["model.tile.height=16"], "model.tile.height is 16; resnet18 with 4 stages takes multiples of 32"),
        (BOTH, ["model.panorama.encoder.stages=5"], "model.panorama.encoder.stages is 5"),
        (BOTH, ["model.panorama.encoder.stages=1"], "model.panorama.encoder.stages is 1"),
        (BOTH, ["model.panorama.pooling.sectors=3"], "model.panorama.pooling.sectors is 3; it must divide the 8 columns"),
        (BOTH, ["model.panorama.pooling.sectors=16"], "model.panorama.pooling.sectors is 16; it must divide the 8 columns"),
        (BOTH, ["model.panorama.pooling.sectors=0"], "model.panorama.pooling.sectors is 0"),
        (BOTH, ["model.panorama.encoder=vgg"], "model.panorama.encoder is 'vgg', it takes one of resnet18, resnet34, resnet50"),
        (BOTH, ["model.panorama.polar=true"], "unknown key model.panorama.polar"),
        (
            BOTH,
            ["model.panorama.encoder={name: resnet18_paper, stages: 3}"],
            "unknown key model.panorama.encoder.stages; resnet18_paper takes no settings",
        ),
        (BOTH, ["model.panorama.encoder=resnet50_paper", "model.panorama.height=80"], "model.panorama.height is 80; resnet50_"),
        (BOTH, ["model.panorama.encoder=timm/vit_small_patch14_dinov2", "model.panorama.height=64"], "model.panorama.height is 64; "),
        (BOTH, ["model.panorama.encoder=hybrid_vit", "model.panorama.encoder.layers=0"], "model.panorama.encoder.layers is 0"),
        (BOTH, ["model.panorama.encoder=hybrid_vit", "model.panorama.weights=imagenet"], "model.panorama.weights is 'imagenet', "),
        (BOTH, ["model.panorama.encoder.layers=2"], "unknown key model.panorama.encoder.layers; resnet18 takes stages"),
        (BOTH, ["model.panorama.pooling.hidden=2"], "unknown key model.panorama.pooling.hidden; mean takes sectors"),
        (BOTH, ["model.panorama.pooling=flat", "model.panorama.pooling.hidden=0"], "model.panorama.pooling.hidden is 0"),
        (BOTH, ["model.panorama.pooling=token"], "model.panorama.pooling is 'token', but resnet18 has no class token"),
        (
            BOTH,
            ["model.panorama.pooling=safa", "model.panorama.pooling.sectors=2"],
            "unknown key model.panorama.pooling.sectors; safa takes no settings",
        ),
        (BOTH, ["model.panorama.pooling=gemm"], "model.panorama.pooling is 'gemm', it takes one of mean, gem"),
        (BOTH, ["model.tile.circular=true"], "model.tile.circular is true; only polar tiles wrap round behind the viewer"),
        (BOTH, ["model.panorama.circular=true", "model.panorama.encoder=hybrid_vit"], "model.panorama.circular is true, but "),
        (BOTH, ["model.tile.pooling.sectors=2"], "model.tile.pooling.sectors is 2; "),
        (BOTH, ["model.tile.pooling.sectors=3", "model.tile.polar=true"], "model.tile.pooling.sectors is 3; "),
        (BOTH, ["model.cloud.points=10"], "model.cloud.encoder.neighbors is 20, it takes 1 to points (10)"),
        (BOTH, ["model.cloud.encoder.neighbors=0"], "model.cloud.encoder.neighbors is 0"),
        (BOTH, ["model.cloud.points=1", "model.cloud.encoder.neighbors=1"], "model.cloud.points is 1"),
        (BOTH, ["model.cloud.encoder.widths=[]"], "model.cloud.encoder.widths is []"),
        (BOTH, ["model.cloud.encoder.widths=[8, 0]"], "model.cloud.encoder.widths is [8, 0]"),
        (BOTH, ["model.cloud.encoder.features=0"], "model.cloud.encoder.features is 0"),
        (BOTH, ["model.cloud.pooling.sectors=0"], "model.cloud.pooling.sectors is 0"),
        (BOTH, ["model.cloud.encoder=dgcn"], "model.cloud.encoder is 'dgcn', it takes one of dgcnn, pointnet, pointnet2"),
        (
            BOTH,
            ["model.cloud.encoder.strides=[2]"],
            "unknown key model.cloud.encoder.strides; dgcnn takes neighbors, widths, features, dynamic, graph",
        ),
        (
            BOTH,
            ["model.cloud.encoder=pct", "model.cloud.encoder.strides=[2]"],
            "model.cloud.encoder.widths is [64, 128, 256] and strides is [2]",
        ),
        (
            BOTH,
            ["model.cloud.encoder=pct", "model.cloud.encoder.strides=[2, 0]"],
            "model.cloud.encoder.strides is [2, 0], it takes positive numbers",
        ),
        (BOTH, ["model.cloud.encoder=pointnet2", "model.cloud.encoder.radius=0"], "model.cloud.encoder.radius is 0"),
        (
            BOTH,
            ["model.cloud.encoder=point_transformer", "model.cloud.encoder.attention_width=0"],
            "model.cloud.encoder.attention_width is 0",
        ),
        (BOTH, ["model.cloud.paper={slope: -1}"], "model.cloud.paper.slope is -1"),
        (BOTH, ["model.cloud.encoder=3"], "model.cloud.encoder is 3, it takes one of dgcnn, pointnet, "),
        (BOTH, ["model.cloud.encoder={name: 3}"], "model.cloud.encoder.name is 3, it takes one of dgcnn, "),
        (BOTH, ["model.fusion={}"], "required key model.fusion.name is missing; it takes one of concat, "),
        (BOTH, ["model.cloud.encoder.neighbours=8"], "unknown key model.cloud.encoder.neighbours; did you mean 'neighbors'?"),
        (BOTH, ["loss.margin=0.3"], "unknown key loss.margin; infonce takes same_place_m, temperature"),
        (BOTH, ["model.cloud.encoder=buildings", "model.cloud.points=64"], "model.cloud.points is 64, but buildings reads a graph"),
        (TILE, ["data.test=[c/validation]"], "data.test names 'c/validation', which is also a validation area"),
        (TILE, ["data.test=[c/x, c/train]"], "data.test names 'c/train', which is also a training area"),
        (TILE, ["data.validation=[c/train]"], "data.validation names 'c/train', which is also a training area"),
        (TILE, ["data.train=[]"], "data.train is empty"),
        (TILE, ["data.validation=[]"], "data.validation is empty"),
        (TILE, ["data.test=[]"], "data.test is empty"),
        (TILE, ["data.train=c/train"], "data.train is 'c/train', it takes a list of a text"),
        (TILE, ["loss=contrastive"], "loss is 'contrastive', it takes one of infonce, triplet"),
        (TILE, ["loss.temperature=0"], "loss.temperature is 0.0"),
        (TILE, ["loss.same_place_m=-1"], "loss.same_place_m is -1.0"),
        (TILE, ["augmentation.erase=1.5"], "augmentation.erase is 1.5"),
        (TILE, ["augmentation.point_drop=-0.1"], "augmentation.point_drop is -0.1"),
        (TILE, ["augmentation.yaw_deg=-5"], "augmentation.yaw_deg is -5.0"),
        (TILE, ["training.epochs=0"], "training.epochs is 0"),
        (TILE, ["training.batch_size=1"], "training.batch_size is 1; a contrastive loss needs at least 2"),
        (TILE, ["training.batch_size=4", "training.sampler={name: clumps, size: 5}"], "training.sampler.size is 5, it takes 1 to "),
        (TILE, ["training.learning_rate=0"], "training.learning_rate is 0.0"),
        (TILE, ["training.learning_rate=.nan"], "training.learning_rate is nan"),
        (TILE, ["training.warmup=1"], "training.warmup is 1.0"),
        (TILE, ["training.gradient_clip=0"], "training.gradient_clip is 0.0"),
        (TILE, ["training.precision=float16"], "training.precision is 'float16', it takes one of auto, bfloat16, float32"),
        (TILE, ["training.optimizer.weight_decay=-1"], "training.optimizer.weight_decay is -1.0"),
        (TILE, ["seed=-1"], "seed is -1"),
        (TILE, ["data.test=[./c/validation]"], "data.test names './c/validation', it takes <city>/<area>"),
        (TILE, ["data.test=[c/validation/]"], "data.test names 'c/validation/', it takes <city>/<area>"),
        (TILE, ["data.train=[c/a, c/b, c/a]"], "data.train names 'c/a' twice"),
        (TILE, ["device=cuda:x"], "device is 'cuda:x'"),
        (TILE, ["name=a/b"], "name is 'a/b', it takes a folder's name"),
        (TILE, ["name=.."], "name is '..'"),
        (TILE, ["name=''"], "name is ''"),
        (TILE, ["device=gpu"], "device is 'gpu', it takes auto, cpu or cuda"),
    ],
)
def test_refusals(read, tmp_path, text, overrides, message):
    with pytest.raises(InputError) as caught:
        read(text, *overrides)
    assert str(caught.value).startswith(f"{tmp_path / 'recipe.yaml'}: {message}")
    assert "\n" not in str(caught.value)


def test_other_networks_of_timm_are_looked_up_when_they_are_built(read):
    assert read(TILE, "model.panorama.encoder=timm/resnet26d", "model.panorama.height=1").model.panorama.encoder.name == "timm/resnet26d"


def test_settings_of_poolings_have_defaults(read):
    config = read(TILE, "model.panorama.pooling=flat", "model.tile.pooling={name: flat, hidden: 9}").model
    assert (config.panorama.pooling.hidden, config.tile.pooling.hidden) == (512, 9)


@pytest.mark.parametrize(("height", "stages"), [(8, 2), (16, 3), (32, 4), (224, 4), (24, 2), (48, 3)])
def test_heights_that_the_backbone_takes(read, height, stages):
    columns = 2 * height // 2 ** (stages + 1)
    settings = {"height": height, "encoder.stages": stages, "pooling.sectors": columns}
    config = read(TILE, *(f"model.panorama.{key}={value}" for key, value in settings.items()))
    assert config.model.panorama.height == height


@pytest.mark.parametrize("override", ["seed=2023-13-45", "seed=!!int foo", "seed=!!map foo", "training.learning_rate=1" + "0" * 400])
def test_odd_yaml_values_are_refused_in_one_line(read, override):
    with pytest.raises(InputError) as caught:
        read(TILE, override)
    assert "\n" not in str(caught.value)


def test_a_component_is_given_by_its_name_or_with_its_settings(read):
    for encoder in ("pct", "{name: pct}", "{name: pct, features: 512}"):
        assert read(BOTH, f"model.cloud.encoder={encoder}") == read(BOTH, "model.cloud.encoder.name=pct")
    assert read(BOTH, "model.cloud.encoder={features: 9}").model.cloud.encoder.name == "dgcnn"  # the default's name may be left out


def test_naming_another_component_brings_its_own_defaults(read):
    recipe = BOTH.replace("cloud: {}", "cloud: {encoder: {name: pointnet, widths: [8]}}")
    assert read(recipe).model.cloud.encoder.widths == [8]
    assert read(recipe, "model.cloud.encoder=dgcnn") == read(BOTH)
    assert read(recipe, "model.cloud.encoder=null") == read(BOTH)
    assert read(recipe, "model.cloud.encoder.features=32").model.cloud.encoder.widths == [8]


def test_a_note_says_which_settings_a_component_takes_along(read, capsys):
    recipe = BOTH.replace("cloud: {}", "cloud: {encoder: {name: pointnet, widths: [8]}}")
    assert read(recipe, "model.cloud.encoder=pointnet").model.cloud.encoder.widths == [8] and not capsys.readouterr().out
    read(recipe, "model.cloud.encoder=pct")
    assert capsys.readouterr().out == "note: model.cloud.encoder=pct replaces {name: pointnet, widths: [8]}\n"


def test_settings_of_components_are_suggested(read):
    with pytest.raises(InputError, match="unknown key model.cloud.neighbours; did you mean 'encoder.neighbors'?"):
        read(BOTH, "model.cloud.neighbours=3")
    with pytest.raises(InputError, match="unknown key model.panorama.stage; did you mean 'encoder.stages'?"):
        read(BOTH, "model.panorama.stage=3")
