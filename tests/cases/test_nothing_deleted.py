"""Nothing of the user's is ever deleted: output folders, names that are paths, kills in the middle, two commands at a time."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from config.reader import to_yaml
from config.schema import read_config
from data import prepare
from data.area import Area
from data.areas.write_area import AREA, write_area
from data.city import MAP, CityMap
from data.locations import Locations
from data.osm.build import build_map
from data.osm.tile import TileMaker
from data.sources.streetlearn.import_area import IMPORTED_MAP
from data.town import make_demo
from eval import evaluate
from eval.routes import __main__ as routes
from models import export
from models.checkpoint import save_checkpoint
from models.model import build_model
from tests.training.tiny import HEIGHT, POINTS, write_city, write_datasets, write_places, write_recipe
from utils.atomic import atomic_folder
from utils.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def contents(folder: Path) -> dict[str, bytes]:
    """All files under a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def refusal(call_main, tmp_path):
    """Runs a command that must be refused with one line and leave everything under tmp_path as it is; returns the line."""

    def refusal(main, *arguments):
        before = contents(tmp_path)
        status, _, err = call_main(main, *arguments)
        assert status == 2 and err.startswith("error: ") and err.count("\n") == 1, (status, err)
        assert contents(tmp_path) == before
        return err

    return refusal


@pytest.fixture
def city(tmp_path) -> Path:
    """The folder of a tiny city with an area `test`."""
    write_places(write_city(tmp_path / "tiny"), "test", 5, 1)
    return tmp_path / "tiny"


@pytest.fixture
def photographs(tmp_path, city) -> tuple[str, ...]:
    """Options that make an area of two photographs."""
    (tmp_path / "photographs").mkdir()
    Area(tmp_path, "tiny/test").locations[np.arange(2)].to_csv(tmp_path / "places.csv")
    for i in range(2):
        Image.new("RGB", (64, 32)).save(tmp_path / f"photographs/test-{i}.jpg")
    return ("--city", city, "--locations", tmp_path / "places.csv", "--panoramas", tmp_path / "photographs", "--height", HEIGHT,
            "--points", POINTS, "--processes", 1)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of the tiny model with its data beside it; not to be changed."""
    root = tmp_path_factory.mktemp("run")
    config = read_config(write_recipe(root, write_datasets(root / "data"), tile={"height": 16, "encoder": {"stages": 2}}))
    folder = root / "runs/r"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(to_yaml(config))
    weights = build_model(config.model, config.seed, torch.device("cpu")).state_dict()
    save_checkpoint(folder / "checkpoints/best.safetensors", {f"model.{k}": v for k, v in weights.items()}, {"epoch": 1})
    return folder


@pytest.fixture
def own_run(run, tmp_path) -> Path:
    """A copy of it that may be changed."""
    return shutil.copytree(run, tmp_path / "runs/r")


# --- The cases -------------------------------------------------------------------------------------------------------------------------


def script(cases: Path, name: str, tmp_path: Path) -> str:
    environment = os.environ | {"PROJ": str(ROOT), "PY": sys.executable, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)}
    result = subprocess.run(["sh", cases / "commands" / name], env=environment, text=True, capture_output=True, timeout=300)
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


def test_case_area_deletes_photographs(cases, tmp_path):
    out = script(cases, "area_deletes_photographs.sh", tmp_path)
    assert "exit 2" in out and out.count("error: ") == 1 and out.count("test-0.jpg\ntest-1.jpg\n") == 2


def test_case_area_symlink(cases, tmp_path):
    out = script(cases, "area_symlink_traceback.sh", tmp_path)
    assert "2 places" in out and "exit 0" in out


@pytest.mark.parametrize("where", ["the run", "home"])
def test_case_export_out_deletes_folder(refusal, own_run, tmp_path, where):
    """export_out_deletes_folder.sh trains three times to show it."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.txt").write_text("years")
    assert "did not" not in refusal(export.main, own_run, "--out", own_run if where == "the run" else tmp_path / "home")


# --- Others of the kind ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "content"), [
    ("thesis.txt", "years"), ("area.json", "{}"), ("panoramas.npy", "mine"), ("area.json", "no JSON"), ("area.json", "[" * 100_000),
    ("area.json", '{"made_by": "data.prepare streetlearn"}'), ("deep/area.json", "{}"), ("panoramas.npy/mine.jpg", "mine"),
])  # fmt: skip
def test_folders_that_are_no_areas_of_this_command(refusal, city, photographs, name, content):
    (city / "mine" / name).parent.mkdir(parents=True)
    (city / "mine" / name).write_text(content)
    assert "it was left as it is" in refusal(prepare.main, "area", *photographs, "--name", "mine")


