"""What every encoder is: `Protein`s go in, vectors at residue, atom and protein level come out."""

import dataclasses

import torch
from torch import nn


@dataclasses.dataclass
class Representation:
    """Vectors of a ragged batch.

    Attributes
    ----------
    residue : float [R, d]
        All residues of the batch, protein after protein.
    atom : float [A, d] or None
    protein : float [B, d]
    residue_offsets : int64 [B + 1]
        Protein b has the rows `residue_offsets[b] : residue_offsets[b + 1]`.
    atom_offsets : int64 [B + 1] or None
    """

    residue: torch.Tensor
    protein: torch.Tensor
    residue_offsets: torch.Tensor
    atom: torch.Tensor | None = None
    atom_offsets: torch.Tensor | None = None


class Encoder(nn.Module):
    """A structure encoder.

    Subclasses are registered with `plait.registry.register("encoder")`, carry `name`, `summary`, `reference` and
    `Config`, are built from their config alone (`Encoder(config)`), and have `prepare(proteins, ...)` which makes
    the batch that `forward(batch)` takes and answers with a `Representation`.

    Promise (tests/promises/test_encoders.py): invariant to rotation and translation in float32 to 1e-4 and float64
    to 1e-9; the same alone or in a batch; finite outputs and gradients with missing atoms, one residue, a backbone
    only; every parameter gets a gradient; exact after save and load, every buffer included.
    """

    def prepare(self, proteins):
        raise NotImplementedError

    def forward(self, batch) -> Representation:
        raise NotImplementedError

    @property
    def width(self) -> int:
        """Number of values of a residue's vector."""
        raise NotImplementedError

    def make_readout(self, heads: dict[str, int]) -> nn.Module:
        """A module that takes a `Representation` and gives, for each name of `heads`, logits [R, classes].

        A linear layer each; families with heads of their own override this.
        """
        return LinearReadout(self.width, heads)


class LinearReadout(nn.Module):
    """One linear layer on the residues' vectors for each name of `heads`."""

    def __init__(self, width: int, heads: dict[str, int]):
        super().__init__()
        self.heads = nn.ModuleDict({name: nn.Linear(width, classes) for name, classes in heads.items()})

    def forward(self, representation: Representation) -> dict[str, torch.Tensor]:
        return {name: head(representation.residue) for name, head in self.heads.items()}
