"""What an objective is: it hides part of an example, and says how well an encoder answers what it then asks."""

import dataclasses
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import nn

from plait.data.base import Example
from plait.data.embeddings import LANGUAGE
from plait.encoders.base import Encoder, is_protein_head
from plait.structure.protein import Protein
from plait.structure.vocabulary import BACKBONE, UNKNOWN


@dataclasses.dataclass(frozen=True)
class View:
    """What an encoder may see of some examples, and what it is asked about them.

    Attributes
    ----------
    proteins : list of Protein
    masked : list of bool [R]
        Residues whose type is hidden; their type in `proteins` is unknown and their side chains are gone.
    extras : list of dict
        Further inputs per residue, by name: "structure_tokens" int64 [R]; "language" float32 [R, S], embeddings, of
        which `Objective.view` leaves zeros for the residues in `masked`.
    targets : dict of str to array [R of all proteins, ...]
        What the losses ask for, by name. Proteins, and pairs of atoms, stand in arrays of their own length.
    weights : dict of str to float32, as long as the target
        Weight of each residue (atom, pair, protein) in the loss of that name; 0 where nothing is asked.
    others : dict of str to View
        More views of the same examples, by name, such as another conformer; encoded apart from this one. What is asked
        of them stands here too.
    """

    proteins: list[Protein]
    masked: list[np.ndarray]
    extras: list[dict[str, np.ndarray]]
    targets: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    others: dict[str, "View"] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Term:
    """One named part of a loss: its mean `value` (a scalar tensor), its `weight` in the sum, and the number of
    residues (or pairs, or atoms) that were asked, `count`."""

    value: torch.Tensor
    weight: float
    count: int


class Objective(ABC):
    """A pre-training objective. Subclasses are registered with `plait.registry.register("objective")`.

    `heads` says which outputs it needs: name to number of classes, per residue. Names that begin with `atom_` are per
    atom of the view's proteins; encoders that cannot answer them leave them out, and `loss` then has no such terms.
    Names that begin with `protein_` are per protein.
    What is asked of several nodes or views at a time is answered by a module of the objective's own (`make_heads`).

    Promise (tests/promises/test_objectives.py): no leak (what the loss asks for can be changed in the original, and
    what the encoder sees stays bit-identical); same draws, same loss; zero where nothing is asked; a perfect
    prediction gives the least value; composes: `a + 0.3 * b` is an objective whose terms keep their names.
    """

    heads: dict[str, int] = {}

    @abstractmethod
    def corrupt(self, view: View, examples: list[Example], generator: np.random.Generator) -> View:
        """Hide what is to be asked: a changed view of the examples (first call: `whole(examples)`)."""

    @abstractmethod
    def loss(self, outputs: dict[str, torch.Tensor], view: View) -> dict[str, Term]:
        """Named terms from the heads' outputs, float [R of all proteins, classes] each."""

    def make_heads(self, encoder: Encoder) -> nn.Module | None:
        """A module that answers what residues or atoms one by one do not, or None.

        It takes a dict of name to `Representation` ("" is that of the view itself, the others' names are those of
        `View.others`) and the view, and gives a dict of outputs; `views` names those that it reads.
        """
        return None

    def shapes(self, view: View) -> dict[str, tuple[int, ...]]:
        """Shape of each output that `loss` reads."""
        residues, atoms = (sum(map(len, of)) for of in (view.proteins, [p.position for p in view.proteins]))
        rows = {name: atoms if name.startswith("atom_") else residues for name in self.heads}
        rows |= {name: len(view.proteins) for name in self.heads if is_protein_head(name)}
        return {name: (rows[name], width) for name, width in self.heads.items()}

    def view(self, examples: list[Example], generator: np.random.Generator) -> View:
        """The examples as the encoder may see them.

        The label "language" of the examples, embeddings of whole chains, is shown with rows of zeros for hidden
        residues (specs/vabsnet.md, section 6, b). That is not all that they know: the rows of the other residues were
        made by a model that had read the hidden ones, their types and, if it reads structures, their places. Where no
        residue is hidden but places are asked (noise, paths along edges), all rows are zeros, as in `smpc` unless its
        option `language` says otherwise; `shows_embeddings` tells.
        """
        return _without_hidden_rows(self.corrupt(whole(examples), examples, generator))

    @property
    def shows_embeddings(self) -> bool:
        """Whether any row of embeddings that a view shows is not zero."""
        return True

    def perfect(self, view: View) -> dict[str, torch.Tensor]:
        """Outputs that answer everything right, for the promise tests: log-probabilities of the targets."""
        outputs = {}
        for name, classes in self.heads.items():
            target = torch.as_tensor(view.targets[name])
            if target.ndim == 1:
                target = torch.nn.functional.one_hot(target, classes).float()
            outputs[name] = (target + 1e-9).log()
        return outputs

    def __add__(self, other: "Objective") -> "Objective":
        return Sum(((1.0, self), (1.0, other)))

    def __rmul__(self, factor: float) -> "Objective":
        return Sum(((float(factor), self),))


