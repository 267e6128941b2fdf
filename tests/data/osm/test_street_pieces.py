"""Streets in pieces: complete, short, cut where they meet, and only there and in equal steps between."""

import itertools

import numpy as np
import pytest
import shapely
from hypothesis import given
from scipy.spatial import cKDTree

from data.osm.street_pieces import PIECE_M, cut_streets
from tests.data.osm.scenes import rngs


def cut(*lines, level=None):
    return cut_streets(np.array([shapely.LineString(line) for line in lines], object),
                       np.array(level if level is not None else [0] * len(lines)))  # fmt: skip


def ends(pieces):
    """(S, 2, 2): where each piece begins and ends."""
    last = np.append(np.flatnonzero(np.diff(pieces.piece)), len(pieces.piece) - 1)
    return np.stack([pieces.bits[np.append(0, last[:-1] + 1), 0], pieces.bits[last, 1]], axis=1)


def meetings(pieces):
    """Which pieces have a joint in common: (S, S) bool."""
    return (pieces.joints[:, None, :, None] == pieces.joints[None, :, None, :]).any((2, 3))


def check(pieces, lines, level):
    """What holds of any streets, found without the code under test."""
    metres = np.hypot(*(pieces.bits[:, 1] - pieces.bits[:, 0]).T)
    assert metres.min() > 1e-6
    assert np.bincount(pieces.piece, metres).max() <= PIECE_M + 1e-6
    assert (np.diff(pieces.piece) >= 0).all() and len(np.unique(pieces.piece)) == len(pieces.line)
    within = pieces.piece[1:] == pieces.piece[:-1]
    assert np.abs(pieces.bits[1:, 0] - pieces.bits[:-1, 1])[within].max(initial=0) < 1e-6  # bit follows on bit
    union = sum(shapely.union_all(lines[level == one], grid_size=2.0**-10).length for one in np.unique(level))
    assert metres.sum() == pytest.approx(union, rel=1e-9)
    assert shapely.distance(shapely.linestrings(pieces.bits), lines[pieces.line[pieces.piece]]).max() < 0.002
    # Two pieces have a joint in common where an end of one lies on an end of the other.
    tips = ends(pieces)
    pairs = cKDTree(tips.reshape(-1, 2)).query_pairs(1e-5, output_type="ndarray") // 2
    touching = np.eye(len(tips), dtype=bool)
    touching[tuple(pairs.T)] = touching[tuple(pairs.T[::-1])] = True
    assert (meetings(pieces) == touching).all()


def test_a_street_in_equal_pieces():
    pieces = cut([(0, 0), (100, 0)])
    assert ends(pieces).tolist() == [[[0, 0], [pytest.approx(100 / 3), 0]], [[pytest.approx(100 / 3), 0], [pytest.approx(200 / 3), 0]],
                                     [[pytest.approx(200 / 3), 0], [100, 0]]]  # fmt: skip
    assert meetings(pieces).tolist() == [[True, True, False], [True, True, True], [False, True, True]]
    assert pieces.line.tolist() == [0, 0, 0]


def test_pieces_go_round_corners():
    pieces = cut([(0, 0), (30, 0), (30, 30), (60, 30), (60, 40)])  # 100 m
    assert np.bincount(pieces.piece).tolist() == [2, 2, 2]
    assert ends(pieces)[:, 1] == pytest.approx(np.array([[30, 10 / 3], [30 + 20 / 3, 30], [60, 40]]), abs=1e-3)
    assert len(cut([(0, 0), (10, 0), (10, 10)]).line) == 1


def test_a_corner_on_a_cut_leaves_nothing_of_no_length():
    """Equal legs, each a piece, whatever the rounding of their sums."""
    for a, b, count in itertools.product(range(26, 29), range(22, 27), (3, 5, 6)):
        corners = np.cumsum([(a, b), *[(b, a), (a, b)] * 3, (b, a)], axis=0)[: count + 1]
        assert np.bincount(cut(corners).piece).tolist() == [1] * count


@pytest.mark.parametrize("other", [[(50, 0), (50, 30)], [(50, -30), (50, 30)], [(50, -30), (50, 0), (50, 30)]])
def test_streets_that_meet_are_cut_there(other):
    """At a corner of both, at the end of one, and where they cross without a corner."""
    pieces = cut([(0, 0), (50, 0), (70, 0)], other)
    arms = 3 if other[0][1] == 0 else 4
    assert len(pieces.line) == arms + 1  # the 50 m are two pieces
    at = (np.abs(ends(pieces) - (50, 0)).sum(2) < 1e-9).any(1)
    assert at.sum() == arms and meetings(pieces)[np.ix_(at, at)].all()
    assert sorted(pieces.line[at]) == [0, 0] + [1] * (arms - 2)


def test_a_bridge_meets_what_it_shares_a_corner_with_and_nothing_below():
    pieces = cut([(0, 0), (30, 0), (60, 0)], [(60, 0), (100, 0)], [(80, -30), (80, 30)], [(30, 0), (30, 20)], level=[0, 1, 0, 1])
    assert pieces.line.tolist() == [0, 0, 2, 2, 1, 3]  # level by level; the bridge does not cut what lies below
    meets = meetings(pieces)
    assert meets[1, 4] and meets[0, 5] and meets[1, 5] and not meets[4, 2] and not meets[4, 3]


def test_loops_and_streets_on_the_same_ground():
    pieces = cut([(0, 0), (30, 0), (30, 30), (0, 30), (0, 0)])
    assert len(pieces.line) == 3 and meetings(pieces).all()
    pieces = cut([(0, 0), (30, 0)], [(30, 0), (0, 0)])
    assert pieces.line.tolist() == [0]
    lasso = cut([(-20, 0), (0, 0), (10, 10), (10, -10), (0, 0)])
    assert len(lasso.line) == 3 and meetings(lasso)[0].all()  # cut where it comes back to itself


def test_no_streets():
    pieces = cut()
    assert pieces.bits.shape == (0, 2, 2) and pieces.joints.shape == (0, 2) and not len(pieces.line) and not len(pieces.piece)


@given(rngs)
def test_random_streets(rng):
    """On two levels that have one corner in common."""
    corners = rng.uniform(-200, 200, (2, 9, 2)).round(2)
    corners[1, 0] = corners[0, 0]
    level = rng.integers(0, 2, rng.integers(1, 9))
    lines = np.array([shapely.LineString(corners[one][rng.permutation(9)[: rng.integers(2, 6)]]) for one in level], object)
    check(cut_streets(lines, level), lines, level)


def test_real_streets(west_village):
    streets = west_village.streets
    line = np.repeat(np.arange(len(streets.level)), np.diff(streets.start))
    lines = shapely.linestrings(streets.xy, indices=line)
    pieces = cut_streets(lines, streets.level)
    check(pieces, lines, streets.level)
    length = np.bincount(pieces.piece, np.hypot(*(pieces.bits[:, 1] - pieces.bits[:, 0]).T))
    assert 20 < length.mean() < PIECE_M and len(length) > 400
