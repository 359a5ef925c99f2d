"""Which kind of partner is asked about: the columns of a model's head for binding sites, by name."""

import dataclasses

import numpy as np

from plait.data.partners import GROUPS
from plait.data.site_labels import RESIDUES
from plait.errors import InputError, closest

SMALL_MOLECULES = "within 4 angstrom of a bound small molecule"
"""What residues of a model without names are near to."""

IN_WORDS = {
    "small-molecule": "a small molecule",
    "atp": "ATP",
    "haem": "haem",
    "calcium": "a calcium ion",
    "magnesium": "a magnesium ion",
    "manganese": "a manganese ion",
    "zinc": "a zinc ion",
    "metal": "a metal ion",
    "dna": "DNA",
    "rna": "RNA",
    "nucleic-acid": "DNA or RNA",
    "peptide": "a peptide",
    "protein": "another protein",
}


@dataclasses.dataclass(frozen=True)
class Partner:
    """What residues may bind.

    Attributes
    ----------
    name : str
        Of a kind or of a group of kinds; "" for a model whose only column has no name.
    columns : tuple of int
        Of the head; the probability is the largest of them.
    """

    name: str = ""
    columns: tuple[int, ...] = (0,)

    @property
    def in_words(self) -> str:
        return IN_WORDS.get(self.name, self.name)

    def label(self, label: np.ndarray) -> np.ndarray:
        """What is known of this partner: float32 [R], 1, 0, or NaN, from a label [R] or [R, kinds]."""
        label = np.asarray(label, np.float32)
        return label if label.ndim == 1 else np.fmax.reduce(label[:, list(self.columns)], axis=1)


FIRST = Partner()


def partner_names(model) -> tuple[str, ...]:
    """Names of the kinds that a model answers for, in the order of the head's columns, and then of the groups that they
    make; none of a model of one column.

    Raises
    ------
    InputError
        If the names do not fit the head.
    """
    classes = (getattr(model, "card", None) or {}).get("classes")
    names = classes.get(RESIDUES, ()) if isinstance(classes, dict) else ()
    width = getattr(getattr(model, "network", None), "heads", {}).get(RESIDUES, 1)
    if not names and width == 1:
        return ()
    if not isinstance(names, list | tuple) or len(names) != width or not all(isinstance(name, str) for name in names):
        raise InputError(
            "names of partners that do not fit the head for binding sites",
            file=model.name,
            place="classes in model.json",
            got=names,
            expected=f"{width} names",
        )
    groups = (group for group, kinds in GROUPS.items() if group not in names and set(kinds) & set(names))
    return (*names, *groups)


def partner_of(model, name: str | None = None) -> Partner:
    """The partner of this name among those that a model answers for; its first column if none is named.

    Raises
    ------
    InputError
        If the model does not answer for it.
    """
    names = partner_names(model)
    if not name:
        return Partner(names[0], (0,)) if names else FIRST
    if name not in names:
        near = closest(name, names)
        raise InputError(
            "this model does not tell that partner" if names else "this model answers for one kind of partner",
            file=model.name,
            got=repr(name),
            expected=", ".join(names) if names else "no partner named",
            do=f"Did you mean {near!r}?" if near else "Give another model with --model, such as plait-partners.",
        )
    if name in GROUPS and names.index(name) >= len(model.card["classes"][RESIDUES]):
        return Partner(name, tuple(names.index(kind) for kind in GROUPS[name] if kind in names))
    return Partner(name, (names.index(name),))
