"""The handful of real structures on which every promise is tested, and what is done to them."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from plait.structure import Protein, read_structure


@pytest.fixture(scope="session")
def whole(structures) -> Protein:
    """Ubiquitin: 76 residues, complete."""
    return read_structure(structures / "1ubi.pdb")


@pytest.fixture(scope="session")
def gapped(structures) -> Protein:
    """A receptor of 390 residues with a gap in the chain and seven residues without all side-chain atoms."""
    return read_structure(structures / "4eiy.cif.gz")


@pytest.fixture(scope="session")
def one_residue(whole) -> Protein:
    return whole.select(np.arange(len(whole)) == 20)


@pytest.fixture(scope="session")
def backbone_only(whole) -> Protein:
    """N, CA, C and O of ubiquitin."""
    return Protein.from_backbone(whole.sequence, whole.backbone, source="1ubi, backbone")


@pytest.fixture(scope="session")
def c_alpha_only(structures) -> Protein:
    """The C-alphas of ubiquitin."""
    return read_structure(structures / "1ubi_ca.pdb")


@pytest.fixture(scope="session")
def two_chains(structures) -> Protein:
    """The two domains of an antibody's Fv, 226 residues."""
    return read_structure(structures / "2d7t.pdb.gz")


@pytest.fixture(scope="session")
def large(structures) -> Protein:
    """An amylase of 637 residues in one chain, complete."""
    return read_structure(structures / "2d0f.cif.gz")


@pytest.fixture(scope="session")
def proteins(whole, gapped, one_residue, backbone_only, c_alpha_only, two_chains, large) -> dict[str, Protein]:
    """All of them by name."""
    return {
        "whole": whole,
        "gapped": gapped,
        "one residue": one_residue,
        "backbone only": backbone_only,
        "C-alpha only": c_alpha_only,
        "two chains": two_chains,
        "large": large,
    }


@pytest.fixture(scope="session")
def moved():
    """A function: the protein after a rotation and translation (angstrom) that `seed` draws."""

    def move(protein: Protein, seed: int = 0) -> Protein:
        generator = np.random.default_rng(seed)
        rotation = Rotation.random(random_state=generator).as_matrix()
        translation = generator.uniform(-50, 50, 3)
        return protein.with_positions(protein.position.astype(np.float64) @ rotation.T + translation)

    return move


@pytest.fixture(scope="session")
def without_atoms():
    """A function: the protein without the atoms of these names in these residues."""

    def remove(protein: Protein, residues, names=("N", "CA", "C", "O")) -> Protein:
        gone = np.isin(protein.residue_of, residues) & np.isin(protein.atom_name, names)
        fields = ("position", "atom_name", "element", "residue_of")
        return protein.replace(**{field: getattr(protein, field)[~gone] for field in fields})

    return remove


@pytest.fixture(scope="session")
def keep():
    """A function that runs a check, or where the part is exempt from the promise, makes sure that the check fails."""

    def run(part: type, promise: str, check) -> None:
        if promise not in part.exempt:
            check()
            return
        try:
            check()
        except Exception:
            pytest.xfail(f"{part.name} is exempt: {part.exempt[promise]}")
        pytest.fail(f"{part.name} keeps the promise {promise!r}: its exemption is not needed")

    return run
