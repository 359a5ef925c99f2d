"""Which fold each chain has."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from plait.config import option
from plait.data.base import Example
from plait.data.folds import CLASSES, HEAD, LEVELS
from plait.references import DEEPSF
from plait.registry import register
from plait.structure.protein import Protein
from plait.tasks.base import Task
from plait.tasks.chain_classes import (
    ChainClasses,
    logits_of_chains,
    names_of_classes,
    remarks_on_chains,
    table_of_chains,
)
from plait.tasks.function_metrics import accuracy


@dataclasses.dataclass(frozen=True)
class Config:
    show: int = option(10, "likeliest folds of each chain in the table; 0: all")


@register("task")
class Fold(Task):
    """The likeliest folds of each chain, which is taken for one domain."""

    name = "fold"
    summary = "the likeliest folds of each chain"
    reference = DEEPSF.at("section 2.4, accuracy at the levels of family, superfamily and fold")
    Config = Config
    heads = {HEAD: CLASSES["homology"]}
    answers = "chains"
    objective = "fold"
    criterion = "accuracy"

    def __call__(self, model, protein: Protein) -> ChainClasses:
        """Probabilities of all folds for each chain by itself; they sum to 1.

        Raises
        ------
        InputError
            If the model has no head for folds, or does not name them.
        """
        names = names_of_classes(model, HEAD, "folds", "fold")
        logit = logits_of_chains(model, protein, HEAD)
        probability = np.exp(logit - logit.max(1, keepdims=True))
        probability /= probability.sum(1, keepdims=True)
        return ChainClasses(
            table=table_of_chains(protein, probability, names, "fold", self.config.show),
            probability=probability,
            names=names,
            protein=protein,
            model=model,
            meaning="probability: how likely the chain, taken for one domain, has the fold (SCOP's name of it), among "
            "the folds that the model knows; they sum to 1. Of a chain of several domains cut one out first.",
            remarks=(*remarks_on_chains(protein), *protein.remarks),
        )

    @staticmethod
    def evaluate(examples: Sequence[Example], outputs: Sequence[dict[str, np.ndarray]]) -> dict[str, float]:
        """`accuracy` of all domains, and of the test domains of each level: `accuracy_family`, `accuracy_superfamily`
        and `accuracy_fold`.

        Parameters
        ----------
        examples : sequence of Example
            With the protein labels "fold" [] and, if need be, "level" [].
        outputs : sequence of dict
            Of each, the head's logits [C] by name.
        """
        score = np.stack([output[HEAD] for output in outputs])  # (B, C)
        true = np.array([int(example.protein_labels["fold"]) for example in examples])
        level = np.array([int(example.protein_labels.get("level", -1)) for example in examples])
        found = {"accuracy": accuracy(score, true)}
        for number, name in enumerate(LEVELS):
            if (level == number).any():
                found[f"accuracy_{name}"] = accuracy(score[level == number], true[level == number])
        return found
