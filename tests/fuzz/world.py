"""Valid inputs of every reader, small, to be damaged: one folder with all of them."""

from pathlib import Path

import numpy as np
import osmium
import pandas as pd
import torch
from PIL import Image
from scipy.io import savemat

from config.schema import read_config
from data.area import Area
from data.areas.build_area import build_area
from data.areas.sample_streets import sample_streets
from data.areas.write_area import write_area
from data.city import CityMap
from data.osm.build import build_map
from eval.routes.inputs import read_inputs
from eval.routes.localizers.localizer import build_localizer
from eval.routes.results.figure import COLUMNS
from models.checkpoint import save_checkpoint
from tests.conftest import Extract
from tests.data.sources.streetlearn.published import write_dataset
from tests.models.published.conftest import pointnet
from tests.training.tiny import write_datasets, write_recipe
from training.train import train_recipe

PLACES = 11  # of tiny/test, which embeddings, edges and routes are of


def write_world(folder: Path, compiled: bool = True) -> Path:
    """Writes `folder` and what it holds: extracts, tables, arrays, matlab, data, runs, photos, weights, published and a recipe.

    Args:
        compiled: render the built area, so that what numba compiles is compiled once, for all forks; otherwise its arrays are made up.
    """
    write_datasets(folder / "data")
    cloud = {"points": 16, "neighbors": 4, "widths": [8], "features": 8}
    write_recipe(
        folder, folder / "data", tile={"height": 16, "encoder": {"stages": 2}, "polar": True}, cloud=cloud, fusion="concat", embedding_dim=8
    )
    for name in ("extracts", "tables", "arrays", "matlab", "photos", "weights"):
        (folder / name).mkdir()
    _write_extracts(folder / "extracts")
    _write_built_city(folder, compiled)
    _write_run(folder)
    _write_embeddings(folder)
    _write_tables(folder)
    _write_photographs(folder / "photos")
    build_localizer("paper", read_inputs(folder / "matlab/MES_small.mat").map, 100).locate(np.zeros((1, 2, 4), np.float32))
    state = {name: tensor.clone() for name, tensor in pointnet(per_point=False).items()}
    save_checkpoint(
        folder / "weights/w.safetensors",
        state,
        {"part": "panorama", "settings": {"encoder": {"name": "resnet18", "stages": 2}}, "embedding_dim": None},
    )
    torch.save({"state_dict": state, "epoch": 3, "best": np.float64(0.5)}, folder / "weights/w.pth")
    write_dataset(folder / "published")
    return folder


def _write_extracts(folder: Path) -> None:
    extract = Extract(180, 160)
    extract.box(-40, -40, 0, 0, {"building": "yes", "height": "20", "roof:shape": "gabled", "roof:levels": "1", "roof:direction": "N"})
    extract.box(-40, -40, -20, 0, {"building:part": "yes", "height": "12 m", "min_height": "3"})
    extract.box(20, 20, 60, 60, {"building": "church", "building:levels": "4", "building:min_level": "1", "roof:shape": "dome"})
    extract.multipolygon(extract.box(20, -80, 80, -20), extract.box(40, -60, 60, -40), {"building": "yes"})
    extract.way([(-180, 30), (0, 32), (180, 30)], {"highway": "primary", "lanes": "3", "bridge": "yes", "layer": "1"})
    extract.way([(10, -160), (12, 160)], {"highway": "footway", "width": "2.5"})
    extract.box(-110, -90, -60, -50, {"natural": "water"})
    extract.way([(-180, -145), (0, -147), (180, -145)], {"natural": "coastline"})
    extract.way([(-100, 80), (-20, 80)], {"natural": "tree_row"})
    extract.node((5, 5), {"natural": "tree", "height": "9", "diameter_crown": "400"})
    for suffix in (".osm", ".osm.gz", ".osm.bz2"):
        extract.write(folder / f"small{suffix}")
    with osmium.SimpleWriter(str(folder / "small.osm.pbf")) as writer:
        for element in osmium.FileProcessor(str(folder / "small.osm")):
            writer.add(element)


def _write_built_city(folder: Path, compiled: bool) -> None:
    """`data/built`: a map with surfaces and streets, and an area of it."""
    build_map(folder / "extracts/small.osm", folder / "data/built", density=0.05, metres_per_pixel=2.0, processes=1)
    city = CityMap(folder / "data/built")
    places = sample_streets(city, 10.0, None, "p", np.random.default_rng(0))
    if compiled:
        build_area(city, folder / "data/built/area", places, None, 8, 16, 0, processes=1)
    else:
        panorama, cloud = np.zeros((8, 16, 3), np.uint8), np.arange(16, dtype=np.int32)
        write_area(folder / "data/built/area", city, places, lambda _: panorama, lambda _: cloud, 8, 16, {"panoramas": "rendered"}, 1)


