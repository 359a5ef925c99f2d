"""The task: a structure becomes residues with probabilities and ranked pockets."""

import dataclasses

import numpy as np

from plait.config import option
from plait.objectives.binding_site import HEAD
from plait.references import VABSNET
from plait.registry import register
from plait.structure.protein import Protein, Remark
from plait.tasks.base import Task
from plait.tasks.binding_sites.predicting import SiteSettings, find
from plait.tasks.binding_sites.result import SiteResult, pocket_table, residue_table


@dataclasses.dataclass(frozen=True)
class Config:
    together: bool = option(True, "chains see one another, as sites between chains need; else each by itself")


@register("task")
class BindingSites(Task):
    """Finds residues that bind small molecules, and the pockets that they make."""

    name = "binding-sites"
    summary = "find the residues that bind small molecules, and rank the pockets that they make"
    reference = VABSNET.at("downstream task, binding-site prediction; pockets and their ranks after P2Rank")
    Config = Config
    heads = {HEAD: 1}
    exempt = {"chains alone": "a site between chains is seen only with both of them; `together` switches it off"}

    def __call__(self, model, protein: Protein) -> SiteResult:
        """Probabilities and pockets of all chains.

        Raises
        ------
        InputError
            If the model has no head for binding sites.
        """
        settings = SiteSettings.of(model)
        found = find(model, protein, settings, self.config.together)
        return SiteResult(
            table=residue_table(protein, found.probability),
            pocket_table=pocket_table(protein, found.pockets),
            probability=found.probability,
            pockets=found.pockets,
            protein=protein,
            model=model,
            settings=settings,
            remarks=(*_remarks(protein, found), *protein.remarks),
        )


def _remarks(protein: Protein, found) -> list[Remark]:
    """What of this protein is answered with less confidence, or not at all."""
    remarks = []
    if not found.pockets:
        remarks.append(Remark("no pocket", "", "no residues are likely enough, and near enough, to make a pocket"))
    beyond = np.bincount(protein.residue_of, ~np.isin(protein.atom_name, ("N", "CA", "C", "O")), len(protein)) > 0
    if not beyond.any():
        remarks.append(
            Remark("no side chains", "", "no atom of any side chain is there; pockets are wider than they are")
        )
    for text, kind, rows in (
        (
            "have no N, CA or C, and are answered without their own geometry",
            "incomplete backbone",
            ~protein.has_backbone,
        ),
        ("have no answer", "not answered", np.isnan(found.probability)),
    ):
        where = np.flatnonzero(rows)
        if len(where):
            names = [f"{protein.chain[i]}:{protein.residue_label(i)}" for i in where]
            remarks.append(Remark(kind, "", f"{len(where)} residues {text}: {', '.join(names)}"))
    return remarks
