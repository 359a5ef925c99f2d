"""SMPC: runs of residues lose their type and all atoms but C-alpha, which is noised; five losses ask for the rest."""

import dataclasses
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F

from plait.config import option
from plait.data.base import Example
from plait.data.embeddings import LANGUAGE
from plait.encoders.vabsnet.features import bisector_frames
from plait.encoders.vabsnet.published import RESIDUE_TYPES, TO_PUBLISHED
from plait.errors import InputError
from plait.objectives import smpc_losses as losses
from plait.objectives.atom_tables import SLOTS, ViewAtoms, atom_codes, atom_noise, position_table, value_table
from plait.objectives.base import Objective, View, hide_residues, without_rows
from plait.objectives.lee_richards import sliced_area
from plait.objectives.smpc_published import Draws, show
from plait.objectives.spans import draw_singles, draw_spans
from plait.objectives.torsions import NAMES, periodic, torsions
from plait.references import VABSNET
from plait.registry import register
from plait.structure.neighbours import nearest
from plait.structure.protein import Protein
from plait.structure.surface import relative_accessibility
from plait.structure.vocabulary import BACKBONE, UNKNOWN

KEPT = {"c-alpha": ("CA",), "backbone": BACKBONE, "all": None}


@dataclasses.dataclass(frozen=True)
class SmpcConfig:
    compat: bool = option(False, "hide, pose and ask as the published program does; then only weights and noise count")
    masking: Literal["spans", "single"] = option("spans", "hide runs of residues, or single ones at random")
    rate: float = option(0.3, "share of residues that are hidden")
    span: float = option(6.0, "mean length of a run of hidden residues")
    kept: Literal["c-alpha", "backbone", "all"] = option("c-alpha", "atoms of hidden residues that stay, with noise")
    noise: float = option(0.5, "standard deviation of the noise on what stays of hidden residues, in angstrom")
    frames: Literal["closed", "open"] = option(
        "closed", "open: give vabsnet the noised frames of hidden residues, from atoms that it cannot see (leaks)"
    )
    language: bool = option(
        False, "show the rows of embeddings that other residues have (leaks: their model has read the hidden ones)"
    )
    residue_type: float = option(1.0, "weight of naming hidden residues; 0: off, and so for all weights")
    position: float = option(1.0, "weight of where the atoms of hidden residues are, in angstrom")
    pair_distance: float = option(1.0, "weight of their distances to other atoms, in angstrom")
    torsion: float = option(1.0, "weight of the torsions of hidden residues")
    accessibility: float = option(1.0, "weight of the relative accessibility of hidden residues")
    visible: float = option(0.0, "part of those last two weights that visible residues get, which can be read off")
    pair_neighbours: int = option(16, "nearest atoms to which the distance of an asked atom is asked")
    pair_samples: int = option(16, "other atoms, drawn at random, to which it is asked too")


