"""3Di tokens: how each residue lies against its nearest neighbour in space, in twenty states (Foldseek)."""

import dataclasses
import functools

import numpy as np

from plait.config import option
from plait.errors import PlaitError
from plait.registry import Reference, register
from plait.structure.geometry import chain_breaks
from plait.structure.protein import Protein
from plait.tokenizers.base import Tokenizer
from plait.tokenizers.saving import load_config, save_config

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
"""Foldseek's letters; the index in this string is the token. (The published ProSST-3Di gives no order of its own.)"""

VIRTUAL_CENTRE = 2.0
"""Distance in C-alpha to C-beta bonds of the point that stands for a residue when its neighbour is sought."""

BOND = 1.5336
"""Angstrom from C-alpha to an ideal C-beta, as in Foldseek (our `Protein.c_beta` lies 0.03 angstrom away)."""


@register("tokenizer")
class ThreeDiTokenizer(Tokenizer):
    """Foldseek's 3Di alphabet, with `unknown` for what it cannot see.

    A residue is seen if it and both its neighbours along the chain have N, CA and C and are bonded; its partner is
    the nearest of the other residues so seen, in the same chain. On a chain without gaps the tokens are those of
    Foldseek; there, too, the two ends are out of sight. Foldseek reads over gaps as if they were not there, and
    writes D for what it cannot see (docs/explanation/3di-and-dssp.md).
    """

    name = "3di"
    summary = "Foldseek's 3Di states: the residue against its nearest neighbour in space"
    reference = Reference(
        authors="van Kempen M, Kim SS, Tumescheit C, et al.",
        title="Fast and accurate protein structure search with Foldseek",
        venue="Nature Biotechnology 42:243-246",
        year=2024,
        doi="10.1038/s41587-023-01773-0",
        where="Methods, 3Di structural alphabet; network of biotite's port by M. Larralde",
    )

    @dataclasses.dataclass(frozen=True)
    class Config:
        ideal_c_beta: bool = option(
            False,
            "place every C-beta from N, CA and C, so that tokens of a whole structure and of its backbone are the "
            "same; no: take the observed ones where there are any, as Foldseek does",
        )

    size = len(LETTERS)
    reach = 20.0  # 15 at most in benchmarks of single residues removed from five structures

    def __init__(self, config: Config | None = None):
        self.config = config or self.Config()

    @classmethod
    def default(cls) -> "ThreeDiTokenizer":
        return cls()

    def __call__(self, protein: Protein) -> np.ndarray:
        tokens = np.full(len(protein), self.unknown, np.int64)
        n, ca, c = protein.backbone[:, :3].astype(np.float64).transpose(1, 0, 2)
        c_beta = _c_beta(n, ca, c)
        if not self.config.ideal_c_beta:
            observed = protein.atom("CB").astype(np.float64)
            c_beta = np.where(np.isfinite(observed), observed, c_beta)
        centre = _virtual_centre(n, ca, c_beta)
        seen = _seen(protein)
        for chain in protein.chains:
            index = np.flatnonzero(seen & (protein.chain == chain))
            if len(index) < 2:
                continue
            partner = index[_nearest_other(centre[index])]
            tokens[index] = _network()(descriptors(ca, index, partner))
        return tokens

    def letters(self, tokens: np.ndarray) -> str:
        """Tokens [R] as letters, X for `unknown`."""
        return "".join(np.array([*LETTERS, "X"])[np.asarray(tokens)])

    def save(self, folder) -> None:
        save_config(self, folder)

    @classmethod
    def load(cls, folder) -> "ThreeDiTokenizer":
        return cls(load_config(cls, folder))


def descriptors(ca: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """What the network is shown of residues `i` and their partners `j`: float32 [N, 10].

    Seven cosines between directions along either chain and across, the C-alpha distance in angstrom, and the
    separation along the chain, clipped to 4 and as a signed logarithm (van Kempen et al. 2024, Methods).
    """
    before_i, after_i = _direction(ca[i - 1], ca[i]), _direction(ca[i], ca[i + 1])
    before_j, after_j = _direction(ca[j - 1], ca[j]), _direction(ca[j], ca[j + 1])
    across = _direction(ca[i], ca[j])
    pairs = (
        (before_i, after_i),
        (before_j, after_j),
        (before_i, across),
        (before_j, across),
        (before_i, after_j),
        (after_i, before_j),
        (before_i, before_j),
    )
    cosines = [(first * second).sum(1) for first, second in pairs]
    separation = j - i
    distance = np.linalg.norm(ca[i] - ca[j], axis=1)
    logarithm = np.sign(separation) * np.log(np.abs(separation) + 1)
    return np.stack([*cosines, distance, np.clip(separation, -4, 4), logarithm], axis=1).astype(np.float32)


def _seen(protein: Protein) -> np.ndarray:
    """bool [R]: the residue and its neighbours on either side have backbones and are bonded."""
    whole = protein.has_backbone
    joined = ~chain_breaks(protein)  # to the residue before
    seen = np.zeros(len(protein), bool)
    seen[1:-1] = whole[:-2] & whole[1:-1] & whole[2:] & joined[1:-1] & joined[2:]
    return seen


def _nearest_other(points: np.ndarray) -> np.ndarray:
    """Index of the nearest other point to each: int64 [N]. In double precision: coordinates far from the origin and
    any rotation give the same answer."""
    from scipy.spatial import cKDTree

    _, found = cKDTree(points).query(points, k=2)
    itself = np.arange(len(points))
    return np.where(found[:, 0] == itself, found[:, 1], found[:, 0])


def _c_beta(n, ca, c) -> np.ndarray:
    """Ideal C-beta [R, 3] on a regular tetrahedron about CA."""
    to_c, to_n = _direction(ca, c), _direction(ca, n)
    third = to_c / 3
    inward = _unit(to_n + third)
    across = _unit(np.cross(to_c, to_n + third))
    return ca + BOND * (np.sqrt(8) / 3 * (-inward / 2 - across * np.sqrt(3) / 2) - third)


def _virtual_centre(n, ca, c_beta) -> np.ndarray:
    """The point [R, 3] in the plane of N, CA and CB, square to the bond CA-CB on the side away from N."""
    bond = c_beta - ca
    normal = _unit(np.cross(bond, n - ca))
    return ca - VIRTUAL_CENTRE * np.cross(normal, bond)


def _direction(start, end) -> np.ndarray:
    return _unit(end - start)


def _unit(vector) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


@functools.cache
def _network():
    """The published network, from descriptors [N, 10] to states [N].

    biotite's own search for partners is passed over: it works in single precision on a dense matrix, so that the
    nearest neighbour can change when a structure is moved, and it takes no mask.
    """
    import biotite
    from biotite.structure.alphabet.encoder import Encoder

    try:
        return Encoder().vae_encoder
    except AttributeError:
        raise PlaitError(f"biotite {biotite.__version__} keeps the 3Di network elsewhere than expected") from None
