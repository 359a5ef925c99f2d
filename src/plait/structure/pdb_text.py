"""What gemmi does not check in the text of a PDB file: models, coordinate columns, cut and shifted lines.

gemmi reads letters in a coordinate as a number, shifted columns as other residues, and gives up at MODEL without
ENDMDL and at entry codes in columns 73 to 80; so the lines are looked at first, all at once, as an array of bytes.
"""

import dataclasses
import itertools
import re

import numpy as np

from plait.errors import InputError
from plait.structure.atoms import missing_model, model_read
from plait.structure.protein import Remark

_WIDTH = 80
_FIELDS = {"x": (30, 38), "y": (38, 46), "z": (46, 54)}
_PREDICTORS = {b"ALPHAFOLD": "AlphaFold", b"ESMFOLD": "ESMFold", b"COLABFOLD": "ColabFold", b"OMEGAFOLD": "OmegaFold"}
_SAYS_WHERE_FROM = re.compile(rb"^(?:TITLE|REMARK|HEADER|COMPND|EXPDTA|AUTHOR).*$", re.MULTILINE)
_OURS, _OUR_PLDDT = b"WRITTEN BY PLAIT", b"B-FACTOR: PLDDT"  # as plait.structure.writing has it
_EXPERIMENT = re.compile(rb"^EXPDTA    (.*)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class PdbText:
    """The coordinate lines of one model, mended where they may be, and what the rest of the file says.

    Attributes
    ----------
    atoms : bytes
    first_line : int
        Number of the first line of `atoms` in the file, from 1.
    models : int
    atoms_before_ter : dict of bytes to int
        By chain that has a TER record, how many of its atoms stand before it.
    predicted_by, experiment : str
        Empty if the file names none.
    remarks : tuple of Remark
    """

    atoms: bytes
    first_line: int
    models: int
    atoms_before_ter: dict[bytes, int]
    predicted_by: str
    experiment: str
    remarks: tuple[Remark, ...]


def inspect_pdb(data: bytes, file, model: int) -> PdbText:
    """Find one model's lines in a PDB file and check their coordinate columns.

    Raises
    ------
    InputError
        No such model, no coordinate lines, or a coordinate that is no number; it names the line.
    """
    if b"\n" not in data and b"\r" in data:
        data = data.replace(b"\r", b"\n")
    buffer = np.frombuffer(data + b"\n" + b" " * _WIDTH, np.uint8)
    ends = np.flatnonzero(buffer[: len(data) + 1] == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    heads = buffer[starts[:, None] + np.arange(8)].view(np.uint64)[:, 0]
    is_atom = _begins(heads, b"ATOM  ") | _begins(heads, b"HETATM")
    _check_shift(data, starts, ends, heads, file)
    first, last, models = _lines_of_model(heads, is_atom, file, model)
    atoms = np.arange(first, last)[is_atom[first:last]]
    if not len(atoms):
        raise InputError(
            "no atoms",
            file=file,
            place=f"model {model}" if models > 1 else None,
            got=f"{len(starts)} lines without ATOM or HETATM records" if models <= 1 else "an empty model",
            expected="coordinates of a protein",
        )
    lengths = ends[atoms] - starts[atoms]
    _check_cut(data, buffer, starts, ends, atoms, file)
    short = np.flatnonzero(lengths < _FIELDS["z"][1])
    if len(short):
        line = int(atoms[short[0]])
        raise InputError(
            "coordinate line cut short",
            file=file,
            place=f"line {line + 1}",
            got=f"{lengths[short[0]]} columns",
            expected="at least 54",
            do="Get the file again.",
        )
    lines = buffer[starts[atoms, None] + np.arange(_WIDTH)]  # [atoms, 80]; a short line runs on into the next
    _check_numbers(lines, atoms, file)
    chosen = data[starts[first] : ends[last - 1]] + b"\n"
    chosen, remarks = _without_old_columns(chosen, lines, lengths, starts[atoms] - starts[first])
    header = data[: starts[np.argmax(is_atom)]]
    if models > 1:
        remarks += (model_read(model, models),)
    return PdbText(
        atoms=chosen,
        first_line=first + 1,
        models=models,
        atoms_before_ter=_atoms_before_ter(heads[first:last], lines, atoms - first),
        predicted_by=_predictor(header),
        experiment=_experiment(header),
        remarks=remarks,
    )


def _begins(heads: np.ndarray, record: bytes) -> np.ndarray:
    """bool [lines]: which lines begin with this record name, of at most 8 bytes; `heads` holds each line's first 8."""
    mask = np.frombuffer((b"\xff" * len(record)).ljust(8, b"\0"), np.uint64)
    return (heads & mask) == np.frombuffer(record.ljust(8, b"\0"), np.uint64)


def _lines_of_model(heads: np.ndarray, is_atom: np.ndarray, file, model: int) -> tuple[int, int, int]:
    """First line, line after the last, and the number of models that have atoms."""
    marks = np.flatnonzero(_begins(heads, b"MODEL ") | _begins(heads, b"END"))
    edges = [-1, *marks.tolist(), len(heads)]
    count = np.concatenate([[0], np.cumsum(is_atom)])
    spans = [(a + 1, b) for a, b in itertools.pairwise(edges) if count[b] > count[a + 1]]
    if not 1 <= model <= max(len(spans), 1):
        raise missing_model(file, model, len(spans))
    first, last = spans[model - 1] if spans else (0, len(heads))
    return first, last, max(len(spans), 1)


def _check_shift(data: bytes, starts: np.ndarray, ends: np.ndarray, heads: np.ndarray, file) -> None:
    """Refuse coordinate records that do not begin in the first column: gemmi passes over them."""
    for line in np.flatnonzero(_begins(heads, b" ") | _begins(heads, b"\t")):
        text = data[starts[line] : ends[line]]
        if text.lstrip().startswith((b"ATOM ", b"HETATM")):
            raise InputError(
                "coordinate record does not begin in column 1",
                file=file,
                place=f"line {line + 1}",
                got=repr(text[:12].decode("ascii", "replace")),
                expected="ATOM or HETATM in columns 1 to 6",
                do="Remove what stands before it.",
            )


def _check_cut(data, buffer, starts, ends, atoms, file) -> None:
    """Refuse a file that stops inside its last coordinate line, or inside the name of its record."""
    tail = data[starts[-1] :]
    if tail and any(len(tail) < 6 and name.startswith(tail) for name in (b"ATOM  ", b"HETATM")):
        raise InputError(
            "file cut in the middle of a coordinate line",
            file=file,
            place=f"line {len(starts)}",
            got=repr(tail.decode()),
            expected="a whole record",
            do="Get the file again, or delete the last line.",
        )
    last = int(atoms[-1])
    if last != len(starts) - 1 or len(atoms) < 2:
        return
    length = len(data[starts[last] : ends[last]].rstrip())
    others = min(len(data[starts[i] : ends[i]].rstrip()) for i in atoms[:-1][-100:])
    if length < others:
        raise InputError(
            "file cut in the middle of a coordinate line",
            file=file,
            place=f"line {last + 1}",
            got=f"{length} columns",
            expected=f"{others}",
            do="Get the file again, or delete the last line.",
        )


def _check_numbers(lines: np.ndarray, atoms: np.ndarray, file) -> None:
    """Refuse coordinates that are no numbers in their columns; nan, inf and ? pass and are dropped later."""
    faults = []
    for name, (begin, end) in _FIELDS.items():
        odd = np.flatnonzero(~_written_as_usual(lines[:, begin:end]))
        field = lines[odd, begin:end]  # (odd ones, 8)
        blank = field == ord(" ")
        digit = (field >= ord("0")) & (field <= ord("9"))
        sign = (field == ord("-")) | (field == ord("+"))
        starts_word = ~blank & np.concatenate([np.ones((len(field), 1), bool), blank[:, :-1]], axis=1)
        good = (
            (blank | digit | sign | (field == ord("."))).all(1)
            & (starts_word.sum(1) == 1)
            & digit.any(1)
            & ((field == ord(".")).sum(1) <= 1)
            & ~(sign & ~starts_word).any(1)
        )
        for row in np.flatnonzero(~good):
            text = field[row].tobytes().decode("latin-1").strip()
            row = odd[row]
            if text.lower() not in ("nan", "inf", "-inf", "-nan", "?"):
                faults.append((int(row), name, text))
                break
    if faults:
        row, name, text = min(faults)
        begin, end = _FIELDS[name]
        raise InputError(
            f"{name} coordinate is not a number",
            file=file,
            place=f"line {atoms[row] + 1}",
            got=repr(text),
            expected=f"a number in columns {begin + 1} to {end}",
            do="Are the columns of the PDB format shifted?" if " " in text or not text else None,
        )


def _written_as_usual(field: np.ndarray) -> np.ndarray:
    """bool [atoms]: blanks, then at most one sign, then digits, with the point in the fifth of eight columns."""
    kind = _CHARACTER_KIND[field]
    first, second, third = kind[:, 0], kind[:, 1], kind[:, 2]
    tail = (kind[:, 3] == 2) & (field[:, 4] == ord(".")) & (kind[:, 5] == 2) & (kind[:, 6] == 2) & (kind[:, 7] == 2)
    ordered = (first <= second) & (second <= third) & (third <= 2)
    return tail & ordered & ~((first == 1) & (second == 1)) & ~((second == 1) & (third == 1))


_CHARACTER_KIND = np.full(256, 9, np.uint8)
_CHARACTER_KIND[ord(" ")] = 0
_CHARACTER_KIND[[ord("+"), ord("-")]] = 1
_CHARACTER_KIND[ord("0") : ord("9") + 1] = 2


def _without_old_columns(chosen: bytes, lines, lengths, offsets) -> tuple[bytes, tuple[Remark, ...]]:
    """Blank columns 73 to 80 where they hold an entry code and line number (format before 1996)."""
    wide = lengths >= _WIDTH
    tail = lines[wide, 76:80]
    digit = (tail >= ord("0")) & (tail <= ord("9"))
    sign = (tail == ord("+")) | (tail == ord("-"))
    odd = digit[:, :2].any(1) | (digit[:, 2:].any(1) & ~sign[:, 2:].any(1))
    if not odd.any():
        return chosen, ()
    mended = np.frombuffer(chosen, np.uint8).copy()
    mended[offsets[wide, None] + np.arange(72, 80)] = ord(" ")
    text = "columns 73 to 80 hold no element or charge (old format): elements taken from the atom names"
    return mended.tobytes(), (Remark("old format", "", text),)


def _atoms_before_ter(heads: np.ndarray, lines: np.ndarray, atoms: np.ndarray) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    names = lines[:, 20:22]
    for line in np.flatnonzero(_begins(heads, b"TER")):
        before = int(np.searchsorted(atoms, line))
        if before:
            chain = names[before - 1]
            count = int((names[:before] == chain).all(1).sum())
            found.setdefault(chain.tobytes().strip(), count)
    return found


def _experiment(header: bytes) -> str:
    if _OURS in header:
        return "unknown (written by plait)"
    return b" ".join(found[:60].strip() for found in _EXPERIMENT.findall(header)).decode("ascii", "replace")


def _predictor(header: bytes) -> str:
    if _OURS in header:
        return "a program before plait wrote it" if _OUR_PLDDT in header else ""
    if _EXPERIMENT.search(header) and b"THEORETICAL MODEL" not in header:
        return ""
    for line in _SAYS_WHERE_FROM.findall(header):
        for word, name in _PREDICTORS.items():
            if word in line.upper():
                return name
    return ""
