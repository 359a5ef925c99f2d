"""The task: a model's residue probabilities become scores of single substitutions and of mutants."""

import dataclasses

from plait.config import option
from plait.data.alignment_files import Alignment
from plait.data.mutations import NUMBERINGS, place_mutants
from plait.errors import unknown_name
from plait.registry import Reference, register
from plait.structure.protein import Protein, Remark
from plait.tasks.base import Task
from plait.tasks.mutation_effects.alignments import alignment_remarks, homologs_by_chain
from plait.tasks.mutation_effects.matrices import (
    additive_scores,
    joint_scores,
    percentile_matrix,
    score_chains,
    site_sensitivity,
)
from plait.tasks.mutation_effects.remarks import placing_remarks, plddt_remarks, protein_remarks, spread_remarks
from plait.tasks.mutation_effects.result import ADDITIVE, JOINT, ScoreResult
from plait.tasks.mutation_effects.tables import table_of_mutants, table_of_singles

MULTI = ("additive", "joint")


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

    def __call__(
        self,
        model,
        protein: Protein,
        mutants=None,
        columns: dict[str, list] | None = None,
        alignment: Alignment | None = None,
    ) -> ScoreResult:
        """Score `mutants`, or every single substitution.

        Parameters
        ----------
        model : Model
        protein : Protein
            Every chain of it is scored, each by itself.
        mutants : list of plait.data.mutations.Mutant, optional
        columns : dict, optional
            Further columns for the table, one value a mutant.
        alignment : Alignment, optional
            Homologs to weigh in, of every chain that the alignment fits.

        Raises
        ------
        InputError
            If no residue has a backbone, a mutant does not fit, or the alignment fits no chain.
        """
        remarks: list[Remark] = []
        placed = None
        if mutants is not None:
            mutants = _with_chain_column(mutants, columns or {}, protein, remarks)
            placed = place_mutants(mutants, protein, numbering=self.config.numbering)
            remarks += placing_remarks(placed, mutants, protein)
            if any(len(one.residues) > 1 for one in placed):
                remarks.insert(0, Remark("several mutations", "", JOINT if self.config.multi == "joint" else ADDITIVE))
        homologs = {}
        if alignment is not None:
            homologs = homologs_by_chain(alignment, protein)
            remarks += alignment_remarks(homologs, protein, model.scoring.alignment_prior)
        remarks += protein_remarks(protein)
        scores, spread = score_chains(model, protein, homologs)
        percentiles = percentile_matrix(scores, protein)
        sensitivity = site_sensitivity(scores)
        disagreements: list[Remark] = []
        if placed is None:
            table = table_of_singles(protein, scores, percentiles, spread, self.config.numbering)
            disagreements = spread_remarks(protein, scores, percentiles, spread)
        else:
            values = additive_scores(placed, scores, spread)
            if self.config.multi == "joint":
                values = joint_scores(model, protein, placed, values, homologs)
            table = table_of_mutants(protein, placed, *values, scores, columns or {}, remarks)
        return ScoreResult(
            table=table,
            scores=scores,
            percentiles=percentiles,
            spread=spread,
            sensitivity=sensitivity,
            protein=protein,
            model=model,
            remarks=(*plddt_remarks(protein), *remarks, *protein.remarks, *disagreements),
            mutants_given=placed is not None,
            numbering=self.config.numbering,
            multi=self.config.multi,
            homologs=homologs,
        )


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