class Sum(Objective):
    """A weighted sum of objectives; made by `a + 0.3 * b`."""

    def __init__(self, parts: tuple[tuple[float, Objective], ...]):
        flat: list[tuple[float, Objective]] = []
        for factor, objective in parts:
            if isinstance(objective, Sum):
                flat += [(factor * inner, part) for inner, part in objective.parts]
            else:
                flat.append((factor, objective))
        self.parts = tuple(flat)
        self.heads = {name: width for _, objective in flat for name, width in objective.heads.items()}

    @property
    def shows_embeddings(self):
        return all(objective.shows_embeddings for _, objective in self.parts)

    def perfect(self, view):
        return {name: value for _, objective in self.parts for name, value in objective.perfect(view).items()}

    def make_heads(self, encoder):
        made = {objective.name: objective.make_heads(encoder) for _, objective in self.parts}
        return _Heads({name: module for name, module in made.items() if module is not None})

    def shapes(self, view):
        return {name: shape for _, objective in self.parts for name, shape in objective.shapes(view).items()}

    def corrupt(self, view, examples, generator):
        for _, objective in self.parts:
            view = objective.corrupt(view, examples, generator)
        return view

    def loss(self, outputs, view):
        return {
            name: dataclasses.replace(term, weight=factor * term.weight)
            for factor, objective in self.parts
            for name, term in objective.loss(outputs, view).items()
        }


class _Heads(nn.ModuleDict):
    """The own heads of several objectives, by the names of these."""

    @property
    def views(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for module in self.values() for name in module.views))

    def forward(self, shown, view):
        return {name: value for module in self.values() for name, value in module(shown, view).items()}


def total(terms: dict[str, Term]) -> torch.Tensor:
    """The weighted sum of the terms."""
    return sum(term.weight * term.value for term in terms.values())


def whole(examples: list[Example]) -> View:
    """The examples with nothing hidden and nothing asked."""
    return View(
        proteins=[example.protein for example in examples],
        masked=[np.zeros(len(example.protein), bool) for example in examples],
        extras=[
            {name: value for name, value in example.labels.items() if name in ("structure_tokens", LANGUAGE)}
            for example in examples
        ],
        targets={},
        weights={},
    )


def without_rows(extras: dict[str, np.ndarray], hidden: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The extras of a protein with rows of embeddings zero: those of `hidden` residues, bool [R], or all."""
    if LANGUAGE not in extras:
        return extras
    rows = np.array(extras[LANGUAGE], np.float32)
    rows[: None if hidden is None else len(hidden)][slice(None) if hidden is None else hidden] = 0
    return {**extras, LANGUAGE: rows}


def _without_hidden_rows(view: View) -> View:
    extras = [without_rows(*pair) for pair in zip(view.extras, view.masked, strict=True)]
    others = {name: _without_hidden_rows(other) for name, other in view.others.items()}
    return dataclasses.replace(view, extras=extras, others=others)


def hide_residues(
    protein: Protein, masked: np.ndarray, shown: np.ndarray | None = None, kept: tuple[str, ...] | None = BACKBONE
) -> Protein:
    """The protein with the type and the side chain of some residues gone.

    Parameters
    ----------
    masked : bool [R]
    shown : int8 [R], optional
        The types to put there instead; unknown if not given.
    kept : tuple of str, optional
        Names of their atoms that stay: the backbone's; None for all.
    """
    if not masked.any():
        return protein
    types = np.where(masked, UNKNOWN if shown is None else shown, protein.residue_type).astype(np.int8)
    names = np.where(masked, "UNK", protein.residue_name)
    keep = ~masked[protein.residue_of]
    keep |= True if kept is None else np.isin(protein.atom_name, kept)
    return protein.replace(
        residue_type=types,
        residue_name=names,
        position=protein.position[keep],
        atom_name=protein.atom_name[keep],
        element=protein.element[keep],
        residue_of=protein.residue_of[keep],
    )


def weighted_mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Sum of values times weights over the sum of weights; 0 (with a gradient) where all weights are 0."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-9)
