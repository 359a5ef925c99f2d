"""Mutations as people write them, and where they are in a `Protein`.

One substitution is `A24C` (wild type, position, mutated), also as HGVS writes it: `p.Ala24Cys`, `p.(Ala24Cys)`,
`p.A24C`. Author numbers may be negative (`A-3C`) and carry an insertion code (`A52aC`). Several substitutions of
one mutant are joined by `:`, `;` or `/` (`A24C:D30E`, `p.[Ala24Cys;Asp30Glu]`). A chain is named after an at sign,
`A24C@H`; all substitutions of a mutant are in one chain.
"""

import dataclasses
import os
import re
from collections.abc import Iterable, Sequence

import numpy as np

from plait.errors import InputError, unknown_name
from plait.structure.protein import Protein
from plait.structure.vocabulary import RESIDUES, THREE_LETTER, UNKNOWN

LETTERS = RESIDUES[:UNKNOWN]
NUMBERINGS = ("sequence", "author")
SEPARATORS = ":;/"

_ONE = re.compile(r"([A-Za-z*?])(-?\d+)([A-Za-z]?)([A-Za-z*?=])")
_THREE = re.compile(r"([A-Za-z]{3}|\*)(-?\d+)([A-Za-z]{3}|\*|=)")
_THREE_INSERTED = re.compile(r"([A-Za-z]{3})(-?\d+)([A-Za-z])([A-Za-z]{3}|\*|=)")
_NOT_SUBSTITUTION = re.compile(r"(del|ins|dup|fs|ext|inv|con|Ter|TER|\*)")
_ACCESSION = re.compile(r"\(?[A-Za-z]+_?\d+(\.\d+)?\)?:(?=p\.)")
_LETTER_OF = dict(zip(THREE_LETTER[:UNKNOWN], LETTERS))
_NAME_OF = {letter: name.capitalize() for name, letter in _LETTER_OF.items()}


@dataclasses.dataclass(frozen=True)
class Substitution:
    """One residue in place of another, as written: `number` counts as the numbering that the reader is told."""

    wild_type: str
    number: int
    insertion_code: str
    mutated: str

    @property
    def position(self) -> str:
        return f"{self.number}{self.insertion_code}"

    def __str__(self) -> str:
        return f"{self.wild_type}{self.position}{self.mutated}"


@dataclasses.dataclass(frozen=True)
class Mutant:
    """Substitutions that are made together.

    Attributes
    ----------
    text : str
        As written by the user.
    substitutions : tuple of Substitution
    chain : str or None
        Chain that was named with it.
    place : str
        Where it stood, "row 3"; empty if it needs no saying.
    """

    text: str
    substitutions: tuple[Substitution, ...]
    chain: str | None = None
    place: str = ""


@dataclasses.dataclass(frozen=True)
class PlacedMutant:
    """A mutant in a chain of a `Protein`.

    Attributes
    ----------
    mutant : Mutant
    number : int
        Index of the mutant in the list that was placed.
    chain : str
    residues, types : tuple of int
        Residue of the protein and the mutated type (index into `vocabulary.RESIDUES`) of each substitution.
    """

    mutant: Mutant
    number: int
    chain: str
    residues: tuple[int, ...]
    types: tuple[int, ...]


# -- notation


def parse_substitution(text: str) -> Substitution:
    """The substitution that `A24C`, `A52aC`, `A-3C`, `p.Ala24Cys` or `p.(Ala24Cys)` stands for.

    Raises
    ------
    InputError
        For anything else; insertions, deletions, frame shifts and stop codons are named as not supported.
    """
    core = text.strip()
    if core.startswith("p."):
        core = core[2:]
    core = core.strip("[]() \t")
    if not core:
        raise InputError("empty mutation", got=repr(text), expected="a substitution such as A24C")
    if found := _ONE.fullmatch(core):
        wild_type, number, insertion_code, mutated = found.groups()
    elif found := _THREE.fullmatch(core):
        wild_type, number, mutated = found.groups()
        insertion_code = ""
    elif found := _THREE_INSERTED.fullmatch(core):
        wild_type, number, insertion_code, mutated = found.groups()
    else:
        raise _not_a_substitution(text, core)
    if mutated == "*" or wild_type == "*" or mutated.upper() == "TER":
        raise InputError("stop codons cannot be scored", got=repr(text), expected="a substitution such as A24C")
    if mutated.lower() == "del":
        raise _not_a_substitution(text, core)
    wild_type = _letter(wild_type, text)
    mutated = wild_type if mutated == "=" else _letter(mutated, text)
    return Substitution(wild_type, int(number), insertion_code, mutated)


