"""Tables as text: the one place where a file becomes rows of cells, and cells become numbers.

Reading is strict, because a misread table silently makes a wrong area. All rows have as many cells as the first. A number is written in
digits, sign, point and exponent. Sizes are checked before memory is used.
"""

import csv
import io
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import numpy as np

from utils.errors import InputError

MOST_BYTES = 128 << 20  # of a file
MOST_CELLS = 10_000_000  # about 1 GB of memory
MOST_COLUMNS = 10_000
MOST_TEXT_BYTES = 1 << 30  # of a column as an array, in which every cell takes as many bytes as the longest
DECIMAL_COMMAS = "decimal commas need semicolons between the cells"
BATCH = 128  # rows turned into columns at a time; with more, garbage collection takes longer
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_NO_NUMBER = re.compile(r"[^0-9eE+\-. \n]")
_NOT_WHOLE = re.compile(r"[^0-9+\- \n]")


class Table:
    """Columns of cells, all of one length.

    Attributes:
        path: what a message names.
        names: of the columns.
        columns: lists of text without surrounding blanks. Rows without any text are left out.
        lines: where in the file each row ends, counted from 1.
    """

    def __init__(self, path: Path, columns: list[list[str]], lines: list[int], decimal: str):
        self.path, self.columns, self.lines = path, columns, lines
        self.names = [f"column {i + 1}" for i in range(len(columns))]
        self._decimal = decimal  # the decimal mark: a comma if semicolons or tabs separate the cells

    def __len__(self) -> int:
        return len(self.lines)

    def first(self) -> list[str]:
        """The cells of the first row in lower case: perhaps a header."""
        return [column[0].lower() for column in self.columns]

    def take_header(self, aliases: dict[str, str] | None = None) -> None:
        """Takes the first row as the names of the columns.

        Args:
            aliases: other names of columns, for those that the header does not name itself.

        Raises:
            InputError: a name is given twice.
        """
        header = self.first()
        others = {alias: name for alias, name in (aliases or {}).items() if name not in header}
        self.names = [others.get(cell, cell) for cell in header]
        self.columns, self.lines = [column[1:] for column in self.columns], self.lines[1:]
        twice = next((name for name, n in Counter(self.names).items() if name and n > 1), None)
        if twice is not None:
            raise InputError(f"{self.path}: the header names {shortened(twice)} more than once; keep one such column")

    def require(self, names, remedy: str) -> None:
        """Raises InputError where one of these columns is missing."""
        missing = [name for name in names if name not in self.names]
        if missing:
            found = ", ".join(map(shortened, self.names[:10])) + (", …" if len(self.names) > 10 else "")
            raise InputError(f"{self.path}: column {missing[0]!r} is missing (found {found}); {remedy}")

    def cells(self, name: str) -> list[str]:
        """A column."""
        return self.columns[self.names.index(name)]

    def text(self, name: str) -> np.ndarray:
        """A column as (n,) str.

        Raises:
            InputError: the array would be too large.
        """
        cells = self.cells(name)
        longest = max(map(len, cells), default=0)
        if 4 * longest * len(cells) > MOST_TEXT_BYTES:
            raise InputError(
                f"{self.path}: {len(cells):,} rows with up to {longest} letters in column {name!r} are too many; "
                "use shorter names, or split the table"
            )
        return np.array(cells, dtype=str)

    def numbers(self, name: str, low: float, high: float, unit: str = "") -> np.ndarray:
        """A column of numbers from low to high, (n,) float64, exact to the last bit.

        Raises:
            InputError: a cell is anything else, e.g. `nan`, `inf` or empty; the message names its line.
        """
        return self._parse(name, _NO_NUMBER, low, high, f"a number from {low} to {high}{unit and ' '}{unit}")

    def whole_numbers(self, name: str, low: int, high: int) -> np.ndarray:
        """A column of whole numbers from low to high (at most 2⁵³), (n,) int64; written without point or exponent.

        Raises:
            InputError: as `numbers`.
        """
        return self._parse(name, _NOT_WHOLE, low, high, f"a whole number from {low} to {high}").astype(np.int64)

    def refuse(self, row: int, name: str, reason: str) -> NoReturn:
        """Raises InputError for a cell."""
        raise InputError(f"{self.path}: line {self.lines[row]}: {name} is {shortened(self.cells(name)[row])}; {reason}")

    def _parse(self, name: str, odd: re.Pattern, low: float, high: float, what: str) -> np.ndarray:
        cells = self.cells(name)
        if self._decimal != ".":
            cells = [cell.replace(self._decimal, ".") for cell in cells]
        try:
            if odd.search("\n".join(cells)):
                raise ValueError
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            values = np.array([_number(cell, odd) for cell in cells])
        bad = np.flatnonzero(~((values >= low) & (values <= high)))
        if len(bad):
            others = f" ({len(bad):,} such rows)" if len(bad) > 1 else ""
            hint = f"; {DECIMAL_COMMAS}" if self._decimal == "." and "," in cells[bad[0]] else ""
            self.refuse(bad[0], name, f"it must be {what}{others}{hint}")
        return values