def _write_run(folder: Path) -> None:
    """`runs/tiny`, as a training leaves it."""
    config = read_config(folder / "tiny.yaml", ["training.epochs=1", "model.panorama.height=16", "model.panorama.pooling.sectors=1"])
    train_recipe(config, torch.device("cpu"))


def _write_embeddings(folder: Path) -> None:
    rng, places = np.random.default_rng(0), Area(folder / "data", "tiny/test").locations
    query, reference = (rng.standard_normal((PLACES, 4)).astype(np.float32) for _ in range(2))
    arrays = {"query": query, "reference": reference, **vars(places), "metric": "cosine"}
    np.savez(folder / "arrays/embeddings.npz", **arrays)
    routes = np.array([np.arange(start, start + 6) for start in range(5)])
    turns = (rng.random((5, 5)) < 0.3).astype(int)
    np.savez(folder / "arrays/routes.npz", routes=routes)
    np.savez(folder / "arrays/turns.npz", turns=turns)
    struct = np.empty((1, PLACES), [(name, object) for name in ("x", "y", "gsv_yaw", "neighbor", "bearing", "oidx")])
    for i in range(PLACES):
        near = np.array([[j + 1 for j in (i - 1, i + 1) if 0 <= j < PLACES]], np.float64)
        struct[0, i] = (reference[i : i + 1], query[i : i + 1], np.array([[10.0 * i]]), near, near * 0, np.array([[i + 1]]))
    savemat(folder / "matlab/MES_small.mat", {"routes": struct})
    savemat(folder / "matlab/MES_packed.mat", {"routes": struct}, do_compression=True)
    savemat(folder / "matlab/routes.mat", {"test_route": routes + 1.0}, do_compression=True)
    savemat(folder / "matlab/turns.mat", {"test_turn": turns.astype(np.uint8)})
    pd.DataFrame(routes).to_csv(folder / "tables/routes.csv", header=False, index=False)
    pd.DataFrame(turns).to_csv(folder / "tables/turns.csv", header=False, index=False)


def _write_tables(folder: Path) -> None:
    for name, area in (("locations", "tiny/test"), ("built", "built/area")):
        places = Area(folder / "data", area).locations
        rows = zip(places.ids, places.lat, places.lon, places.heading_deg, strict=True)
        text = "".join(f"{place},{lat},{lon},{heading}\n" for place, lat, lon, heading in rows)
        (folder / f"tables/{name}.csv").write_text("id,lat,lon,heading_deg\n" + text)
        (folder / f"tables/{name} as published.csv").write_text(text.replace("\n", ",Tiny\n"))
    edges = [f"{i},{j}\n" for i in range(PLACES) for j in (i - 1, i + 1) if 0 <= j < PLACES]
    (folder / "tables/edges.csv").write_text("from,to\n" + "".join(edges))
    curve = "".join(f"embeddings,dgcnn2to3,100,{n},{50 + n}\n" for n in range(1, 7))
    (folder / "tables/accuracy.csv").write_text(",".join(COLUMNS) + "\n" + curve)


def _write_photographs(folder: Path) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (8, 16, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8769] = 3, "a maker", {0x9000: b"0230"}
    xmp = (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
           b'xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" GPano:FullPanoWidthPixels="64" GPano:FullPanoHeightPixels="32" '
           b'GPano:CroppedAreaImageWidthPixels="64" GPano:CroppedAreaImageHeightPixels="32" GPano:CroppedAreaLeftPixels="0" '
           b'GPano:CroppedAreaTopPixels="0" GPano:ProjectionType="equirectangular"/></rdf:RDF></x:xmpmeta>')  # fmt: skip
    Image.fromarray(picture).save(folder / "plain.jpg")
    Image.fromarray(picture).save(folder / "metadata.jpg", exif=exif, xmp=xmp, progressive=True)
    Image.fromarray(picture).save(folder / "colour.png", exif=exif)
    Image.fromarray(picture[..., 0].astype(np.uint16) * 257).save(folder / "grey16.png")
    Image.fromarray(picture).convert("P").save(folder / "palette.png", transparency=3)