def parse_mutant(text: str, *, separators: str = SEPARATORS, place: str = "") -> Mutant:
    """The mutant that one or several substitutions joined by one of `separators` stand for.

    Raises
    ------
    InputError
        If a substitution cannot be read, a position occurs twice, or two chains are named.
    """
    try:
        return _parse_mutant(text, separators, place)
    except InputError as error:
        raise error.at(place=place or None) from None


def parse_mutants(text: str | Iterable[str]) -> list[Mutant]:
    """Mutants from a list of texts, or from one text where they are separated by commas.

    Raises
    ------
    InputError
        As `parse_mutant`, if there is none, and for the path of a file.
    """
    texts = text.split(",") if isinstance(text, str) else [str(one) for one in text]
    if not any(one.strip() for one in texts):
        raise InputError("no mutation", got=repr(text), expected="mutations such as A24C,D30E:K31R")
    count = len(texts)
    try:
        return [
            parse_mutant(one, place=f"mutation {number} of {count}" if count > 1 else "")
            for number, one in enumerate(texts, 1)
        ]
    except InputError:
        if not isinstance(text, str) or not os.path.isfile(text.strip()):
            raise
        raise InputError(
            "a file in place of mutations",
            got=repr(text),
            expected="mutations such as A24C,D30E:K31R",
            do="Give a table of mutations as --csv FILE, in Python csv=FILE.",
        ) from None


def hgvs(wild_types: Sequence[str], positions: Sequence[int], mutated: Sequence[str]) -> str:
    """`p.Ala24Cys`, or `p.[Ala24Cys;Asp30Glu]` for several, from one-letter codes and positions."""
    parts = [
        f"{_NAME_OF.get(before, 'Xaa')}{position}{'=' if before == after else _NAME_OF[after]}"
        for before, position, after in zip(wild_types, positions, mutated, strict=True)
    ]
    return f"p.{parts[0]}" if len(parts) == 1 else "p.[" + ";".join(parts) + "]"


def _parse_mutant(text: str, separators: str, place: str) -> Mutant:
    stripped = text.strip()
    if not stripped:
        raise InputError("empty mutation", got=repr(text), expected="a substitution such as A24C")
    body = _ACCESSION.sub("", stripped)
    chains, substitutions, seen = [], [], {}
    for part in re.split("[" + re.escape(separators) + "]", body):
        core, at, chain = part.partition("@")
        substitution = parse_substitution(core)
        if at:
            chains.append(chain.strip().strip("[]()"))
        if substitution.position in seen:
            raise InputError(
                f"position {substitution.position} occurs twice in one mutant",
                got=repr(stripped),
                expected="each position once",
            )
        seen[substitution.position] = True
        substitutions.append(substitution)
    if len(set(chains)) > 1:
        raise InputError(
            "one mutant in two chains",
            got=repr(stripped),
            expected="substitutions of one chain",
            do="Score the chains' mutants one by one.",
        )
    return Mutant(stripped, tuple(substitutions), chains[0] if chains else None, place)


def _letter(written: str, text: str) -> str:
    letter = _LETTER_OF.get(written.upper(), "") if len(written) == 3 else written.upper()
    if letter not in LETTERS or not letter:
        raise InputError(
            f"unknown amino acid {written!r} in {text.strip()!r}",
            got=repr(written),
            expected="one of " + LETTERS + " or a three-letter name",
        )
    return letter


def _not_a_substitution(text: str, core: str) -> InputError:
    if core.lower() in ("wt", "_wt", "wildtype", "wild type", "wild-type"):
        return InputError(
            "the wild type is not a mutation",
            got=repr(text),
            expected="a substitution such as A24C",
            do="Leave the row out: the wild type scores 0.",
        )
    if _NOT_SUBSTITUTION.search(core):
        return InputError(
            "insertions, deletions, frame shifts and stop codons cannot be scored",
            got=repr(text),
            expected="a substitution such as A24C",
        )
    return InputError(
        "unreadable mutation",
        got=repr(text),
        expected="wild type, position, mutated: A24C, A52aC, p.Ala24Cys; several joined by ':'",
    )


