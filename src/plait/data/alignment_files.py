"""Alignments that users bring: a3m, a2m and aligned FASTA, plain or gzipped."""

import dataclasses
from pathlib import Path

import numpy as np

from plait.data.digests import file_digest
from plait.errors import InputError
from plait.structure.contents import read_bytes
from plait.structure.vocabulary import RESIDUES, UNKNOWN

GAP = UNKNOWN + 1
"""Code of a gap beside the residue types."""

INSERTIONS = (".a3m", ".a2m")
"""Endings of files whose lower-case letters stand in no column."""

ALIGNED = (".fasta", ".fas", ".fa", ".faa", ".mfa", ".afa")
"""Endings of files whose rows all have the same length."""

MOST_SEQUENCES, MOST_COLUMNS, MOST_CELLS = 100_000, 10_000, 250_000_000
_FORMATS = "a3m, a2m or aligned FASTA, plain or gzipped"
_ANNOTATIONS = ("ss_pred", "ss_conf", "ss_dssp", "sa_dssp", "sa_pred", "aa_pred", "aa_dssp", "Consensus")
_LOWER = b"abcdefghijklmnopqrstuvwxyz"
_INVALID = 255
_UNSURE = b"XBZJ"
_PARENTS = {"U": "C", "O": "K"}  # selenocysteine, pyrrolysine


def _codes() -> bytes:
    codes = np.full(256, _INVALID, np.uint8)
    for letter in _UNSURE:
        codes[letter] = UNKNOWN
    for index, letter in enumerate(RESIDUES):
        codes[ord(letter)] = index
    for letter, parent in _PARENTS.items():
        codes[ord(letter)] = RESIDUES.index(parent)
    codes[list(_LOWER)] = codes[list(_LOWER.upper())]
    codes[list(b"-.")] = GAP
    return codes.tobytes()


_CODES = _codes()


