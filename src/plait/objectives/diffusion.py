"""What `denoising`, `diffpret` and `siamdiff` share: noise on positions and hidden types that grow together.

Source: Zhang et al. 2023 (SiamDiff); specs/siamdiff.md, section 6, and for `compat` section 9.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import nn

from plait.config import option
from plait.encoders.base import Encoder
from plait.errors import InputError
from plait.objectives import type_questions
from plait.objectives.atom_tables import SLOTS, atom_codes, atom_noise
from plait.objectives.base import Objective, View, hide_residues, without_rows
from plait.objectives.node_graphs import NodeGraph, code_starts, nodes_of, positions_of
from plait.objectives.noise_schedule import alphas, noise_scales
from plait.objectives.pair_scores import PairQuestions, PairScoreHead, mean_term, structure_loss
from plait.objectives.perceptron import Perceptron
from plait.objectives.smpc_published import without_atoms
from plait.structure.protein import Protein
from plait.structure.vocabulary import BACKBONE

LEAST_HIDDEN = 0.15
"""Share of residues that are hidden where there is the least noise."""


@dataclasses.dataclass(frozen=True)
class NoiseConfig:
    """Noise on positions. The defaults are the first stage, with large noise; the second has 1e-4, 1e-4 and 5 steps."""

    compat: bool = option(False, "draw, hide and join as published (specs/siamdiff.md, 9.3 and 9.7); sets edges")
    level: Literal["residue", "atom"] = option("residue", "what the nodes are; atom: needs an encoder of atoms")
    edges: Literal["shown", "original"] = option(
        "shown", "join what is near with the noise, or before it, as published: that tells what was near"
    )
    sigma_begin: float = option(1e-3, "rate of noise at the first step; second stage: 1e-4")
    sigma_end: float = option(0.1, "rate of noise at the last step; second stage: 1e-4")
    steps: int = option(100, "number of steps, of which one is drawn for each protein; second stage: 5")
    only_step: int = option(-1, "always this step, to look at one; -1: draw")
    layers: int = option(3, "layers of the networks that answer")


@dataclasses.dataclass(frozen=True)
class DiffusionConfig(NoiseConfig):
    """Noise on positions together with hidden types."""

    gamma: float = option(0.5, "weight of positions; that of types is 1 less this. Second stage: 0.2")
    most_hidden: float = option(1.0, "share of residues that are hidden at the last step")


@dataclasses.dataclass(frozen=True)
class Draws:
    """The chance in one example: the step, the residues to hide int64 [k], what makes its other conformer, and normal
    numbers for each conformer: [R, 3] at residue level, where a residue moves as a whole, or [R, 37, 3]."""

    step: int
    hidden: np.ndarray
    conformer: Callable[[Protein], Protein] | None
    noise: list[np.ndarray]


class DiffusionObjective(Objective):
    """Positions get noise, and residues lose their type and side chain, more of both at later steps; asked are the
    scores that take the noise off, and the types.

    `sides` pairs the view that is asked about with the one whose vectors answer.
    """

    sides: tuple[tuple[str, str], ...] = (("", ""),)

    def __init__(self, config: NoiseConfig | None = None):
        self.config = config = config or self.Config()
        self.gamma = getattr(config, "gamma", 1.0)
        if not 0 <= self.gamma <= 1:
            raise InputError(f"gamma of {self.name} is out of range", got=self.gamma, expected="between 0 and 1")
        if not 0 < config.sigma_begin < 1 or not 0 < config.sigma_end < 1 or config.steps < 1:
            raise InputError(
                f"the noise of {self.name} is out of range",
                got=f"sigma_begin {config.sigma_begin}, sigma_end {config.sigma_end}, steps {config.steps}",
                expected="rates between 0 and 1, and a step or more",
            )
        self.scales = noise_scales(alphas(config.sigma_begin, config.sigma_end, config.steps))
        self.original = config.compat or config.edges == "original"

    @property
    def shows_embeddings(self):
        return self.gamma == 0

    # -- hiding

    def corrupt(self, view, examples, generator):
        return self.ask(view, examples, [self.draw(example, generator) for example in examples])

    def draw(self, example, generator: np.random.Generator) -> Draws:
        """Chance for one example."""
        config, residues = self.config, len(example.protein)
        step = int(generator.integers(config.steps))
        step = config.only_step if config.only_step >= 0 else step
        hidden = np.zeros(0, np.int64)
        if self.gamma < 1:
            rate = (config.most_hidden - LEAST_HIDDEN) * (step + 1) / config.steps + LEAST_HIDDEN
            hidden = type_questions.draw(residues, rate, generator, config.compat)
        conformer = self.draw_conformer(example, generator)
        shape = (residues, 3) if config.level == "residue" else (residues, SLOTS, 3)
        return Draws(step, hidden, conformer, [generator.normal(size=shape) for _ in self.sides])

    def draw_conformer(self, example, generator) -> Callable[[Protein], Protein] | None:
        """What makes the other conformer of an example, for objectives with two sides."""
        return None

    def ask(self, view: View, examples, draws: list[Draws]) -> View:
        """The view with noise and hidden types as drawn."""
        made = [[] for _ in self.sides]
        types = []
        starts = code_starts(view.proteins, self.config.level)
        for number, (example, drawn) in enumerate(zip(examples, draws, strict=True)):
            for side, protein in enumerate(self._conformers(view.proteins[number], drawn)):
                made[side].append(self._noised(protein, view.extras[number], drawn, side, int(starts[number])))
            types.append(type_questions.ask(example.protein.residue_type, drawn.hidden))
        masked = [
            before | np.isin(np.arange(len(before)), drawn.hidden)
            for before, drawn in zip(view.masked, draws, strict=True)
        ]
        targets, weights = dict(view.targets), dict(view.weights)
        targets[f"{self.name}_step"] = np.array([drawn.step for drawn in draws])
        if self.gamma < 1:
            target, weight = (np.concatenate(part) for part in zip(*types, strict=True))
            targets |= {"residue_type": target, f"{self.name}_rows": np.flatnonzero(weight)}
            weights["residue_type"] = weight
        if self.gamma > 0:
            for side, parts in enumerate(made):
                questions = [asked for _, _, asked in parts]
                for field in ("code", "share", "score"):
                    value = np.concatenate([getattr(asked, field) for asked in questions])
                    targets[f"{self.name}_{field}_{side}"] = value
                weights[f"{self.name}_score_{side}"] = np.ones(len(value), np.float32)
        views = [
            View([protein for protein, _, _ in parts], masked, [extras for _, extras, _ in parts], {}, {})
            for parts in made
        ]
        others = {name: other for (name, _), other in zip(self.sides, views, strict=True) if name}
        return dataclasses.replace(views[0], targets=targets, weights=weights, others={**view.others, **others})

    def _conformers(self, protein: Protein, drawn: Draws) -> list[Protein]:
        """Both with the same residues hidden. What is made of a structure is made of what is seen of it, but as
        published of all."""
        hidden = np.isin(np.arange(len(protein)), drawn.hidden)
        kept = BACKBONE[:3] if self.config.compat else BACKBONE

        def bare(whole):
            if self.config.level == "atom":  # the others would stay without noise
                named = np.isin(np.arange(len(whole.position)), atom_codes(whole)[0])
                whole = without_atoms(whole, ~named)
            return hide_residues(whole, hidden, kept=kept)

        if drawn.conformer is None:
            return [bare(protein)]
        if self.config.compat:
            return [bare(protein), bare(drawn.conformer(protein))]
        shown = bare(protein)
        return [shown, drawn.conformer(shown)]

    def _noised(self, clean: Protein, extras, drawn: Draws, side: int, start: int):
        """A protein with noise, its extras, and what is asked of its pairs."""
        if self.gamma == 0:
            return clean, extras, None
        config, scale = self.config, self.scales[drawn.step]
        if config.level == "residue":
            place = clean.position + (scale * drawn.noise[side])[clean.residue_of].astype(clean.position.dtype)
        else:
            place = atom_noise(clean, scale * drawn.noise[side])
        noised = clean.with_positions(place)
        rows, _ = nodes_of(clean, config.level)
        graph = NodeGraph.of(clean if self.original else noised, config.level, config.compat)
        places = (positions_of(protein, rows, config.level) for protein in (clean, noised))
        asked = PairQuestions.of(graph, *places, scale)
        # tokens and embeddings of the structure without noise would tell it
        extras = {name: value for name, value in without_rows(extras).items() if name != "structure_tokens"}
        if self.original:
            extras["edge_position"] = clean.position
        return noised, extras, dataclasses.replace(asked, code=asked.code + start)

    # -- losses

    def make_heads(self, encoder: Encoder) -> nn.Module:
        return DiffusionHeads(self, encoder.width)

    def shapes(self, view):
        found = {}
        for side in range(len(self.sides)):
            if self.gamma > 0:
                found[f"{self.name}_score_{side}"] = view.targets[f"{self.name}_score_{side}"].shape
            if self.gamma < 1:
                found[f"{self.name}_type_{side}"] = (len(type_questions.asked_rows(view, self.name)), 20)
        return found

    def loss(self, outputs, view):
        terms, gamma = {}, self.gamma
        if gamma > 0:
            parts = []
            for side, (name, _) in enumerate(self.sides):
                names = {field: view.targets[f"{self.name}_{field}_{side}"] for field in ("code", "share", "score")}
                names["asked"] = view.weights[f"{self.name}_score_{side}"]
                places = view.others[name] if name else view
                score = outputs[f"{self.name}_score_{side}"]
                parts.append(structure_loss(score, places, self.config.level, names))
            terms[f"{self.name}_structure"] = mean_term(parts, gamma)
        if gamma < 1:
            name, found = f"{self.name}_type", []
            for side in range(len(self.sides)):
                logits = outputs[f"{self.name}_type_{side}"]
                found.append(type_questions.terms(logits, view, self.name, name, 1 - gamma, per_protein=True))
            for term, first in found[0].items():
                parts = [(terms_of[term].value, terms_of[term].count) for terms_of in found]
                terms[term] = mean_term(parts, first.weight)
        return terms

    def perfect(self, view):
        found = {}
        for name in self.shapes(view):
            if "_score_" in name:
                found[name] = torch.as_tensor(view.targets[name])
            else:
                found[name] = type_questions.perfect(view, self.name)
        return found


class DiffusionHeads(nn.Module):
    """Scores of pairs and types of residues. Names of tensors are those of published heads."""

    def __init__(self, objective: DiffusionObjective, width: int):
        super().__init__()
        self.name, self.level, self.sides = objective.name, objective.config.level, objective.sides
        self.views = tuple(dict.fromkeys(answering for _, answering in self.sides))
        layers = objective.config.layers
        self.structure = PairScoreHead(width, layers) if objective.gamma > 0 else None
        self.seq_mlp = Perceptron.of(width, width, 20, layers) if objective.gamma < 1 else None

    def forward(self, shown, view) -> dict[str, torch.Tensor]:
        # one call of each network for both sides, so that their gradients are made once
        views, answers = {"": view, **view.others}, {}
        if self.structure is not None:
            read = []
            for side, (asked, answering) in enumerate(self.sides):
                pairs = view.targets[f"{self.name}_code_{side}"]
                read.append(self.structure.read(shown[answering], views[answering], self.level, pairs, views[asked]))
            product, distance = (torch.cat(parts) for parts in zip(*read, strict=True))
            scores = self.structure(product, distance).split([len(one) for _, one in read])
            answers |= {f"{self.name}_score_{side}": score for side, score in enumerate(scores)}
        if self.seq_mlp is not None:
            known = [shown[answering].residue for _, answering in self.sides]
            rows = torch.as_tensor(type_questions.asked_rows(view, self.name), device=known[0].device)
            types = self.seq_mlp(torch.cat([vector[rows] for vector in known])).split([len(rows)] * len(known))
            answers |= {f"{self.name}_type_{side}": logits for side, logits in enumerate(types)}
        return answers