# -- places in a protein


def place_mutants(mutants: Sequence[Mutant], protein: Protein, *, numbering: str = "sequence") -> list[PlacedMutant]:
    """Find each mutant's residues and check the wild types.

    A mutant that names its chain is placed there. The others are placed in every chain that all of them fit (each
    of the copies of a homo-oligomer, one chain of a complex), mutant after mutant.

    Parameters
    ----------
    mutants : sequence of Mutant
    protein : Protein
    numbering : {"sequence", "author"}
        Positions count the residues present in the chain from 1, or are author numbers with insertion codes.

    Raises
    ------
    InputError
        If a position is not in the chain or its wild type differs (unknown residues of the structure fit any); the
        constant shift of positions that would mend most is named if there is one.
    """
    if numbering not in NUMBERINGS:
        raise unknown_name("numbering", numbering, NUMBERINGS)
    scales = {chain: _Scale(protein, chain, numbering) for chain in protein.chains}
    for mutant in mutants:
        if mutant.chain is not None and mutant.chain not in scales:
            raise unknown_name("chain", mutant.chain, scales, place=mutant.place or None)
    free = [mutant for mutant in mutants if mutant.chain is None]
    problems = {chain: _first_problem(free, scale) for chain, scale in scales.items()}
    fitting = [chain for chain, problem in problems.items() if problem is None]
    if free and not fitting:
        chain = min(problems, key=lambda name: problems[name].count)
        raise _misfit(problems[chain], free, protein, chain, numbering)
    for chain, scale in scales.items():
        named = [mutant for mutant in mutants if mutant.chain == chain]
        if problem := _first_problem(named, scale):
            raise _misfit(problem, named, protein, chain, numbering)
    placed = []
    for number, mutant in enumerate(mutants):
        types = tuple(LETTERS.index(one.mutated) for one in mutant.substitutions)
        for chain in fitting if mutant.chain is None else [mutant.chain]:
            residues = tuple(scales[chain].find(one)[0] for one in mutant.substitutions)
            placed.append(PlacedMutant(mutant, number, chain, residues, types))
    return placed


class _Scale:
    """The positions of one chain, by sequence or by author number."""

    def __init__(self, protein: Protein, chain: str, numbering: str):
        self.protein, self.chain, self.numbering = protein, chain, numbering
        self.indices = np.nonzero(protein.chain == chain)[0]
        self.by_position: dict[tuple[int, str], list[int]] = {}
        for index in self.indices.tolist():
            if numbering == "sequence":
                key = (int(protein.sequence_index[index]) + 1, "")
            else:
                key = (int(protein.author_number[index]), str(protein.insertion_code[index]))
            self.by_position.setdefault(key, []).append(index)

    def find(self, substitution: Substitution) -> tuple[int | None, str]:
        """The residue, or None and what stands in its place ("" if there is no such position)."""
        code = substitution.insertion_code
        candidates = next(
            (
                found
                for spelling in dict.fromkeys((code, code.upper(), code.lower()))
                if (found := self.by_position.get((substitution.number, spelling)))
            ),
            [],
        )
        letters = [RESIDUES[self.protein.residue_type[index]] for index in candidates]
        for letter, index in zip(letters, candidates):
            if letter in (substitution.wild_type, RESIDUES[UNKNOWN]):
                return index, letter
        return None, "/".join(dict.fromkeys(letters))

    def span(self) -> str:
        keys = list(self.by_position)
        first, last = keys[0], keys[-1]
        return f"{first[0]}{first[1]} to {last[0]}{last[1]}"


@dataclasses.dataclass(frozen=True)
class _Problem:
    mutant: Mutant
    substitution: Substitution
    found: str
    count: int
    scale: _Scale


def _first_problem(mutants: Sequence[Mutant], scale: _Scale) -> _Problem | None:
    first, count = None, 0
    checked: dict[Substitution, tuple] = {}
    for mutant in mutants:
        bad = False
        for one in mutant.substitutions:
            key = dataclasses.replace(one, mutated="")
            if key not in checked:
                checked[key] = scale.find(one)
            index, found = checked[key]
            if index is None:
                bad = True
                first = first or (mutant, one, found)
        count += bad
    return _Problem(*first, count, scale) if first else None


