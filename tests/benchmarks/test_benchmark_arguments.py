"""Each benchmark refuses a wrong argument in one line."""

from importlib import import_module
from pathlib import Path

import pytest

import benchmarks

NAMES = sorted(p.stem for p in Path(benchmarks.__file__).parent.glob("*.py") if "run_command" in p.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_argument_is_one_line(call_main, name):
    status, out, err = call_main(import_module(f"benchmarks.{name}").main, "--nonsense")
    assert (status, out, err.count("\n")) == (2, "", 1) and err.startswith("error: ")
    assert f"benchmarks.{name} --help" in err
