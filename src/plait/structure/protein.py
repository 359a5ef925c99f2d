"""`Protein`: residues, atoms and what stands beside them, as read-only arrays."""

import dataclasses
from functools import cached_property

import numpy as np

from plait.structure.vocabulary import BACKBONE, THREE_LETTER, decode, encode


@dataclasses.dataclass(frozen=True)
class Remark:
    """Something that was mapped, chosen or left out on the way from the file to the `Protein`.

    Attributes
    ----------
    kind : str
        One word or two for counting, e.g. "modified residue", "altloc", "water", "gap", "incomplete backbone".
    place : str
        Where, e.g. "chain A, residue 52A"; empty for the whole file.
    text : str
        What was done, in a clause.
    """

    kind: str
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


@dataclasses.dataclass(frozen=True, eq=False)
class Hetero:
    """Atoms that belong to no protein chain: ligands, ions, waters, nucleic acids, sugars.

    Attributes
    ----------
    position : float32 [N, 3], angstrom
    atom_name, residue_name, chain, insertion_code : str [N]
    element : str [N], upper case
    author_number : int32 [N]
    kind : str [N], one of "ligand", "ion", "water", "nucleic", "sugar"
    group : int32 [N]
        Number of the residue (molecule) that the atom belongs to, counted from 0 in file order.
    """

    position: np.ndarray
    atom_name: np.ndarray
    residue_name: np.ndarray
    chain: np.ndarray
    insertion_code: np.ndarray
    element: np.ndarray
    author_number: np.ndarray
    kind: np.ndarray
    group: np.ndarray

    def __len__(self) -> int:
        return len(self.position)

    def select(self, mask: np.ndarray) -> "Hetero":
        """The atoms where the boolean `mask` [N] is true."""
        return Hetero(**{f.name: _frozen(getattr(self, f.name)[mask]) for f in dataclasses.fields(self)})

    @classmethod
    def empty(cls) -> "Hetero":
        text = np.zeros(0, dtype="U4")
        number = np.zeros(0, dtype=np.int32)
        return cls(np.zeros((0, 3), np.float32), text, text, text, text, text, number, text, number)


