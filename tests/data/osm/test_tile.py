"""The map does not depend on how the city is cut into tiles, nor on how many processes work on them."""

import numpy as np
import pytest
import shapely

from data.city import CityMap
from data.osm.build import build_map
from data.osm.store import Blocks
from data.surfaces import DECK, ROOF, WALL
from tests.data.osm.scenes import assert_same_map, digests, star
from utils.classes import INDEX

HALF = (520, 420)  # 5 × 4 blocks of 256 m


def crossing_blocks(extract):
    """Everything that reaches over several blocks: an outline of most of the map with parts far apart, roads, bridges, coast, trees."""
    rng = np.random.default_rng(0)
    outline = extract.polygon(star(rng, (0, 0), 400, 14), {"building": "yes"})
    parts = []
    for i in range(40):
        tags = {"building:part": "yes", **({"height": f"{rng.uniform(5, 60):.1f}"} if i % 2 else {})}
        tags |= {"min_height": f"{3 + i / 10}"} if i % 3 == 0 else {"building": "yes"} if i % 7 == 0 else {}
        parts.append(extract.polygon(star(rng, rng.uniform(-330, 330, 2), rng.uniform(15, 90), 7), tags))
    extract.relation([(outline, "outline"), *((number, "part") for number in parts[::5])], {"type": "building"})
    for i in range(30):
        tags = {"building": "roof" if i % 5 == 0 else "yes"}
        tags |= {"building:levels": str(1 + i % 9), "roof:shape": ("gabled", "skillion", "mansard")[i % 3]} if i % 2 else {}
        extract.polygon(star(rng, rng.uniform(-1, 1, 2) * HALF, rng.uniform(5, 30), 6), tags)
    for i in range(15):
        bridge = {"bridge": "yes", "layer": str(1 + i % 2)} if i % 5 == 0 else {}
        kind = ("primary", "residential", "footway")[i % 3]
        extract.way([tuple(rng.uniform(-600, 600, 2)) for _ in range(3)], {"highway": kind, **bridge})
    for i in range(10):
        tags = {"leisure": "park"} if i % 2 else {"natural": "wood"}
        extract.polygon(star(rng, rng.uniform(-500, 500, 2), rng.uniform(50, 200), 9), tags)
    for _ in range(5):
        extract.way([tuple(rng.uniform(-600, 600, 2)) for _ in range(2)], {"natural": "tree_row"})
    for _ in range(60):
        extract.node(rng.uniform(-1, 1, 2) * HALF, {"natural": "tree"})
    extract.way([(-8, 420 - 256), (264, 420 - 256)], {"highway": "secondary"})  # along the border between two rows of blocks
    extract.way([(-500, 420 - 256 - 19), (500, 420 - 256 - 19)], {"highway": "service", "width": "44"})  # reaches over it by 3 m
    extract.node((300, 420 - 512 - 10), {"natural": "tree", "height": "30", "diameter_crown": "36"})
    extract.way([(-400, -500), (-250, -150), (-300, 100), (-256, 500)], {"natural": "coastline"})
    for _ in range(6):
        extract.polygon(star(rng, rng.uniform(-450, -350, 2), 30, 8), {"natural": "coastline"})
    return extract


@pytest.fixture(scope="module")
def scene(new_extract, tmp_path_factory):
    return crossing_blocks(new_extract(*HALF)).write(tmp_path_factory.mktemp("blocks") / "blocks.osm")


@pytest.fixture(scope="module")
def in_one_tile(scene, tmp_path_factory):
    city = tmp_path_factory.mktemp("one") / "city"
    build_map(scene, city, density=0.1, metres_per_pixel=0.5, tile_m=5000, processes=1)
    return city


@pytest.mark.parametrize(("tile_m", "processes"), [(200, 1), (200, 3), (300, 2), (700, 1)])
def test_any_tiling_gives_the_same_map(scene, in_one_tile, tmp_path, tile_m, processes):
    build_map(scene, tmp_path, density=0.1, metres_per_pixel=0.5, tile_m=tile_m, processes=processes)
    assert_same_map(tmp_path, in_one_tile)


@pytest.mark.parametrize("metres_per_pixel", [0.45, 3.0, 10.0])
def test_at_any_resolution(scene, tmp_path, metres_per_pixel):
    for tile_m in (200, 5000):
        build_map(scene, tmp_path / str(tile_m), density=0.01, metres_per_pixel=metres_per_pixel, tile_m=tile_m, processes=1)
    assert_same_map(tmp_path / "200", tmp_path / "5000")


def test_far_from_the_origin(scene, tmp_path):
    """There float32 counts in steps of 12 cm, and many points of the ground come to lie in the block beside theirs."""
    for tile_m in (200, 5000):
        build_map(scene, tmp_path / str(tile_m), density=0.1, metres_per_pixel=2.0, origin=(-20.0, 151.2), tile_m=tile_m, processes=1)
    assert_same_map(tmp_path / "200", tmp_path / "5000")


