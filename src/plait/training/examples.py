"""A training batch: examples as an objective shows them, read by an encoder."""

import dataclasses

import numpy as np

from plait.data.base import Example
from plait.objectives.base import Objective, View
from plait.objectives.showing import batch_of
from plait.structure.protein import Protein


@dataclasses.dataclass(frozen=True)
class Batch:
    """What the encoder reads, and the view that says what is asked; `others` is what it reads of the view's others."""

    inputs: object
    view: View
    others: dict[str, object] = dataclasses.field(default_factory=dict)

    def to(self, device) -> "Batch":
        return Batch(self.inputs.to(device), self.view, {name: part.to(device) for name, part in self.others.items()})

    def outputs(self, network) -> dict:
        """What an `EncoderWithHeads` answers."""
        return network(self.inputs, self.view, self.others)


def make_batch(
    encoder, objective: Objective, examples: list[Example], generator: np.random.Generator, noise: float = 0.0
) -> Batch:
    """A view of the examples as the encoder reads it, with Gaussian noise (standard deviation in angstrom) on atoms."""
    view = objective.view(examples, generator)
    if noise > 0:
        view = dataclasses.replace(view, proteins=[_disturbed(p, noise, generator) for p in view.proteins])
    others = {name: batch_of(encoder, other) for name, other in view.others.items()}
    return Batch(batch_of(encoder, view), view, others)


def _disturbed(protein: Protein, noise: float, generator: np.random.Generator) -> Protein:
    moved = protein.position + generator.normal(0.0, noise, protein.position.shape)
    return protein.with_positions(moved.astype(protein.position.dtype))
