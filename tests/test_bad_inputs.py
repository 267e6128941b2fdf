"""Bad inputs of every command: each is refused in one line with exit status 2, and everything on disk is as it was before."""

import io
import json
import os
import pickle
import re
import shlex
import shutil
import struct
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from models.checkpoint import read_checkpoint
from tests.fuzz.world import write_world
from tests.warm import call

ROOT = Path(__file__).resolve().parents[1]
Edit = Callable[[Path], None]


def write(name: str, content: str | bytes) -> Edit:
    """A file of the user's with this content."""

    def edit(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return edit


def replace(name: str, old: str, new: str) -> Edit:
    """The first `old` (a regular expression) of a file replaced."""

    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert re.search(old, text)
        (folder / name).write_text(re.sub(old, lambda _: new, text, count=1))

    return edit


def half(name: str) -> Edit:
    """A file cut off in its middle."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[: (folder / name).stat().st_size // 2])


def without(name: str) -> Edit:
    return lambda folder: (folder / name).unlink()


def array(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    """An `.npy` changed."""
    return lambda folder: np.save(folder / name, change(np.load(folder / name)))


def npz(name: str, **changes) -> Edit:
    """An `.npz` of embeddings with other members."""

    def edit(folder: Path) -> None:
        arrays = dict(np.load(folder / "arrays/embeddings.npz")) | changes
        np.savez(folder / name, **{key: value for key, value in arrays.items() if value is not None})

    return edit


def info(name: str, **changes) -> Edit:
    """A JSON mapping with other values."""
    return lambda folder: (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | changes))


class Payload:
    """Pickled, it is code that leaves a file behind where it is run."""

    def __reduce__(self):
        return os.system, ("touch code-was-run",)


def pickled_array(name: str) -> Edit:
    return lambda folder: np.save(folder / name, np.array([Payload()], dtype=object), allow_pickle=True)


def pickled_member(folder: Path) -> None:
    np.savez(folder / "bad.npz", query=np.array([[Payload()]], dtype=object), reference=np.zeros((1, 1), np.float32))


def pickled_weights(folder: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(1)}, "x": Payload()}, folder / "bad.pth")


def no_array_inside(folder: Path) -> None:
    with zipfile.ZipFile(folder / "bad.npz", "w") as archive:
        archive.writestr("query.npy", b"not an array")
        archive.writestr("reference.npy", b"")


def encrypted(folder: Path) -> None:
    content = bytearray((folder / "arrays/embeddings.npz").read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.find(signature) + flags] |= 1
    (folder / "bad.npz").write_bytes(content)


def lying_header(folder: Path) -> None:
    """An array that says to be of 64 GB."""
    with zipfile.ZipFile(folder / "bad.npz", "w") as archive:
        for name in ("query", "reference"):
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (2**24, 1000)})


def small_zip_of_a_large_array(folder: Path) -> None:
    """3 MB that unpack to 3 GB: the same packed megabytes again and again."""
    packer, size = zlib.compressobj(1, zlib.DEFLATED, -15), 3 << 30
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (size // 1024, 256)})
    head = packer.compress(header.getvalue()) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    with zipfile.ZipFile(folder / "bad.npz", "w") as archive:
        archive.writestr("query.npy", head + block * (size >> 24) + packer.flush())
    content = bytearray((folder / "bad.npz").read_bytes())
    for signature, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):  # said to be deflated, of that size
        first = content.rfind(signature)
        struct.pack_into("<H", content, first + at, zipfile.ZIP_DEFLATED)
        struct.pack_into("<I", content, first + at + 14, len(header.getvalue()) + size)
    (folder / "bad.npz").write_bytes(content)


def weights(change: Callable[[torch.Tensor], torch.Tensor]) -> Edit:
    """A checkpoint whose first convolution was edited."""

    def edit(folder: Path) -> None:
        path = folder / "runs/tiny/checkpoints/best.safetensors"
        (tensors, about), name = read_checkpoint(path), "model.panorama.backbone.conv1.weight"
        save_file(tensors | {name: change(tensors[name])}, path, {"info": json.dumps(about)})

    return edit


def photographs(folder: Path) -> None:
    """`data/tiny/photos`: the originals of `tables/three.csv`."""
    lines = (folder / "tables/locations.csv").read_text().splitlines()[:4]
    (folder / "tables/three.csv").write_text("\n".join([*lines, ""]))
    (folder / "data/tiny/photos").mkdir()
    for line in lines[1:]:
        Image.new("RGB", (64, 32), (90, 120, 150)).save(folder / f"data/tiny/photos/{line.split(',')[0]}.jpg")


def photograph(name: str, size: tuple[int, int] | None) -> Edit:
    """One of the photographs spoilt, or of another size."""

    def edit(folder: Path) -> None:
        path = folder / f"data/tiny/photos/{name}.jpg"
        path.write_text("no image") if size is None else Image.new("RGB", size).save(path)

    return edit


def weights_file(folder: Path) -> None:
    save_file({"something.else": torch.zeros(3)} | load_file(folder / "weights/w.safetensors"), folder / "bad.safetensors")


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
LONG, LINES = "x" * 300, "two\nlines"
MAP = "data.prepare map --out new --processes 1 --density 0.05 --resolution 2"
SMALL, BAD_XML, XML = f"{MAP} --osm extracts/small.osm", f"{MAP} --osm bad.osm", "extracts/small.osm"
AREA = "data.prepare area --city data/tiny --height 8 --points 8 --processes 1"
PHOTOS = f"{AREA} --locations tables/three.csv --panoramas data/tiny/photos"
BUILT = "data.prepare area --city data/built --render --height 8 --points 8 --processes 1"
PLACES, EVERY = f"{BUILT} --name new --locations bad.csv", f"{BUILT} --name new --every 20"
TRAIN = "training.train tiny.yaml training.epochs=1 runs=new"
COPIED = f"{TRAIN} data.root=data"
EVALUATE = "eval.evaluate --device cpu --run runs/tiny"
ROUTES = "eval.routes --embeddings arrays/embeddings.npz --graph tables/edges.csv"
ALONG, LOCATED = f"{ROUTES} --routes bad.csv", f"{ROUTES} --routes tables/routes.csv"
EMBEDDED = "eval.evaluate --embeddings bad.npz"
EDGES = "eval.routes --embeddings arrays/embeddings.npz --routes tables/routes.csv --graph bad.csv"
IMPORT = "data.prepare streetlearn --root published --area eastU --datasets new --height 8 --points 8 --processes 1"
CHECK = "data.prepare check --root published --processes 1"

# What is called, a word of the line, and what was done to the inputs before.
CASES = {
    # data.prepare map
    "no such extract": (f"{MAP} --osm none.osm", "none.osm"),
    "a folder as an extract": (f"{MAP} --osm extracts", "extracts"),
    "an empty extract": (BAD_XML, "bad.osm", write("bad.osm", "")),
    "an error page as an extract": (BAD_XML, "bad.osm", write("bad.osm", "<html><body>429 Too Many Requests</body></html>\n")),
    "half a pbf": (f"{MAP} --osm extracts/small.osm.pbf", "small.osm.pbf", half("extracts/small.osm.pbf")),
    "half a gz": (f"{MAP} --osm extracts/small.osm.gz", "small.osm.gz", half("extracts/small.osm.gz")),
    "a latitude that is no number": (SMALL, "small.osm", replace(XML, '" lat="[^"]*', '" lat="abc')),
    "a longitude that is infinite": (SMALL, "small.osm", replace(XML, '" lon="[^"]*', '" lon="inf')),
    "bounds that are no numbers": (SMALL, "small.osm", replace(XML, 'maxlat="[^"]*', 'maxlat="NaN')),
    "bounds upside down": (SMALL, "small.osm", replace(XML, 'minlat="[^"]*', 'minlat="-33.0')),
    "bounds of the whole world": (SMALL, "small.osm",
        replace(XML, "<bounds[^>]*", '<bounds minlat="-90" minlon="-180" maxlat="90" maxlon="180"/')),
    "a change file": (f"{MAP} --osm bad.osc", "change",
        write("bad.osc", '<osmChange version="0.6"><delete><node id="1" version="2" lat="1" lon="1"/></delete></osmChange>\n')),
    "an entity that names a file": (SMALL, "small.osm", replace(XML, r"\?>", '?>\n<!DOCTYPE osm [<!ENTITY e SYSTEM "/etc/passwd">]>'),
        replace(XML, '"yes"', '"&e;"')),
    "an unknown suffix": (f"{MAP} --osm bad.osm.xz", "bad.osm.xz", write("bad.osm.xz", "x")),
    "no buildings": (BAD_XML, "building", write("bad.osm", '<osm version="0.6"><bounds minlat="1" minlon="1" maxlat="1.01" '
        'maxlon="1.01"/><node id="1" version="1" lat="1.001" lon="1.001"/></osm>\n')),
    "pixels of a thousand kilometres": (f"{SMALL} --resolution 1e6", "resolution"),
    "pixels of a micrometre": (f"{SMALL} --resolution 1e-6", ""),
    "a point on every atom": (f"{SMALL} --density 1e12", ""),
    "an origin beyond the pole": (f"{SMALL} --origin 91,0", "origin"),
    "a city's folder that is a file": (f"{SMALL} --out tables/edges.csv", "edges.csv"),
    "a city's name that is too long": (f"{SMALL} --out {LONG}", "xxx"),
    "a map where something else lies": (f"{SMALL} --out mine", "mine/map", write("mine/map/holiday.txt", "route to the lake")),
    # data.prepare area
    "an area in the place of the photographs": (f"{PHOTOS} --name photos", "photos", photographs),
    "an area in the place of a folder": (f"{PHOTOS} --name notes", "notes", photographs, write("data/tiny/notes/years.txt", "of work")),
    "an area in the place of a file": (f"{PHOTOS} --name notes.txt", "notes.txt", photographs, write("data/tiny/notes.txt", "mine")),
    "an area with a file of the user's in it": (f"{PHOTOS} --name test", "test", photographs, write("data/tiny/test/thesis.txt", "years")),
    "an area outside its city": (f"{PHOTOS} --name ../other", "other", photographs),
    "an area's name that is too long": (f"{PHOTOS} --name {LONG}", "xxx", photographs),
    "an area's name of two lines": (f"{PHOTOS} --name '{LINES}'", "lines", photographs),
    "no such city": (f"{PHOTOS} --city data/none --name new", "none", photographs),
    "two photographs that are none": (f"{PHOTOS} --name new", "test-0.*test-2", photographs, photograph("test-0", None),
        photograph("test-2", None)),
    "a square photograph": (f"{PHOTOS} --name new", "test-1", photographs, photograph("test-1", (64, 64))),
    "an id that is a path": (PLACES, r"\.\./x", write("bad.csv", "id,lat,lon,heading_deg\n../x,-33.9,151.2,0\n")),
    "a number that crashes the reader": (PLACES, "bad.csv", write("bad.csv", "id,lat,lon,heading_deg\na,1e2147483648,0,0\n")),
    "an id of a megabyte": (PLACES, "bad.csv", write("bad.csv",
        "id,lat,lon,heading_deg\n" + "".join(f"p{i},-33.9,151.2,0\n" for i in range(2000)) + "y" * 1_000_000 + ",-33.9,151.2,0\n")),
    "a table of nothing": (PLACES, "bad.csv", write("bad.csv", "\n\n")),
    "a heading that is no number": (PLACES, "heading", write("bad.csv", "id,lat,lon,heading_deg\na,-33.9,151.2,north\n")),
    "a place with another id twice": (PLACES, "'a'", write("bad.csv", "a,-33.9,151.2,0\na,-33.9,151.2,9\n")),
    "a place on the far side of the earth": (PLACES, "outside", write("bad.csv", "a,33.9,-28.8,0\n")),
    "places at each nanometre": (f"{BUILT} --name new --every 1e-9", ""),
    "panoramas of a million rows": (f"{EVERY} --height 1000000", ""),
    "clouds of two thousand million points": (f"{EVERY} --points 2000000000", ""),
    "apart from no area": (f"{EVERY} --apart-from none", "none"),
    "a map whose cells point beyond its end": (EVERY, "cell_start", array("data/built/map/cell_start.npy", lambda a: a + 10**6)),
    # data.prepare demo, preview, picture
    "a demo in the place of a file": ("data.prepare demo --out tables/edges.csv", "edges.csv"),
    "a preview of no such place": ("data.prepare preview --city data/built --name area --places 99 --out new.png", "99"),
    "a preview into a folder": ("data.prepare preview --city data/built --name area --out tables", "tables"),
    "a picture of another city": ("data.prepare picture --city data/built --at 40,-74 --out new.png", "outside"),
    "a picture below a file": ("data.prepare picture --city data/built --out tables/edges.csv/new.png", "edges.csv"),
    "a picture of a map without surfaces": ("data.prepare picture --city data/tiny --out new.png", "surfaces"),
    # data.prepare streetlearn, check, export
    "no published layout": ("data.prepare check --root tables", "tables"),
    "a class beyond the table": (IMPORT, "alphaU.csv", replace("published/alpha/alphaU.csv", r"^\d+", "25")),
    "a number that crashes the reader of tables": (f"{CHECK} --area eastU", "",
        replace("published/csv/eastU_xy.csv", "120.25", "1e2147483648")),
    "a published cloud that is code": (IMPORT, "alphaU.npy", pickled_array("published/alpha/alphaU.npy")),
    "indices that are no whole numbers": (IMPORT, "eastU", array("published/eastU_idx/looks_north.npy", lambda a: a + 0.5)),
    "a city that leads elsewhere": (IMPORT, r"\.\.", *(replace(f"published/csv/eastU{e}.csv", "alpha", "..") for e in ("", "_xy", "_set"))),
    "datasets below a file": (IMPORT.replace("--datasets new", "--datasets tables/edges.csv"), "edges.csv"),
    "an import that would replace a built map": (IMPORT.replace("--datasets new", "--datasets data"), "map",
        lambda folder: shutil.copytree(folder / "data/built", folder / "data/alpha")),
    "an export of no such area": ("data.prepare export --layout streetlearn --city data/tiny --root new --area none", "none"),
    "an export below a file": ("data.prepare export --layout streetlearn --city data/tiny --root tables/edges.csv --area test",
        "edges.csv"),
    # training.train
    "no such recipe": ("training.train none.yaml", "none.yaml"),
    "a recipe that is a folder": ("training.train tables", "tables"),
    "a recipe that is code": ("training.train bad.yaml", "bad.yaml",
        write("bad.yaml", "name: !!python/object/apply:os.system ['touch code-was-run']\n")),
    "a recipe of aliases": ("training.train bad.yaml", "bad.yaml", write("bad.yaml", BOMB)),
    "a recipe that holds itself": ("training.train bad.yaml", "bad.yaml", write("bad.yaml", "name: &a [*a]\n")),
    "an unknown key": (f"{TRAIN} training.epochz=3", "epochz"),
    "a run's name that is a path": (f"{TRAIN} name=../mine", "mine"),
    "a run's name that is too long": (f"{TRAIN} name={LONG}", "xxx"),
    "runs below a file": (f"{TRAIN} runs=tables/edges.csv", "edges.csv"),
    "no such area to train on": (f"{TRAIN} data.train=[tiny/none]", "none"),
    "an area that leads elsewhere": (f"{TRAIN} data.train=[tiny/..]", r"\.\."),
    "a model larger than memory": (f"{TRAIN} model.embedding_dim=1000000000", ""),
    "a device that is not there": (f"{TRAIN} device=cuda:7", "cuda"),
    "weights that are code": (f"{TRAIN} model.panorama.weights=bad.pth", "bad.pth", pickled_weights),
    "panoramas of floats": (COPIED, "panoramas", array("data/tiny/train/panoramas.npy", lambda a: a.astype(np.float32))),
    "square panoramas": (COPIED, "panoramas", array("data/tiny/train/panoramas.npy", lambda a: a[:, :, : a.shape[1]])),
    "indices of floats": (COPIED, "cloud_index", array("data/tiny/train/cloud_index.npy", lambda a: a.astype(np.float32))),
    "panoramas that are code": (COPIED, "panoramas", pickled_array("data/tiny/train/panoramas.npy")),
    "classes beyond the table in a map": (COPIED, "classes", array("data/tiny/map/classes.npy", lambda a: a + 200)),
    "a raster of another size": (COPIED, "raster", array("data/tiny/map/raster.npy", lambda a: a[:10])),
    "a map without an origin": (COPIED, "map.json", replace("data/tiny/map/map.json", "origin", "origins")),
    "a map without an extent": (COPIED, "map.json", info("data/tiny/map/map.json", bounds=[0, 0, 0, 0])),
    "an area's description that is a list": (COPIED, "area.json", write("data/tiny/train/area.json", "[1, 2]")),
    "places of an area that are infinite": (COPIED, "locations.csv", replace("data/tiny/train/locations.csv", r",-?\d+\.\d+\n", ",inf\n")),
    # eval.evaluate
    "no run": ("eval.evaluate --run tables", "tables"),
    "a run without a checkpoint": (EVALUATE, "best", without("runs/tiny/checkpoints/best.safetensors")),
    "a dataset as an area's path": (f"{EVALUATE} --areas $PWD/data/tiny/test", "test"),
    "an area beyond the run": (f"{EVALUATE} --areas tiny/../../data/tiny/test", "test"),
    "metrics into a folder": (f"{EVALUATE} --json tables", "tables"),
    "half a checkpoint": (EVALUATE, "best", half("runs/tiny/checkpoints/best.safetensors")),
    "weights of whole numbers": (EVALUATE, "best", weights(torch.Tensor.int)),
    "weights that are no numbers": (EVALUATE, "finite", weights(lambda tensor: tensor * float("nan"))),
    "another model than the checkpoint's": (EVALUATE, "another model",
        replace("runs/tiny/config.yaml", "embedding_dim: 8", "embedding_dim: 9")),
    "a folder as embeddings": ("eval.evaluate --embeddings tables", "tables"),
    "embeddings that are no arrays": (EMBEDDED, "bad.npz", no_array_inside),
    "embeddings that are code": (EMBEDDED, "bad.npz", pickled_member),
    "encrypted embeddings": (EMBEDDED, "bad.npz", encrypted),
    "embeddings said to be larger than memory": (EMBEDDED, "bad.npz", lying_header),
    "embeddings that unpack to more than memory": (EMBEDDED, "bad.npz", small_zip_of_a_large_array),
    "embeddings of whole numbers": (EMBEDDED, "query", npz("bad.npz", query=np.ones((11, 4), int))),
    "embeddings that are not finite": (EMBEDDED, "reference", npz("bad.npz", reference=np.full((11, 4), np.inf))),
    "two metrics": (EMBEDDED, "metric", npz("bad.npz", metric=np.array(["cosine", "euclidean"]))),
    "places of another number": (EMBEDDED, "x is", npz("bad.npz", x=np.zeros(10))),
    "half a mat": ("eval.evaluate --embeddings matlab/MES_small.mat", "MES_small.mat", half("matlab/MES_small.mat")),
    # eval.routes, eval.routes.fit
    "an edge with a cell too many": (EDGES, "bad.csv", write("bad.csv", "from,to\n0,1,2\n2,3\n")),
    "edges with a cell too many each": (EDGES, "bad.csv", write("bad.csv", "from,to\n0,1,2\n2,3,4\n")),
    "an edge that crashes the reader": (EDGES, "bad.csv", write("bad.csv", "from,to\n0,1e2147483648\n")),
    "an edge that is read as another": (EDGES, "bad.csv", write("bad.csv", "from,to\n0,1e4294967296\n")),
    "routes of truths": (ALONG, "bad.csv", write("bad.csv", "False,True\n")),
    "a route to half a place": (ALONG, "bad.csv", write("bad.csv", "0,1.5\n")),
    "routes of different lengths": (ALONG, "bad.csv", write("bad.csv", "0,1,2\n0,1\n")),
    "turns of other routes": (f"{LOCATED} --turns bad.csv", "bad.csv", write("bad.csv", "0,1\n")),
    "routes longer than memory": (f"{ROUTES} --generate 1 --length 1000000000", ""),
    "nothing kept": (f"{LOCATED} --keep 0", "keep"),
    "no number kept": (f"{LOCATED} --keep nan", "keep"),
    "a figure of an unknown kind": (f"{LOCATED} --figure new.bmp", "new.bmp"),
    "an animation of an unknown kind": (f"{LOCATED} --animate 1 --out new.txt", "new.txt"),
    "accuracies into a folder": (f"{LOCATED} --csv tables", "tables"),
    "a fit of one route": ("eval.routes.fit --embeddings matlab/MES_small.mat --routes 1 --length 4", "routes"),
    "a fit without a graph": ("eval.routes.fit --embeddings arrays/embeddings.npz", "graph"),
    # models, models.published, models.export
    "sizes that no model takes": ("models --height 33", "height"),
    "published weights that are code": ("models.published bad.pth new", "bad.pth", pickled_weights),
    "published weights of nobody": ("models.published bad.safetensors new.safetensors", "bad.safetensors", weights_file),
    "published weights in the place of a folder": ("models.published weights/w.pth mine", "mine", write("mine/thesis.txt", "years")),
    "published weights from a folder": ("models.published tables new", "tables"),
    "an export in the place of a folder": ("models.export runs/tiny --out mine", "mine", write("mine/thesis.txt", "years")),
    "an export in the place of its run": ("models.export runs/tiny --out runs/tiny", "runs/tiny"),
    "an export in the place of a file": ("models.export runs/tiny --out tables/edges.csv", "edges.csv"),
    "an export of no run": ("models.export data/tiny --out new", "data/tiny"),
}  # fmt: skip


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Valid inputs of every command; not to be changed."""
    return write_world(tmp_path_factory.mktemp("bad") / "world", compiled=False)  # what is bad is refused before the work


def snapshot(folder: Path) -> dict[str, tuple]:
    """Everything in a folder, hidden files too, and when it was last written."""
    return {str(path.relative_to(folder)): (path.lstat().st_mode, path.lstat().st_size, 0 if path.is_dir() else path.lstat().st_mtime_ns)
            for path in folder.rglob("*")}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_bad_input_is_one_line_and_changes_nothing(case, world, tmp_path, monkeypatch):
    command, word, *edits = CASES[case]
    folder = Path(shutil.copytree(world, tmp_path / "here"))
    (folder / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    for edit in edits:
        edit(folder)
    before = snapshot(folder)
    result = call(*shlex.split(command.replace("$PWD", str(folder))), cwd=folder, timeout_s=20, memory_bytes=2 << 30)
    assert not result.timed_out, "over 20 s"
    lines = result.err.splitlines()
    assert result.status == 2 and len(lines) == 1 and lines[0].startswith("error: "), (result.status, result.err[-3000:])
    assert re.search(word, lines[0]), lines[0]
    assert snapshot(folder) == before


@pytest.mark.parametrize("arguments", ["trains.sh none.yaml", "trains.sh demo", "evals.sh none", "evals.sh tests.sh"])
def test_a_bad_argument_of_a_script(arguments):
    result = subprocess.run(["sh", *arguments.split()], cwd=ROOT, capture_output=True, text=True)
    script, argument = arguments.split()
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1) and argument in result.stderr


def test_every_case_is_one_of_its_own():
    assert len(CASES) >= 60 and len({(command, *map(repr, edits)) for command, _, *edits in CASES.values()}) == len(CASES)


def test_code_in_a_pickle_would_be_seen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Payload()))
    assert (tmp_path / "code-was-run").exists()