def test_areas_of_this_command_are_replaced(call_main, city, photographs):
    for expected in (5, 2):
        assert len(Area(city.parent, "tiny/test")) == expected
        assert call_main(prepare.main, "area", *photographs, "--name", "test")[0] == 0


def test_an_area_with_something_of_the_users_in_it(refusal, city, photographs):
    (city / "test/notes.txt").write_text("mine")
    assert "notes.txt" in refusal(prepare.main, "area", *photographs, "--name", "test")


def test_areas_of_earlier_versions_are_replaced(call_main, city, photographs):
    info = json.loads((city / "test/area.json").read_text())
    assert info.pop("made_by") == "data.prepare area"
    (city / "test/area.json").write_text(json.dumps(info))
    assert call_main(prepare.main, "area", *photographs, "--name", "test")[0] == 0


@pytest.mark.parametrize("name", ["..", "a/b", "/absolute", "a\nb", "-a", ".a", "map", "", "ä" * 121, "a "])
def test_names_that_lead_elsewhere(refusal, city, photographs, name):
    assert "--name" in refusal(prepare.main, "area", *photographs, f"--name={name}")


@pytest.mark.parametrize("where", ["a file", "below a file", "a link to photographs", "a file's name too long"])
def test_places_where_no_area_can_be_written(refusal, call_main, city, photographs, tmp_path, where):
    options = list(photographs)
    if where == "below a file":
        (tmp_path / "file").write_text("mine")
        options[1] = tmp_path / "file"
    elif where == "a file":
        (city / "new").write_text("mine")
    elif where == "a link to photographs":
        (city / "new").symlink_to(tmp_path / "photographs")
    else:
        options[1] = tmp_path / ("a" * 256)
    assert "new: " in refusal(prepare.main, "area", *options, "--name", "new")


def test_a_link_stays_a_link(call_main, city, photographs, tmp_path):
    (tmp_path / "disk").mkdir()
    (city / "new").symlink_to(tmp_path / "disk/far")
    for _ in range(2):
        assert call_main(prepare.main, "area", *photographs, "--name", "new")[0] == 0
        assert (city / "new").is_symlink() and len(Area(city.parent, "tiny/new")) == 2
        assert [p.name for p in (tmp_path / "disk").iterdir()] == ["far"]


def test_a_map_over_drawings(refusal, small_extract, tmp_path):
    (tmp_path / "city/map").mkdir(parents=True)
    (tmp_path / "city/map/drawing.svg").write_text("mine")
    assert "drawing.svg" in refusal(prepare.main, "map", "--osm", small_extract, "--out", tmp_path / "city")


@pytest.mark.parametrize("what", ["map", "train", "town.osm", "file"])
def test_the_demo_over_a_city(refusal, city, small_extract, tmp_path, what):
    out = tmp_path / "out"
    if what == "map":
        shutil.copytree(city / "map", out / "map")
    elif what == "train":
        shutil.copytree(city / "test", out / "train")
    elif what == "town.osm":
        out.mkdir()
        shutil.copy(small_extract, out / "town.osm")
    else:
        out.write_text("mine")
    assert str(out) in refusal(prepare.main, "demo", "--out", out)


@pytest.mark.parametrize(("info", "theirs"), [
    ({"attribution": make_demo.DEMO_ATTRIBUTION, "format": 2, "points_sha256": "", "density": 0.2}, "demo map"),
    ({"attribution": "© OpenStreetMap contributors", "format": 2, "points_sha256": "", "density": 0.2}, "map"),
    ({"attribution": "© OpenStreetMap contributors", "format": 2, "points_sha256": ""}, "imported map"),
])  # fmt: skip
def test_maps_of_earlier_versions(tmp_path, info, theirs):
    """They do not name the command that made them, but their entries show it."""
    (tmp_path / "map.json").write_text(json.dumps(info))
    kinds = {"demo map": make_demo.DEMO_MAP, "map": MAP, "imported map": IMPORTED_MAP}
    replaced = {name for name, kind in kinds.items() if kind.objection(tmp_path) is None}
    assert replaced == {theirs, "map"} if theirs == "demo map" else replaced == {theirs}


