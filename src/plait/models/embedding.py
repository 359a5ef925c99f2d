"""Embeddings: the vectors that a model's encoder gives of residues, atoms or chains."""

import dataclasses

import numpy as np

from plait.errors import InputError, unknown_name
from plait.models.ensemble import Ensemble
from plait.models.loading import load
from plait.models.model import Model
from plait.structure.protein import Protein

LEVELS = ("residue", "atom", "protein")

DEFAULT = "plait-geometry"
"""The model that is used where none is named: one network, on coordinates alone. The default for scores is an ensemble,
whose vectors would be those of its members side by side, at the price of them all."""

TOGETHER = ","
"""What joins the chains' names of a protein that has one vector."""


@dataclasses.dataclass(frozen=True, eq=False)
class ChainVectors:
    """Vectors of one chain.

    Attributes
    ----------
    chain : str
        Author identifier; of a protein that has one vector those of its chains with commas between.
    author_numbers, residues : tuple of str, R
        Residue numbers of the file with insertion codes ("52A"), and names as in the file ("MSE").
    vectors : float32 or float16 [R, d], [A, d] or [1, d]
        Of residues, atoms, or the chain as a whole.
    atoms : tuple of (tuple of str), R, or None
        Names of each residue's atoms, where the vectors are those of atoms.
    """

    chain: str
    author_numbers: tuple[str, ...]
    residues: tuple[str, ...]
    vectors: np.ndarray
    atoms: tuple[tuple[str, ...], ...] | None = None

    def halved(self, file=None) -> "ChainVectors":
        """The same in float16.

        Raises
        ------
        InputError
            If a value is too large for it.
        """
        largest = np.abs(self.vectors).max(initial=0)
        if largest > np.finfo(np.float16).max:
            raise InputError(
                "a vector does not fit into float16", file=file, got=f"{largest:.3g}", do="Leave out --half."
            )
        return dataclasses.replace(self, vectors=self.vectors.astype(np.float16))


def embed(
    structure,
    model=None,
    level: str = "residue",
    chain: str | None = None,
    *,
    together: bool = False,
    structure_model: int = 1,
) -> dict[str, np.ndarray]:
    """Vectors of a protein's chains, by the chain's author identifier.

    Parameters
    ----------
    structure : Protein or path
    model : str, path or Model, optional
        As `plait.load` takes it; `DEFAULT` if not given. The vectors of an ensemble are those of its members side by
        side, in the order of `model.members`; name a member to have only its own.
    level : str
        "residue": float32 [R, d]; "atom": float32 [A, d], for encoders that have atoms; "protein": float32 [d].
    chain : str, optional
        Only the chain of this author (or else label) identifier.
    together : bool
        Whether the chains see one another. On the level "protein" they then have one vector, under "A,B".
    structure_model : int
        Which model of a file that has several, from 1.

    Raises
    ------
    InputError
        If the structure cannot be read, or there is no such model, level or chain.
    """
    embedder = Embedder(load(DEFAULT if model is None else model), level, together)
    if not isinstance(structure, Protein):
        from plait.structure.reading import read_structure

        structure = read_structure(structure, chain=chain, model=structure_model)
    elif chain is not None:
        if chain not in structure.chains:
            raise unknown_name("chain", chain, structure.chains, file=structure.source or None)
        structure = structure.select_chain(chain)
    found = {one.chain: one.vectors for one in embedder(structure)}
    return {name: vectors[0] for name, vectors in found.items()} if level == "protein" else found


class Embedder:
    """From a `Protein` to the vectors of its chains.

    Attributes
    ----------
    widths : dict of str to int
        Values of a vector that each network gives, by the network's name.

    Raises
    ------
    InputError
        If the model has no vectors of this level, or lacks what it needs to make them.
    """

    def __init__(self, model: Model, level: str, together: bool = False):
        if level not in LEVELS:
            raise unknown_name("level", level, LEVELS)
        self.model, self.level, self.together = model, level, together
        self.networks = list(model.members) if isinstance(model, Ensemble) else [model]
        # what would fail for every structure fails here
        self.widths = {one.name: _width(one, level) for one in self.networks}

    @property
    def width(self) -> int:
        """Values of a vector."""
        return sum(self.widths.values())

    def __call__(self, protein: Protein) -> list[ChainVectors]:
        """Vectors of each chain in the order of the file."""
        if not self.together:
            return [self._of(protein.select_chain(name), name) for name in protein.chains]
        if self.level == "protein":
            return [self._of(protein, TOGETHER.join(protein.chains))]
        whole = self._vectors(protein)
        chain_of = protein.chain if self.level == "residue" else protein.chain[protein.residue_of]
        return [self._named(protein.select_chain(name), name, whole[chain_of == name]) for name in protein.chains]

    def _of(self, protein: Protein, name: str) -> ChainVectors:
        return self._named(protein, name, self._vectors(protein))

    def _vectors(self, protein: Protein) -> np.ndarray:
        return np.concatenate([_vectors(one, protein, self.level) for one in self.networks], axis=1)

    def _named(self, protein: Protein, name: str, vectors: np.ndarray) -> ChainVectors:
        numbers = tuple(protein.residue_label(index) for index in range(len(protein)))
        atoms = None
        if self.level == "atom":
            ends = np.searchsorted(protein.residue_of, np.arange(1, len(protein)))
            atoms = tuple(tuple(part.tolist()) for part in np.split(protein.atom_name, ends))
        return ChainVectors(name, numbers, tuple(protein.residue_name.tolist()), vectors, atoms)


def _width(model: Model, level: str) -> int:
    """Values of a vector of one network."""
    blank = None
    if model.embeddings is not None:
        model.embeddings.check()
        blank = np.zeros((len(_GLYCINE), model.embeddings.width), np.float32)
    return _vectors(model, _GLYCINE, level, blank).shape[1]


def _vectors(model: Model, protein: Protein, level: str, language: np.ndarray | None = None) -> np.ndarray:
    """What one network's encoder gives: float32 [R, d], [A, d] or [1, d]; the embeddings that it reads may be given."""
    import torch

    from plait.models.networks import encoder_of

    encoder = encoder_of(model.network)
    language = model.language(protein) if language is None else language
    extras = {"structure_tokens": model.structure_tokens(protein), "language": language}
    with torch.inference_mode():
        batch = encoder.prepare([protein], **{name: [one] for name, one in extras.items() if one is not None})
        found = getattr(encoder(batch), level)
    if found is None:
        raise InputError(
            "this model has no vectors of atoms",
            file=model.name,
            got=f"the encoder {encoder.name}, which sees residues",
            expected="an encoder that sees atoms: vabsnet, or gearnet, gearnet-edge or gvp on atoms",
            do="Use --level residue or --level protein.",
        )
    return found.float().numpy()


_GLYCINE = Protein.from_backbone(
    "G", np.array([[[1.46, 0.0, 0.0], [0.0, 0.0, 0.0], [-0.53, 1.43, 0.0], [0.12, 2.47, 0.0]]]), source="a glycine"
)