@register("objective")
class Smpc(Objective):
    """Span masks for pre-training on residues and all atoms.

    Terms: residue_type (cross-entropy), position (sum of absolute errors over the three axes, of the atoms of hidden
    residues; 1.197 for leaving them where they are), pair_distance (absolute error), torsion (squared error on the unit
    circle, and how far predictions are from it), accessibility (absolute error, relative). torsion_visible and
    accessibility_visible are the same of residues that are not hidden; they are reported, and not trained unless
    `visible` says so. An encoder that does not answer "atom_position" is not trained on position and pair_distance.

    Nothing is made from what is hidden: hidden residues have no frame, as N and C are gone; the global node stands at
    the mean of the noised C-alphas; any residue may be hidden; chance comes from the generator. `compat` has the
    published draws, leaks and losses (specs/vabsnet.md, 5 and 6), for a `vabsnet` with `compat`.
    """

    name = "smpc"
    summary = "span masks over residues and all atoms: types, positions, distances, torsions, accessibility"
    reference = VABSNET.at("section 3, span mask pre-training on protein chains")
    Config = SmpcConfig

    def __init__(self, config: SmpcConfig | None = None):
        self.config = config = config or SmpcConfig()
        if not 0 < config.rate < 1:
            raise InputError("rate of smpc is out of range", got=config.rate, expected="between 0 and 1")
        heads = {
            "residue_type": (config.residue_type, RESIDUE_TYPES if config.compat else 20),
            "atom_position": (config.position or config.pair_distance, 3),
            "torsion": (config.torsion, 2 * len(NAMES)),
            "atom_accessibility" if config.compat else "accessibility": (config.accessibility, 1),
        }
        self.heads = {name: width for name, (weight, width) in heads.items() if weight > 0}

    def trains(self, encoder) -> tuple[str, ...]:
        """Names of the terms that this encoder is trained on."""
        config, terms = self.config, []
        answered = {name for name in self.heads if not name.startswith("atom_") or name in encoder.atom_heads}
        for term, head in (
            ("residue_type", "residue_type"), ("position", "atom_position"), ("pair_distance", "atom_position"),
            ("torsion", "torsion"), ("accessibility", "atom_accessibility" if config.compat else "accessibility"),
        ):  # fmt: skip
            if getattr(config, term) > 0 and head in answered:
                terms.append(term)
        return tuple(terms)

    @property
    def shows_embeddings(self):
        return self.config.language or self.config.compat

    # -- hiding

    def corrupt(self, view, examples, generator):
        parts = zip(view.proteins, view.masked, view.extras, examples, strict=True)
        if self.config.compat:
            noise, areas = self.config.noise, self.config.accessibility > 0
            return join(view, [publish(*part, Draws.of(generator, noise), areas) for part in parts])
        return join(view, [self._hide(*part, generator) for part in parts])

    def _hide(self, protein, before, extras, example, generator) -> "Hidden":
        config, count, true = self.config, len(protein), example.protein
        if config.masking == "spans":
            chains = np.unique(protein.chain, return_inverse=True)[1]
            hidden = draw_spans(chains, config.rate, config.span, generator)
        else:
            hidden = draw_singles(count, config.rate, generator)
        # drawn for all atoms that there could be: the draws tell nothing of those that there are
        noise = generator.normal(0, config.noise, (count, SLOTS, 3))
        noise[~hidden] = 0
        shown = hide_residues(protein, hidden, kept=KEPT[config.kept])
        shown = shown.replace(position=atom_noise(shown, noise))
        extras, targets, weights = dict(extras), {}, {}
        if config.residue_type:
            asked = hidden & (true.residue_type != UNKNOWN)
            targets["residue_type"] = np.where(asked, true.residue_type, 0).astype(np.int64)
            weights["residue_type"] = asked.astype(np.float32)
        if "atom_position" in self.heads:
            clean = targets["atom_position"] = position_table(true)
            there = np.isfinite(clean).all(-1) & np.isfinite(position_table(shown)).all(-1)
            weights["position"] = (there & hidden[:, None]).astype(np.float32)
            targets["pairs"] = self._pairs(shown, weights["position"] > 0, generator)
            targets["pair_distance"] = _distances(clean, targets["pairs"])
            weights["pair_distance"] = np.isfinite(targets["pair_distance"]).astype(np.float32)
        if config.torsion:
            angles = torsions(true)
            targets |= {"torsion": circle(angles), "torsion_alike": periodic(true.residue_type)}
            for name, asked in (("torsion", hidden), ("torsion_visible", ~hidden)):
                weights[name] = (np.isfinite(angles) & asked[:, None]).astype(np.float32)
                weights[f"{name}_length"] = asked.astype(np.float32)
        if config.accessibility:
            area = relative_accessibility(true)
            targets["accessibility"] = np.nan_to_num(area)
            for name, asked in (("accessibility", hidden), ("accessibility_visible", ~hidden)):
                weights[name] = (np.isfinite(area) & asked).astype(np.float32)
        if config.frames == "open":
            extras["frames"] = bisector_frames(true.backbone[:, :3] + noise[:, :3])
        if config.language and LANGUAGE not in extras:
            raise InputError(
                "no embeddings to show", file=example.id, expected='a label "language"', do="Name them: `embeddings`."
            )
        extras = without_rows(extras, hidden if config.language else None)
        return Hidden(shown, before | hidden, extras, targets, weights)

    def _pairs(self, shown, asked, generator) -> np.ndarray:
        """Places in the table of an asked atom and another of the protein: int64 [P, 2]."""
        atoms, codes = atom_codes(shown)
        here = np.flatnonzero(asked.ravel()[codes])
        if not len(here):
            return np.zeros((0, 2), np.int64)
        position = shown.position[atoms]
        near, _ = nearest(position[here], self.config.pair_neighbours + 1, position)  # the atom itself is among them
        drawn = generator.integers(0, len(atoms), (len(here), self.config.pair_samples))
        other = np.concatenate([near, drawn], axis=1)
        first, other = np.repeat(here, other.shape[1]), other.ravel()
        real = (other >= 0) & (other != first)
        return np.stack([codes[first[real]], codes[other[real]]], axis=1)

    # -- losses

    def loss(self, outputs, view):
        config, terms = self.config, {}
        if config.residue_type:
            terms |= losses.type_terms(outputs["residue_type"], view, config.residue_type)
        atoms = ViewAtoms(view) if any(name.startswith("atom_") for name in outputs) else None
        if "atom_position" in outputs and config.position:
            terms |= losses.position_term(outputs["atom_position"].float(), view, atoms, config.position)
        if "atom_position" in outputs and config.pair_distance and config.compat:
            terms |= losses.published_pair_term(outputs, view, atoms, config.pair_distance)
        elif "atom_position" in outputs and config.pair_distance:
            terms |= losses.pair_term(outputs["atom_position"].float(), view, atoms, config.pair_distance)
        shares = (("", 1.0),) if config.compat else (("", 1.0), ("_visible", config.visible))
        for suffix, share in shares:
            if config.torsion:
                terms |= losses.torsion_term(outputs["torsion"], view, f"torsion{suffix}", share * config.torsion)
            if config.accessibility and not config.compat:
                name, weight = f"accessibility{suffix}", share * config.accessibility
                terms |= losses.accessibility_term(outputs["accessibility"], view, name, weight)
        if "atom_accessibility" in outputs and config.accessibility and config.compat:
            terms |= losses.published_accessibility_term(outputs, view, atoms, config.accessibility)
        return terms

    def perfect(self, view):
        outputs = {}
        if "residue_type" in self.heads:
            types = torch.as_tensor(view.targets["residue_type"])
            outputs["residue_type"] = (F.one_hot(types, self.heads["residue_type"]).float() + 1e-9).log()
        if "atom_position" in self.heads:
            atoms = ViewAtoms(view)
            apart = view.targets["atom_position"].reshape(-1, 3)[atoms.codes] - atoms.position
            asked = view.weights["position"].ravel()[atoms.codes] > 0
            moves = np.zeros((sum(len(protein.position) for protein in view.proteins), 3), np.float32)
            moves[atoms.atoms[asked]] = apart[asked]
            outputs["atom_position"] = torch.from_numpy(moves)
        if "torsion" in self.heads:
            outputs["torsion"] = torch.as_tensor(view.targets["torsion"]).flatten(1)
        if "accessibility" in self.heads:
            outputs["accessibility"] = torch.as_tensor(view.targets["accessibility"])[:, None]
        return outputs


