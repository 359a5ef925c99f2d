"""Which reactions an enzyme catalyses: EC numbers of each chain."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from plait.config import option
from plait.data.base import Example
from plait.data.enzymes import BINS, HEAD, TERMS
from plait.references import DEEPFRI
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
from plait.tasks.function_metrics import fmax, micro_average_precision


@dataclasses.dataclass(frozen=True)
class Config:
    show: int = option(10, "likeliest EC numbers of each chain in the table; 0: all")


@register("task")
class Ec(Task):
    """EC numbers of each chain, each with its probability; an enzyme may have several, and none of those that the model
    knows."""

    name = "ec"
    summary = "EC numbers of each chain: which reactions it catalyses"
    reference = DEEPFRI.at("EC numbers; Fmax and AUPR as in specs/siamdiff.md, section 8")
    Config = Config
    heads = {HEAD: TERMS}
    answers = "chains"
    objective = "ec"
    criterion = "fmax"

    def __call__(self, model, protein: Protein) -> ChainClasses:
        """Probabilities of all terms for each chain by itself.

        Raises
        ------
        InputError
            If the model has no head for EC numbers, or does not name its terms.
        """
        names = names_of_classes(model, HEAD, "EC numbers", "ec")
        logit = logits_of_chains(model, protein, HEAD)
        probability = 1 / (1 + np.exp(-np.clip(logit, -500, 500)))
        return ChainClasses(
            table=table_of_chains(protein, probability, names, "ec_number", self.config.show),
            probability=probability,
            names=names,
            protein=protein,
            model=model,
            meaning="probability: how likely the chain has the EC number, by itself and beside others, as the model "
            "predicts it from an enzyme's chain; 2.7.7.- stands for all numbers that begin so. Of a chain that is no "
            "enzyme the model was never asked.",
            remarks=(*remarks_on_chains(protein), *protein.remarks),
        )

    @staticmethod
    def evaluate(examples: Sequence[Example], outputs: Sequence[dict[str, np.ndarray]]) -> dict[str, float]:
        """`fmax` and `aupr` of all proteins, and where examples say which identity bins they are in, of each bin
        (`fmax_30`: of those below 30 % identity to the official training chains, and so on).

        Parameters
        ----------
        examples : sequence of Example
            With the protein label "ec" [C], and in the official test "below" [5].
        outputs : sequence of dict
            Of each, the head's logits [C] by name.
        """
        score = np.stack([output[HEAD] for output in outputs])  # (B, C)
        true = np.stack([example.protein_labels["ec"] for example in examples])
        found = {"fmax": fmax(score, true), "aupr": micro_average_precision(score, true)}
        if all("below" in example.protein_labels for example in examples):
            below = np.stack([example.protein_labels["below"] for example in examples]) > 0  # (B, bins)
            for column, percent in enumerate(BINS):
                rows = below[:, column]
                if rows.any():
                    found[f"fmax_{percent}"] = fmax(score[rows], true[rows])
                    found[f"aupr_{percent}"] = micro_average_precision(score[rows], true[rows])
        return found
