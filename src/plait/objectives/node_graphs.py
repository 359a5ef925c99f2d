"""Residues or atoms of a view as nodes that an objective asks about, and a graph that says which of them to ask about.

A node is known by its code, which survives the removal of others: the number of its residue, or of an atom the place
in the table of residues by names (`atom_tables`). Source: specs/siamdiff.md, section 2.
"""

import dataclasses

import numpy as np
import torch

from plait.encoders.base import Representation
from plait.encoders.blocks.residue_atom_graph import GraphRules, edges, sequence_places
from plait.errors import InputError
from plait.objectives.atom_tables import SLOTS, atom_codes
from plait.objectives.base import View
from plait.structure.protein import Protein

RULES = {"residue": GraphRules(10.0, nearest=10, sequential=2, separation=5), "atom": GraphRules(4.5)}
"""Which nodes are joined."""

PUBLISHED_LIMIT = 32
HIDDEN = {"residue": "hidden_edges", "atom": "hidden_atom_edges"}
"""Among a view's extras, edges that encoders leave out: codes of source and target and a relation, int64 [H, 3]."""


def codes_in_a_residue(level: str) -> int:
    """How many codes a residue takes."""
    return 1 if level == "residue" else SLOTS


def nodes_of(protein: Protein, level: str) -> tuple[np.ndarray, np.ndarray]:
    """Which residues (with a C-alpha) or atoms (of names in the table) are nodes, and their codes: int64 [N] each."""
    if level == "residue":
        rows = np.flatnonzero(np.isfinite(protein.c_alpha).all(-1))
        return rows, rows
    return atom_codes(protein)


def positions_of(protein: Protein, rows: np.ndarray, level: str) -> np.ndarray:
    """float64 [N, 3], angstrom."""
    return (protein.c_alpha if level == "residue" else protein.position)[rows].astype(np.float64)


@dataclasses.dataclass(frozen=True)
class NodeGraph:
    """The nodes of one protein and what joins them.

    Attributes
    ----------
    code : int64 [N]
    position : float64 [N, 3], angstrom
    edge : int64 [E, 2]
        Source and target, among the nodes.
    relation : int64 [E]
    """

    code: np.ndarray
    position: np.ndarray
    edge: np.ndarray
    relation: np.ndarray

    @classmethod
    def of(cls, protein: Protein, level: str, compat: bool = False) -> "NodeGraph":
        """By `RULES`; with `compat` several edges may join two nodes, and a node itself, as published. Without, an edge
        and its opposite (relation -1) join each two nodes that any rule does."""
        rows, code = nodes_of(protein, level)
        position = positions_of(protein, rows, level)
        residue = code // codes_in_a_residue(level)
        rules, place = RULES[level], sequence_places(protein)[residue]
        if compat:
            rules = dataclasses.replace(rules, limit=PUBLISHED_LIMIT)
            place = np.unique(residue, return_inverse=True)[1]
        edge, relation = edges(position, place, protein.chain[residue], rules)
        if not compat:
            edge = np.unique(np.sort(edge[edge[:, 0] != edge[:, 1]], axis=1), axis=0)
            edge = np.concatenate([edge, edge[:, ::-1]])
            relation = np.full(len(edge), -1)
        return cls(code, position, edge, relation)

    def hidden(self, chosen: np.ndarray) -> np.ndarray:
        """The `chosen` edges as extras say that they are hidden: int64 [H, 3]."""
        return np.concatenate([self.code[self.edge[chosen]], self.relation[chosen, None]], axis=1)


def hide_edges(extras: dict[str, np.ndarray], level: str, hidden: np.ndarray) -> dict[str, np.ndarray]:
    """The extras of a protein with these edges hidden too."""
    before = extras.get(HIDDEN[level], np.zeros((0, 3), np.int64))
    return {**extras, HIDDEN[level]: np.concatenate([before, hidden])}


class ViewNodes:
    """The nodes of all proteins of a view.

    Attributes
    ----------
    code : int64 [N]
        Unique in the view: those of a protein come after those of the one before.
    row : int64 [N]
        Among the residues, or atoms, of the view's proteins.
    protein : int64 [N]
    position : float64 [N, 3], angstrom
    """

    def __init__(self, view: View, level: str):
        starts = code_starts(view.proteins, level)
        found, first_row = [], 0
        for number, protein in enumerate(view.proteins):
            rows, codes = nodes_of(protein, level)
            place = positions_of(protein, rows, level)
            found.append((codes + starts[number], rows + first_row, np.full(len(rows), number), place))
            first_row += len(protein) if level == "residue" else len(protein.position)
        self.code, self.row, self.protein, self.position = (np.concatenate(part) for part in zip(*found, strict=True))
        self._places = int(starts[-1])

    def find(self, codes: np.ndarray) -> np.ndarray:
        """Which nodes have these codes, of any shape; -1 for none."""
        table = np.full(self._places, -1)
        table[self.code] = np.arange(len(self.code))
        return table[codes]


def code_starts(proteins: list[Protein], level: str) -> np.ndarray:
    """First code of each protein, and behind them the number of all: int64 [B + 1]."""
    return np.cumsum([0, *map(len, proteins)]) * codes_in_a_residue(level)


def vectors(representation: Representation, level: str, codes: np.ndarray, view: View) -> torch.Tensor:
    """The vectors of the nodes with these codes [...]: float [..., d], zeros where there is no such node (any more).

    Raises
    ------
    InputError
        At atom level, if the encoder has no vectors of atoms.
    """
    table = representation.residue if level == "residue" else representation.atom
    if table is None:
        raise InputError(
            "this encoder has no vectors of atoms",
            expected="an encoder of atoms, such as gearnet with level atom",
            do="Ask at level residue, or choose another encoder.",
        )
    nodes = ViewNodes(view, level)
    found = nodes.find(codes)
    rows = torch.as_tensor(nodes.row[found] if len(nodes.row) else found, device=table.device)
    if len(nodes.row) and (found >= 0).all():
        return table[rows]
    there = torch.as_tensor(found >= 0, device=table.device)
    return table[rows.clamp(min=0)] * there.unsqueeze(-1).to(table.dtype)
