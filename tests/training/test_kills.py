"""A training that is killed, or loses its power, ends after resuming as one that was left alone. More: `python -m tests.training.kills`."""

import pytest

from tests.training.kills import Trainings, moments


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """Whole trainings and killed ones of the tiny city."""
    return Trainings(tmp_path_factory.mktemp("kills"), epochs=2)


@pytest.mark.parametrize(
    ("moment", "cut"),
    [("in the first epoch", None), ("between the first best and last", "names"), ("while the second checkpoint is half-written", None),
     ("between metrics and checkpoint of the second epoch", "data"), ("during the evaluation", None)],
)  # fmt: skip
def test_a_killed_training_resumes_to_the_same_bits(trainings, moment, cut):
    kill = moments(trainings)[moment]()._replace(cut=cut)
    assert trainings.trial(f"{moment}, {cut}", kill) is None
