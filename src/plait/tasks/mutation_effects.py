"""Which mutations a protein tolerates: the score of every single substitution, or of the mutants asked for."""

import dataclasses
import hashlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from plait.config import option
from plait.data.mutation_table import read_mutation_table
from plait.data.mutations import (
    LETTERS,
    NUMBERINGS,
    PlacedMutant,
    hgvs,
    parse_mutants,
    place_mutants,
)
from plait.errors import InputError, unknown_name
from plait.registry import Reference, register
from plait.structure.protein import Protein, Remark
from plait.structure.vocabulary import RESIDUES, UNKNOWN
from plait.tasks.base import Task

MULTI = ("additive", "joint")
LOW_PLDDT = 70.0
COLUMNS = (
    "mutant",
    "chain",
    "sequence_position",
    "author_number",
    "wild_type",
    "mutated",
    "hgvs",
    "plait_score",
    "percentile",
)
"""Columns of the table; those of the user's table follow."""

SENSITIVITY = (
    "Sensitivity of a residue: minus the mean score of its 19 substitutions. The higher it is, the more the model "
    "expects mutations there to harm."
)
PERCENTILE = (
    "Percentile: share of all single substitutions of the chain that score lower, ties counted half, from 0 (worst) "
    "to 100 (best)."
)
JOINT = (
    "Mutants of several substitutions: their positions were masked together, so that the model saw none of the "
    "residues to be replaced, and the scores there were added (joint)."
)
ADDITIVE = "Mutants of several substitutions score the sum of the single ones (additive)."


@dataclasses.dataclass(frozen=True, eq=False)
class ScoreResult:
    """Scores of a protein's mutations.

    Attributes
    ----------
    table : pandas.DataFrame
        `COLUMNS`, then the columns of the user's table. Without mutations: every single substitution, best first
        within its chain; else the mutants in the order in which they came.
    scores : float32 [R, 20]
        Score of each single substitution, columns in the order of `vocabulary.RESIDUES`; 0 for the wild type, NaN
        where there is none.
    percentiles : float32 [R, 20]
        Percentile of each among the single substitutions of its chain; NaN for the wild type.
    sensitivity : float32 [R]
        Minus the mean score of the residue's substitutions; NaN where there are no scores.
    protein : Protein
    model : Model
    remarks : tuple of Remark
        What was mapped or left out while reading and scoring.
    mutants_given : bool
        Whether the table holds the user's mutants rather than all single substitutions.
    numbering, multi : str
        As asked for.
    arguments, source, timings : dict
        For the record: what was asked, name and SHA-256 of the files, seconds of each step.
    """

    table: Any
    scores: np.ndarray
    percentiles: np.ndarray
    sensitivity: np.ndarray
    protein: Protein
    model: Any
    remarks: tuple[Remark, ...] = ()
    mutants_given: bool = False
    numbering: str = "sequence"
    multi: str = "additive"
    arguments: dict = dataclasses.field(default_factory=dict)
    source: dict = dataclasses.field(default_factory=dict)
    timings: dict = dataclasses.field(default_factory=dict)

    @property
    def meaning(self) -> str:
        """What the scores mean: direction, scale, and how several mutations were taken together."""
        several = [remark.text for remark in self.remarks if remark.kind == "several mutations"]
        return " ".join([self.model.describe_score(), *several])

    def write(self, folder: str | Path) -> Path:
        """Write table, pictures, page, structure and record into a folder; see `plait.reports.writing.write`."""
        import importlib

        # Reports stand above tasks; this convenience is the one call that goes up.
        return importlib.import_module("plait.reports.writing").write(self, folder)


@dataclasses.dataclass(frozen=True)
class Config:
    """How mutations are read and combined."""

    numbering: str = option("sequence", "what positions count: sequence (residues present, from 1) or author")
    multi: str = option("additive", "several substitutions: additive (sum of singles) or joint (masked together)")