def test_shuffled_elements_give_the_same_map(new_extract, in_one_tile, tmp_path):
    for shuffle in ("within", "mixed"):
        path = crossing_blocks(new_extract(*HALF)).write(tmp_path / f"{shuffle}.osm", shuffle)
        build_map(path, tmp_path / shuffle, density=0.1, metres_per_pixel=0.5, processes=1)
        assert_same_map(tmp_path / shuffle, in_one_tile)


def test_a_real_map_in_any_tiling(shared_data, west_village, tmp_path):
    build_map(shared_data / "osm/west-village.osm.pbf", tmp_path, density=0.05, tile_m=200)
    assert_same_map(tmp_path, west_village.path.parent)


def test_points_lie_in_their_storage_cell(in_one_tile):
    city = CityMap(in_one_tile)
    geo, start, points = city.georeference, city.cell_start, np.asarray(city.points, np.float64)
    assert start[0] == 0 and start[-1] == len(points) and len(start) == geo.columns * geo.rows + 1
    cell = np.repeat(np.arange(geo.columns * geo.rows), np.diff(start))
    row, column = np.divmod(cell, geo.columns)
    x0, y1 = geo.bounds[0] + column * geo.cell_m, geo.bounds[3] - row * geo.cell_m
    low, high = np.array(geo.bounds[:2]), np.array(geo.bounds[2:])
    inside = ((low < points[:, :2]) & (points[:, :2] < high)).all(1)
    assert inside.mean() > 0.995  # the rest: crowns beyond the map, in the nearest cell
    held = (x0 <= points[:, 0]) & (points[:, 0] < x0 + geo.cell_m) & (y1 - geo.cell_m < points[:, 1]) & (points[:, 1] <= y1)
    assert held[inside].all()
    assert set(np.unique(city.classes[~inside])) <= {INDEX["vegetation"]}


def test_triangles_follow_each_other_block_by_block(in_one_tile):
    city = CityMap(in_one_tile)
    blocks = Blocks(city.georeference)
    wide = np.isin(city.mesh["kind"], [WALL, ROOF, DECK])
    column, row = blocks.of(np.asarray(city.mesh["triangles"], np.float64)[wide][..., :2].mean(1))
    assert (np.diff(row * blocks.columns + column) >= 0).mean() > 0.99  # decks are cut at blocks: a middle on the border may round


def test_nothing_is_made_twice_where_blocks_meet(in_one_tile):
    """Every block's share of the points is that of its surfaces, on both sides of the borders."""
    city = CityMap(in_one_tile)
    assert len(np.unique(city.points, axis=0)) == len(city.points)
    triangles = np.asarray(city.mesh["triangles"], np.float64)
    flat = np.sort(triangles.reshape(-1, 9).view([("", "f8")] * 9).ravel())
    assert (flat[1:] == flat[:-1]).mean() < 0.001
    ground = (city.points[:, 2] == 0) & (city.classes == INDEX["roads_secondary"])
    road = city.points[ground]
    y = 420 - 256
    expected = 0.1 * shapely.LineString([(-8, y), (264, y)]).buffer(5.5).area
    above, below = (road[:, 1] > y).sum(), (road[:, 1] <= y).sum()
    assert abs(above - below) < 0.15 * expected  # what covers it covers both sides alike
    assert above + below < 1.02 * expected


def test_no_block_repeats_another(new_extract, tmp_path):
    """The ground of four blocks that are covered alike."""
    extract = new_extract(256, 256)
    extract.box(-400, -400, 400, 400, {"natural": "water"})
    extract.box(0, 0, 4, 4, {"building": "yes"})
    build_map(extract.write(tmp_path / "sea.osm"), tmp_path, density=0.1, metres_per_pixel=0.5)
    city = CityMap(tmp_path)
    x0, _, _, y1 = city.georeference.bounds
    sea = np.asarray(city.points, np.float64)[city.classes == INDEX["water"]]
    within = np.column_stack([sea[:, 0] - x0, y1 - sea[:, 1]]) % 256
    repeated = shapely.STRtree(shapely.points(within)).query(shapely.points(within), "dwithin", 0.001).shape[1] - len(within)
    assert len(sea) > 20_000 and repeated < 10


def test_the_edge_of_the_map_cuts_everything_but_crowns(in_one_tile):
    city = CityMap(in_one_tile)
    x0, y0, x1, y1 = city.georeference.bounds
    kinds = np.isin(city.mesh["kind"], [WALL, ROOF, DECK])
    xy = np.asarray(city.mesh["triangles"])[kinds][..., :2]
    assert xy[..., 0].min() >= x0 - 0.01 and xy[..., 0].max() <= x1 + 0.01
    assert xy[..., 1].min() >= y0 - 0.01 and xy[..., 1].max() <= y1 + 0.01


def test_tiles_smaller_than_a_block_are_whole_blocks(small_extract, small_city, tmp_path):
    build_map(small_extract, tmp_path, density=0.1, metres_per_pixel=0.5, tile_m=1)
    assert digests(tmp_path) == digests(small_city.path.parent)
