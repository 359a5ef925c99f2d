"""Heads that begin with the best constant answer.

A head whose bias is zero says of every residue that it binds with probability one half. What training then learns
first is the base rate, by all weights at once: vectors of a network grow alike before they can tell residues apart, and
a deep one with normalised branches stays like that for hundreds of steps (docs/log.md). With the base rate in the bias
the first step already teaches differences.
"""

from collections.abc import Collection

import torch

from plait.data.batches import Batches
from plait.encoders.base import EncoderWithHeads, is_protein_head
from plait.objectives.base import Objective, View, total

BATCHES = 8
"""Batches of a run that the constants are made from: some thousands of residues."""

SHRINKAGE = 1e-5
"""Weight of the constants' squares, so that a class which is not among them has a finite one."""


def begin_at_base_rates(
    model: EncoderWithHeads, objective: Objective, batches: Batches, fresh: Collection[str] | None = None
) -> dict[str, torch.Tensor]:
    """Set the biases of a model's heads to the constants that answer the first batches best.

    Parameters
    ----------
    fresh : collection of str, optional
        Names of the parameters that begin anew, all if not given; other heads stay, and those that do not learn.

    Returns
    -------
    dict of str to float [values]
        The constants that were set, by head.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    fresh = names.values() if fresh is None else fresh
    places = {
        name: (parameter, columns)
        for name, (parameter, columns) in model.readout.output_biases().items()
        if parameter.requires_grad and names[id(parameter)] in fresh
    }
    views = [objective.view(batches[step], batches.generator(step)) for step in range(BATCHES)] if places else []
    constants = best_constants(objective, views, places)
    with torch.no_grad():
        for name, constant in constants.items():
            parameter, columns = places[name]
            parameter[columns] = constant.to(parameter)
    return constants


def best_constants(objective: Objective, views: list[View], heads: Collection[str]) -> dict[str, torch.Tensor]:
    """For some outputs of an objective, those constants that give the least loss over the views while all other outputs
    are zero: float [values] each. All classes of a protein's head have the same one, as a few batches hold too few
    proteins for one each.
    """
    widths = {name: shape[1] for view in views for name, shape in objective.shapes(view).items() if name in heads}
    sizes = {name: 1 if is_protein_head(name) else width for name, width in widths.items()}
    constants = {name: torch.zeros(size, requires_grad=True) for name, size in sizes.items()}
    if not constants:
        return {}
    optimizer = torch.optim.LBFGS(list(constants.values()), max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        terms = [total(objective.loss(_outputs(objective.shapes(view), constants), view)) for view in views]
        value = sum(terms) / len(views) + SHRINKAGE * sum(part.square().sum() for part in constants.values())
        value.backward()
        return value

    optimizer.step(loss)
    found = {name: constant.detach().expand(widths[name]).clone() for name, constant in constants.items()}
    return {name: constant for name, constant in found.items() if constant.isfinite().all()}


def _outputs(shapes: dict[str, tuple[int, ...]], constants: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name: constants[name].expand(shape) if name in constants else torch.zeros(shape)
        for name, shape in shapes.items()
    }