@register("task")
class MutationEffects(Task):
    """Scores single substitutions and mutants with a model's residue probabilities."""

    name = "mutation-effects"
    summary = "rank substitutions by what the model expects at each residue"
    reference = Reference(
        authors="Meier J, Rao R, Verkuil R, Liu J, Sercu T, Rives A",
        title="Language models enable zero-shot prediction of the effects of mutations on protein function",
        venue="Advances in Neural Information Processing Systems 34",
        year=2021,
        doi="10.1101/2021.07.09.450648",
        where="Equation 1",
    )
    Config = Config

    def __init__(self, config: Config | None = None):
        super().__init__(config)
        if self.config.numbering not in NUMBERINGS:
            raise unknown_name("numbering", self.config.numbering, NUMBERINGS)
        if self.config.multi not in MULTI:
            raise unknown_name("way of combining mutations", self.config.multi, MULTI)

    def __call__(self, model, protein: Protein, mutants=None, columns: dict[str, list] | None = None) -> ScoreResult:
        """Score `mutants`, or every single substitution.

        Parameters
        ----------
        model : Model
        protein : Protein
            Every chain of it is scored, each by itself.
        mutants : list of plait.data.mutations.Mutant, optional
        columns : dict, optional
            Further columns for the table, one value a mutant.

        Raises
        ------
        InputError
            If no residue has a backbone, or a mutant does not fit.
        """
        remarks: list[Remark] = []
        placed = None
        if mutants is not None:
            mutants = _with_chain_column(mutants, columns or {}, protein, remarks)
            placed = place_mutants(mutants, protein, numbering=self.config.numbering)
            remarks += _placing_remarks(placed, mutants, protein)
            if any(len(one.residues) > 1 for one in placed):
                remarks.insert(0, Remark("several mutations", "", JOINT if self.config.multi == "joint" else ADDITIVE))
        remarks += _remarks(protein)
        scores = _score_chains(model, protein)
        percentiles = _percentiles(scores, protein)
        sensitivity = _sensitivity(scores)
        if placed is None:
            table = _table_of_singles(protein, scores, percentiles, self.config.numbering)
        else:
            table = self._table_of_mutants(model, protein, placed, scores, columns or {}, remarks)
        return ScoreResult(
            table=table,
            scores=scores,
            percentiles=percentiles,
            sensitivity=sensitivity,
            protein=protein,
            model=model,
            remarks=(*remarks, *protein.remarks),
            mutants_given=placed is not None,
            numbering=self.config.numbering,
            multi=self.config.multi,
        )

    def _table_of_mutants(self, model, protein, placed, scores, columns, remarks):
        import pandas

        values = np.array([sum(float(scores[r, t]) for r, t in zip(one.residues, one.types)) for one in placed])
        if self.config.multi == "joint":
            values = _joint_scores(model, protein, placed, values)
        singles = {chain: _singles(scores, protein, chain) for chain in protein.chains}
        rows = [_describe(protein, one.residues, one.types) for one in placed]
        if all(len(one.residues) == 1 for one in placed):
            for row in rows:
                row["sequence_position"] = int(row["sequence_position"])
        percentile = [_midrank(singles[one.chain], [value])[0] for one, value in zip(placed, values)]
        data = {
            "mutant": [one.mutant.text for one in placed],
            "chain": [one.chain for one in placed],
            **{name: [row[name] for row in rows] for name in COLUMNS[2:7]},
            "plait_score": values.astype(np.float32),
            "percentile": np.array(percentile, np.float32),
        }
        for name, cells in columns.items():
            kept = name
            while kept in data:
                kept += " (input)"
            if kept != name:
                remarks.append(Remark("column", "", f"the input's column {name!r} is called {kept!r} in the table"))
            data[kept] = [cells[one.number] for one in placed]
        missing = int(np.isnan(values).sum())
        if missing:
            remarks.append(
                Remark("not scored", "", f"{missing} mutants have no score: unknown residue in the structure")
            )
        same = sum(any(protein.residue_type[r] == t for r, t in zip(one.residues, one.types)) for one in placed)
        if same:
            remarks.append(
                Remark("synonymous", "", f"{same} mutants keep a wild-type residue (A24A); that substitution scores 0")
            )
        return pandas.DataFrame(data)


