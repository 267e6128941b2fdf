"""Where things lie in the published dataset's layout (StreetLearn imagery with the 2-5DMap-Dataset, arXiv 2308.05993).

    ROOT/csv/<area>.csv  <area>_xy.csv  <area>_set.csv      the places, a row each, without header
    ROOT/<city>/<city>U.npy  <city>U.csv                    the city's points, and a class a line
    ROOT/<area>_idx/<id>.npy                                which points lie around a place
    ROOT/jpegs_<city>_2019/<id>.jpg                         panoramas
    ROOT/tiles_<city>_2019/z18/<number, 5 digits>.png       map tiles

A combined area `<a>_<b>` covers several cities: its tables may lie combined or only in parts, its index files in `<a>_idx` and `<b>_idx`.
"""

from pathlib import Path

from utils.errors import InputError

TABLES = ("", "_xy", "_set")  # endings of the three tables' names
INDEX_HALF_M = 114.0  # a place's index holds the points less than this to the east, west, north and south of it


class Layout:
    """Paths under a folder in the published layout."""

    def __init__(self, root: Path):
        self.root = Path(root)

    def areas(self) -> list[str]:
        """The names of all areas that have a table.

        Raises:
            InputError: there is none.
        """
        stems = (path.stem for path in (self.root / "csv").glob("*.csv"))
        names = sorted({stem.removesuffix("_xy").removesuffix("_set") for stem in stems})
        if not names:
            raise InputError(
                f"{self.root / 'csv'}: no tables here; the folder of the published dataset holds csv, <area>_idx, "
                "jpegs_<city>_2019, tiles_<city>_2019 and <city>"
            )
        return names

    def tables(self, area: str, ending: str) -> list[Path]:
        """The files that make up one of the area's tables: its own, or those of its parts.

        Raises:
            InputError: there is neither.
        """
        own = self.root / "csv" / f"{area}{ending}.csv"
        parts = [own.with_name(f"{part}{ending}.csv") for part in area.split("_")]
        if own.is_file():
            return [own]
        if len(parts) > 1 and all(part.is_file() for part in parts):
            return parts
        raise InputError(f"{own}: no such table; areas with tables here: {', '.join(self.areas())}")

    def points(self, city: str) -> Path:
        return self.root / city / f"{city}U.npy"

    def classes(self, city: str) -> Path:
        return self.root / city / f"{city}U.csv"

    def panorama(self, city: str, place: str) -> Path:
        return self.root / f"jpegs_{city}_2019" / f"{place}.jpg"

    def tile(self, city: str, number: int) -> Path:
        return self.root / f"tiles_{city}_2019" / "z18" / f"{number:05d}.png"

    def index(self, area: str, place: str) -> Path:
        """The file in the area's own folder; of a combined area, in the folder of the part that holds it."""
        files = [folder / f"{place}.npy" for folder in self.index_folders(area)]
        return next((file for file in files if file.is_file()), files[0])

    def index_folders(self, area: str) -> list[Path]:
        """The existing folders that may hold an area's index files: its own, and those of its parts."""
        own, *parts = (self.root / f"{name}_idx" for name in dict.fromkeys((area, *area.split("_"))))
        return [folder for folder in (own, *parts) if folder.is_dir()] or [own]