def _misfit(problem: _Problem, mutants: Sequence[Mutant], protein: Protein, chain: str, numbering: str) -> InputError:
    one, scale = problem.substitution, problem.scale
    what = "author number" if numbering == "author" else "sequence position"
    where = f"chain {chain or '(blank)'}"
    others = f"; {problem.count} of {len(mutants)} mutants do not fit" if len(mutants) > 1 else ""
    if len(protein.chains) > 1 and problem.mutant.chain is None:
        others += ", nor do all fit another chain"
    advice = _advice(mutants, protein, chain, numbering)
    if one.insertion_code and numbering == "sequence":
        return InputError(
            f"{one}: a position with an insertion code is an author number",
            place=problem.mutant.place or None,
            got=one.position,
            expected="a sequence position",
            do=advice or "Say --numbering author.",
        )
    if not problem.found:
        return InputError(
            f"{one}: no {what} {one.position} in {where}{others}",
            place=problem.mutant.place or None,
            got=one.position,
            expected=f"{what}s {scale.span()} ({len(scale.indices)} residues present)",
            do=advice,
        )
    return InputError(
        f"{one}: wrong wild type at {what} {one.position} of {where}{others}",
        place=problem.mutant.place or None,
        got=one.wild_type,
        expected=problem.found,
        do=advice,
    )


def _advice(mutants: Sequence[Mutant], protein: Protein, chain: str, numbering: str) -> str | None:
    """What would make the wild types fit: the other numbering, or a constant shift of the positions."""
    other = NUMBERINGS[1 - NUMBERINGS.index(numbering)]
    if _first_problem(mutants, _Scale(protein, chain, other)) is None:
        return f"They fit with --numbering {other}."
    shift = likeliest_shift(mutants, protein, chain, numbering=numbering)
    if shift is not None:
        offset, fitting, of, ties = shift
        if of == 1 and ties and abs(offset) > 10:  # one wild type fits somewhere by chance
            return None
        what = "the wild type fits" if of == 1 else f"{fitting} of {of} wild types fit"
        more = f" ({ties} other shift{'s' if ties > 1 else ''} would too)" if ties else ""
        return f"With {offset:+d} added to every position {what}{more}."
    return None


def likeliest_shift(
    mutants: Sequence[Mutant], protein: Protein, chain: str, *, numbering: str = "sequence"
) -> tuple[int, int, int, int] | None:
    """The constant that, added to every position, makes most wild types fit.

    Returns
    -------
    (offset, fitting, of, ties) or None
        The offset, how many of how many different (wild type, position) pairs then fit, and how many other
        offsets do as well; the smallest is taken. None unless nine tenths fit.
    """
    scale = _Scale(protein, chain, numbering)
    pairs = {(one.wild_type, one.number) for m in mutants for one in m.substitutions if not one.insertion_code}
    numbers = [number for number, code in scale.by_position if not code]
    if not pairs or not numbers:
        return None
    first, last = min(numbers), max(numbers)
    table = np.full(last - first + 1, -1, dtype=np.int64)
    for (number, code), indices in scale.by_position.items():
        if not code:
            table[number - first] = protein.residue_type[indices[0]]
    types = np.array([RESIDUES.index(letter) for letter, _ in sorted(pairs)])
    positions = np.array([number for _, number in sorted(pairs)])
    offsets = np.arange(first - positions.max(), last - positions.min() + 1)
    if len(offsets) * len(pairs) > 50_000_000:  # positions that are nowhere near the chain
        return None
    fits = np.zeros(len(offsets), dtype=np.int64)
    for row, offset in enumerate(offsets):
        at = positions + offset - first
        inside = (at >= 0) & (at < len(table))
        fits[row] = (table[at[inside]] == types[inside]).sum()
    best = int(fits.max())
    if best < 0.9 * len(pairs):
        return None
    winners = offsets[fits == best]
    winners = winners[np.argsort(np.abs(winners), kind="stable")]
    if winners[0] == 0:
        return None
    return int(winners[0]), best, len(pairs), len(winners) - 1
