"""The table of scores: every single substitution, or the mutants asked for."""

import numpy as np

from plait.data.mutations import LETTERS, PlacedMutant, hgvs
from plait.structure.protein import Protein, Remark
from plait.structure.vocabulary import RESIDUES
from plait.tasks.mutation_effects.matrices import ascending_singles, midrank, substituted

COLUMNS = (
    "mutant",
    "chain",
    "sequence_position",
    "author_number",
    "wild_type",
    "mutated",
    "hgvs",
    "plait_score",
    "percentile",
    "spread",
)
"""Columns of the table; those of the user's table follow. `spread` is NaN (empty in the file) for a single network."""


def table_of_singles(protein: Protein, scores: np.ndarray, percentiles: np.ndarray, spread: np.ndarray, numbering: str):
    """Every single substitution, chain by chain, best first."""
    import pandas

    residue, mutated = np.nonzero(substituted(scores, protein))
    value = scores[residue, mutated]
    chain_rank = {chain: rank for rank, chain in enumerate(protein.chains)}
    rank = np.array([chain_rank[chain] for chain in protein.chain])
    order = np.lexsort((mutated, residue, -value, rank[residue]))
    residue, mutated, value = residue[order], mutated[order], value[order]
    position = protein.sequence_index[residue] + 1
    labels = np.array([protein.residue_label(index) for index in range(len(protein))])
    letters = np.array(list(RESIDUES))
    wild_type, after = letters[protein.residue_type[residue]], letters[mutated]
    written = position.astype(str) if numbering == "sequence" else labels[residue]
    names = {
        (before, later): hgvs([before], ["{}"], [later]) for before in LETTERS for later in LETTERS if before != later
    }
    return pandas.DataFrame(
        {
            "mutant": [f"{b}{p}{a}" for b, p, a in zip(wild_type, written, after)],
            "chain": protein.chain[residue].astype(object),
            "sequence_position": position,
            "author_number": labels[residue].astype(object),
            "wild_type": wild_type.astype(object),
            "mutated": after.astype(object),
            "hgvs": [names[b, a].format(p) for b, p, a in zip(wild_type, position, after)],
            "plait_score": value,
            "percentile": percentiles[residue, mutated],
            "spread": spread[residue, mutated],
        }
    )


def table_of_mutants(
    protein: Protein,
    placed: list[PlacedMutant],
    values: np.ndarray,
    spread: np.ndarray,
    scores: np.ndarray,
    columns: dict[str, list],
    remarks: list[Remark],
):
    """The mutants in their order with their scores `values` and `spread`, both [mutants], then the user's columns; what
    has to be said of them is added to `remarks`."""
    import pandas

    singles = {chain: ascending_singles(scores, protein, chain) for chain in protein.chains}
    rows = [_describe(protein, one.residues, one.types) for one in placed]
    if all(len(one.residues) == 1 for one in placed):
        for row in rows:
            row["sequence_position"] = int(row["sequence_position"])
    percentile = [midrank(singles[one.chain], [value])[0] for one, value in zip(placed, values)]
    data = {
        "mutant": [one.mutant.text for one in placed],
        "chain": [one.chain for one in placed],
        **{name: [row[name] for row in rows] for name in COLUMNS[2:7]},
        "plait_score": values.astype(np.float32),
        "percentile": np.array(percentile, np.float32),
        "spread": spread.astype(np.float32),
    }
    for name, cells in columns.items():
        kept = name
        while kept in data:
            kept += " (input)"
        if kept != name:
            remarks.append(Remark("column", "", f"the input's column {name!r} is called {kept!r} in the table"))
        data[kept] = [cells[one.number] for one in placed]
    missing = int(np.isnan(values).sum())
    if missing:
        remarks.append(Remark("not scored", "", f"{missing} mutants have no score: unknown residue in the structure"))
    same = sum(any(protein.residue_type[r] == t for r, t in zip(one.residues, one.types)) for one in placed)
    if same:
        remarks.append(
            Remark("synonymous", "", f"{same} mutants keep a wild-type residue (A24A); that substitution scores 0")
        )
    return pandas.DataFrame(data)


def _describe(protein: Protein, residues, types) -> dict[str, str]:
    """Columns of a mutant, those of several substitutions joined by ':' (by ';' in HGVS)."""
    before = [RESIDUES[protein.residue_type[r]] for r in residues]
    after = [RESIDUES[t] for t in types]
    position = [int(protein.sequence_index[r]) + 1 for r in residues]
    return {
        "sequence_position": ":".join(map(str, position)),
        "author_number": ":".join(protein.residue_label(r) for r in residues),
        "wild_type": ":".join(before),
        "mutated": ":".join(after),
        "hgvs": hgvs(before, position, after),
    }
