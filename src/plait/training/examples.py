"""A training batch: examples as an objective shows them, read by an encoder."""

import dataclasses

import numpy as np

from plait.data.base import Example
from plait.objectives.base import Objective, View
from plait.structure.protein import Protein


@dataclasses.dataclass(frozen=True)
class Batch:
    """What the encoder reads, and the view that says what is asked."""

    inputs: object
    view: View

    def to(self, device) -> "Batch":
        return Batch(self.inputs.to(device), self.view)


def make_batch(
    encoder, objective: Objective, examples: list[Example], generator: np.random.Generator, noise: float = 0.0
) -> Batch:
    """A view of the examples as the encoder reads it, with Gaussian noise (standard deviation in angstrom) on atoms."""
    view = objective.view(examples, generator)
    if noise > 0:
        view = dataclasses.replace(view, proteins=[_disturbed(p, noise, generator) for p in view.proteins])
    names = view.extras[0].keys() if view.extras else ()
    extras = {name: [extra[name] for extra in view.extras] for name in names}
    return Batch(encoder.prepare(view.proteins, masked=view.masked, **extras), view)


def _disturbed(protein: Protein, noise: float, generator: np.random.Generator) -> Protein:
    moved = protein.position + generator.normal(0.0, noise, protein.position.shape)
    return protein.with_positions(moved.astype(protein.position.dtype))