@dataclasses.dataclass(frozen=True, eq=False)
class Protein:
    """One model of the protein chains of a structure. Arrays are read-only; every operation returns a new one.

    Attributes
    ----------
    residue_type : int8 [R]
        Index into `vocabulary.RESIDUES`; modified residues are given as their parent, others as unknown (20).
    residue_name : str [R]
        Name as in the file ("MSE").
    chain, label_chain : str [R]
        Author and label (mmCIF) chain identifier; a blank one is "".
    author_number : int32 [R]
    insertion_code : str [R], "" where there is none
    sequence_index : int32 [R]
        Position among the residues of its chain in this structure, from 0.
    b_factor : float32 [R]
        Of the C-alpha (mean of the residue's atoms where it is absent); pLDDT in a predicted model.
    position : float32 or float64 [A, 3], angstrom
        Heavy atoms of the protein chains, residue after residue. Files give float32; `with_positions` keeps float64,
        and the views below have the precision of this array.
    atom_name, element : str [A]
    residue_of : int32 [A], ascending
        Residue that an atom belongs to.
    hetero : Hetero
    remarks : tuple of Remark
    source : str
        Name of the file, for messages.
    predicted : bool
        Whether `b_factor` holds pLDDT (0 to 100).
    """

    residue_type: np.ndarray
    residue_name: np.ndarray
    chain: np.ndarray
    label_chain: np.ndarray
    author_number: np.ndarray
    insertion_code: np.ndarray
    sequence_index: np.ndarray
    b_factor: np.ndarray
    position: np.ndarray
    atom_name: np.ndarray
    element: np.ndarray
    residue_of: np.ndarray
    hetero: Hetero = dataclasses.field(default_factory=Hetero.empty)
    remarks: tuple[Remark, ...] = ()
    source: str = ""
    predicted: bool = False

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, field.name, _frozen(value))

    # -- size and names

    def __len__(self) -> int:
        """Number of residues."""
        return len(self.residue_type)

    def __repr__(self) -> str:
        chains = ", ".join(f"{name or '(blank)'} {count}" for name, count in self.chain_lengths.items())
        return f"<Protein {self.source or 'unnamed'}: {len(self)} residues ({chains}), {len(self.position)} atoms>"

    @property
    def sequence(self) -> str:
        """One-letter codes of all residues, chains one after the other."""
        return decode(self.residue_type)

    @cached_property
    def chains(self) -> tuple[str, ...]:
        """Author identifiers of the chains, in file order."""
        return tuple(dict.fromkeys(self.chain.tolist()))

    @property
    def chain_lengths(self) -> dict[str, int]:
        return {name: int((self.chain == name).sum()) for name in self.chains}

    def residue_label(self, index: int) -> str:
        """Author number and insertion code of a residue, "52A"."""
        return f"{self.author_number[index]}{self.insertion_code[index]}"

    # -- views of the coordinates

    def atom(self, name: str) -> np.ndarray:
        """Coordinates float [R, 3] of the atom of this name in each residue; NaN where it is absent."""
        found = np.full((len(self), 3), np.nan, self.position.dtype)
        mask = self.atom_name == name
        found[self.residue_of[mask]] = self.position[mask]
        return _frozen(found)

    @cached_property
    def backbone(self) -> np.ndarray:
        """N, CA, C, O: float [R, 4, 3], NaN where absent."""
        return _frozen(np.stack([self.atom(name) for name in BACKBONE], axis=1))

    @property
    def c_alpha(self) -> np.ndarray:
        """float [R, 3], NaN where absent."""
        return self.backbone[:, 1]

    @cached_property
    def has_backbone(self) -> np.ndarray:
        """bool [R]: N, CA and C are all there."""
        return _frozen(np.isfinite(self.backbone[:, :3]).all(axis=(1, 2)))

    @cached_property
    def c_beta(self) -> np.ndarray:
        """Ideal C-beta float [R, 3] from N, CA and C (glycine too), NaN where one of them is absent.

        Coefficients as in the README of the corpus; within about 0.1 angstrom of observed C-betas.
        """
        n, ca, c = self.backbone[:, 0], self.backbone[:, 1], self.backbone[:, 2]
        b, d = ca - n, c - ca
        return _frozen(ca - 0.5827 * np.cross(b, d) + 0.5680 * b - 0.5407 * d)

    # -- operations

    def replace(self, **changes) -> "Protein":
        """A copy with some fields replaced."""
        return dataclasses.replace(self, **changes)

    def select(self, mask: np.ndarray) -> "Protein":
        """The residues where the boolean `mask` [R] is true, with their atoms. `sequence_index` is kept."""
        mask = np.asarray(mask, dtype=bool)
        new_index = np.cumsum(mask) - 1
        atoms = mask[self.residue_of]
        return self.replace(
            **{name: getattr(self, name)[mask] for name in _RESIDUE_FIELDS},
            position=self.position[atoms],
            atom_name=self.atom_name[atoms],
            element=self.element[atoms],
            residue_of=new_index[self.residue_of[atoms]].astype(np.int32),
        )

    def select_chain(self, name: str) -> "Protein":
        """The residues of one chain by author identifier; the hetero atoms stay."""
        return self.select(self.chain == name)

    def with_positions(self, position: np.ndarray) -> "Protein":
        """The same atoms elsewhere: `position` [A, 3] in angstrom, kept in float64 where it is, else in float32."""
        position = np.asarray(position)
        double = position.dtype == np.float64
        return self.replace(position=position if double else position.astype(np.float32, copy=False))

    @classmethod
    def from_backbone(
        cls, sequence: str, backbone: np.ndarray, *, chain: str = "A", author_number=None, source: str = ""
    ) -> "Protein":
        """A protein of one chain from backbone atoms.

        Parameters
        ----------
        sequence : str of length R
        backbone : float [R, 3 or 4, 3]
            N, CA, C and, if the second axis is 4, O; NaN where absent.
        author_number : int [R], optional
            From 1 if not given.
        """
        backbone = np.asarray(backbone, np.float32)
        residues, atoms = backbone.shape[:2]
        present = np.isfinite(backbone).all(-1)
        types = encode(sequence)
        blank = np.full(residues, "", dtype="U1")
        return cls(
            residue_type=types,
            residue_name=np.array(THREE_LETTER)[types],
            chain=np.full(residues, chain),
            label_chain=np.full(residues, chain),
            author_number=np.arange(1, residues + 1, dtype=np.int32)
            if author_number is None
            else np.asarray(author_number, np.int32),
            insertion_code=blank,
            sequence_index=np.arange(residues, dtype=np.int32),
            b_factor=np.zeros(residues, np.float32),
            position=backbone[present],
            atom_name=np.broadcast_to(np.array(BACKBONE[:atoms]), (residues, atoms))[present],
            element=np.broadcast_to(np.array(["N", "C", "C", "O"][:atoms]), (residues, atoms))[present],
            residue_of=np.nonzero(present)[0].astype(np.int32),
            source=source,
        )


_RESIDUE_FIELDS = (
    "residue_type",
    "residue_name",
    "chain",
    "label_chain",
    "author_number",
    "insertion_code",
    "sequence_index",
    "b_factor",
)


def _frozen(array: np.ndarray) -> np.ndarray:
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array
