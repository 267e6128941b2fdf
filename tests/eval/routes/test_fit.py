"""The fit: finds the parameters of simulated panoramas, follows the rules that it states, and prints its result."""

import sys

import numpy as np
import pytest

from eval.routes import fit as command
from eval.routes.fit import fit, least_within_error
from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.localizers.localizer import RouteMap
from utils.errors import InputError, run_command


@pytest.fixture(scope="module")
def street():
    """Queries and map of 400 places in a ring, simulated by the model: slope 0.7, variance 0.3, correlation of residuals 0.8."""
    rng, n, dims = np.random.default_rng(0), 400, 8
    reference = rng.normal(size=(n, dims))
    reference = sum(np.roll(reference, k, axis=0) for k in range(6)) / 6**0.5  # neighbours look alike
    residual = np.zeros((n, dims))
    for i in range(1, n):
        residual[i] = 0.8 * residual[i - 1] + np.sqrt(1 - 0.8**2) * rng.normal(size=dims)
    query = 0.7 * reference + residual * np.sqrt(0.3 * reference.var(0).sum() / dims)
    ring = RouteGraph.from_neighbors([[(i + 1) % n] for i in range(n)], "ring")
    return query.astype(np.float32), RouteMap(reference.astype(np.float32), ring)


def test_finds_what_was_put_in(street):
    query, route_map = street
    found = fit(query, route_map, count=150, length=8, drives=10)
    assert found.slope == pytest.approx(0.7, abs=0.08) and found.variance == pytest.approx(0.3, rel=0.15)
    assert found.temperature >= 0.2  # of drives that obey the model, except where panoramas are missed
    assert found == fit(query, route_map, count=150, length=8, drives=10)
    query = query.copy()
    query[7, 1] = np.nan
    with pytest.raises(InputError, match="query embedding 7 is not finite"):
        fit(query, route_map, count=10, length=3)
    with pytest.raises(InputError, match="two random routes or more"):
        fit(*street, count=1, length=3)


@pytest.mark.parametrize("scale", [1, 0.83])
def test_panoramas_that_are_the_map_are_refused(street, scale):
    """The residual is rounding alone, and likelihoods divide by its variance."""
    route_map = street[1]
    with pytest.raises(InputError, match="there is no residual to fit a model to") as caught:
        fit(np.float32(scale) * route_map.reference, route_map, count=10, length=3)
    assert "\n" not in str(caught.value)


def test_a_graph_without_its_report_is_refused(call_main):
    status, out, err = call_main(command.main, "--embeddings", "none.npz", "--report-graph", "none.csv")
    assert (status, out) == (2, "") and err.startswith("error: --report-graph is the graph of --report FILE") and err.count("\n") == 1


def test_one_standard_error_rule():
    rng = np.random.default_rng(1)
    for _ in range(200):
        right, correlation = rng.normal(size=(9, 30)) * 0.5 + rng.normal(size=(9, 1)) * 0.15, np.repeat([0.5, 0.6, 0.7], 3)
        best, chosen = right[right.mean(1).argmax()], None
        for c in range(9):
            gap = [b - r for b, r in zip(best, right[c], strict=True)]
            mean = sum(gap) / 30
            error = (sum((g - mean) ** 2 for g in gap) / 29) ** 0.5 / 30**0.5
            key = (correlation[c], mean)
            if mean <= error and (chosen is None or key < chosen[0]):
                chosen = key, c
        assert least_within_error(right, correlation) == chosen[1]


def test_command_fits_and_reports(street, tmp_path, monkeypatch, capsys):
    query, route_map = street
    np.savez(tmp_path / "street.npz", query=query, reference=route_map.reference, metric="euclidean")
    route_map.graph.to_csv(tmp_path / "ring.csv")
    files = ["--embeddings", tmp_path / "street.npz", "--graph", tmp_path / "ring.csv"]
    more = ["--report", tmp_path / "street.npz", "--report-graph", tmp_path / "ring.csv", "--routes", "40", "--length", "6"]
    monkeypatch.setattr(command, "drive_report", lambda q, m, model: f"{len(q)} places, {model.slope:.3g}")
    monkeypatch.setattr(sys, "argv", ["fit", *map(str, files + more)])
    run_command(command.main)
    out = capsys.readouterr().out
    assert "fitted on" in out and "temperature" in out and "\n400 places, 0.67" in out


def test_report_names_every_disturbance(street):
    text = command.drive_report(*street, command.PairModel(), count=12, length=10)
    for name in ("as they are", "10 % missed", "10 % repeated", "10 % missed, 10 % repeated", "put down elsewhere", "confidence"):
        assert name in text