@dataclasses.dataclass(frozen=True)
class Hidden:
    """One example as an encoder may see it, and what is asked; see `View`."""

    protein: Protein
    masked: np.ndarray
    extras: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]


def publish(protein, before, extras, example: Example, draws: Draws, areas: bool = True) -> Hidden:
    """One example as the published program shows it, with the chance of a generator or recorded.

    `protein`, the view of objectives before, is passed over: the published program starts from the whole chain.
    `areas` says whether accessible areas are asked for.
    """
    found = show(example.protein, draws)
    hidden, true = found.hidden, found.clean
    shown = hide_residues(true, hidden, kept=("CA",))
    shown = shown.replace(position=atom_noise(shown, found.noise))
    angles = torsions(example.protein, published=True)
    clean = position_table(true)
    there = np.isfinite(clean).all(-1) & np.isfinite(position_table(shown)).all(-1)
    extras = {**extras, "frames": found.frames, "origin": np.zeros(3)}
    if LANGUAGE in example.labels:
        extras[LANGUAGE] = without_rows(example.labels, hidden)[LANGUAGE]
    targets = {
        "residue_type": TO_PUBLISHED[true.residue_type],
        "atom_position": clean,
        "torsion": circle(angles),
        "torsion_alike": periodic(true.residue_type),
    }
    if areas:
        targets["atom_accessibility"] = value_table(true, sliced_area(true))
    weights = {
        "residue_type": hidden.astype(np.float32),
        "position": (there & (hidden & found.sound)[:, None]).astype(np.float32),
        "torsion": (np.isfinite(angles) & found.kept[:, None]).astype(np.float32),
        "torsion_length": found.kept.astype(np.float32),
    }
    return Hidden(shown, before | hidden, extras, targets, weights)


def join(view: View, shown: list[Hidden]) -> View:
    """The view of examples of which each is shown so."""
    starts = np.cumsum([0, *(len(one.protein) for one in shown)])
    targets = {name: [one.targets[name] for one in shown] for name in shown[0].targets}
    if "pairs" in targets:
        targets["pairs"] = [pairs + SLOTS * start for pairs, start in zip(targets["pairs"], starts)]
    weights = {name: np.concatenate([one.weights[name] for one in shown]) for name in shown[0].weights}
    return dataclasses.replace(
        view,
        proteins=[one.protein for one in shown],
        masked=[one.masked for one in shown],
        extras=[one.extras for one in shown],
        targets={**view.targets, **{name: np.concatenate(parts) for name, parts in targets.items()}},
        weights={**view.weights, **weights},
    )


def circle(angles: np.ndarray) -> np.ndarray:
    """Angles [R, 7] as (sine, cosine) float32 [R, 7, 2]; (0, 1), angle zero, where there is none."""
    angles = np.nan_to_num(angles)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)


def _distances(table: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    ends = table.reshape(-1, 3)[pairs].astype(np.float64)  # (P, 2, 3)
    return np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1).astype(np.float32)
