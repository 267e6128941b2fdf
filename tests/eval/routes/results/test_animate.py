"""The animation draws the belief of a localizer at the right pixels, and takes the shape of the area."""

import numpy as np
import pytest
from PIL import Image

from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.inputs import RouteInputs
from eval.routes.localizers.localizer import Belief, RouteMap, build_localizer
from eval.routes.results.animate import HEIGHT_PX, STRONG, TRUE, animate, draw_frames


@pytest.fixture
def inputs() -> RouteInputs:
    """Ten places, 100 m apart from west to east; two in the north."""
    xy = np.array([(100.0 * i, 0.0) for i in range(10)] + [(0.0, 700.0), (900.0, 700.0)])
    rows = [[j for j in (i - 1, i + 1) if 0 <= j < 10] for i in range(10)] + [[], []]
    reference = np.random.default_rng(0).normal(size=(12, 8)).astype(np.float32)
    return RouteInputs(reference, RouteMap(reference, RouteGraph.from_neighbors(rows, "row")), "euclidean", xy, None, None)


def belief(place: int) -> Belief:
    return Belief(np.array([11, place]), np.array([0.0, 1.0]), np.array([-1, -1, -1, -1, place]), "some words")


def test_places_believed_in_are_red_and_the_true_one_is_green(inputs):
    route = np.array([2, 3])
    first, second = draw_frames(inputs, route, [belief(8), belief(10)], "title")
    width = first.width - 480 - 4
    assert width == int(HEIGHT_PX * 940 / 740)  # as wide as the area
    scale = min(width / 940, HEIGHT_PX / 740)
    at = {i: (width / 2 + (x - 450) * scale, HEIGHT_PX / 2 - (y - 350) * scale) for i, (x, y) in enumerate(inputs.xy)}
    assert first.getpixel(tuple(map(round, at[8]))) == tuple(STRONG) and second.getpixel(tuple(map(round, at[8]))) != tuple(STRONG)
    assert second.getpixel(tuple(map(round, at[10]))) == tuple(STRONG)
    for frame, place in ((first, 2), (second, 3)):
        x, y = at[place]
        ring = [frame.getpixel((round(x + 9 * np.cos(a)), round(y + 9 * np.sin(a)))) for a in np.linspace(0, 6, 20)]
        assert sum(pixel == TRUE for pixel in ring) > 12


@pytest.mark.parametrize("name", ["paper", "online"])
def test_shows_the_localizer_that_it_is_given(inputs, name, tmp_path):
    route, drawn = np.arange(6), []
    localizer = build_localizer(name, inputs.map)
    for told, path in ((localizer, tmp_path / "a.gif"), (type("Other", (), {"beliefs": lambda *_: [belief(8)] * 6})(), tmp_path / "b.gif")):
        animate(path, inputs, told, route, None, "title")
        with Image.open(path) as picture:
            assert picture.n_frames == 6
            picture.seek(5)
            drawn.append(np.asarray(picture.convert("RGB")).astype(int))
    red = [(np.abs(frame - STRONG).sum(-1) < 12) for frame in drawn]
    assert (red[0] != red[1]).any() and red[0].any()
    column = np.flatnonzero(red[0][:HEIGHT_PX, : drawn[0].shape[1] - 484].any(0)).mean()
    assert column == pytest.approx(HEIGHT_PX / 740 * 520, abs=40)  # place 5, where the drive ends


def test_an_area_far_longer_than_wide_is_not_drawn_as_a_ribbon(inputs):
    for xy, width in ((inputs.xy * (1, 20), 320), (inputs.xy * (20, 1), 960)):
        long = RouteInputs(inputs.query, inputs.map, inputs.metric, xy, None, None)
        assert draw_frames(long, np.array([0]), [belief(1)], "title")[0].size == (width + 484, HEIGHT_PX + 44)
