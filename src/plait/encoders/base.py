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

    atom_heads: tuple[str, ...] = ()
    """Heads per atom (their names begin with `atom_`) that the readout can answer."""

    graph_changes: tuple[str, ...] = ()
    """What objectives say of graphs (`plait.encoders.blocks.graph_changes.NAMES`) that `prepare` heeds."""

    def prepare(self, proteins):
        raise NotImplementedError

    def forward(self, batch) -> Representation:
        raise NotImplementedError

    @property
    def width(self) -> int:
        """Number of values of a residue's vector."""
        raise NotImplementedError

    def make_readout(self, heads: dict[str, int], protein_layers: int = 1) -> nn.Module:
        """A module that takes a `Representation` and gives, for each name of `heads`, logits [R, classes].

        Its `output_biases()` are as those of `LinearReadout`; heads without a bias are not among them. A linear layer
        each; families with heads of their own override this. Names that begin with `atom_` ask for
        [A, values]; they are left unanswered by families that do not list them in `atom_heads`. Names that begin with
        `protein_` ask for [B, values], which every family answers (`ProteinHead`, of `protein_layers` layers).
        """
        return LinearReadout(self.width, heads, protein_layers)


def is_protein_head(name: str) -> bool:
    """Whether a head answers for each protein, not for each residue or atom."""
    return name.startswith("protein_")


class ProteinHead(nn.Sequential):
    """Linear layers on the proteins' vectors [B, width] with ReLU between them, the inner ones as wide as the vectors.

    One layer is a linear probe; published GearNet classifies proteins with three (specs/siamdiff.md, 8).
    """

    def __init__(self, width: int, values: int, layers: int = 1):
        inner = [part for _ in range(layers - 1) for part in (nn.Linear(width, width), nn.ReLU())]
        super().__init__(*inner, nn.Linear(width, values))


class LinearReadout(nn.Module):
    """One linear layer on the residues' vectors for each name of `heads` that is not about atoms, and a `ProteinHead`
    on the proteins' vectors for each that is about proteins."""

    def __init__(self, width: int, heads: dict[str, int], protein_layers: int = 1):
        super().__init__()
        self.heads = nn.ModuleDict(
            {
                name: ProteinHead(width, values, protein_layers) if is_protein_head(name) else nn.Linear(width, values)
                for name, values in heads.items()
                if not name.startswith("atom_")
            }
        )

    def output_biases(self) -> dict[str, tuple[nn.Parameter, slice | list[int]]]:
        """By head, the parameter that is added to each output, and which of its values are the head's columns."""
        last = {name: head[-1] if isinstance(head, ProteinHead) else head for name, head in self.heads.items()}
        return {name: (layer.bias, slice(None)) for name, layer in last.items()}

    def forward(self, representation: Representation) -> dict[str, torch.Tensor]:
        return {
            name: head(representation.protein if is_protein_head(name) else representation.residue)
            for name, head in self.heads.items()
        }


class EncoderWithHeads(nn.Module):
    """An encoder and the readout that is trained with it: a batch goes in, logits by head come out.

    Parameters
    ----------
    heads : dict of str to int
        Values per residue (atom, protein) of each head.
    objective_heads : Module, optional
        What an objective asks of several nodes or views at a time (`plait.objectives.base.Objective.make_heads`).
        They are for training: a saved model leaves them out.
    protein_layers : int
        Layers of each head that answers for proteins.
    """

    def __init__(
        self,
        encoder: Encoder,
        heads: dict[str, int],
        objective_heads: nn.Module | None = None,
        protein_layers: int = 1,
    ):
        super().__init__()
        self.encoder, self.heads, self.protein_layers = encoder, dict(heads), protein_layers
        self.readout = encoder.make_readout(heads, protein_layers)
        self.objective_heads = objective_heads

    def forward(self, batch, view=None, others=None) -> dict[str, torch.Tensor]:
        """Logits [R, classes] ([B, classes] of proteins) by head, and with a `view` what the objective's heads answer.

        Parameters
        ----------
        batch : what `encoder.prepare` gave
        view : plait.objectives.base.View, optional
            What is asked.
        others : dict of str to batch, optional
            Those of the view's other views. Only what some head reads is encoded.
        """
        if view is None or self.objective_heads is None:
            return self.readout(self.encoder(batch))
        batches, views = {"": batch, **(others or {})}, self.objective_heads.views
        read = {*views, ""} if self.heads else {*views}
        shown = {name: self.encoder(part) for name, part in batches.items() if name in read}
        outputs = self.readout(shown[""]) if self.heads else {}
        return outputs | self.objective_heads(shown, view)
