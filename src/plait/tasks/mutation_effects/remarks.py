"""What is said beside the scores: where mutants were placed, and what is scored with less confidence."""

import numpy as np

from plait.structure.protein import Protein, Remark
from plait.structure.vocabulary import UNKNOWN

LOW_PLDDT = 70.0
LOW_CONFIDENCE = "low pLDDT"
"""Kind of the remarks on places where the structure is an uncertain prediction."""

SHORT_LIST = 90.0
"""Percentile from which a substitution counts as one of the best."""


def placing_remarks(placed, mutants, protein: Protein) -> list[Remark]:
    """In which chains the mutants without a chain were read, where there are several."""
    if len(protein.chains) < 2 or all(one.chain is not None for one in mutants):
        return []
    used = {one.chain for one in placed if mutants[one.number].chain is None}
    text = "mutants without a chain were read in chain " + ", ".join(c for c in protein.chains if c in used)
    left = [chain for chain in protein.chains if chain not in used]
    if left:
        text += "; they do not fit chain " + ", ".join(left)
    return [Remark("chain", "", text)]


def protein_remarks(protein: Protein) -> list[Remark]:
    """What of this protein is not scored, or with less confidence."""
    remarks = []
    for chain in protein.chains:
        mask = protein.chain == chain
        place = f"chain {chain or '(blank)'}"
        unknown = np.nonzero(mask & (protein.residue_type == UNKNOWN))[0]
        if len(unknown):
            text = "unknown residues are not scored: " + _listed(protein, unknown)
            remarks.append(Remark("unknown residue", place, text))
        bare = np.nonzero(mask & ~protein.has_backbone)[0]
        if len(bare) == mask.sum():
            remarks.append(Remark("no backbone", place, "not scored: no residue has N, CA and C"))
        elif len(bare):
            text = "scored without their structure, for want of N, CA or C: " + _listed(protein, bare)
            remarks.append(Remark("incomplete backbone", place, text))
    return remarks


def plddt_remarks(protein: Protein) -> list[Remark]:
    """How many residues of each chain of a predicted structure have a low pLDDT."""
    remarks = []
    for chain in protein.chains if protein.predicted else ():
        mask = protein.chain == chain
        low = int((protein.b_factor[mask] < LOW_PLDDT).sum())
        if low:
            text = (
                f"{low} of {int(mask.sum())} residues have a pLDDT below {LOW_PLDDT:.0f}; "
                "scores there lean on an uncertain structure"
            )
            remarks.append(Remark(LOW_CONFIDENCE, f"chain {chain or '(blank)'}", text))
    return remarks


def spread_remarks(protein: Protein, scores: np.ndarray, percentiles: np.ndarray, spread: np.ndarray) -> list[Remark]:
    """How much of each chain's short list hangs on the network: substitutions in the best tenth that would fall out of
    it if they scored lower by their spread. Nothing for a single network."""
    remarks = []
    for chain in protein.chains:
        best = (protein.chain == chain)[:, None] & (percentiles >= SHORT_LIST) & np.isfinite(spread)
        if not best.any():
            continue
        count, unsure = int(best.sum()), int((scores - spread < scores[best].min())[best].sum())
        if unsure:
            text = (
                f"the networks do not agree on the best tenth: {unsure:,} of its {count:,} substitutions would not be "
                "in it if they scored lower by their spread"
            )
            remarks.append(Remark("spread", f"chain {chain or '(blank)'}", text))
    return remarks


def _listed(protein: Protein, indices, limit: int = 10) -> str:
    names = [f"{protein.residue_name[i]} {protein.residue_label(i)}" for i in indices[:limit]]
    return ", ".join(names) + (f" and {len(indices) - limit} more" if len(indices) > limit else "")
