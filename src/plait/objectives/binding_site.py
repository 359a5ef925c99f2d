"""Binding sites: tell the residues that touch a ligand from the others."""

import dataclasses

import numpy as np
import torch
from torch.nn import functional as F

from plait.config import option
from plait.errors import InputError
from plait.objectives.base import Objective, Term, hide_residues, weighted_mean
from plait.references import VABSNET
from plait.registry import register
from plait.structure.protein import Hetero

HEAD = "binding_site"
"""The output that says how likely a residue binds: one logit per residue."""


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


@register("objective")
class BindingSite(Objective):
    """Cross-entropy of two classes, binding or not, over the residues whose label is known.

    One logit z stands for the published two, whose difference it is: the loss is log(1 + exp(-z)) for a residue that
    binds, log(1 + exp(z)) for one that does not, and the sigmoid of z is the probability. Labels come from
    "binding_site" float [R] of an example: 1, 0, or NaN where nothing is known, which is not asked; examples without
    the label are not asked either, so it goes beside other objectives. Ligands, waters and all else outside the chains
    are taken out of what the encoder sees.

    Published (specs/vabsnet.md, 7.1): the mean over all nodes, atoms with the label of their residue, and the global
    node as one that does not bind. Here each residue counts once, and no node without atoms.
    """

    name = "binding-site"
    summary = "binding sites: which residues touch a ligand"
    reference = VABSNET.at("downstream task, binding-site prediction")
    Config = BindingSiteConfig
    heads = {HEAD: 1}

    def __init__(self, config: BindingSiteConfig | None = None):
        self.config = config = config or BindingSiteConfig()
        if not config.positive_weight > 0:
            raise InputError("weight of binding residues", got=config.positive_weight, expected="a number above 0")
        if not 0 <= config.hidden < 1:
            raise InputError("share of hidden residues", got=config.hidden, expected="at least 0 and below 1")

    def corrupt(self, view, examples, generator):
        proteins, masked, targets, weights = [], [], [], []
        for protein, before, example in zip(view.proteins, view.masked, examples, strict=True):
            count = len(protein)
            label = np.asarray(example.labels.get(HEAD, np.full(count, np.nan)), np.float32)
            asked = np.isfinite(label)
            hidden = generator.random(count) < self.config.hidden
            weight = np.where(label > 0, self.config.positive_weight, 1.0) * asked
            if self.config.per_protein:
                weight = weight / max(weight.sum(), 1e-9)
            proteins.append(hide_residues(protein, hidden).replace(hetero=Hetero.empty()))
            masked.append(before | hidden)
            targets.append(np.where(asked, label, 0))
            weights.append(weight.astype(np.float32))
        return dataclasses.replace(
            view,
            proteins=proteins,
            masked=masked,
            targets={**view.targets, HEAD: np.concatenate(targets)},
            weights={**view.weights, HEAD: np.concatenate(weights)},
        )

    def loss(self, outputs, view):
        logit = outputs[HEAD].float().squeeze(-1)  # (R,)
        target = torch.as_tensor(view.targets[HEAD], device=logit.device)
        weight = torch.as_tensor(view.weights[HEAD], device=logit.device)
        entropy = F.binary_cross_entropy_with_logits(logit, target, reduction="none")
        return {HEAD: Term(weighted_mean(entropy, weight), 1.0, int((weight > 0).sum()))}

    def perfect(self, view):
        return {HEAD: 400 * torch.as_tensor(view.targets[HEAD])[:, None] - 200}