def score(
    structure,
    *,
    chain: str | None = None,
    mutations: str | Iterable[str] | None = None,
    csv: str | Path | None = None,
    model=None,
    tokenizer: str | Path | None = None,
    numbering: str = "sequence",
    multi: str = "additive",
    structure_model: int = 1,
) -> ScoreResult:
    """Score the mutations of a protein: `plait.score("1ubq.cif").table`.

    Parameters
    ----------
    structure : path or Protein
    chain : str, optional
        Author or label identifier of the chain; every protein chain if not given.
    mutations : str or iterable of str, optional
        `"A24C,D30E:K31R"` or a list of mutants; every single substitution if neither this nor `csv` is given.
    csv : path, optional
        A table with a column `mutant`; its other columns are kept.
    model : str, path or Model, optional
        Name, folder or hub id; the bundled model if not given.
    tokenizer : path, optional
        Folder of the structure tokenizer, for models published without one.
    numbering : {"sequence", "author"}
        What the positions of mutations count, given and written.
    multi : {"additive", "joint"}
        Several substitutions in one mutant: sum of the singles, or all positions masked together.
    structure_model : int
        Number of the model in a file that has several.

    Returns
    -------
    ScoreResult

    Raises
    ------
    InputError
        For whatever of the input the user can mend.
    """
    task = MutationEffects(Config(numbering=numbering, multi=multi))
    mutants, columns, source, timings = None, {}, {}, {}
    if mutations is not None and csv is not None:
        raise InputError("mutations both in a list and in a file", expected="one of the two")
    if csv is not None:
        given = read_mutation_table(csv)
        mutants, columns = given.mutants, given.columns
        source["mutations"] = file_digest(csv)
    elif mutations is not None:
        mutants = parse_mutants(mutations)
    started = time.perf_counter()
    if isinstance(structure, Protein):
        protein = structure if chain is None else _chain_of(structure, chain)
        source["structure"] = {"file": protein.source, "sha256": None}
    else:
        from plait.structure.reading import read_structure

        protein = read_structure(structure, chain=chain, model=structure_model)
        source["structure"] = file_digest(structure)
    timings["read structure"] = time.perf_counter() - started
    started = time.perf_counter()
    if model is None or isinstance(model, str | Path):
        from plait.models.loading import load

        model = load(model, tokenizer=tokenizer)
    timings["load model"] = time.perf_counter() - started
    started = time.perf_counter()
    try:
        result = task(model, protein, mutants, columns)
    except InputError as error:
        raise error.at(file=csv if csv is not None and error.place else protein.source or None) from None
    timings["score"] = time.perf_counter() - started
    arguments = {
        "tokenizer": None if tokenizer is None else str(tokenizer),
        "chain": chain,
        "mutations": mutations if mutations is None or isinstance(mutations, str) else [m.text for m in mutants],
        "csv": None if csv is None else str(csv),
        "numbering": numbering,
        "multi": multi,
        "structure_model": structure_model,
    }
    return dataclasses.replace(result, arguments=arguments, source=source, timings=timings)


# -- scores


def _score_chains(model, protein: Protein) -> np.ndarray:
    """Scores float32 [R, 20] of every chain by itself; NaN where a wild type is unknown or a chain has no backbone."""
    scores = np.full((len(protein), UNKNOWN), np.nan, np.float32)
    if not protein.has_backbone.any():
        raise InputError(
            "no residue has a backbone",
            file=protein.source or None,
            got="no N, CA and C together in any residue",
            expected="backbone atoms",
        )
    for chain in protein.chains:
        mask = protein.chain == chain
        if protein.has_backbone[mask].any():
            scores[mask] = model.score_matrix(protein.select(mask))
    known = protein.residue_type < UNKNOWN
    scores[~known] = np.nan
    rows = np.nonzero(known)[0]
    scored = rows[np.isfinite(scores[rows]).any(axis=1)]
    scores[scored, protein.residue_type[scored]] = 0.0
    if not len(scored):
        raise InputError("no residue can be scored", got="unknown residues only", expected="amino acids")
    return scores


