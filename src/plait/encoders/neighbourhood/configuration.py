"""`NeighbourhoodConfig`: size and kind of a neighbourhood encoder."""

import dataclasses

from plait.config import option
from plait.errors import InputError


@dataclasses.dataclass(frozen=True)
class NeighbourhoodConfig:
    width: int = option(128, "width of a residue's states")
    edge_width: int = option(64, "width of the states of a pair of neighbours")
    layers: int = option(4, "layers")
    heads: int = option(8, "attention heads; divides width")
    neighbours: int = option(32, "residues that each attends to: itself and the nearest by C-alpha")
    feed_forward: int = option(4, "width inside a feed-forward block over the width of the states")
    edge_updates: bool = option(True, "whether each layer but the last changes the states of pairs")
    distances: int = option(12, "Gaussians between 2 and 22 angstrom that a distance is spread over")
    sequence_reach: int = option(32, "separations in sequence told apart on each side")
    dropout: float = option(0.1, "of the outputs of blocks, in training")
    structure_states: int = option(0, "states of the structure tokens that are read beside the geometry; 0: none")
    tokenizer: str = option("", "registered name of their tokenizer")
    cavities: bool = option(False, "read what cavities each residue lines, which side chains decide (structure.lining)")

    def __post_init__(self):
        if self.width % self.heads:
            raise InputError("width is not a multiple of heads", got=f"{self.width} and {self.heads}")
        for name in ("width", "edge_width", "layers", "heads", "neighbours", "feed_forward", "sequence_reach"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is too small", got=getattr(self, name), expected="1 or more")
        if self.distances < 2:
            raise InputError("distances is too small", got=self.distances, expected="2 or more")

    @property
    def has_structure(self) -> bool:
        """Whether the encoder reads structure tokens."""
        return self.structure_states > 0

    def with_tokenizer(self, name: str, states: int) -> "NeighbourhoodConfig":
        """The same for an encoder that reads the tokens of a tokenizer."""
        return dataclasses.replace(self, structure_states=states, tokenizer=name)
