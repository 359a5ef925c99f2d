"""Bonds along the chain, frames, dihedrals, ideal atoms, rotations and superposition. numpy only."""

import numpy as np

from plait.structure.protein import Protein
from plait.structure.vocabulary import CHI_ATOMS, THREE_LETTER

BOND_LIMIT = 2.0
"""Longest distance in angstrom from C to the next N that still counts as bonded."""

C_ALPHA_LIMIT = 4.3
"""Longest distance in angstrom from C-alpha to C-alpha that counts as bonded where C or N is missing."""

CARBONYL_LENGTH = 1.229
"""C=O in angstrom; with the angle, Engh & Huber, International Tables F (2001), 18.3."""

CARBONYL_ANGLE = np.deg2rad(120.1)
"""CA-C-O in radians."""


def bonded(backbone: np.ndarray, same_chain: np.ndarray) -> np.ndarray:
    """Whether each residue is bonded to the one before it.

    Parameters
    ----------
    backbone : float [L, 3 or more, 3]
        N, CA, C and what else; NaN where absent.
    same_chain : bool [L]
        Whether the residue before is of the same chain; the first value does not matter.

    Returns
    -------
    bool [L]
        False for the first residue, and where neither C-N nor CA-CA can be measured.
    """
    result = np.zeros(len(backbone), bool)
    if len(backbone) < 2:
        return result
    result[1:] = (_spacing(backbone) <= 1.0) & np.asarray(same_chain)[1:]
    return result


def _spacing(backbone: np.ndarray) -> np.ndarray:
    """C-N, or else CA-CA, over the limit of each: float [L - 1], above 1 for a break, NaN where neither is there."""
    c_to_n = np.linalg.norm(backbone[1:, 0] - backbone[:-1, 2], axis=-1)
    ca_to_ca = np.linalg.norm(backbone[1:, 1] - backbone[:-1, 1], axis=-1)
    return np.where(np.isnan(c_to_n), ca_to_ca / C_ALPHA_LIMIT, c_to_n / BOND_LIMIT)


def chain_breaks(protein: Protein) -> np.ndarray:
    """bool [L]: True where a residue is not bonded to the one before it in its chain (so True for a chain's first)."""
    chain = protein.chain
    same = np.concatenate([[False], chain[1:] == chain[:-1]]) if len(chain) else np.zeros(0, bool)
    joined = bonded(protein.backbone, same)
    # Where no distance along the backbone can be had (a chromophore has other atom names), any covalent bond counts.
    spacing = np.full(len(chain), np.nan)
    spacing[1:] = _spacing(protein.backbone)
    for index in np.flatnonzero(same & np.isnan(spacing)):
        here = protein.position[slice(*np.searchsorted(protein.residue_of, [index, index + 1]))]
        before = protein.position[slice(*np.searchsorted(protein.residue_of, [index - 1, index]))]
        nearest = np.linalg.norm(here[:, None] - before[None], axis=-1).min(initial=np.inf)
        joined[index] = nearest <= BOND_LIMIT
    return ~joined


# -- dihedrals


