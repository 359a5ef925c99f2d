"""What a scored protein is: its scores, their table, and what they mean."""

import dataclasses
from typing import Any

import numpy as np

from plait.data.homologs import Homologs
from plait.structure.protein import Protein, Remark
from plait.tasks.mutation_effects.alignments import alignment_facts, alignment_meaning, alignment_summary

SENSITIVITY = (
    "Sensitivity of a residue: minus the mean score of its 19 substitutions. The higher it is, the more the model "
    "expects mutations there to harm."
)
PERCENTILE = (
    "Percentile: share of all single substitutions of the chain that score lower, ties counted half, from 0 (worst) "
    "to 100 (best)."
)
SPREAD = (
    "Spread: standard deviation of a score over the networks of the ensemble, in the unit of the score. It "
    "says how far the networks differ, not how far all of them may be wrong together."
)
SPREAD_OF_SEVERAL = "For mutants of several substitutions it is the root of the sum of their squared spreads."
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
    spread : float32 [R, 20]
        Standard deviation of each score over the members of an ensemble; NaN where there is none, as everywhere for a
        single network.
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
    homologs : dict of str to Homologs
        By chain, what the user's alignment says; empty without one.
    arguments, source, timings : dict
        For the record: what was asked, name and SHA-256 of the files, seconds of each step.
    """

    table: Any
    scores: np.ndarray
    percentiles: np.ndarray
    spread: np.ndarray
    sensitivity: np.ndarray
    protein: Protein
    model: Any
    remarks: tuple[Remark, ...] = ()
    mutants_given: bool = False
    numbering: str = "sequence"
    multi: str = "additive"
    homologs: dict[str, Homologs] = dataclasses.field(default_factory=dict)
    arguments: dict = dataclasses.field(default_factory=dict)
    source: dict = dataclasses.field(default_factory=dict)
    timings: dict = dataclasses.field(default_factory=dict)

    @property
    def meaning(self) -> str:
        """What the scores mean: direction, scale, what an alignment did, and how several mutations were combined."""
        said = [alignment_meaning(self.homologs, self.model.scoring)] if self.homologs else []
        said += [remark.text for remark in self.remarks if remark.kind == "several mutations"]
        return " ".join([self.model.describe_score(), *said])

    @property
    def spread_meaning(self) -> str | None:
        """What the spread is, in a few sentences; None where there is none, as for a single network."""
        if not np.isfinite(self.spread).any():
            return None
        several = any(remark.kind == "several mutations" for remark in self.remarks)
        return f"{SPREAD} {SPREAD_OF_SEVERAL}" if several else SPREAD

    @property
    def alignment(self) -> str | None:
        """How deep the alignment is that was mixed in, in a line; None without one."""
        return alignment_summary(self.homologs) if self.homologs else None

    @property
    def alignment_facts(self) -> list[dict] | None:
        """Of each chain that the alignment serves: what was used and how it was mixed; None without one."""
        return alignment_facts(self.homologs, self.model.scoring) if self.homologs else None
