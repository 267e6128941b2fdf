"""Progress bars."""

from utils.progress import progress


def test_passes_everything_through(capsys):
    assert list(progress(range(5), desc="counting")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr() == ("", "")  # work of less than two seconds shows no bar


def test_options_win_over_the_defaults():
    with progress(total=3, delay=0, disable=True) as bar:
        assert bar.disable
