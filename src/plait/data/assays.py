"""Mutational scans on disk: `reference.csv`, `assays/`, `structures/` and, if there are, published results.

The layout is that of a deep mutational scanning benchmark such as ProteinGym's substitutions: `reference.csv` has a row
an assay with `DMS_id`, `UniProt_ID`, `coarse_selection_type`, `structure` (a file in `structures/`) and, where known,
`target_seq` and `published_comparable`; `assays/<DMS_id>.csv` has the columns `mutant` (A24C, positions from 1 in the
target sequence) and `DMS_score` (higher is fitter). `published_spearman.csv`, `published_ndcg.csv` and
`published_top_recall.csv` have `DMS_id` and a column a model. An assay is no `DataSet`: it has no splits, since nothing
is trained or chosen on it.
"""

import csv
import dataclasses
from pathlib import Path

import numpy as np

from plait.data.base import checked_folder
from plait.data.digests import file_digest
from plait.data.mutation_table import read_mutation_table
from plait.data.mutations import Mutant, place_mutants
from plait.errors import InputError
from plait.structure.protein import Protein

COLUMNS = ("DMS_id", "UniProt_ID", "coarse_selection_type", "structure")
MEASURED = "DMS_score"


@dataclasses.dataclass(frozen=True)
class Assay:
    """One mutational scan of a protein.

    Attributes
    ----------
    id, protein, selection : str
        Name, the protein's identifier, and what was selected for (Activity, Stability, ...).
    file, structure : Path
        Table of measurements, and structure file.
    target_sequence : str
        Sequence that the positions count in; empty if it is not stated.
    comparable : bool
        Whether published results are over the same mutants.
    """

    id: str
    protein: str
    selection: str
    file: Path
    structure: Path
    target_sequence: str = ""
    comparable: bool = True


@dataclasses.dataclass(frozen=True)
class Measurements:
    """What an assay measured: `mutants`, and `values` float64 [N], higher is fitter."""

    file: Path
    mutants: list[Mutant]
    values: np.ndarray

    def places(self, protein: Protein) -> "Places":
        """Where the mutants are in the chain that was scored.

        Raises
        ------
        InputError
            If a mutant does not fit the sequence.
        """
        try:
            placed = place_mutants(self.mutants, protein)
        except InputError as error:
            raise error.at(file=self.file) from None
        counts = np.array([len(one.residues) for one in placed])
        return Places(
            residue=np.concatenate([one.residues for one in placed]),
            type=np.concatenate([one.types for one in placed]),
            start=np.cumsum(counts) - counts,
        )


@dataclasses.dataclass(frozen=True)
class Places:
    """Substitutions of N mutants, one after the other: `residue` and `type` int [S], and where each mutant starts."""

    residue: np.ndarray
    type: np.ndarray
    start: np.ndarray

    def scores(self, matrix: np.ndarray) -> np.ndarray:
        """Sum over each mutant's substitutions of a score matrix [R, 20]: float32 [N]."""
        return np.add.reduceat(np.asarray(matrix, np.float32)[self.residue, self.type], self.start)


def read_assays(folder: str | Path) -> list[Assay]:
    """The assays that `reference.csv` of a folder names. Their files are not read yet.

    Raises
    ------
    InputError
        If there is no such folder, or its reference has no rows, lacks a column, or has a name twice or one that
        leads out of the folder.
    """
    path = checked_folder(str(folder), "reference.csv")
    file = path / "reference.csv"
    table = _read_csv(file, COLUMNS)
    assays = []
    for number, row in enumerate(table.to_dict("records"), 1):
        for name in ("DMS_id", "structure"):
            if not _is_plain(row[name]):
                raise InputError(
                    f"not a name in column {name!r}", file=file, place=f"row {number}", got=repr(row[name])
                )
        assays.append(
            Assay(
                id=row["DMS_id"],
                protein=row["UniProt_ID"],
                selection=row["coarse_selection_type"],
                file=path / "assays" / f"{row['DMS_id']}.csv",
                structure=path / "structures" / row["structure"],
                target_sequence=row.get("target_seq", ""),
                comparable=row.get("published_comparable", "True").lower() != "false",
            )
        )
    return assays