def _joint_scores(model, protein: Protein, placed: list[PlacedMutant], additive: np.ndarray) -> np.ndarray:
    """Scores of mutants with their positions masked together; one pass serves all mutants of the same positions."""
    values = additive.copy()
    groups: dict[tuple, list[int]] = {}
    for number, one in enumerate(placed):
        if len(one.residues) > 1 and np.isfinite(additive[number]):
            groups.setdefault((one.chain, tuple(sorted(one.residues))), []).append(number)
    chains: dict[str, tuple] = {}
    for (chain, residues), numbers in groups.items():
        if chain not in chains:
            mask = protein.chain == chain
            chains[chain] = protein.select(mask), np.cumsum(mask) - 1
        part, local = chains[chain]
        masked = np.asarray(model.score_matrix(part, masked=[int(local[r]) for r in residues]))
        for number in numbers:
            one = placed[number]
            values[number] = sum(float(masked[local[r], t]) for r, t in zip(one.residues, one.types))
    return values


def _substituted(scores: np.ndarray, protein: Protein) -> np.ndarray:
    """bool [R, 20]: scored, and not the wild type."""
    mask = np.isfinite(scores)
    known = np.nonzero(protein.residue_type < UNKNOWN)[0]
    mask[known, protein.residue_type[known]] = False
    return mask


def _singles(scores: np.ndarray, protein: Protein, chain: str) -> np.ndarray:
    """Scores of all single substitutions of a chain, ascending."""
    mask = _substituted(scores, protein) & (protein.chain == chain)[:, None]
    return np.sort(scores[mask])


def _midrank(ascending: np.ndarray, values) -> np.ndarray:
    """Percentage of `ascending` below each value, ties counted half; NaN for NaN."""
    values = np.asarray(values, ascending.dtype)
    if not len(ascending):
        return np.full(values.shape, np.nan)
    below = np.searchsorted(ascending, values, "left")
    upto = np.searchsorted(ascending, values, "right")
    return np.where(np.isnan(values), np.nan, 50.0 * (below + upto) / len(ascending))


def _percentiles(scores: np.ndarray, protein: Protein) -> np.ndarray:
    percentiles = np.full(scores.shape, np.nan, np.float32)
    substituted = _substituted(scores, protein)
    for chain in protein.chains:
        mask = substituted & (protein.chain == chain)[:, None]
        percentiles[mask] = _midrank(np.sort(scores[mask]), scores[mask])
    return percentiles


def _sensitivity(scores: np.ndarray) -> np.ndarray:
    """float32 [R]: minus the mean over the 19 substitutions (the wild type's own 0 adds nothing to the sum)."""
    return -scores.sum(axis=1) / (UNKNOWN - 1)


# -- the table


def _table_of_singles(protein: Protein, scores: np.ndarray, percentiles: np.ndarray, numbering: str):
    import pandas

    residue, mutated = np.nonzero(_substituted(scores, protein))
    value = scores[residue, mutated]
    chain_rank = {chain: rank for rank, chain in enumerate(protein.chains)}
    rank = np.array([chain_rank[chain] for chain in protein.chain])
    order = np.lexsort((mutated, residue, -value, rank[residue]))
    residue, mutated, value = residue[order], mutated[order], value[order]
    position = protein.sequence_index[residue] + 1
    labels = np.array([protein.residue_label(index) for index in range(len(protein))])
    letters = np.array(list(RESIDUES))
    wild_type, after = letters[protein.residue_type[residue]], letters[mutated]
    written = position.astype(str) if numbering == "sequence" else labels[residue]
    names = {
        (before, later): hgvs([before], ["{}"], [later]) for before in LETTERS for later in LETTERS if before != later
    }
    return pandas.DataFrame(
        {
            "mutant": [f"{b}{p}{a}" for b, p, a in zip(wild_type, written, after)],
            "chain": protein.chain[residue].astype(object),
            "sequence_position": position,
            "author_number": labels[residue].astype(object),
            "wild_type": wild_type.astype(object),
            "mutated": after.astype(object),
            "hgvs": [names[b, a].format(p) for b, p, a in zip(wild_type, position, after)],
            "plait_score": value,
            "percentile": percentiles[residue, mutated],
        }
    )


