"""Tables of mutants that users bring: a text file with a column `mutant` and whatever else they keep beside it."""

import csv
import dataclasses
import io
from pathlib import Path

from plait.data.mutations import SEPARATORS, Mutant, parse_mutant
from plait.errors import InputError, closest

COLUMN = "mutant"
DELIMITERS = (",", "\t", ";")
LARGEST = 512 * 2**20
_CODECS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_BINARY = ((b"PK\x03\x04", "an Excel workbook or zip archive"), (b"\x1f\x8b", "a gzip archive"), (b"PAR1", "Parquet"))


@dataclasses.dataclass(frozen=True)
class MutationTable:
    """The mutants of a table and its other columns.

    Attributes
    ----------
    file : str
    mutants : list of Mutant, one a row
    columns : dict of str to list of str
        The other columns in their order, as written.
    """

    file: str
    mutants: list[Mutant]
    columns: dict[str, list[str]]


def read_mutation_table(path: str | Path) -> MutationTable:
    """Read a table of mutants: comma, tab or semicolon between the cells, with a header line.

    Substitutions of one mutant are joined by `:`, `;` or `/`, and inside one (quoted) cell by `,` too. Cells are kept
    as they are written: `NA` or `001` stay text.

    Raises
    ------
    InputError
        If the file cannot be read, has no column `mutant`, a row has an empty or unreadable mutant, or more or fewer
        cells than the header.
    """
    path = Path(path)
    text = _text(path)
    delimiter, header = _header(text, path)
    rows = _rows(text, delimiter, path)[1:]
    if not rows:
        raise InputError("no rows below the header", file=path, expected="one mutant a row")
    at = header.index(COLUMN)
    mutants = []
    for number, (line, row) in enumerate(rows, 1):
        place = f"row {number} (line {line})"
        if not any(cell.strip() for cell in row):
            raise InputError("empty row", file=path, place=place, expected=f"a mutant in column {COLUMN!r}")
        if len(row) != len(header):
            raise InputError(
                "the row does not fit the header",
                file=path,
                place=place,
                got=f"{len(row)} cells",
                expected=f"{len(header)}",
                do="Quote cells that hold a separator." if len(row) > len(header) else None,
            )
        if not row[at].strip():
            raise InputError(f"empty cell in column {COLUMN!r}", file=path, place=place, expected="a mutant")
        try:
            mutants.append(parse_mutant(row[at], separators=SEPARATORS + ",", place=place))
        except InputError as error:
            raise error.at(file=path) from None
    columns = {name: [row[index] for _, row in rows] for index, name in enumerate(header) if index != at}
    return MutationTable(str(path), mutants, columns)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise InputError("the table is too large", file=path, got=f"{path.stat().st_size} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise InputError("the table of mutations cannot be read", file=path, got=error.strerror or str(error)) from None
    if not data.strip():
        raise InputError("the table of mutations is empty", file=path, expected=f"a column {COLUMN!r}")
    for magic, what in _BINARY:
        if data.startswith(magic):
            raise InputError(f"{what}, not a text table", file=path, do="Save it as CSV.")
    codec = next((name for mark, name in _CODECS if data.startswith(mark)), None)
    if codec is None and b"\0" in data:
        raise InputError("a binary file, not a text table", file=path, expected=f"CSV with a column {COLUMN!r}")
    for encoding in (codec,) if codec else ("utf-8", "cp1252"):  # the second is what Excel writes on Windows
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError("the text of the table cannot be decoded", file=path, expected="UTF-8")


def _header(text: str, path: Path) -> tuple[str, list[str]]:
    """The delimiter and the names of the columns: the delimiter that sets `mutant` apart, else the commonest."""
    first = text.lstrip("\r\n").splitlines()[0]
    readings = {}
    for delimiter in DELIMITERS:
        names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
        readings[delimiter] = names
    fitting = [delimiter for delimiter, names in readings.items() if COLUMN in names]
    delimiter = max(fitting or DELIMITERS, key=lambda one: len(readings[one]))
    header = readings[delimiter]
    if not fitting:
        near = closest(COLUMN, [name.lower() for name in header])
        original = next((name for name in header if name.lower() == near), None)
        raise InputError(
            f"no column {COLUMN!r}",
            file=path,
            place="header",
            got="columns " + ", ".join(repr(name) for name in header[:20]) + (", ..." if len(header) > 20 else ""),
            expected=repr(COLUMN),
            do=f"Rename {original!r} to {COLUMN!r}?" if original else "The first line must name the columns.",
        )
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two columns are called {twice!r}", file=path, place="header", expected="one of each name")
    return delimiter, header


def _rows(text: str, delimiter: str, path: Path) -> list[tuple[int, list[str]]]:
    """Line number and cells of every row, the header first; blank lines at the end are no rows."""
    csv.field_size_limit(2**27)
    reader = csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter, strict=True)
    skipped = text[: len(text) - len(text.lstrip("\r\n"))].count("\n")
    rows, line = [], 1 + skipped
    try:
        for row in reader:
            rows.append((line, row))
            line = reader.line_num + 1 + skipped
    except csv.Error as error:
        raise InputError("not a CSV table", file=path, place=f"line {line}", got=str(error)) from None
    while len(rows) > 1 and not rows[-1][1]:
        rows.pop()
    return rows
