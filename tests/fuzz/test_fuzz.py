"""Whatever happens to an input: it is read, or refused in one line. A longer run: `python -m tests.fuzz.run --inputs 10000`."""

import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import lines
from tests.fuzz.run import attempt
from tests.fuzz.targets import COMMANDS, MUTATIONS, READERS
from tests.fuzz.world import write_world

SEEDS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3)
REPEATABLE = {"derandomize": True, "database": None, "deadline": None, "suppress_health_check": list(HealthCheck),
              "phases": [Phase.explicit, Phase.generate]}  # fmt: skip


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Valid inputs of every reader; not to be changed."""
    return write_world(tmp_path_factory.mktemp("fuzz") / "world")


@pytest.mark.parametrize("target", [*READERS, *COMMANDS], ids=lambda target: target.name)
def test_a_damaged_input_is_read_or_refused(target, world):
    @settings(max_examples=15 if target.command is None else 2, **REPEATABLE)
    @given(SEEDS)
    def received_well(seeds):
        found, result = attempt(target, seeds, world)
        assert found is None, f"{target.name}, changes {seeds}: {found}\n{result.err}"

    received_well()


@pytest.mark.parametrize("target", [*READERS, *COMMANDS], ids=lambda target: target.name)
def test_what_is_not_damaged_is_read(target, world, tmp_path, monkeypatch):
    """Else everything is refused, and nothing is tested."""
    for suffix in MUTATIONS:
        monkeypatch.setitem(MUTATIONS, suffix, [lambda data, rng, others: data])
    path = target.damaged(world, [0], tmp_path)
    result = target.run(path, world)
    assert result.status == 0, (path.name, result.err)


@pytest.mark.parametrize("suffix", MUTATIONS)
def test_every_mutation_changes_something_and_is_repeatable(suffix, world):
    paths = [path for target in READERS for pattern in target.files for path in world.glob(pattern) if path.suffix == suffix]
    for path in paths[:1]:
        data = path.read_bytes()
        for mutation in {*MUTATIONS[suffix]}:
            results = [mutation(data, random.Random(seed), [data]) for seed in range(20)]
            assert any(result != data for result in results) or mutation is lines, mutation
            assert results[:3] == [mutation(data, random.Random(seed), [data]) for seed in range(3)], mutation