@dataclasses.dataclass(frozen=True, eq=False)
class Alignment:
    """Aligned sequences.

    Attributes
    ----------
    file : str
    sha256 : str
        Of the file as it is.
    names : tuple of str [S]
    rows : tuple of bytes [S]
        The sequences as written, with gaps and insertions.
    columns : uint8 [S, C]
        Residue type in each column, `GAP` where there is none; insertions stand in no column.
    insertions : bool
        Whether lower-case letters of `rows` are insertions.
    left_out : tuple of str
        Names of rows that are annotations (secondary structure, consensus) and no sequences.
    """

    file: str
    sha256: str
    names: tuple[str, ...]
    rows: tuple[bytes, ...]
    columns: np.ndarray
    insertions: bool
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def residues(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Residue types uint8 [Q] of a sequence, insertions too, and the column int64 [Q] of each, -1 in none."""
        written = np.frombuffer(self.rows[row], np.uint8)
        types = np.frombuffer(self.rows[row].translate(_CODES), np.uint8)
        inserted = np.isin(written, list(_LOWER + b".")) if self.insertions else np.zeros(len(written), bool)
        column = np.where(inserted, -1, np.cumsum(~inserted) - 1)
        return types[types != GAP], column[types != GAP]


def read_alignment(path: str | Path) -> Alignment:
    """Read an alignment: `.a3m` and `.a2m`, whose lower-case letters and dots are insertions, or aligned FASTA
    (`ALIGNED`), all of whose rows have one length; each also with `.gz`.

    Sequences may be wrapped. Lines before the first `>` may be comments (`#`). Rows of HH-suite that are no sequences
    (`ss_pred`, consensus and the like) are left out. B, Z, J and X are unknown residues, U and O their parents.

    Raises
    ------
    InputError
        The file cannot be read, is in another format, is empty, too large, has a row without residues, of another
        number of columns than the first, or with a character that is no residue.
    """
    path = Path(path)
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    if ending not in INSERTIONS + ALIGNED:
        raise InputError(
            "unknown ending of an alignment",
            file=path,
            got=repr(ending) if ending else "none",
            expected="one of " + ", ".join(INSERTIONS + ALIGNED),
            do="In .a3m and .a2m lower-case letters are insertions; in the others all rows have one length.",
        )
    text = read_bytes(path, "an alignment", _FORMATS).replace(b"\r\n", b"\n").rstrip(b"\0\n\t ")
    starts, records = _records(text, path)
    insertions = ending in INSERTIONS
    names, rows, cells, left_out = [], [], [], []
    for number, record in enumerate(records):
        header, _, body = record.partition(b"\n")
        name = (header.split() or [b""])[0].decode("utf-8", "replace")
        if name in _ANNOTATIONS or name.endswith("_consensus"):
            left_out.append(name)
            continue
        row = body.translate(None, b" \t\n").removesuffix(b"*")
        try:
            cells.append(_columns(row, insertions, len(cells[0]) if cells else None))
        except InputError as error:
            line = text.count(b"\n", 0, starts[number]) + 1
            raise error.at(file=path, place=f"sequence {number + 1} ({name or 'no name'}), line {line}") from None
        names.append(name)
        rows.append(row)
    if not cells:
        raise InputError("no sequence in the alignment", file=path, got="annotations only", expected="sequences")
    if len(cells[0]) > MOST_COLUMNS or len(cells) * len(cells[0]) > MOST_CELLS:
        raise _too_large(f"{len(cells):,} sequences of {len(cells[0]):,} columns", path)
    matrix = np.frombuffer(b"".join(cells), np.uint8).reshape(len(cells), -1)
    digest = file_digest(path)["sha256"]
    return Alignment(str(path), digest, tuple(names), tuple(rows), matrix, insertions, tuple(left_out))


def _columns(row: bytes, insertions: bool, width: int | None) -> bytes:
    """The codes of a row in its columns, of which there should be `width`; raises InputError without file and place."""
    codes = row.translate(_CODES)
    if bytes([_INVALID]) in codes:
        at = codes.index(_INVALID)
        raise InputError(
            "unknown letter in the alignment",
            got=f"{chr(row[at])!r} as character {at + 1}",
            expected="one-letter codes of residues, '-' or '.'",
        )
    if insertions:
        codes = row.translate(_CODES, _LOWER + b".")
    if not codes.translate(None, bytes([GAP])):
        what = "no residue stands in a column" if row else "no sequence below its name"
        raise InputError(what, expected="upper-case letters" if insertions else "letters")
    if width is not None and len(codes) != width:
        raise InputError(
            "rows of different lengths",
            got=f"{len(codes)} columns",
            expected=f"{width} as in the first",
            do="Upper-case letters and '-' are columns. Is the file cut?"
            if insertions
            else "Are the sequences aligned? A file with insertions in lower case should be called .a3m.",
        )
    return codes


def _records(text: bytes, path: Path) -> tuple[list[int], list[bytes]]:
    """Where each record starts, and its text without the `>`."""
    if text.startswith(b"# STOCKHOLM"):
        raise _other_format("Stockholm", path)
    if text.startswith((b"CLUSTAL", b"MUSCLE")):
        raise _other_format("Clustal", path)
    first = next((line for line in text[:65536].split(b"\n") if line.strip() and not line.startswith(b"#")), b"")
    if not first.startswith(b">"):
        head = first[:40].decode("utf-8", "replace")
        got = "binary data" if b"\0" in text[:4096] else repr(head) if head else "no sequence"
        raise InputError("not an alignment", file=path, got=got, expected=_FORMATS + ", with '>' before each name")
    if b"\0" in text:
        raise InputError(
            "several alignments in one file",
            file=path,
            place=f"byte {text.index(0)}",
            got="a NUL between them, as databases of MMseqs2 have it",
            expected="one alignment",
            do="Split the file at the NUL bytes.",
        )
    begin = 0 if text.startswith(b">") else text.index(b"\n>") + 1
    records = text[begin + 1 :].split(b"\n>")
    if len(records) > MOST_SEQUENCES:
        raise _too_large(f"{len(records):,} sequences", path)
    lengths = np.array([len(record) + 2 for record in records])
    return (begin + np.cumsum(lengths) - lengths).tolist(), records


def _other_format(name: str, path: Path) -> InputError:
    return InputError(
        f"{name} format is not read",
        file=path,
        expected=_FORMATS,
        do="Convert it: reformat.pl of HH-suite makes a3m, esl-reformat of HMMER makes a2m.",
    )


def _too_large(got: str, path: Path) -> InputError:
    return InputError(
        "the alignment is too large",
        file=path,
        got=got,
        expected=f"at most {MOST_SEQUENCES:,} sequences, {MOST_COLUMNS:,} columns and {MOST_CELLS:,} of both together",
        do="Thin it, for example with hhfilter -id 90 -diff 1000: what is left says nearly the same.",
    )
