"""Overlays that GEOS refuses in floating point."""

import numpy as np
import pytest
import shapely
from shapely.errors import GEOSException

from data.osm.overlay import overlay, union_of

SQUARES = shapely.box([0, 10, 20], 0, [4, 14, 24], 4)
CUT = shapely.box(2, -1, 23, 5)


def fails_for(geometry, operation):
    """The operation as if GEOS failed for this one geometry in floating point."""

    def attempt(a, b=None, **options):
        given = np.atleast_1d(a)
        if "grid_size" not in options and any(g is geometry for g in given):
            raise GEOSException("TopologyException: found non-noded intersection")
        return operation(a, **options) if b is None else operation(a, b, **options)

    return attempt


@pytest.mark.parametrize("operation", [shapely.intersection, shapely.difference, shapely.union])
def test_one_that_fails_is_done_and_changes_no_other(operation):
    squares = shapely.transform(SQUARES, lambda xy: xy + 1e-5)  # off the grid
    plain = operation(squares, CUT)
    repaired = overlay(fails_for(squares[1], operation), squares, CUT)
    assert all(shapely.equals_exact(repaired[[0, 2]], plain[[0, 2]]))  # bit for bit
    assert shapely.area(shapely.symmetric_difference(repaired[1], plain[1])) < 0.1


def test_scalars_and_invalid_ones():
    bow_tie = shapely.Polygon([(0, 0), (4, 4), (4, 0), (0, 4)])  # crosses itself: two triangles of 4 m²
    assert overlay(fails_for(bow_tie, shapely.intersection), bow_tie, shapely.box(-1, -1, 9, 9)).area == pytest.approx(8, abs=0.05)
    assert overlay(shapely.intersection, SQUARES[0], CUT).area == 8


def test_union(monkeypatch):
    assert union_of(SQUARES).area == 48 and union_of(SQUARES[:0]).is_empty
    monkeypatch.setattr(shapely, "union_all", fails_for(SQUARES[1], shapely.union_all))
    assert union_of(SQUARES).area == pytest.approx(48, abs=0.05)
