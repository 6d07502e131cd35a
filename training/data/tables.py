"""Tables beside pictures (`groups.csv` and the like), as spreadsheet programs save them.

Excel's "CSV UTF-8" starts with a byte-order mark, its "Unicode text" is UTF-16 with tabs, its plain "CSV" is in the
system's code page (Windows-1252 in western Europe and the Americas), with semicolons where the comma is a decimal mark. All
are read. What can't be is told with the encoding or the separator, and the line.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.errors import DataError

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
MARKS = (  # the longer first: UTF-32's mark starts like UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
GUESSED = "cp1252"
SAVE_AGAIN = "save it again as CSV UTF-8"
DIRECTIVE = "sep="  # a first line by which Excel is told the separator
SHOWN = 60  # characters of a line in a message
LONGEST_HEAD = 10_000  # characters of a first line


@dataclass(frozen=True)
class Row:
    """One line of a table: its number in the file, counted from 1, and its cells by column, without blanks around them."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Table:
    """A table's rows. `encoding` is a guess where it is `GUESSED`: names with accents may then be wrong."""

    path: Path
    encoding: str
    rows: list[Row]

    @property
    def doubt(self) -> str:
        """What to say beside a name that isn't known."""
        return f" The table was read as Windows-1252: if accents look wrong here, {SAVE_AGAIN}." * (
            self.encoding == GUESSED
        )


def read_table_file(path: Path, columns: Sequence[str]) -> Table:
    """The rows of a table that has at least these columns, whose names may be written in capitals.

    Raises `DataError` that names the file and its encoding, separator, column or line.
    """
    text, encoding = _text(path)
    first, _, rest = text.partition("\n")
    skipped = 0
    if first.strip().lower().startswith(DIRECTIVE):
        text, skipped = rest, 1
        first = text.partition("\n")[0]
    separator = _separator(path, first.partition("\r")[0], columns)
    return Table(path, encoding, list(_rows(path, text, separator, columns, skipped)))


def _text(path: Path) -> tuple[str, str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} can't be opened ({error.strerror})") from error
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), None)
    if encoding is None and b"\0" in data:
        raise DataError(f"{path} is no text: it may be a spreadsheet, or UTF-16 without a byte-order mark. {_again()}")
    for tried in (encoding,) if encoding else ("utf-8", GUESSED):
        try:
            return data.decode(tried), tried
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
    known = encoding or "UTF-8 nor Windows-1252"
    complaint = f"is not valid {known}" if encoding else f"is neither {known}"
    raise DataError(f"{path} {complaint} (line {line}). {_again()}")


def _again() -> str:
    return SAVE_AGAIN[0].upper() + SAVE_AGAIN[1:]


def _separator(path: Path, first: str, columns: Sequence[str]) -> str:
    wanted = {column.casefold() for column in columns}
    best = max(SEPARATORS, key=lambda separator: len(wanted & set(_names(first, separator))))
    there = _names(first, best)
    if missing := [column for column in columns if column.casefold() not in there]:
        raise DataError(
            f"{path} has no column {missing[0]}: its first line must name the columns {', '.join(columns)}, separated by "
            f"commas, semicolons or tabs. It is: {first.strip()[:SHOWN] or '(empty)'}"
        )
    return best


def _names(first: str, separator: str) -> list[str]:
    return [name.strip().casefold() for name in next(csv.reader([first[:LONGEST_HEAD]], delimiter=separator), [])]


def _rows(path: Path, text: str, separator: str, columns: Sequence[str], skipped: int) -> Iterator[Row]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    spelling = {column.casefold(): column for column in columns}
    try:
        head = [name.strip() for name in next(lines)]
        names = [spelling.get(name.casefold(), name) for name in head]
        for cells in lines:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                padded = stripped + [""] * (len(names) - len(stripped))
                yield Row(lines.line_num + skipped, dict(zip(names, padded, strict=False)))
    except csv.Error as error:
        raise DataError(
            f"{path}, line {lines.line_num + skipped}, is no row with {SEPARATORS[separator]}s as separators: {error}"
        ) from error