def _describe(protein: Protein, residues, types) -> dict[str, str]:
    """Columns of a mutant, those of several substitutions joined by ':' (by ';' in HGVS)."""
    before = [RESIDUES[protein.residue_type[r]] for r in residues]
    after = [RESIDUES[t] for t in types]
    position = [int(protein.sequence_index[r]) + 1 for r in residues]
    return {
        "sequence_position": ":".join(map(str, position)),
        "author_number": ":".join(protein.residue_label(r) for r in residues),
        "wild_type": ":".join(before),
        "mutated": ":".join(after),
        "hgvs": hgvs(before, position, after),
    }


# -- at the door, and what is said


def _chain_of(protein: Protein, name: str) -> Protein:
    for names in (protein.chain, protein.label_chain):
        if (names == name).any():
            return protein.select(names == name)
    raise unknown_name("chain", name, protein.chains, file=protein.source or None)


def _with_chain_column(mutants, columns, protein: Protein, remarks: list[Remark]):
    """Mutants with the chain that the user's column `chain` names, as in a table that plait wrote."""
    cells = columns.get("chain")
    if cells is None:
        return mutants
    if not all(cell.strip() in protein.chains for cell in cells):
        strange = next(cell for cell in cells if cell.strip() not in protein.chains)
        text = f"the input's column 'chain' was not used: {strange!r} is no chain of the structure"
        remarks.append(Remark("column", "", text))
        return mutants
    return [
        one if one.chain is not None else dataclasses.replace(one, chain=cell.strip())
        for one, cell in zip(mutants, cells)
    ]


def _placing_remarks(placed, mutants, protein: Protein) -> list[Remark]:
    if len(protein.chains) < 2 or all(one.chain is not None for one in mutants):
        return []
    used = {one.chain for one in placed if mutants[one.number].chain is None}
    text = "mutants without a chain were read in chain " + ", ".join(c for c in protein.chains if c in used)
    left = [chain for chain in protein.chains if chain not in used]
    if left:
        text += "; they do not fit chain " + ", ".join(left)
    return [Remark("chain", "", text)]


def _remarks(protein: Protein) -> list[Remark]:
    """What of this protein is not scored, or with less confidence."""
    remarks = []
    for chain in protein.chains:
        mask = protein.chain == chain
        place = f"chain {chain or '(blank)'}"
        unknown = np.nonzero(mask & (protein.residue_type == UNKNOWN))[0]
        if len(unknown):
            text = "unknown residues are not scored: " + _listed(protein, unknown)
            remarks.append(Remark("unknown residue", place, text))
        bare = np.nonzero(mask & ~protein.has_backbone)[0]
        if len(bare) == mask.sum():
            remarks.append(Remark("no backbone", place, "not scored: no residue has N, CA and C"))
        elif len(bare):
            text = "scored without their structure, for want of N, CA or C: " + _listed(protein, bare)
            remarks.append(Remark("incomplete backbone", place, text))
        if protein.predicted:
            low = int((protein.b_factor[mask] < LOW_PLDDT).sum())
            if low:
                text = (
                    f"{low} of {int(mask.sum())} residues have a pLDDT below {LOW_PLDDT:.0f}; "
                    "scores there lean on an uncertain structure"
                )
                remarks.append(Remark("low pLDDT", place, text))
    return remarks


def _listed(protein: Protein, indices, limit: int = 10) -> str:
    names = [f"{protein.residue_name[i]} {protein.residue_label(i)}" for i in indices[:limit]]
    return ", ".join(names) + (f" and {len(indices) - limit} more" if len(indices) > limit else "")


def file_digest(path) -> dict[str, Any]:
    """Name and SHA-256 of a file's content, or of bytes."""
    if isinstance(path, bytes):
        return {"file": None, "sha256": hashlib.sha256(path).hexdigest()}
    with open(path, "rb") as file:
        return {"file": str(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
