"""Binding sites: tell the residues, and the atoms, that touch a ligand from the others."""

import dataclasses

import numpy as np
import torch
from torch.nn import functional as F

from plait.config import option
from plait.data.base import Example
from plait.data.site_labels import ATOMS, RESIDUES, atom_sites
from plait.errors import InputError
from plait.objectives import binding_site_published as published
from plait.objectives.atom_tables import ViewAtoms, value_table
from plait.objectives.base import Objective, Term, hide_residues, weighted_mean
from plait.references import VABSNET
from plait.registry import register
from plait.structure.protein import Hetero, Protein

HEAD = RESIDUES
"""The output that says how likely a residue binds: one logit per residue and kind of partner."""


@dataclasses.dataclass(frozen=True)
class BindingSiteConfig:
    positive_weight: float = option(
        1.0, "weight of a binding residue in the loss, with any other's as 1; about one residue in 16 binds"
    )
    per_protein: bool = option(
        False, "proteins weigh alike, whatever their length; else residues do (published: one protein a batch)"
    )
    hidden: float = option(
        0.0, "share of residues whose type and side chain are hidden in training (published: 0.2, the type alone)"
    )
    atoms: float = option(
        0.0, "weight of the same question about atoms, for encoders that answer for atoms; 0: residues alone"
    )
    cutoff: float = option(
        4.0, "an atom binds if it is closer to an atom of a ligand than this, the data set's for residues (angstrom)"
    )
    columns: int = option(
        1, "kinds of partners that residues are asked about, each by itself; more than one for labels [R, kinds]"
    )
    compat: bool = option(
        False,
        "as published, for a vabsnet with compat: every atom has its residue's label, the global node binds nothing, "
        "all nodes count alike; hidden residues keep their atoms, nameless and moved; then only weights and `hidden` "
        "count beside this",
    )