def test_pictures_over_data(refusal, city, tmp_path):
    for name in ("test/area.json", "map/points.npy"):
        assert "--out" in refusal(prepare.main, "preview", "--city", city, "--name", "test", "--out", city / name)
    assert "--out" in refusal(prepare.main, "preview", "--city", city, "--name", "test", "--out", city)


@pytest.mark.parametrize("area", ["../../x", "/absolute/area", "tiny/../test", "tiny/map", "tiny", "tiny/test/deep", "tiny/a\nb"])
def test_areas_to_evaluate_are_names(refusal, own_run, area):
    assert "--areas" in refusal(evaluate.main, "--run", own_run, "--device", "cpu", "--areas", area)


def test_an_area_to_evaluate_by_its_path(refusal, own_run, tmp_path):
    """RUN_DIR / "/absolute" is "/absolute": the data set was replaced by its embeddings."""
    shutil.copytree(own_run.parents[1] / "runs", tmp_path / "other")
    write_datasets(tmp_path / "data")
    assert "--areas" in refusal(evaluate.main, "--run", own_run, "--device", "cpu", "--areas", tmp_path / "data/tiny/test")


def test_evaluating_again(call_main, refusal, own_run):
    folder, again = own_run / "evaluation/tiny/test", ("--run", own_run, "--device", "cpu")
    for _ in range(2):
        assert call_main(evaluate.main, *again)[0] == 0
    assert sorted(p.name for p in folder.iterdir()) == ["embeddings.npz", "embeddings.pkl", "metrics.json"]
    assert [p.name for p in folder.parent.iterdir()] == ["test"]
    (folder / "notes.txt").write_text("mine")
    assert "notes.txt" in refusal(evaluate.main, *again)


def test_results_over_what_is_read(refusal, own_run, tmp_path):
    pair = np.eye(4, dtype=np.float32)
    np.savez(tmp_path / "e.npz", query=pair, reference=pair)
    for output in (tmp_path / "e.npz", tmp_path, tmp_path / "e.npz/a.json", tmp_path / ("a" * 300), "/dev/null"):
        assert "--json" in refusal(evaluate.main, "--embeddings", tmp_path / "e.npz", "--json", output)
    data = shutil.copytree(read_config(own_run / "config.yaml").data.root, tmp_path / "data")
    text = (own_run / "config.yaml").read_text()
    (own_run / "config.yaml").write_text(text.replace(read_config(own_run / "config.yaml").data.root, str(data)))
    results = own_run / "evaluation/tiny/test/metrics.json"
    taken = (own_run / "config.yaml", own_run / "checkpoints/best.safetensors", data / "tiny/test/area.json", data / "tiny/map/map.json")
    for output in (*taken, results):
        assert "--json" in refusal(evaluate.main, "--run", own_run, "--json", output)


@pytest.mark.parametrize("option", ["--json", "--csv", "--save-routes", "--figure", "--out"])
def test_results_of_routes_are_checked_first(refusal, city, tmp_path, option):
    pair = np.eye(4, dtype=np.float32)
    np.savez(tmp_path / "e.npz", query=pair, reference=pair)
    (tmp_path / "a.png").mkdir()
    (tmp_path / "a.gif").mkdir()
    known = ("--embeddings", tmp_path / "e.npz", "--routes", tmp_path / "none.csv", *(("--animate", 1) if option == "--out" else ()))
    for output in (tmp_path / ("a.gif" if option == "--out" else "a.png"), tmp_path / "e.npz", tmp_path / "e.npz/deeper"):
        assert f"{option} {output}" in refusal(routes.main, *known, option, output)
    for output in (city / "test/area.json", city / "map/map.json"):
        assert f"{option} {output}" in refusal(routes.main, *known, "--graph", city / "test", option, output)


def test_called_from_within_what_is_replaced(call_main, own_run, monkeypatch):
    again = ("--areas", "tiny/test", "tiny/more", "--json", "../result.json")
    monkeypatch.chdir(own_run / "checkpoints")
    for run in (own_run, "../../.."):
        status, _, err = call_main(evaluate.main, "--run", run, *again)
        assert status == 0, err
        monkeypatch.chdir(own_run / "evaluation/tiny/test")
    assert Path.cwd() == own_run / "evaluation/tiny/test" and (own_run / "evaluation/tiny/result.json").is_file()


# --- Kills, and two at a time ----------------------------------------------------------------------------------------------------------


