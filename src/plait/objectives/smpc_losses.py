"""The losses of span masks: terms from a readout's answers and the view that says what was asked."""

import numpy as np
import torch
from torch.nn import functional as F

from plait.encoders.vabsnet.published import C_ALPHA
from plait.objectives.atom_tables import SLOTS, ViewAtoms
from plait.objectives.base import Term, View, weighted_mean
from plait.objectives.smpc_published import dense_pair_error
from plait.objectives.torsions import NAMES, torsion_errors


def type_terms(logits: torch.Tensor, view: View, weight: float) -> dict[str, Term]:
    """Cross-entropy of hidden residues' types, and the share that is named rightly (reported, not trained)."""
    target, asked = (_tensor(values["residue_type"], logits) for values in (view.targets, view.weights))
    logits, count = logits.float(), int((asked > 0).sum())
    right = (logits.argmax(-1) == target).float()
    return {
        "residue_type": Term(weighted_mean(F.cross_entropy(logits, target, reduction="none"), asked), weight, count),
        "residue_type_accuracy": Term(weighted_mean(right, asked).detach(), 0.0, count),
    }


def position_term(moves: torch.Tensor, view: View, atoms: ViewAtoms, weight: float) -> dict[str, Term]:
    """Sum over the axes of absolute errors of predicted positions, mean over the asked atoms; and of C-alphas alone
    (not trained), which compares where more is kept."""
    clean = view.targets["atom_position"].reshape(-1, 3)[atoms.codes]
    target = _tensor(np.nan_to_num(clean - atoms.position), moves).float()
    asked = _tensor(view.weights["position"].ravel()[atoms.codes], moves)
    error = (moves[_tensor(atoms.atoms, moves)] - target).abs().sum(-1)
    terms = {"position": Term(weighted_mean(error, asked), weight, int((asked > 0).sum()))}
    alphas = asked * _tensor(atoms.codes % SLOTS == C_ALPHA, moves)
    if (asked > 0).sum() > (alphas > 0).sum():
        terms["position_alpha"] = Term(weighted_mean(error, alphas).detach(), 0.0, int((alphas > 0).sum()))
    return terms


def pair_term(moves: torch.Tensor, view: View, atoms: ViewAtoms, weight: float) -> dict[str, Term]:
    """Absolute errors of distances between predicted positions, mean over the drawn pairs."""
    rows = atoms.rows(view.targets["pairs"])  # (P, 2)
    there = (rows >= 0).all(1)
    rows = _tensor(rows[there], moves)
    predicted = _tensor(atoms.position, moves).float() + moves[_tensor(atoms.atoms, moves)]
    distance = (predicted[rows[:, 0]] - predicted[rows[:, 1]]).norm(dim=-1)
    error = (distance - _tensor(view.targets["pair_distance"][there], moves)).abs()
    asked = _tensor(view.weights["pair_distance"][there], moves)
    return {"pair_distance": Term(weighted_mean(error, asked), weight, int((asked > 0).sum()))}


def torsion_term(output: torch.Tensor, view: View, name: str, weight: float) -> dict[str, Term]:
    """Squared error on the unit circle, mean over the asked angles, and the distance from the circle, mean over all
    angles of the asked residues."""
    target = _tensor(view.targets["torsion"], output).float()
    alike = _tensor(view.targets["torsion_alike"], output)
    error, length = torsion_errors(output.float().unflatten(-1, (len(NAMES), 2)), target, alike)
    asked, residues = (_tensor(view.weights[kind], output) for kind in (name, f"{name}_length"))
    value = weighted_mean(error, asked) + weighted_mean(length, residues[:, None].expand(length.shape))
    return {name: Term(value, weight, int((asked > 0).sum()))}


def accessibility_term(output: torch.Tensor, view: View, name: str, weight: float) -> dict[str, Term]:
    """Absolute error of the relative accessibility, mean over the asked residues."""
    error = (output.float()[:, 0] - _tensor(view.targets["accessibility"], output)).abs()
    asked = _tensor(view.weights[name], output)
    return {name: Term(weighted_mean(error, asked), weight, int((asked > 0).sum()))}


# -- as published, over all nodes with the special ones


def published_pair_term(outputs: dict, view: View, atoms: ViewAtoms, weight: float) -> dict[str, Term]:
    """Errors of all distances from the nodes that were noised to all nodes of their chain."""
    moves = outputs["atom_position"]
    node = outputs["atom_is_node"][_tensor(atoms.atoms, moves)]
    shown = _tensor(atoms.position, moves).float()
    clean = _tensor(view.targets["atom_position"].reshape(-1, 3)[atoms.codes], moves).float()
    predicted = shown + moves.float()[_tensor(atoms.atoms, moves)]
    asked = _tensor(view.weights["position"].ravel()[atoms.codes], moves) > 0
    chain, total, count = _tensor(atoms.protein, moves), moves.new_zeros(()), 0
    for number, special in enumerate(outputs["protein_special_position"].float()):
        mine = node & (chain == number)
        ends = torch.cat([predicted[mine], special + outputs["protein_special_atom_position"][number].float()])
        none = torch.zeros(len(special), dtype=torch.bool, device=special.device)
        error, pairs = dense_pair_error(ends, torch.cat([clean[mine], special]), torch.cat([asked[mine], none]))
        total, count = total + error, count + pairs
    return {"pair_distance": Term(total / max(1, count), weight, count)}


def published_accessibility_term(outputs: dict, view: View, atoms: ViewAtoms, weight: float) -> dict[str, Term]:
    """Absolute error of the area in square angstrom over all nodes; that of special nodes is 0."""
    predicted = outputs["atom_accessibility"].float()[:, 0]
    rows = _tensor(atoms.atoms, predicted)
    node = outputs["atom_is_node"][rows]
    target = _tensor(view.targets["atom_accessibility"].ravel()[atoms.codes], predicted)
    errors = torch.cat([
        (predicted[rows] - target)[node].abs(), outputs["protein_special_atom_accessibility"].float().flatten().abs()
    ])  # fmt: skip
    return {"accessibility": Term(errors.mean(), weight, len(errors))}


def _tensor(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(values, device=like.device)