@register("objective")
class BindingSite(Objective):
    """Cross-entropy of two classes, binding or not, over the residues whose label is known.

    One logit z stands for the published two, whose difference it is: the loss is log(1 + exp(-z)) for a residue that
    binds, log(1 + exp(z)) for one that does not, and the sigmoid of z is the probability. Labels come from
    "binding_site" float [R] of an example: 1, 0, or NaN where nothing is known, which is not asked; examples without
    the label are not asked either, so it goes beside other objectives. Ligands, waters and all else outside the chains
    are taken out of what the encoder sees.

    With several `columns` the label is [R, columns], a column a kind of partner, and there are as many logits: a
    residue may bind several kinds, or be known for one alone. All that is known of a residue counts alike.

    With `atoms`, atoms are asked by their own distance to the ligand (`plait.data.site_labels.atom_sites`).

    Published (specs/vabsnet.md, 7.1): the mean over all nodes, atoms with the label of their residue, and the global
    node as one that does not bind. Here each residue counts once, and no node without atoms.
    """

    name = "binding-site"
    summary = "binding sites: which residues, and which atoms, touch a ligand"
    reference = VABSNET.at("downstream task, binding-site prediction")
    Config = BindingSiteConfig
    heads = {RESIDUES: 1}

    def __init__(self, config: BindingSiteConfig | None = None):
        self.config = config = config or BindingSiteConfig()
        if not config.positive_weight > 0:
            raise InputError("weight of binding residues", got=config.positive_weight, expected="a number above 0")
        if not 0 <= config.hidden < 1:
            raise InputError("share of hidden residues", got=config.hidden, expected="at least 0 and below 1")
        if not config.atoms >= 0:
            raise InputError("weight of binding atoms", got=config.atoms, expected="a number from 0")
        if not config.cutoff > 0:
            raise InputError("cut-off of binding atoms", got=config.cutoff, expected="a distance in angstrom above 0")
        if config.columns < 1 or (config.columns > 1 and (config.atoms or config.compat)):
            raise InputError(
                "number of kinds of partners",
                got=config.columns,
                expected="1 or more, and 1 where atoms are asked too",
            )
        self.heads = {RESIDUES: config.columns, **({ATOMS: 1} if config.atoms else {})}
        if config.compat:
            self.heads = {ATOMS: 2}

    # -- what is seen, and what is asked

    def corrupt(self, view, examples, generator):
        parts = zip(view.proteins, view.masked, view.extras, strict=True)
        shown = [self._show(*part, generator) for part in parts]
        labels = [self._labels(example) for example in examples]
        targets, weights = {}, {}
        for name in self.heads:
            tables = [self._asked(one.protein, *label, name) for one, label in zip(shown, labels, strict=True)]
            targets[name], weights[name] = (np.concatenate(part) for part in zip(*tables, strict=True))
        return dataclasses.replace(
            view,
            proteins=[one.protein for one in shown],
            masked=[one.masked for one in shown],
            extras=[one.extras for one in shown],
            targets={**view.targets, **targets},
            weights={**view.weights, **weights},
        )

    def _show(self, protein, before, extras, generator) -> published.Shown:
        hidden = generator.random(len(protein)) < self.config.hidden
        if self.config.compat:
            return published.show(protein, before, extras, hidden, published.Draws.of(generator))
        shown = hide_residues(protein, hidden).replace(hetero=Hetero.empty())
        return published.Shown(shown, before | hidden, extras)

    def _labels(self, example: Example) -> tuple[np.ndarray, np.ndarray]:
        """Labels of the residues, [R] or [R, columns], and the table [R, 37] of those of the atoms: NaN where nothing
        is known."""
        protein, columns = example.protein, self.config.columns
        shape = (len(protein),) if columns == 1 else (len(protein), columns)
        residues = np.asarray(example.labels.get(RESIDUES, np.full(shape, np.nan)), np.float32)
        if residues.shape != shape:
            kinds = residues.shape[1] if residues.ndim == 2 else 1
            raise InputError(
                "labels of binding sites that do not fit the objective",
                place=example.id,
                got=f"{kinds} kinds of partners",
                expected=columns,
                do=f"Set the objective's option columns to {kinds}.",
            )
        if ATOMS not in self.heads:
            return residues, np.zeros((len(protein), 0), np.float32)
        known = np.isfinite(residues)[:, None]
        spread = self.config.compat
        atoms = residues[protein.residue_of] if spread else atom_sites(protein, residues, self.config.cutoff)
        return residues, np.where(known, value_table(protein, np.nan_to_num(atoms)), np.float32(np.nan))

    def _asked(self, shown: Protein, residues, atoms, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Targets and weights of one protein: [R] or [R, columns], or tables [R, 37] of atoms of which only those shown
        are asked."""
        label = residues
        if name == ATOMS:
            there = value_table(shown, np.ones(len(shown.position), np.float32)) > 0
            label = np.where(there, atoms, np.float32(np.nan))
        asked = np.isfinite(label)
        weight = np.where(label > 0, self.config.positive_weight, 1.0) * asked
        if self.config.per_protein:
            weight = weight / max(weight.sum(), 1e-9)
        return np.where(asked, label, 0).astype(np.float32), weight.astype(np.float32)

    # -- losses

    def loss(self, outputs, view):
        if self.config.compat:
            return {ATOMS: published.term(outputs, view)} if ATOMS in outputs else {}
        logit = outputs[RESIDUES].float().squeeze(-1)  # (R,) or (R, columns)
        terms = {RESIDUES: _term(logit, view.targets[RESIDUES], view.weights[RESIDUES], 1.0)}
        if ATOMS in outputs and self.config.atoms:
            atoms = ViewAtoms(view)
            logit = outputs[ATOMS].float().squeeze(-1)[torch.as_tensor(atoms.atoms, device=logit.device)]
            target, weight = (part[ATOMS].reshape(-1)[atoms.codes] for part in (view.targets, view.weights))
            terms[ATOMS] = _term(logit, target, weight, self.config.atoms)
        return terms

    def perfect(self, view):
        outputs = {}
        if RESIDUES in self.heads:
            target = torch.as_tensor(view.targets[RESIDUES])
            outputs[RESIDUES] = 400 * target.reshape(len(target), self.config.columns) - 200
        if ATOMS in self.heads:
            atoms, width = ViewAtoms(view), self.heads[ATOMS]
            logit = torch.zeros(sum(len(protein.position) for protein in view.proteins), width)
            logit[atoms.atoms, -1] = 400 * torch.as_tensor(view.targets[ATOMS].reshape(-1)[atoms.codes]) - 200
            outputs[ATOMS] = logit
        return outputs


def _term(logit: torch.Tensor, target: np.ndarray, weight: np.ndarray, share: float) -> Term:
    weight = torch.as_tensor(weight, device=logit.device)
    target = torch.as_tensor(target, device=logit.device)
    entropy = F.binary_cross_entropy_with_logits(logit, target, reduction="none")
    return Term(weighted_mean(entropy, weight), share, int((weight > 0).sum()))
