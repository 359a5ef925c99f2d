"""What a protein's sites are: probabilities, pockets, their tables, and what they mean."""

import dataclasses
from typing import Any

import numpy as np

from plait.structure.protein import Protein, Remark
from plait.tasks.binding_sites.partners import FIRST, SMALL_MOLECULES, Partner
from plait.tasks.binding_sites.pockets import Pocket
from plait.tasks.binding_sites.predicting import SiteSettings

COLUMNS = ("chain", "sequence_position", "author_number", "residue", "probability")
ATOM_COLUMNS = ("chain", "sequence_position", "author_number", "residue", "atom", "probability")
POCKET_COLUMNS = ("rank", "score", "center_x", "center_y", "center_z", "residues", "probability")

PROBABILITY_OF_POCKETS = (
    "; its probability says how often pockets of that score had a ligand within 4 angstrom of their centre in "
    "complexes kept out of training, so it takes for granted that the protein binds something"
)


@dataclasses.dataclass(frozen=True, eq=False)
class SiteResult:
    """Binding sites of a protein.

    Attributes
    ----------
    table : pandas.DataFrame
        `COLUMNS`, a row a residue in the order of the file.
    pocket_table : pandas.DataFrame
        `POCKET_COLUMNS`, best first; centres in angstrom in the coordinates of the file, residues as chain:number.
        `probability`: that the pocket holds a ligand, NaN from a model without `pocket_odds`.
    probability : float32 [R]
        NaN where the model gives none.
    pockets : tuple of Pocket
    protein : Protein
    model : Model or GeometricSites
    settings : SiteSettings
    partner : Partner
        What the probability is about, of a model that tells kinds of partners.
    remarks : tuple of Remark
    atom_table : pandas.DataFrame or None
        `ATOM_COLUMNS`, a row an atom in the order of the file, where atoms were asked for.
    arguments, source, timings : dict
        For the record: what was asked, name and SHA-256 of the file, seconds of each step.
    """

    table: Any
    pocket_table: Any
    probability: np.ndarray
    pockets: tuple[Pocket, ...]
    protein: Protein
    model: Any
    settings: SiteSettings
    partner: Partner = FIRST
    remarks: tuple[Remark, ...] = ()
    atom_table: Any = None
    arguments: dict = dataclasses.field(default_factory=dict)
    source: dict = dataclasses.field(default_factory=dict)
    timings: dict = dataclasses.field(default_factory=dict)

    @property
    def predicted(self) -> np.ndarray:
        """Residues predicted to bind: bool [R]."""
        return np.nan_to_num(self.probability) >= self.settings.threshold

    @property
    def meaning(self) -> str:
        """What the numbers mean."""
        learned = not hasattr(self.model, "find_sites")
        if not learned:
            what = (
                "probability: how much of the largest cavities the residue lines, from 0 to 1; a geometric measure and "
                "no probability"
            )
        elif self.partner.name:
            what = (
                f"probability: how likely the residue touches {self.partner.in_words}, given that the protein has "
                "such a partner, as the model predicts it from the protein alone"
            )
        else:
            what = (
                f"probability: how likely a heavy atom of the residue is {SMALL_MOLECULES}, as the model predicts it "
                "from the protein alone"
            )
        if not learned:
            joined, of = "joins points of one cavity", "volume in cubic angstrom"
        elif self.settings.points == "cavities":
            joined = f"is where points of cavities within {self.settings.radius:.2g} angstrom are likeliest"
            of = "volume in cubic angstrom"
        else:
            joined, of = "joins points on the surface of likely residues", "surface in square angstrom"
        return (
            f"{what}. Residues of at least {self.settings.threshold:.2g} are predicted to bind. A pocket {joined}; its "
            f"score, the sum of squared weights over its {of}, ranks pockets within a structure"
            f"{PROBABILITY_OF_POCKETS if self.settings.pocket_odds else ''}. Ligands in the file are not looked at."
        )


def residue_table(protein: Protein, probability: np.ndarray):
    """A pandas table with a row a residue."""
    import pandas

    return pandas.DataFrame(
        {
            "chain": protein.chain.astype(object),
            "sequence_position": protein.sequence_index + 1,
            "author_number": np.array([protein.residue_label(i) for i in range(len(protein))], object),
            "residue": protein.residue_name.astype(object),
            "probability": probability,
        },
        columns=list(COLUMNS),
    )


def atom_table(protein: Protein, probability: np.ndarray):
    """A pandas table with a row an atom."""
    of_residue = residue_table(protein, np.zeros(len(protein)))
    table = of_residue.iloc[protein.residue_of].reset_index(drop=True)
    table["atom"], table["probability"] = protein.atom_name.astype(object), probability
    return table[list(ATOM_COLUMNS)]


def pocket_table(protein: Protein, pockets: tuple[Pocket, ...], settings: SiteSettings):
    """A pandas table with a row a pocket."""
    import pandas

    probability = settings.pocket_probability([one.score for one in pockets])

    rows = [
        (
            one.rank,
            one.score,
            *one.centre,
            " ".join(f"{protein.chain[i]}:{protein.residue_label(i)}" for i in one.residues),
            likely,
        )
        for one, likely in zip(pockets, probability, strict=True)
    ]
    return pandas.DataFrame(rows, columns=list(POCKET_COLUMNS))
