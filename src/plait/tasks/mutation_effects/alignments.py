"""The user's alignment beside the model: which chains it serves, what is said of it, and what stands in the record."""

import numpy as np

from plait.data.alignment_files import Alignment
from plait.data.homologs import FILLED, IDENTITY, Homologs, homologs_of
from plait.errors import InputError
from plait.structure.protein import Protein, Remark
from plait.structure.vocabulary import RESIDUES

WELL_COVERED = 0.8
"""Below this share of residues in a column the alignment is said to cover little of the chain."""

_LISTED = 10


def homologs_by_chain(alignment: Alignment, protein: Protein) -> dict[str, Homologs]:
    """The homologs of every chain that the alignment fits; chains of one sequence share theirs.

    Raises
    ------
    InputError
        If it fits no chain; the error is that of the longest one.
    """
    found, known, errors = {}, {}, []
    for chain in protein.chains:
        mask = protein.chain == chain
        types, number = protein.residue_type[mask], protein.author_number[mask]
        key = types.tobytes(), number.tobytes()
        try:
            if key not in known:
                known[key] = homologs_of(alignment, types, number)
            found[chain] = known[key]
        except InputError as error:
            place = f"chain {chain or '(blank)'} of {protein.source or 'the structure'}"
            errors.append((len(types), error.at(place=place)))
    if not found:
        raise max(errors, key=lambda one: one[0])[1]
    return found


def alignment_remarks(homologs: dict[str, Homologs], protein: Protein, prior: float) -> list[Remark]:
    """Where the alignment says little or stands for another sequence.

    Parameters
    ----------
    prior : float
        Effective sequences that the model's prediction counts as.
    """
    remarks = []
    for chain in protein.chains:
        place = f"chain {chain or '(blank)'}"
        if chain not in homologs:
            text = "no sequence of the alignment matches; scored by the model alone"
            remarks.append(Remark("alignment", place, text))
            continue
        one = homologs[chain]
        at = np.flatnonzero(protein.chain == chain)
        said = []
        if one.mapping.row:
            said.append(f"sequence {one.mapping.row + 1} of the alignment ({one.name}) was taken for the chain's")
        left = one.sequences - one.used
        if left:
            said.append(f"{left} of {one.sequences} sequences fill under {FILLED:.0%} of the chain and were left out")
        bare = at[~one.covered]
        if len(bare):
            little = "the alignment covers little of the chain: " if one.covered.mean() < WELL_COVERED else ""
            text = f"{len(bare)} of {len(at)} residues are in no column and scored by the model alone: "
            said.append(little + text + _listed([protein.residue_label(i) for i in bare]))
        depth = float(np.median(one.depth))
        if depth < prior:
            said.append(
                f"the alignment is shallow: a median of {depth:.1f} effective sequences per residue, fewer than the "
                f"{prior:g} that the model's prediction counts as"
            )
        if one.mapping.differences:
            pairs = [
                f"{RESIDUES[protein.residue_type[at[i]]]}{protein.residue_label(at[i])} is {letter}"
                for i, letter in one.mapping.differences
            ]
            said.append(f"{one.name} in the alignment differs from the structure: " + _listed(pairs))
        remarks += [Remark("alignment", place, text) for text in said]
    return remarks


def alignment_facts(homologs: dict[str, Homologs], scoring) -> list[dict]:
    """For the record: what of the alignment was used for each chain, and how it was mixed with the model."""
    return [
        {
            "chain": chain,
            "sequence": one.name,
            "identity": round(one.mapping.identity, 4),
            "coverage": round(float(one.covered.mean()), 4),
            "sequences": one.sequences,
            "used": one.used,
            "effective": round(one.effective, 2),
            "depth_median": round(float(np.median(one.depth)), 2),
            "depth_quartiles": [round(float(value), 2) for value in np.percentile(one.depth, [25, 75])],
            "weighting_identity": IDENTITY,
            "prior": scoring.alignment_prior,
            "share": scoring.alignment_share,
        }
        for chain, one in homologs.items()
    ]


def alignment_summary(homologs: dict[str, Homologs]) -> str:
    """How deep the alignment is, in a line: "1,200 sequences, median of 310 effective ones per residue"."""
    said = []
    for chain, one in homologs.items():
        where = f"chain {chain or '(blank)'}: " if len(homologs) > 1 else ""
        depth = float(np.median(one.depth))
        sequences = f"{one.used:,} sequence" + ("s" if one.used != 1 else "")
        effective = f"median of {depth:,.{0 if depth >= 10 else 1}f} effective ones per residue"
        said.append(f"{where}{sequences}, {effective}, {one.covered.mean():.0%} of residues covered")
    return "; ".join(said)


def alignment_meaning(homologs: dict[str, Homologs], scoring) -> str:
    """How the alignment went into the scores, in two sentences."""
    return (
        f"An alignment was mixed in ({alignment_summary(homologs)}): at each residue its frequencies f of N effective "
        f"sequences and the model's prediction q make p = (N f + B q) / (N + B) with B = {scoring.alignment_prior:g}, "
        f"and the log-odds are those of p (weight {scoring.alignment_share:g}) and q "
        f"(weight {1 - scoring.alignment_share:g}) together."
    )


def _listed(places: list[str]) -> str:
    return ", ".join(places[:_LISTED]) + (f" and {len(places) - _LISTED} more" if len(places) > _LISTED else "")
