"""Checks an area in the published layout: which files are present, missing or unreadable. Every file is opened and decoded."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from data.areas.cloud_index import cloud_of_spans
from data.sources.photographs.photograph_files import describe_blank, read_photograph, shows_one_colour
from data.sources.streetlearn.dataset_files import Cloud, read_cloud, read_index, read_tile
from data.sources.streetlearn.dataset_tables import MOST_RESIDUAL_M, Tables
from data.sources.streetlearn.layout import Layout
from utils.errors import InputError
from utils.georeference import EXTENT_M
from utils.parallel import in_order
from utils.progress import progress

FIRST = 5  # names that a report shows
DECODED_ROWS = 64  # a JPEG is read to its end at any scale

REMEDIES = {
    "location": "get the area's tables again; the second number of <area>_xy.csv is minus north",
    "panorama": "StreetLearn's owners hand out the imagery; it belongs into jpegs_<city>_2019",
    "tile": "unpack the dataset's tiles_<city>_2019/z18 again",
    "cloud": "unpack the dataset's <area>_idx again, and <city> where the city's cloud is named",
}


class Problem(NamedTuple):
    """Why a place cannot be used."""

    row: int  # of the tables
    kind: str  # key of REMEDIES
    state: str  # missing, unreadable or wrong
    name: str  # of the file, or the place's id
    reason: str  # one line that names the file


@dataclass
class Report:
    """What was found of an area with n places."""

    area: str
    tables: Tables
    clouds: dict[str, Cloud]  # of its cities, where they can be read
    broken: dict[str, str]  # why the clouds of its other cities cannot be read
    problems: list[Problem]
    blank: list[str]  # files of panoramas that show one colour only

    @property
    def usable(self) -> np.ndarray:
        """(n,) bool: places without a problem."""
        usable = ~np.isin(self.tables.city, list(self.broken))
        usable[[problem.row for problem in self.problems]] = False
        return usable

    def counts(self, kind: str) -> str:
        """How many files of a kind are present, missing and so on, with the first names."""
        found = [problem for problem in self.problems if problem.kind == kind]
        parts = [f"{len(self.tables) - len(found):,} present"]
        for state, n in Counter(problem.state for problem in found).items():
            names = list(dict.fromkeys(problem.name for problem in found if problem.state == state))
            parts.append(f"{n:,} {state} ({', '.join(names[:FIRST])}{', …' if len(names) > FIRST else ''})")
        return ", ".join(parts)

    def remedies(self) -> list[str]:
        """What to do, a sentence for each kind of problem."""
        kinds = {problem.kind for problem in self.problems} | ({"cloud"} if self.broken else set())
        return [remedy for kind, remedy in REMEDIES.items() if kind in kinds]

    def lines(self) -> list[str]:
        """The report as text."""
        cities = ", ".join(f"{n:,} in {city}" for city, n in Counter(self.tables.city.tolist()).items())
        lines = [f"{self.area}: {len(self.tables):,} places, {cities}"]
        shown = {"panorama", "tile", "cloud"} | {problem.kind for problem in self.problems}
        lines += [f"  {kind + 's':<10} {self.counts(kind)}" for kind in REMEDIES if kind in shown]
        lines += [f"  {'city':<10} {reason}" for reason in self.broken.values()]
        lines += [f"  {describe_blank(self.blank)}"] if self.blank else []
        described = [problem for problem in self.problems if problem.state != "missing"]
        lines += [f"    {problem.reason}" for problem in described[:FIRST]]
        lines += [f"  to do: {remedy}" for remedy in self.remedies()]
        return lines


def examine(layout: Layout, area: str, tables: Tables, clouds: dict[str, Cloud | InputError], processes: int | None = None) -> Report:
    """Opens every file that belongs to an area.

    Args:
        clouds: of the cities that were opened before; new ones are added.
        processes: worker processes; default: one for each core.
    """
    for city in tables.origins:
        if city not in clouds:
            try:
                clouds[city] = read_cloud(layout, city)
            except InputError as error:
                clouds[city] = error
    opened = {city: cloud for city in tables.origins if isinstance(cloud := clouds[city], Cloud)}
    broken = {city: str(clouds[city]) for city in tables.origins if city not in opened}
    found = in_order(partial(_examine_place, layout, area, tables, opened), len(tables), processes)
    places = list(progress(found, total=len(tables), desc=f"checking {area}", unit=" places"))
    problems = [problem for problems, _ in places for problem in problems]
    return Report(area, tables, opened, broken, problems, [name for _, name in places if name])


def _examine_place(layout: Layout, area: str, tables: Tables, clouds: dict[str, Cloud], row: int) -> tuple[list[Problem], str | None]:
    """The problems of a place, and the name of its panorama if that shows one colour only."""
    place, city = str(tables.locations.ids[row]), str(tables.city[row])
    x, y = tables.locations.xy[row]
    readers: dict[str, tuple] = {
        "panorama": (layout.panorama(city, place), partial(read_photograph, height=DECODED_ROWS)),
        "tile": (layout.tile(city, int(tables.tile[row])), read_tile),
        "cloud": (layout.index(area, place), _cloud_reader(clouds.get(city), x, y, tables.locations.heading_deg[row])),
    }
    problems, blank = [], None
    if not tables.residual_m[row] <= MOST_RESIDUAL_M:
        off = f"{tables.residual_m[row]:.3g} m"
        reason = f"{layout.tables(area, '_xy')[0]}: {place!r} lies {off} from where its latitude and longitude put it"
        problems.append(Problem(row, "location", "wrong", place, reason))
    for kind, (path, read) in readers.items():
        if not path.is_file():
            folders = layout.index_folders(area) if kind == "cloud" else [path.parent]
            problems.append(Problem(row, kind, "missing", path.name, f"{' or '.join(map(str, folders))}/{path.name}: missing"))
            continue
        try:
            content = read(path)
            if kind == "panorama" and shows_one_colour(content):
                blank = path.name
        except InputError as error:
            problems.append(Problem(row, kind, "unreadable", path.name, str(error)))
    return problems, blank


def _cloud_reader(cloud: Cloud | None, x: float, y: float, heading_deg: float) -> Callable:
    def read(path) -> None:
        if cloud is None:
            return
        index = read_index(path, len(cloud.stored))
        if not len(cloud_of_spans(cloud.points(index), np.array([[0, len(index)]]), x, y, heading_deg, count=1)):
            raise InputError(f"{path}: none of its {len(index):,} points lies within {EXTENT_M / 2:.0f} m of the place; "
                             "it belongs to another version of the city's cloud, or the map is empty there")  # fmt: skip

    return read
