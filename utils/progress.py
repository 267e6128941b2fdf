"""Progress bars: shown only for work that lasts over two seconds, gone when it is done."""

from tqdm import tqdm


def progress(iterable=None, **options) -> tqdm:
    """A tqdm bar with the project's settings; takes tqdm's own arguments."""
    return tqdm(iterable, **{"delay": 2, "leave": False, "mininterval": 0.5, "dynamic_ncols": True, **options})
