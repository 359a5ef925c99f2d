"""Validation of a pre-training: the same questions for every schedule of masking, so that runs compare."""

import dataclasses

import numpy as np
import torch

from plait.data.base import DataSet, Example
from plait.data.batches import in_order
from plait.data.stability_ranking import less_wild_type, rank_stability
from plait.encoders.base import Encoder, EncoderWithHeads
from plait.objectives.base import Objective, Sum
from plait.objectives.stability import whole_stability
from plait.training.examples import Batch, make_batch

MASKED = 0.15


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """What a run is judged by.

    Attributes
    ----------
    objective : Sum
    masked, seen : list of Batch
        Validation chains with `MASKED` of their residues hidden, and with none; only the first where nothing is hidden
        at a rate that could be set, as the second would be the same.
    measured : list of (list of Example, Batch)
        Validation proteins with measured stability.
    """

    objective: Sum
    masked: list[Batch]
    seen: list[Batch]
    measured: list[tuple[list[Example], Batch]]

    @classmethod
    def of(cls, encoder: Encoder, objective: Sum, chains: DataSet, measured: list[DataSet], residues: int) -> "HeldOut":
        """Batches of at most so many residues, with the same residues hidden in every run."""

        def batches(dataset, judge):
            for number, indices in enumerate(in_order(dataset, residues)):
                examples = [dataset[int(index)] for index in indices]
                yield examples, make_batch(encoder, judge, examples, np.random.default_rng([0, number]))

        masked, seen = _judge(objective, MASKED), _judge(objective, 0.0)
        return cls(
            objective,
            [batch for _, batch in batches(chains, masked)],
            [batch for _, batch in batches(chains, seen)] if masked_at_will(objective) else [],
            [pair for dataset in measured for pair in batches(dataset, seen)],
        )


def validate(model: EncoderWithHeads, held_out: HeldOut) -> dict[str, float]:
    """Each term with 15 % of the residues hidden, the terms that hide nothing also without (`_seen`), the perplexity
    of hidden residues, mean Spearman with measured stability by kind of assay, and `loss`, the weighted sum that
    decides (with one minus the mean of those Spearman for the stability terms)."""
    values: dict[str, float] = {}
    device = next(model.parameters()).device
    weights = {}
    for suffix, batches in (("", held_out.masked), ("_seen", held_out.seen)):
        sums: dict[str, np.ndarray] = {}
        for batch in batches:
            for name, term in held_out.objective.loss(batch.to(device).outputs(model), batch.view).items():
                weights[name] = term.weight
                sums[name] = sums.get(name, np.zeros(2)) + [float(term.value) * term.count, term.count]
        values |= {name + suffix: total / count for name, (total, count) in sums.items() if count}
    if "residue_type" in values:
        values["perplexity"] = float(np.exp(values["residue_type"]))
    values["loss"] = sum(weight * values[name] for name, weight in weights.items() if name in values)
    if held_out.measured:
        ranking = rank_stability(_stability(model, held_out.measured, device))
        found = {kind: result.mean for kind, result in ranking.items() if result.spearman}
        values |= {f"stability_{kind}": mean for kind, mean in found.items()}
        if found:
            values["loss"] += weights.get("stability_ranking", 1.0) * (1 - float(np.mean(list(found.values()))))
    return values


def _stability(model, measured, device):
    for examples, batch in measured:
        lengths = [len(example.protein) for example in examples]
        outputs = whole_stability(model(batch.to(device).inputs)).cpu().split(lengths)
        for example, output in zip(examples, outputs, strict=True):
            yield example, less_wild_type(torch.as_tensor(output).numpy(), example.protein.residue_type)


def masked_at_will(objective: Sum) -> bool:
    """Whether `_judge` changes anything."""
    return any(part.name == "masked-lm" for _, part in objective.parts)


def _judge(objective: Objective, rate: float) -> Objective:
    """The objective with residues hidden at a fixed rate."""
    parts = []
    for weight, part in objective.parts:
        if part.name == "masked-lm":
            part = type(part)(type(part).Config(schedule="fixed", rate=rate))
        parts.append((weight, part))
    return Sum(tuple(parts))