def dihedral(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Dihedral of four points [..., 3] about b-c, radians in (-pi, pi], IUPAC sign; NaN where a point is absent."""
    axis = c - b
    first = np.cross(axis, a - b)
    second = np.cross(axis, d - c)
    length = np.linalg.norm(axis, axis=-1)
    return np.arctan2((np.cross(first, second) * axis).sum(-1), (first * second).sum(-1) * length)


def backbone_dihedrals(protein: Protein) -> np.ndarray:
    """phi, psi and omega of each residue: float64 [L, 3], radians, NaN at chain ends, breaks and missing atoms.

    omega is that of the peptide bond before the residue, so that a cis proline has it near 0.
    """
    n, ca, c = np.moveaxis(protein.backbone[:, :3].astype(np.float64), 1, 0)
    angles = np.full((len(protein), 3), np.nan)
    angles[1:, 0] = dihedral(c[:-1], n[1:], ca[1:], c[1:])
    angles[:-1, 1] = dihedral(n[:-1], ca[:-1], c[:-1], n[1:])
    angles[1:, 2] = dihedral(ca[:-1], c[:-1], n[1:], ca[1:])
    broken = chain_breaks(protein)
    angles[broken, 0] = angles[broken, 2] = np.nan
    angles[:-1][broken[1:], 1] = np.nan
    return angles


def side_chain_dihedrals(protein: Protein) -> np.ndarray:
    """chi 1 to chi 4 of each residue: float64 [L, 4], radians, NaN where the residue has none or lacks an atom."""
    angles = np.full((len(protein), 4), np.nan)
    atoms = {name: protein.atom(name).astype(np.float64) for name in _CHI_NAMES}
    for residue, quadruples in CHI_ATOMS.items():
        mine = protein.residue_type == THREE_LETTER.index(residue)
        for number, quadruple in enumerate(quadruples):
            angles[mine, number] = dihedral(*(atoms[name][mine] for name in quadruple.split()))
    return angles


_CHI_NAMES = sorted(
    {name for quadruples in CHI_ATOMS.values() for quadruple in quadruples for name in quadruple.split()}
)


# -- placing atoms


def place_atom(a: np.ndarray, b: np.ndarray, c: np.ndarray, length, angle, torsion) -> np.ndarray:
    """The point [..., 3] at `length` angstrom from c, with the angle b-c-d and the dihedral a-b-c-d in radians."""
    length, angle, torsion = (np.asarray(value, float)[..., None] for value in (length, angle, torsion))
    back = _unit(b - c)
    normal = _unit(np.cross(a - b, back))
    across = np.cross(back, normal)
    return c + length * (np.cos(angle) * back + np.sin(angle) * (np.cos(torsion) * across + np.sin(torsion) * normal))


def ideal_oxygen(protein: Protein) -> np.ndarray:
    """Carbonyl oxygen in the plane of CA, C and the next N: float64 [L, 3], NaN where one of them is absent.

    The last residue of a chain and the one before a break have no next N, so none is made up for them.
    """
    n, ca, c = np.moveaxis(protein.backbone[:, :3].astype(np.float64), 1, 0)
    oxygen = np.full((len(protein), 3), np.nan)
    if len(protein) > 1:
        oxygen[:-1] = place_atom(n[1:], ca[:-1], c[:-1], CARBONYL_LENGTH, CARBONYL_ANGLE, np.pi)
        oxygen[:-1][chain_breaks(protein)[1:]] = np.nan
    return oxygen


# -- frames and motions


def local_frames(backbone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A frame on each residue by Gram-Schmidt (Jumper et al. 2021, supplement, algorithm 21).

    Parameters
    ----------
    backbone : float [L, 3 or more, 3]
        N, CA, C.

    Returns
    -------
    rotation : float [L, 3, 3]
        Columns are the axes: from CA to C, towards N at right angles to it, and their cross product.
    origin : float [L, 3]
        CA. NaN in both where an atom is absent.
    """
    n, ca, c = backbone[:, 0], backbone[:, 1], backbone[:, 2]
    first = _unit(c - ca)
    towards = n - ca
    second = _unit(towards - (towards * first).sum(-1, keepdims=True) * first)
    rotation = np.stack([first, second, np.cross(first, second)], axis=-1)
    return rotation, np.where(np.isnan(rotation).any((-1, -2))[:, None], np.nan, ca)


def random_rotation(generator: np.random.Generator) -> np.ndarray:
    """A rotation matrix [3, 3], uniform over all rotations (Shoemake 1992, from a uniform unit quaternion)."""
    w, x, y, z = _unit(generator.standard_normal(4))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def superposition(mobile: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The proper rotation and translation that bring `mobile` onto `target` with least squares (Kabsch 1976).

    Parameters
    ----------
    mobile, target : float [A, 3]
        Points in pairs; pairs with a coordinate that is not finite are left out.

    Returns
    -------
    rotation [3, 3], translation [3]
        `mobile @ rotation.T + translation` lies on `target`.
    rmsd : float, angstrom
        Over the pairs used.

    Raises
    ------
    ValueError
        No pair is complete.
    """
    mobile, target = np.asarray(mobile, np.float64), np.asarray(target, np.float64)
    both = np.isfinite(mobile).all(-1) & np.isfinite(target).all(-1)
    if not both.any():
        raise ValueError("no pair of points is complete")
    x, y = mobile[both], target[both]
    centre_x, centre_y = x.mean(0), y.mean(0)
    u, _, vt = np.linalg.svd((x - centre_x).T @ (y - centre_y))
    handed = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    rotation = (u @ handed @ vt).T
    translation = centre_y - rotation @ centre_x
    rmsd = float(np.sqrt(((x @ rotation.T + translation - y) ** 2).sum(-1).mean()))
    return rotation, translation, rmsd


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)
