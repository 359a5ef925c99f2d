"""What every task is: a `Model` and a `Protein` go in, a table with units in its column names comes out."""

from abc import ABC, abstractmethod
from typing import Any

from plait.structure.protein import Protein


class Task(ABC):
    """A question that a model answers about a structure.

    Subclasses are registered with `plait.registry.register("task")` and carry `name`, `summary`, `reference` and
    `Config`. The result has a `table` (pandas, one row an answer, residues by author number and by sequence
    position) and `remarks` (what was left out, and why). Tasks about whole chains say so (`answers = "chains"`), and
    their tables name chains alone.

    A task that can be fine-tuned has also `objective` (the name of the objective that teaches its head), `criterion`
    (the metric that chooses the weights, higher is better) and `evaluate(examples, outputs)`, a static method that
    gives metrics by name from the heads' outputs of each example: [R, values] of residues, [values] of proteins.

    Promise: an answer for every residue (chain) or the reason why not; the same in a batch and alone.
    """

    Config: type
    answers: str = "residues"

    def __init__(self, config: Any = None):
        self.config = self.Config() if config is None else config

    @abstractmethod
    def __call__(self, model, protein: Protein):
        """The answer of `model` for `protein`."""
