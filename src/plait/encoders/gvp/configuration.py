"""`GvpConfig`: size and kind of a GVP network."""

import dataclasses

from plait.config import option
from plait.encoders.blocks.residue_atom_graph import GraphRules
from plait.encoders.blocks.torchdrug import ELEMENT_COLUMNS, ELEMENT_WIDTH
from plait.errors import InputError, unknown_name
from plait.structure.vocabulary import ELEMENTS


@dataclasses.dataclass(frozen=True)
class GvpConfig:
    """Size and kind of a GVP network. The defaults are the published sizes, on residues; `published.PUBLISHED` is the
    published network, on atoms."""

    level: str = option("residue", "what the nodes are: residue (at their C-alphas) or atom")
    node_input: int = option(18, "width of the embeddings of residues and elements")
    node_hidden: tuple[int, int] = option((100, 16), "scalars and vector channels of a node inside the network")
    edge_hidden: tuple[int, int] = option((32, 1), "scalars and vector channels of an edge inside the network")
    distances: int = option(16, "Gaussians that tell distances apart, evenly from 0 to 20 angstrom")
    layers: int = option(5, "rounds of message passing")
    dropout: float = option(0.1, "in training; of scalars one by one, of vectors by whole channels")
    readout: str = option("mean", "a protein's vector is the mean or the sum over nodes")
    residue_radius: float = option(10.0, "residues whose C-alphas are nearer than this are joined (angstrom)")
    atom_radius: float = option(4.5, "atoms nearer than this are joined (angstrom)")
    neighbour_limit: int | None = option(None, "most nodes within the radius that a node hears from; published: 32")
    vocabulary: str = option(
        "plait",
        "residues and elements in the order of plait, or for published weights as pre-training (atomic number) or the "
        "Atom3D tasks (atom3d) count them",
    )

    def __post_init__(self):
        for name in ("node_hidden", "edge_hidden"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, allowed in (
            ("level", ("residue", "atom")),
            ("readout", ("mean", "sum")),
            ("vocabulary", ("plait", *ELEMENT_COLUMNS)),
        ):
            if getattr(self, name) not in allowed:
                raise unknown_name(name, getattr(self, name), allowed)
        if min(*self.node_hidden, *self.edge_hidden, self.layers) < 1:
            raise InputError(
                "a GVP network needs layers, scalars and vectors",
                got=f"layers {self.layers}, node_hidden {self.node_hidden}, edge_hidden {self.edge_hidden}",
                expected="1 or more of each",
            )

    @property
    def rules(self) -> GraphRules:
        """Which nodes are joined."""
        radius = self.atom_radius if self.level == "atom" else self.residue_radius
        return GraphRules(radius, limit=self.neighbour_limit)

    @property
    def elements(self) -> int:
        """How many elements are told apart; none at residue level, where every node is a carbon."""
        if self.level == "residue":
            return 0
        return len(ELEMENTS) if self.vocabulary == "plait" else ELEMENT_WIDTH
