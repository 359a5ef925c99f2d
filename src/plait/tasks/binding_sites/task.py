"""The task: a structure becomes residues with probabilities and ranked pockets."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from plait.config import option, to_dict
from plait.data.base import Example
from plait.data.partners import KINDS
from plait.data.site_labels import RESIDUES
from plait.references import VABSNET
from plait.registry import register
from plait.structure.protein import Protein, Remark
from plait.tasks.base import Task
from plait.tasks.binding_sites.partners import Partner, partner_names, partner_of
from plait.tasks.binding_sites.predicting import SiteSettings, find, probabilities
from plait.tasks.binding_sites.result import SiteResult, atom_table, pocket_table, residue_table
from plait.tasks.site_metrics import auroc, average_precision, best_threshold


@dataclasses.dataclass(frozen=True)
class Config:
    together: bool = option(True, "chains see one another, as sites between chains need; else each by itself")
    atoms: bool = option(False, "answer for atoms too")
    partner: str = option("", "what is bound, for a model that tells kinds of partners; its first if not given")


@register("task")
class BindingSites(Task):
    """Finds residues that bind small molecules, or another kind of partner, and the pockets that they make."""

    name = "binding-sites"
    summary = "find the residues that bind small molecules, and rank the pockets that they make"
    reference = VABSNET.at("downstream task, binding-site prediction; pockets and their ranks after P2Rank")
    Config = Config
    heads = {RESIDUES: 1}
    objective = "binding-site"
    criterion = "auprc"
    exempt = {"chains alone": "a site between chains is seen only with both of them; `together` switches it off"}

    def __call__(self, model, protein: Protein) -> SiteResult:
        """Probabilities and pockets of all chains.

        Raises
        ------
        InputError
            If the model has no head for binding sites, or does not answer for the partner.
        """
        partner = partner_of(model, self.config.partner)
        settings = SiteSettings.of(model, partner)
        found = find(model, protein, settings, self.config.together, partner)
        remarks, atoms = _remarks(protein, found), None
        if self.config.atoms:
            atoms = found.atoms
            if atoms is None:
                atoms = found.probability[protein.residue_of]
                text = "the model answers for residues: each atom has the probability of its residue"
                remarks.append(Remark("atoms as their residue", "", text))
        return SiteResult(
            table=residue_table(protein, found.probability),
            pocket_table=pocket_table(protein, found.pockets, settings),
            probability=found.probability,
            pockets=found.pockets,
            protein=protein,
            model=model,
            settings=settings,
            partner=partner,
            remarks=(*remarks, *protein.remarks),
            atom_table=None if atoms is None else atom_table(protein, atoms),
        )

    @staticmethod
    def evaluate(examples: Sequence[Example], outputs: Sequence[dict[str, np.ndarray]]) -> dict[str, float]:
        """Means over proteins of AUROC and AUPRC of residues, and the highest mean IoU that any threshold on the
        probability gives for these examples (`best_iou` at `threshold`).

        Where labels are [R, kinds], the means of both areas over proteins for each kind (`auprc_zinc`), and the means
        of these over kinds.

        Parameters
        ----------
        examples : sequence of Example
            With the label "binding_site", [R] or [R, kinds].
        outputs : sequence of dict
            Of each, the logits of the heads for residues [R, 1 or kinds] or atoms [A, 1 or 2] by name.
        """
        if examples[0].labels[RESIDUES].ndim == 2:
            return _means_by_kind(examples, outputs)
        pairs = zip(examples, outputs, strict=True)
        score = [probabilities(example.protein, output)[0] for example, output in pairs]
        true = [example.labels[RESIDUES] for example in examples]
        threshold, reached = best_threshold(score, true)
        return {**_mean_areas(score, true), "best_iou": reached, "threshold": threshold}

    @staticmethod
    def calibrate(model, examples: Sequence[Example], progress: Callable[[Iterable], Iterable] = iter) -> dict:
        """What a model's card says of how its probabilities become sites and pockets, chosen on these examples."""
        from plait.tasks.site_settings import choose_settings

        names = partner_names(model)
        if not names:
            settings, _ = choose_settings(model, examples, progress=progress)
            return {"binding_sites": to_dict(settings)}
        chosen = {}
        for name in names:
            partner = partner_of(model, name)
            own = [one for one in examples if np.isfinite(partner.label(one.labels[RESIDUES])).any()]
            if own:
                chosen[name] = to_dict(choose_settings(model, own, partner=partner, progress=progress)[0])
        return {"binding_sites": chosen.get(names[0], {}), "partners": chosen}


def _means_by_kind(examples: Sequence[Example], outputs: Sequence[dict[str, np.ndarray]]) -> dict[str, float]:
    kinds = examples[0].labels[RESIDUES].shape[1]
    names = tuple(KINDS) if kinds == len(KINDS) else range(1, kinds + 1)
    found = {"auroc": [], "auprc": []}
    for column, kind in enumerate(names):
        partner = Partner(str(kind), (column,))
        asked = [
            (probabilities(example.protein, output, partner)[0], partner.label(example.labels[RESIDUES]))
            for example, output in zip(examples, outputs, strict=True)
        ]
        asked = [pair for pair in asked if np.isfinite(pair[1]).any()]
        for name, mean in (_mean_areas(*zip(*asked)) if asked else {}).items():
            found[f"{name}_{kind}"] = mean
            found[name].append(mean)
    return {name: float(np.nanmean(value)) if isinstance(value, list) else value for name, value in found.items()}


def _mean_areas(score: Sequence[np.ndarray], true: Sequence[np.ndarray]) -> dict[str, float]:
    """Means over proteins of AUROC and AUPRC; proteins for which they are undefined are left out."""
    found = {}
    for name, metric in (("auroc", auroc), ("auprc", average_precision)):
        values = np.array([metric(*pair) for pair in zip(score, true, strict=True)])
        values = values[np.isfinite(values)]
        found[name] = float(values.mean()) if len(values) else float("nan")
    return found


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