def killed_when(work, ready) -> None:
    """Runs `work` in a process of its own group and kills that process, not its children, as soon as `ready`."""
    child = os.fork()
    if child == 0:
        try:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            work()
        finally:
            os._exit(1)
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline and os.waitpid(child, os.WNOHANG)[0] == 0
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def gone(pids: list[int]) -> bool:
    """Whether processes end within some seconds."""
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() and "(zombie)" not in Path(f"/proc/{pid}/status").read_text() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_an_area_killed_in_the_middle(city, tmp_path):
    city_map, area, workers = CityMap(city), Area(city.parent, "tiny/test"), tmp_path / "workers"
    workers.mkdir()
    before = contents(city / "test")

    def write(panorama_of, processes):
        cloud = np.arange(POINTS, dtype=np.int32)
        write_area(city / "test", city_map, area.locations, panorama_of, lambda i: cloud, HEIGHT, POINTS, {}, processes)

    def slow(i):
        if i:
            (workers / str(os.getpid())).touch()
            time.sleep(600)
        return np.zeros((HEIGHT, 2 * HEIGHT, 3), np.uint8)

    killed_when(lambda: write(slow, 2), lambda: any(workers.iterdir()))
    assert gone([int(p.name) for p in workers.iterdir()])
    assert contents(city / "test") == before and len(list(city.glob(".test.partial-*"))) == 1
    write(lambda i: np.full((HEIGHT, 2 * HEIGHT, 3), 7, np.uint8), 1)
    assert sorted(p.name for p in city.iterdir()) == ["map", "test"]
    assert (Area(city.parent, "tiny/test").panoramas == 7).all()


def test_a_map_killed_in_the_middle(small_extract, tmp_path, monkeypatch):
    city, workers, make = tmp_path / "city", tmp_path / "workers", TileMaker.make
    workers.mkdir()
    parent = os.getpid()

    def slow(maker, window):
        if os.getppid() != parent:  # not the first tile, which is made before there are workers
            (workers / str(os.getpid())).touch()
            time.sleep(600)
        return make(maker, window)

    def build():
        build_map(small_extract, city, density=0.01, metres_per_pixel=2.0, tile_m=200, processes=2)

    with monkeypatch.context() as patch:
        patch.setattr(TileMaker, "make", slow)
        killed_when(build, lambda: len(list(workers.iterdir())) == 2)
    assert gone([int(p.name) for p in workers.iterdir()])
    assert not (city / "map").exists() and len(list(city.glob(".map.partial-*"))) == 1
    build()
    assert [p.name for p in city.iterdir()] == ["map"] and CityMap(city).info["made_by"] == MAP.command


def test_partial_folders_that_may_be_someones(city):
    """Of a process of an earlier version that lives, and one with something of the user's in it."""
    kept = city / f".test.partial-{os.getpid()}/panoramas.npy", city / ".test.partial-0123abcd/thesis.txt"
    for path in kept:
        path.parent.mkdir()
        path.touch()
    for name in ("4194999", "89abcdef"):
        (city / f".test.partial-{name}").mkdir()
        (city / f".test.partial-{name}/panoramas.npy").touch()
    write_places(CityMap(city), "test", 5, 2)
    assert sorted(p.name for p in city.iterdir()) == sorted([*(path.parent.name for path in kept), "map", "test"])


def test_the_second_of_two_commands_is_told(refusal, call_main, city, photographs):
    with atomic_folder(city / "test", AREA) as folder:
        assert "another process is writing it" in refusal(prepare.main, "area", *photographs, "--name", "test")
        (folder / "area.json").write_text("{}")
    assert json.loads((city / "test/area.json").read_text()) == {}
    shutil.rmtree(city / "test")
    assert call_main(prepare.main, "area", *photographs, "--name", "test")[0] == 0


def test_a_reader_in_between_never_mixes_two(city, monkeypatch):
    """The area is replaced after its locations are read and before its arrays are opened; the map after its points."""
    read, calls = Locations.from_csv, []

    def late(*args, **options):
        table = read(*args, **options)
        if not calls:
            calls.append(args)
            write_places(CityMap(city), "test", 5, 3)
        return table

    monkeypatch.setattr(Locations, "from_csv", late)
    with pytest.raises(InputError, match="test: was replaced while it was read"):
        Area(city.parent, "tiny/test")
    assert len(Area(city.parent, "tiny/test")) == 5
    before = CityMap(city)
    assert len(before.points) == 600
    shutil.rmtree(city / "map")
    write_city(city, seed=1)
    with pytest.raises(InputError, match="map: was replaced while it was read"):
        _ = before.raster
    assert len(CityMap(city).raster) == 160
