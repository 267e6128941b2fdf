"""Graphs of places along roads."""

import numpy as np

from data.areas.sample_streets import sample_streets
from data.city import Streets
from eval.routes.graphs.roads import graph_along_roads


def rows(graph):
    return [graph.neighbors(i).tolist() for i in range(len(graph))]


def streets(*lines, level=None):
    start = np.concatenate([[0], np.cumsum([len(line) for line in lines])])
    return Streets(np.concatenate(lines).astype(float), start, np.array(level or [0] * len(lines)))


def test_along_a_street_and_through_a_junction():
    """A street from west to east, and one from its middle to the south; places are 4 m beside the streets, in no order."""
    places = np.array([(40, 4), (9, -4), (25, 4), (54, -15), (75, 4), (54, -300), (300, 300)])
    graph = graph_along_roads(places, streets([(0, 0), (50, 0), (100, 0)], [(50, 0), (50, -400)]))
    assert rows(graph) == [[2, 3, 4], [2], [0, 1], [0, 4], [0, 3], [], []]
    shorter = graph_along_roads(places, streets([(0, 0), (50, 0), (100, 0)], [(50, 0), (50, -400)]), reach_m=30)
    assert rows(shorter) == [[2, 3], [2], [0, 1], [0], [], [], []]


def test_streets_of_two_levels_do_not_meet_where_they_cross():
    places = np.array([(-10, 0), (10, 0), (0, -10), (0, 10)])
    crossing = [(-50, 0), (50, 0)], [(0, -50), (0, 50)]
    assert [sorted(row) for row in rows(graph_along_roads(places, streets(*crossing)))] == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert rows(graph_along_roads(places, streets(*crossing, level=[0, 1]))) == [[1], [0], [3], [2]]


def test_along_the_roads_of_a_map(small_city):
    """Four streets cross three others. Places have two neighbours, and up to four beside a crossing."""
    locations = sample_streets(small_city, 12.0, None, "p", np.random.default_rng(0))
    graph, xy = graph_along_roads(locations.xy, small_city.streets), locations.xy
    assert graph.has_edge(graph.neighbor, graph.origin).all()
    assert np.hypot(*(xy[graph.origin] - xy[graph.neighbor]).T).max() < 60
    crossings = np.array([(x, y) for x in (-240, -80, 80, 240) for y in (-160, 0, 160)])
    away = np.linalg.norm(xy[:, None] - crossings, axis=2).min(1)
    degree = np.diff(graph.start)
    assert set(degree[away > 30]) <= {1, 2} and (degree[away > 30] == 2).mean() > 0.8 and degree.max() == 4
    reached, frontier = {0}, [0]  # all places are connected
    while frontier:
        frontier = [int(j) for i in frontier for j in graph.neighbors(i) if j not in reached and not reached.add(int(j))]
    assert len(reached) == len(graph)


def test_a_map_without_streets():
    assert rows(graph_along_roads(np.zeros((2, 2)), Streets(np.zeros((0, 2)), np.zeros(1, int), np.zeros(0, int)))) == [[], []]
