"""Questions for the types of hidden residues, answered by an objective's own perceptron on the residues' vectors.

`targets["residue_type"]` and `weights["residue_type"]` stand for all residues of a view; a residue that was drawn twice
(published masks are drawn with replacement) weighs twice.
"""

import numpy as np
import torch
from torch.nn import functional as F

from plait.objectives.base import Term, View, weighted_mean
from plait.structure.vocabulary import UNKNOWN


def draw(residues: int, rate: float, generator: np.random.Generator, replace: bool = False) -> np.ndarray:
    """Residues to hide, int64 [k], with k at least 1; published masks are drawn with replacement."""
    count = min(residues, max(1, int(residues * rate))) if residues else 0
    return generator.integers(0, residues, count) if replace else generator.permutation(residues)[:count]


def ask(residue_type: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Target int64 [R] and weight float32 [R] of one protein, of which these residues were `drawn`."""
    times = np.bincount(drawn, minlength=len(residue_type)) * (residue_type != UNKNOWN)
    return np.where(times > 0, residue_type, 0).astype(np.int64), times.astype(np.float32)


def asked_rows(view: View, name: str) -> np.ndarray:
    """Rows of the residues that are asked for, as they were when `targets[name]` was made."""
    return view.targets[f"{name}_rows"]


def terms(logits: torch.Tensor, view: View, name: str, term: str, weight: float, per_protein: bool) -> dict[str, Term]:
    """Cross-entropy and (not trained) accuracy of the asked residues.

    Parameters
    ----------
    logits : float [n, 20]
        Of `asked_rows(view, name)`.
    per_protein : bool
        Mean over proteins of their means, not over residues.
    """
    rows = asked_rows(view, name)
    target = torch.as_tensor(view.targets["residue_type"][rows], device=logits.device)
    asked = torch.as_tensor(view.weights["residue_type"][rows], device=logits.device)
    count = int((asked > 0).sum())
    if per_protein:
        owner = np.repeat(np.arange(len(view.proteins)), [len(protein) for protein in view.proteins])[rows]
        owner = torch.as_tensor(owner, device=logits.device)
        asked = asked / asked.new_zeros(len(view.proteins)).index_add(0, owner, asked).clamp(min=1e-9)[owner]
    entropy = F.cross_entropy(logits.float(), target, reduction="none")
    right = (logits.argmax(-1) == target).float()
    return {
        term: Term(weighted_mean(entropy, asked), weight, count),
        f"{term}_accuracy": Term(weighted_mean(right, asked).detach(), 0.0, count),
    }


def perfect(view: View, name: str) -> torch.Tensor:
    """Logits that answer everything right."""
    target = torch.as_tensor(view.targets["residue_type"][asked_rows(view, name)])
    return (F.one_hot(target, 20).float() + 1e-9).log()
