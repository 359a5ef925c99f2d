"""Which of many classes each chain belongs to: what tasks about whole proteins share."""

import dataclasses
from typing import Any

import numpy as np

from plait.errors import InputError
from plait.structure.protein import Hetero, Protein, Remark


@dataclasses.dataclass(frozen=True, eq=False)
class ChainClasses:
    """Classes of the chains of a protein.

    Attributes
    ----------
    table : pandas.DataFrame
        chain, rank (from 1), the class, probability; a row for each of the likeliest classes of a chain.
    probability : float64 [chains, C]
        In the order of `protein.chains` and of `names`.
    names : tuple of str
    protein : Protein
    model : Model
    meaning : str
        What the numbers mean.
    remarks : tuple of Remark
    """

    table: Any
    probability: np.ndarray
    names: tuple[str, ...]
    protein: Protein
    model: Any
    meaning: str
    remarks: tuple[Remark, ...] = ()


def logits_of_chains(model, protein: Protein, head: str) -> np.ndarray:
    """What a model's head says of each chain by itself, float64 [chains, C]; ligands are not looked at."""
    protein = protein.replace(hetero=Hetero.empty())
    rows = [model.outputs(protein.select_chain(chain))[head][0] for chain in protein.chains]
    return np.array(rows, np.float64)


def names_of_classes(model, head: str, what: str, objective: str) -> tuple[str, ...]:
    """The names of a head's classes, from the model's card.

    Parameters
    ----------
    what : str
        What the head answers for, for the messages.
    objective : str
        Name of the objective that teaches it.

    Raises
    ------
    InputError
        If the model has no such head, or does not say what its classes are.
    """
    width = getattr(model.network, "heads", {}).get(head)
    if width is None:
        raise InputError(
            f"this model has no head for {what}",
            file=model.name,
            expected=f"a model with the head {head}, trained with the objective {objective}",
            do=f"Train one: plait finetune --task {objective}, see docs/how-to/classify-proteins.md.",
        )
    names = ((model.card or {}).get("classes") or {}).get(head)
    if not isinstance(names, list | tuple) or len(names) != width:
        raise InputError(
            f"the model's card does not name its classes of {what}",
            file=model.name,
            place=f"classes, {head}",
            got="none" if names is None else f"{len(names)} names",
            expected=f"{width} names",
        )
    return tuple(map(str, names))


def table_of_chains(protein: Protein, probability: np.ndarray, names: tuple[str, ...], column: str, show: int):
    """A pandas table with the `show` likeliest classes of each chain (0: all), equal ones in the order of `names`."""
    import pandas

    show = show or len(names)
    order = np.argsort(-probability, axis=1, kind="stable")[:, :show]  # (chains, show)
    chains = np.repeat(np.array(protein.chains, object), order.shape[1])
    return pandas.DataFrame(
        {
            "chain": chains,
            "rank": np.tile(np.arange(1, order.shape[1] + 1), len(order)),
            column: np.array(names, object)[order.ravel()],
            "probability": np.take_along_axis(probability, order, 1).ravel().astype(np.float32),
        }
    )


def remarks_on_chains(protein: Protein) -> list[Remark]:
    """Chains that are answered with less confidence."""
    remarks = []
    for chain in protein.chains:
        part = protein.select_chain(chain)
        absent = int((~part.has_backbone).sum())
        if absent:
            text = f"{absent} of {len(part)} residues have no N, CA or C, and are answered without their own geometry"
            remarks.append(Remark("incomplete backbone", f"chain {chain}", text))
    return remarks
