"""What an objective may say of a graph: edges that are hidden, other places for the edges' making, a part of it.

Each stands among the `extras` of a view under its name, one array a protein.
"""

import numpy as np

from plait.errors import InputError
from plait.structure.protein import Protein

NAMES = ("edge_position", "hidden_edges", "hidden_atom_edges", "kept_residues")
"""edge_position: float [A, 3], angstrom, where the atoms are when edges are made; distances and angles along these are
those of the protein itself. hidden_edges: int64 [H, 3], residues of source and target and a relation (-1: every one)
that no edge has. hidden_atom_edges: the same with atoms. kept_residues: bool [R], those whose nodes stay when edges are
made."""

_OF_NODES = ("position", "residue", "atom", "element_column", "residue_column")


def changes_of(extras: dict, number: int) -> dict[str, np.ndarray]:
    """What `extras` (sequences by name, of which `NAMES` are read) say of the protein of this number."""
    return {name: extras[name][number] for name in NAMES if extras.get(name) is not None}


def changed(graph, protein: Protein, masked, changes: dict[str, np.ndarray]) -> dict[str, np.ndarray | None]:
    """The fields of a `GraphBatch` that the function `graph` (of a protein and its mask) gives for one protein, with
    these changes."""
    if not changes:
        return graph(protein, masked)
    if "edge_position" in changes:
        if len(changes["edge_position"]) != len(protein.position):
            raise InputError(
                "places of atoms for the making of edges do not fit",
                file=protein.source or None,
                got=len(changes["edge_position"]),
                expected=f"{len(protein.position)} atoms",
                do="In a sum of objectives, let the one that noises positions stand last.",
            )
        fields = graph(protein.with_positions(changes["edge_position"]), masked)
        atom, residue = fields["atom"], fields["residue"]
        position = protein.c_alpha[residue] if atom is None else protein.position[atom]
        fields["position"] = position.astype(np.float64)
    else:
        fields = graph(protein, masked)
    source, target, relation = fields["source"], fields["target"], fields.get("relation")
    kept = np.ones(len(source), bool)
    for name, place in (("hidden_edges", fields["residue"]), ("hidden_atom_edges", fields["atom"])):
        if name in changes and place is not None:
            kept &= ~among(place[source], place[target], relation, changes[name])
    nodes = np.ones(len(fields["position"]), bool)
    if "kept_residues" in changes:
        nodes = np.asarray(changes["kept_residues"], bool)[fields["residue"]]
        kept &= nodes[source] & nodes[target]
    found = {
        name: None if value is None else value[nodes if name in _OF_NODES else kept] for name, value in fields.items()
    }
    number = np.cumsum(nodes) - 1
    return {**found, "source": number[found["source"]], "target": number[found["target"]]}


def among(source, target, relation, hidden: np.ndarray) -> np.ndarray:
    """Which edges are among the `hidden` int64 [H, 3]; without relations, those of the same source and target."""
    hidden = np.asarray(hidden, np.int64).reshape(-1, 3)
    most = max([int(np.max(part, initial=0)) for part in (source, target, hidden[:, :2])]) + 1
    key, keys = source * most + target, hidden[:, 0] * most + hidden[:, 1]
    if relation is None:
        return np.isin(key, keys)
    every = hidden[:, 2] < 0
    relations = int(max(np.max(relation, initial=0), hidden[:, 2].max(initial=0))) + 1
    exact = keys[~every] * relations + hidden[~every, 2]
    return np.isin(key, keys[every]) | np.isin(key * relations + relation, exact)
