"""Files of structure tokens: Parquet, FASTA and CSV, written whole or not at all."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from plait.errors import InputError, closest
from plait.tokenizers.base import Tokenizer
from plait.tokenizers.saving import digest
from plait.tokenizers.tokens import ChainTokens

ROWS = 1000
"""Chains held in memory before they are written to a Parquet file."""


def check_output(path, endings: Iterable[str] | None = None) -> Path:
    """The path, if a file can be written there: its ending is known and its folder takes files.

    Parameters
    ----------
    endings : iterable of str, optional
        Those that are known; of token files if not given.

    Raises
    ------
    InputError
    """
    path = Path(path)
    endings = list(WRITERS if endings is None else endings)
    if path.suffix.lower() not in endings:
        near = closest(path.suffix.lower(), endings)
        raise InputError(
            "unknown kind of output file",
            file=path,
            got=repr(path.suffix),
            expected="one of " + ", ".join(endings),
            do=f"Did you mean {near}?" if near else None,
        )
    if path.is_dir():
        raise InputError("this is a folder", file=path, expected="a file to write")
    with _beside(path) as beside:
        beside.touch()
    return path


def write_tokens(records: Iterable[ChainTokens], path, tokenizer: Tokenizer) -> int:
    """Write records as they come; the ending of `path` decides the form. Returns the number of chains.

    .parquet: one row per chain, `file, chain, sequence, tokens (list of int32), author_numbers`; the file's metadata
    hold `tokenizer`, `digest`, `states` (K) and `unknown`. .csv: the same columns, lists with spaces between.
    .fasta, .fa: a record `>name_chain` per chain, letters where the tokenizer has such, else integers with spaces.

    Where there is not one record, or the records raise, nothing is written.
    """
    path = Path(path)
    with _beside(path) as beside:
        count = WRITERS[path.suffix.lower()](records, beside, tokenizer)
        if count:
            os.replace(beside, path)
    return count


def _write_parquet(records, beside: Path, tokenizer: Tokenizer) -> int:
    import pyarrow
    import pyarrow.parquet

    text = pyarrow.string()
    schema = pyarrow.schema(
        {
            "file": text,
            "chain": text,
            "sequence": text,
            "tokens": pyarrow.list_(pyarrow.int32()),
            "author_numbers": pyarrow.list_(text),
        },
        metadata={
            "tokenizer": tokenizer.name,
            "digest": digest(tokenizer),
            "states": str(tokenizer.size),
            "unknown": str(tokenizer.unknown),
        },
    )
    count = 0
    with pyarrow.parquet.ParquetWriter(beside, schema, compression="zstd") as writer:
        for rows in _groups(records):
            columns = {name: [getattr(row, name) for row in rows] for name in schema.names}
            writer.write_table(pyarrow.table(columns, schema=schema))
            count += len(rows)
    return count


def _write_fasta(records, beside: Path, tokenizer: Tokenizer) -> int:
    count = 0
    with beside.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(f">{record.name}\n{_text(record)}\n")
            count += 1
    return count


def _write_csv(records, beside: Path, tokenizer: Tokenizer) -> int:
    import csv

    count = 0
    with beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "chain", "sequence", "tokens", "author_numbers"])
        for record in records:
            numbers = " ".join(record.author_numbers)
            writer.writerow([record.file, record.chain, record.sequence, _integers(record), numbers])
            count += 1
    return count


WRITERS = {".parquet": _write_parquet, ".fasta": _write_fasta, ".fa": _write_fasta, ".csv": _write_csv}
"""What writes a file of each ending."""


def _text(record: ChainTokens) -> str:
    return _integers(record) if record.letters is None else record.letters


def _integers(record: ChainTokens) -> str:
    return " ".join(map(str, record.tokens.tolist()))


def _groups(records: Iterable[ChainTokens]) -> Iterator[list[ChainTokens]]:
    rows = []
    for record in records:
        rows.append(record)
        if len(rows) == ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which is removed at the end unless it was moved."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
    except OSError as error:
        raise InputError("the output cannot be written", file=path, got=error.strerror or str(error)) from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
