"""How exposed or buried each residue is: relative accessible area, and the number of neighbours."""

import numpy as np

from plait.structure.protein import Protein
from plait.structure.vocabulary import BACKBONE, RESIDUES

# fmt: off
LARGEST_AREA = np.array([
    129.0, 167.0, 193.0, 223.0, 240.0, 104.0, 224.0, 197.0, 236.0, 201.0,
    224.0, 195.0, 159.0, 225.0, 274.0, 155.0, 172.0, 174.0, 285.0, 263.0, np.nan,
])
# fmt: on
"""Accessible area in square angstrom of each residue type in Gly-X-Gly, theoretical maxima.

Tien MZ et al. (2013). Maximum allowed solvent accessibilities of residues in proteins. PLOS ONE 8:e80635, table 1.
"""

RADII = {"C": 1.8, "N": 1.6, "O": 1.5, "S": 1.85, "SE": 1.9, "P": 1.9}
OTHER_RADIUS = 1.8
PROBE_RADIUS = 1.4

_GLYCINE = RESIDUES.index("G")


def relative_accessibility(protein: Protein, points: int = 100) -> np.ndarray:
    """Accessible area over the largest of the residue type: float32 [R], 0 for buried, about 1 for fully exposed.

    NaN for unknown residues, for those without N, CA, C or any side-chain atom, and for glycines in a chain of which
    no side chain is known: what surrounds them is not there either. The area is that within the whole `protein`;
    select a chain first to see it alone. Ligands and waters do not count.

    Parameters
    ----------
    points : int
        Points on the sphere of each atom. They do not turn with the protein: with 100 a value moves by about 0.01
        when the protein is rotated.

    Notes
    -----
    Shrake & Rupley's method as in biotite, heavy atoms of radius 1.8 (C), 1.6 (N), 1.5 (O) and 1.85 (S) angstrom,
    probe 1.4.
    """
    result = np.full(len(protein), np.nan, np.float32)
    total = np.bincount(protein.residue_of, accessible_area(protein, points), minlength=len(protein))
    seen = _has_side_chain(protein) & protein.has_backbone
    result[seen] = (total / LARGEST_AREA[protein.residue_type])[seen]
    return result


def accessible_area(protein: Protein, points: int = 100) -> np.ndarray:
    """Accessible area of each atom in square angstrom: float32 [A]; method as of `relative_accessibility`."""
    from biotite.structure import AtomArray, sasa

    if len(protein.position) == 0:
        return np.zeros(0, np.float32)
    atoms = AtomArray(len(protein.position))
    atoms.coord = np.array(protein.position)
    atoms.element = np.array(protein.element)
    atoms.atom_name = np.array(protein.atom_name)
    atoms.res_id = np.array(protein.residue_of)
    atoms.res_name = np.array(protein.residue_name)[protein.residue_of]
    radii = np.full(len(protein.position), OTHER_RADIUS)
    for element, radius in RADII.items():
        radii[protein.element == element] = radius
    area = sasa(atoms, probe_radius=PROBE_RADIUS, point_number=points, vdw_radii=radii)
    return np.nan_to_num(area).astype(np.float32)


def burial(protein: Protein, radius: float = 10.0) -> np.ndarray:
    """Number of other residues whose ideal C-beta is within `radius` angstrom of the residue's own: float32 [R].

    NaN where N, CA or C is missing. Needs no side chains, so it can be had for backbones too.
    """
    from scipy.spatial import cKDTree

    result = np.full(len(protein), np.nan, np.float32)
    seen = protein.has_backbone
    if seen.any():
        place = protein.c_beta[seen].astype(np.float64)
        result[seen] = cKDTree(place).query_ball_point(place, radius, return_length=True) - 1
    return result


def _has_side_chain(protein: Protein) -> np.ndarray:
    """bool [R]: an atom beyond the backbone is known; for glycine, in any residue of its chain."""
    beyond = ~np.isin(protein.atom_name, (*BACKBONE, "OXT"))
    known = np.bincount(protein.residue_of, beyond, minlength=len(protein)) > 0
    for chain in protein.chains:
        here = protein.chain == chain
        known |= here & (protein.residue_type == _GLYCINE) & known[here].any()
    return known