def read_table(path: Path, what: str) -> Table:
    """Reads a table of text, in UTF-8, or in UTF-16 with its mark; between commas, semicolons or tabs (Excel's `sep=` line is known).

    Args:
        what: it should hold, for messages, e.g. "locations".

    Raises:
        InputError: there is no such file, it is empty, too large, in another encoding, or its rows are of several lengths.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file of {what}")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise InputError(f"{path}: {size / 2**20:,.0f} MB; a table of {what} may have {MOST_BYTES >> 20} MB, so split it")
    data = path.read_bytes()
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    if encoding != "utf-16" and b"\0" in data:
        raise InputError(f"{path}: holds zero bytes: no text, damaged, or UTF-16 without its mark; save the table as text in UTF-8")
    cells = max(map(data.count, (b"\n", b"\r"))) + max(map(data.count, (b",", b";", b"\t")))
    if cells > MOST_CELLS:
        raise InputError(f"{path}: more than {MOST_CELLS:,} cells; split the table of {what}")
    try:
        return _parse_rows(path, what, lambda: io.TextIOWrapper(io.BytesIO(data), encoding, newline=""))
    except UnicodeDecodeError:
        if encoding == "utf-16":
            raise InputError(f"{path}: UTF-16 that breaks off or is damaged; save the table again, best as CSV in UTF-8") from None
        line = data.count(b"\n", 0, _first_bad_byte(data)) + 1
        raise InputError(
            f"{path}: line {line} is not UTF-8 (perhaps Latin-1); save the table as CSV in UTF-8, "
            "or convert it: iconv -f LATIN1 -t UTF-8 OLD.csv > NEW.csv"
        ) from None


def shortened(cell: str) -> str:
    """A cell as messages show it: quoted, on one line, and cut if it is long."""
    return repr(cell if len(cell) <= 40 else cell[:40] + "…")


def _parse_rows(path: Path, what: str, open_text) -> Table:
    with open_text() as text:
        first = next((line for line in text if line.strip()), "")
    sep = re.fullmatch(r'"?sep=([,;\t])"?', first.strip("\r\n"), re.IGNORECASE)
    delimiter = sep[1] if sep else _delimiter(open_text)
    columns: list[list[str]] = []
    batch: list[list[str]] = []
    lines, width = [], 0
    with open_text() as text:
        reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True)
        if sep:
            next(reader)
        try:
            for row in reader:
                if not any(row):
                    continue
                lines.append(reader.line_num)
                width = width or len(row)
                if len(row) != width:
                    hint = f" ({DECIMAL_COMMAS})" if delimiter == "," else ""
                    raise InputError(f"{path}: line {lines[-1]} has {len(row):,} cells, line {lines[0]} has {width:,}; "
                                     f"all rows must have as many as the first{hint}")  # fmt: skip
                batch.append(row)
                if len(batch) == BATCH:
                    _append(path, what, columns, batch)
        except csv.Error:
            raise InputError(f"{path}: line {reader.line_num}: not a table of {what}: a quote is not closed, text follows a quote, "
                             f"or a cell has more than {csv.field_size_limit():,} letters") from None  # fmt: skip
    if not lines:
        raise InputError(f"{path}: empty; expected a table of {what}")
    _append(path, what, columns, batch)
    while len(columns) > 1 and not any(columns[-1]):  # each line ends with a delimiter
        columns.pop()
    return Table(path, columns, lines, "." if delimiter == "," else ",")


def _delimiter(open_text) -> str:
    """The delimiter that splits the first row into most cells. Decimal commas never make more cells than the semicolons between them."""
    cells = {}
    for candidate in "\t;,":
        with open_text() as text, suppress(csv.Error):
            cells[candidate] = len(next(filter(any, csv.reader(text, delimiter=candidate, skipinitialspace=True)), []))
    return max(cells, key=cells.__getitem__) if max(cells.values(), default=0) > 1 else ","


def _append(path: Path, what: str, columns: list[list[str]], batch: list[list[str]]) -> None:
    width = len(batch[0]) if batch else 0
    if width > MOST_COLUMNS:
        raise InputError(f"{path}: {width:,} columns; a table of {what} may have {MOST_COLUMNS:,}; leave out what is not needed")
    columns.extend([] for _ in range(width - len(columns)))
    for column, cells in zip(columns, zip(*batch, strict=True), strict=False):  # there may be no batch
        column.extend(map(str.rstrip, cells))
    batch.clear()


def _number(cell: str, odd: re.Pattern) -> float:
    try:
        return np.nan if odd.search(cell) else float(cell)
    except ValueError:
        return np.nan


def _first_bad_byte(data: bytes) -> int:
    try:
        data.decode("utf-8")  # the reader's own error counts from its last block
    except UnicodeDecodeError as error:
        return error.start
    return len(data)
