"""`GearNetConfig` and `GearNetEdgeConfig`: size and kind of a GearNet."""

import dataclasses

from plait.config import option
from plait.encoders.blocks.residue_atom_graph import GraphRules
from plait.encoders.blocks.torchdrug import ELEMENT_WIDTH, PUBLISHED_RESIDUES
from plait.errors import InputError, unknown_name
from plait.structure.vocabulary import ELEMENTS, RESIDUES

SEQUENCE_DISTANCES = 11
"""Distances in sequence that an edge tells apart; the last stands for this and more."""


@dataclasses.dataclass(frozen=True)
class GearNetConfig:
    """Size and kind of a GearNet. The published ones stand in `published.py`; the defaults are a smaller new model."""

    level: str = option("residue", "what the nodes are: residue (at their C-alphas) or atom")
    hidden: tuple[int, ...] = option((128,) * 6, "width of each layer")
    batch_norm: bool = option(True, "batch normalisation inside and after each layer")
    short_cut: bool = option(True, "add a layer's input to its output where the widths agree")
    concat_hidden: bool = option(True, "a node's vector is the outputs of all layers side by side, not the last one")
    readout: str = option("mean", "a protein's vector is the mean or the sum over nodes")
    residue_radius: float = option(10.0, "residues whose C-alphas are nearer than this are joined (angstrom)")
    nearest: int = option(10, "nearest residues that a residue hears from")
    sequential: int = option(2, "residues up to this far apart along the chain are joined, each offset a relation")
    separation: int = option(5, "edges in space join only residues at least this far apart in sequence")
    atom_radius: float = option(4.5, "atoms nearer than this are joined (angstrom)")
    neighbour_limit: int | None = option(None, "most nodes within the radius that a node hears from; published: 32")
    compat: bool = option(
        False,
        "features and distances in sequence as published: no unknown residue in edges (it looks like glycine), atomic "
        "numbers below 18, chains and gaps unseen but by sequential edges",
    )

    angle_bins = 0

    def __post_init__(self):
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for name, allowed in (("level", ("residue", "atom")), ("readout", ("mean", "sum"))):
            if getattr(self, name) not in allowed:
                raise unknown_name(name, getattr(self, name), allowed)
        if not self.hidden or min(self.hidden) < 1:
            raise InputError("a GearNet needs layers", got=f"hidden {self.hidden}", expected="one width or more")

    @property
    def rules(self) -> GraphRules:
        """Which nodes are joined."""
        if self.level == "atom":
            return GraphRules(self.atom_radius, limit=self.neighbour_limit)
        return GraphRules(
            self.residue_radius, self.nearest, self.sequential, self.separation, limit=self.neighbour_limit
        )

    @property
    def element_columns(self) -> int:
        """Columns of a node's feature that tell elements apart."""
        if self.level == "residue":
            return 0
        return ELEMENT_WIDTH if self.compat else len(ELEMENTS)

    @property
    def node_input(self) -> int:
        """Width of a node's feature: element, then residue."""
        return self.element_columns + len(RESIDUES)

    @property
    def edge_types(self) -> int:
        """Residue types that an edge tells apart at each end."""
        return len(PUBLISHED_RESIDUES) if self.compat else len(RESIDUES)

    @property
    def edge_input(self) -> int:
        """Width of an edge's feature: type at source and target, relation, distance in sequence and in space."""
        return 2 * self.edge_types + self.rules.relations + SEQUENCE_DISTANCES + 1

    @property
    def width(self) -> int:
        """Width of a node's vector."""
        return sum(self.hidden) if self.concat_hidden else self.hidden[-1]


@dataclasses.dataclass(frozen=True)
class GearNetEdgeConfig(GearNetConfig):
    """A GearNet with messages between edges."""

    angle_bins: int = option(8, "equal parts of [0, pi] into which the angle between two edges falls")

    def __post_init__(self):
        super().__post_init__()
        if self.angle_bins < 1:
            raise InputError("messages between edges need angles", got=self.angle_bins, expected="1 or more bins")
