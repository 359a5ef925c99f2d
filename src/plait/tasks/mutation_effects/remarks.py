"""What is said beside the scores: where mutants were placed, and what is scored with less confidence."""

import numpy as np

from plait.structure.protein import Protein, Remark
from plait.structure.vocabulary import UNKNOWN

LOW_PLDDT = 70.0


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
        if protein.predicted:
            low = int((protein.b_factor[mask] < LOW_PLDDT).sum())
            if low:
                text = (
                    f"{low} of {int(mask.sum())} residues have a pLDDT below {LOW_PLDDT:.0f}; "
                    "scores there lean on an uncertain structure"
                )
                remarks.append(Remark("low pLDDT", place, text))
    return remarks


def _listed(protein: Protein, indices, limit: int = 10) -> str:
    names = [f"{protein.residue_name[i]} {protein.residue_label(i)}" for i in indices[:limit]]
    return ", ".join(names) + (f" and {len(indices) - limit} more" if len(indices) > limit else "")
