"""All simple paths of a graph: the limit to their number."""

import pytest

from eval.routes.graphs.paths import path_tree
from utils.errors import InputError


def test_too_many_paths_say_so(monkeypatch, tangle):
    monkeypatch.setattr("eval.routes.graphs.paths.MAX_PATHS", 500)
    with pytest.raises(InputError, match="more than 500 simple paths of up to 4 places"):
        path_tree(tangle, 12)