def read_measurements(assay: Assay) -> Measurements:
    """The table of an assay.

    Raises
    ------
    InputError
        If it cannot be read, a measurement is no number or a mutant stands in it twice.
    """
    table = read_mutation_table(assay.file)
    if MEASURED not in table.columns:
        raise InputError(f"no column {MEASURED!r}", file=assay.file, got="columns " + ", ".join(table.columns))
    values = np.empty(len(table.mutants))
    seen: dict[tuple, int] = {}
    for number, (mutant, cell) in enumerate(zip(table.mutants, table.columns[MEASURED]), 1):
        try:
            values[number - 1] = float(cell)
        except ValueError:
            values[number - 1] = np.nan
        if not np.isfinite(values[number - 1]):
            raise InputError(
                "not a measurement", file=assay.file, place=f"row {number}", got=repr(cell), expected="a number"
            )
        first = seen.setdefault(tuple(sorted(map(str, mutant.substitutions))), number)
        if first != number:
            raise InputError(f"{mutant.text} is measured twice", file=assay.file, place=f"rows {first} and {number}")
    return Measurements(assay.file, table.mutants, values)


def read_chain(file: Path) -> Protein:
    """The structure of an assay, which has one protein chain.

    Raises
    ------
    InputError
    """
    from plait.structure.reading import read_structure

    protein = read_structure(file)
    if len(protein.chains) != 1:
        raise InputError("an assay's structure has one protein chain", file=file, got=", ".join(protein.chains))
    return protein


def check_target(assay: Assay, protein: Protein) -> None:
    """Raise InputError unless the structure has the assay's target sequence, where that is stated."""
    target = assay.target_sequence
    if not target or protein.sequence == target:
        return
    same = [a == b for a, b in zip(protein.sequence, target)]
    at = same.index(False) if False in same else len(same)
    raise InputError(
        f"not the target sequence of {assay.id}",
        file=assay.structure,
        place=f"residue {at + 1}",
        got=f"{protein.sequence[at : at + 10] or 'the end'}, {len(protein)} residues",
        expected=f"{target[at : at + 10] or 'the end'}, {len(target)} residues",
    )


def content_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return file_digest(path)["sha256"]
    except OSError as error:
        raise InputError("the file cannot be read", file=path, got=error.strerror or str(error)) from None


def read_published(folder: str | Path, metric: str):
    """Published values of a metric: a pandas table [assays, models], NaN where there is none; None without the file.

    Raises
    ------
    InputError
        If the file is there and is no such table.
    """
    import pandas

    file = Path(folder) / f"published_{metric}.csv"
    if not file.exists():
        return None
    table = _read_csv(file, ("DMS_id",)).set_index("DMS_id")
    for name in table.columns:
        numbers = pandas.to_numeric(table[name].replace("", "nan"), errors="coerce")
        wrong = table.index[numbers.isna() & ~table[name].str.lower().isin(("", "nan", "na"))]
        if len(wrong):
            raise InputError(
                "not a number", file=file, place=f"{wrong[0]}, column {name!r}", got=repr(table.loc[wrong[0], name])
            )
        table[name] = numbers
    return table.astype(float)


def _read_csv(file: Path, needed: tuple[str, ...]):
    """A pandas table of text cells as they are written, with unique values in the first of the columns needed."""
    import pandas

    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            header, *rows = [row for row in csv.reader(stream, strict=True) if row] or [[]]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError("not a readable CSV table", file=file, got=str(error)) from None
    for name in needed:
        if name not in header:
            raise InputError(f"no column {name!r}", file=file, place="header", got=", ".join(header[:20]) or "nothing")
    if not rows:
        raise InputError("no rows below the header", file=file, expected="an assay a row")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise InputError(
                "the row does not fit the header",
                file=file,
                place=f"row {number}",
                got=f"{len(row)} cells",
                expected=str(len(header)),
            )
    table = pandas.DataFrame(rows, columns=header, dtype=str)
    key = table[needed[0]]
    if key.duplicated().any():
        raise InputError(f"a {needed[0]} stands there twice", file=file, got=key[key.duplicated()].iloc[0])
    return table


def _is_plain(name: str) -> bool:
    return bool(name.strip()) and Path(name).name == name and name not in (".", "..") and "\\" not in name
