"""Progress of long work: on a terminal a bar, which is removed at the end; elsewhere, e.g. in a log, a line now and then."""

import sys
from threading import RLock

from tqdm import tqdm

EVERY_S = 30  # between two lines

# Processes fork at any time: no other thread may hold the lock then. And a lock that processes shared would stay locked by a killed one.
tqdm.monitor_interval = 0
tqdm.set_lock(RLock())


def progress(iterable=None, **options) -> tqdm:
    """A tqdm bar with the project's settings; takes tqdm's own arguments. Work of less than two seconds shows none."""
    if sys.stderr is None:  # closed
        return tqdm(iterable, **{**options, "disable": True})
    if sys.stderr.isatty():
        return tqdm(iterable, **{"delay": 2, "leave": False, "mininterval": 0.5, "miniters": 1, "dynamic_ncols": True, **options})
    return _Lines(iterable, **{**options, "delay": EVERY_S, "leave": False, "mininterval": EVERY_S, "miniters": 1, "ncols": 100,
                                "ascii": True})  # fmt: skip


class _Lines(tqdm):
    """Writes lines instead of drawing a bar over and over in one place."""

    disable: bool  # of tqdm

    @staticmethod
    def status_printer(file):
        def write(text: str) -> None:
            if text:
                file.write(f"{text}\n")
                file.flush()

        return write

    def moveto(self, n: int) -> None:
        pass  # bars below bars exist on terminals only

    def clear(self, nolock: bool = False) -> None:
        pass  # what is written stays

    def refresh(self, nolock: bool = False, lock_args=None) -> None:
        if not nolock:  # tqdm draws a bar again below a message; a line is not repeated
            super().refresh(lock_args=lock_args)

    def close(self) -> None:
        if not self.disable:
            self.disable = True
            self._decr_instances(self)
