"""Conformers: equal to the published program's where that is right, and right where it is not."""

import numpy as np
import pytest

from plait.structure import read_structure
from plait.structure.geometry import side_chain_dihedrals
from plait.structure.perturbation import gaussian, torsional, turn_side_chains
from plait.structure.protein import Protein
from plait.structure.vocabulary import CHI_ATOMS, THREE_LETTER


@pytest.fixture(scope="module")
def recorded(oracle):
    """A function: the structure of the oracle, and what the published program made of it."""

    def load(name):
        a = np.load(oracle / "siamdiff" / "structures" / f"{name}.npz")
        types = np.array([THREE_LETTER.index(n) for n in a["residue_name"].tolist()], np.int8)
        residues = len(types)
        blank = np.full(residues, "A")
        protein = Protein(
            residue_type=types, residue_name=a["residue_name"], chain=blank, label_chain=blank,
            author_number=a["residue_number"], insertion_code=np.full(residues, ""),
            sequence_index=np.arange(residues), b_factor=np.zeros(residues, np.float32), position=a["position"],
            atom_name=a["atom_name"], element=np.array([n[0] for n in a["atom_name"].tolist()]),
            residue_of=a["atom2residue"].astype(np.int32),
        )  # fmt: skip
        return protein, oracle / "siamdiff" / "conformers"

    return load


def distances(protein, radius=2.0):
    """Lengths of the bonds inside residues, by the atoms' numbers."""
    found = {}
    for residue in range(len(protein)):
        rows = np.flatnonzero(protein.residue_of == residue)
        between = np.linalg.norm(protein.position[rows][:, None] - protein.position[rows], axis=-1)
        i, j = np.nonzero(np.triu(between < radius, 1))
        found |= dict(zip(zip(rows[i].tolist(), rows[j].tolist()), between[i, j].tolist()))
    return found


@pytest.mark.parametrize("name", ["p1", "1S3P-A", "2J9H-A"])
def test_the_published_rotations(name, recorded):
    protein, folder = recorded(name)
    expected = np.load(folder / f"{name}.torsion.npz")
    published = turn_side_chains(protein, expected["chi_update"], compat=True)
    # float32 there; coordinates up to some tens of angstrom turned up to four times
    assert np.abs(published.position - expected["position"]).max() < 2e-4
    ours = turn_side_chains(protein, expected["chi_update"])
    proline = (protein.residue_type == THREE_LETTER.index("PRO"))[protein.residue_of]
    assert np.array_equal(ours.position[~proline], published.position[~proline])
    assert np.array_equal(ours.position[proline], protein.position[proline])
    assert proline.any() == (name != "1S3P-A")


def test_absent_atoms_are_absent(recorded):
    """Without CG: the published program turns what is left about a line to the origin, ours moves it as a whole."""
    protein, folder = recorded("1S3P-A")
    expected = np.load(folder / "1S3P-A.CG_removed.npz")
    kept, angle = expected["kept_atom"], expected["chi_update"]
    fields = ("position", "atom_name", "element", "residue_of")
    without = protein.replace(**{field: getattr(protein, field)[kept] for field in fields})
    published = turn_side_chains(without, angle, compat=True).position
    assert np.abs(published - expected["published_position"]).max() < 2e-4
    ours = turn_side_chains(without, angle)
    lost = np.unique(protein.residue_of[~kept])
    rest = ~np.isin(without.residue_of, lost)
    assert np.array_equal(ours.position[rest], turn_side_chains(protein, angle).position[kept][rest])
    moved = without.with_positions(without.position + np.float32(100))
    assert np.abs(turn_side_chains(moved, angle).position - 100 - ours.position).max() < 2e-4
    before, after = distances(without), distances(ours)
    assert before.keys() == after.keys()
    assert max(abs(before[pair] - after[pair]) for pair in before) < 1e-4


def test_chis_change_by_the_angles_and_nothing_else_does(recorded):
    protein, _ = recorded("2J9H-A")
    protein = protein.with_positions(protein.position.astype(np.float64))
    angle = np.random.default_rng(0).uniform(-np.pi / 2, np.pi / 2, (len(protein), 4))
    turned = turn_side_chains(protein, angle)
    change = side_chain_dihedrals(turned) - side_chain_dihedrals(protein) - angle
    change = np.abs((change + np.pi) % (2 * np.pi) - np.pi)
    proline = protein.residue_type == THREE_LETTER.index("PRO")
    assert np.nanmax(change[~proline]) < 1e-9
    assert np.array_equal(turned.backbone, protein.backbone)
    before, after = distances(protein), distances(turned)
    assert max(abs(before[pair] - after[pair]) for pair in before) < 1e-9


@pytest.mark.parametrize(("residue", "chi"), [("ASP", 1), ("PHE", 1), ("TYR", 1), ("GLU", 2)])
def test_half_a_turn_of_a_symmetric_end_is_no_turn(residue, chi, recorded):
    protein, _ = recorded("2J9H-A")
    angle = np.zeros((len(protein), 4))
    mine = protein.residue_type == THREE_LETTER.index(residue)
    angle[mine, chi] = np.pi + 0.2
    less = np.zeros_like(angle)
    less[mine, chi] = 0.2
    assert np.allclose(turn_side_chains(protein, angle).position, turn_side_chains(protein, less).position, atol=1e-5)
    other = np.zeros_like(angle)
    asparagine = protein.residue_type == THREE_LETTER.index("ASN")
    other[asparagine, 1] = np.pi
    assert np.abs(turn_side_chains(protein, other).position - protein.position).max() > 1


def test_disulfides_hold(structures):
    protein = read_structure(structures / "2d7t.pdb.gz")
    sulphur = np.flatnonzero(protein.atom_name == "SG")
    between = np.linalg.norm(protein.position[sulphur][:, None] - protein.position[sulphur], axis=-1)
    pairs = np.argwhere(np.triu((between > 0) & (between < 2.5)))
    assert len(pairs) == 2  # one in each domain of an antibody
    turned = torsional(protein, np.random.default_rng(0))
    assert np.array_equal(turned.position[sulphur[pairs]], protein.position[sulphur[pairs]])
    assert not np.array_equal(turned.position, protein.position)


def test_atoms_of_other_names_go_along(recorded):
    """Selenomethionine as it stands in files: SE for SD; and a phosphate on a serine."""
    protein, _ = recorded("p1")
    angle = np.full((len(protein), 4), 0.5)
    expected = turn_side_chains(protein, angle)
    name = protein.atom_name.copy()
    methionine = (protein.residue_type == THREE_LETTER.index("MET"))[protein.residue_of]
    name[methionine & (name == "SD")] = "SE"
    turned = turn_side_chains(protein.replace(atom_name=name), angle)
    # chi 3 turns about CG-SD, which is not there by name; chi 1 and 2 are
    same = ~methionine | (name != "CE")
    assert np.allclose(turned.position[same], expected.position[same], atol=1e-5)
    serine = np.flatnonzero(protein.residue_type == THREE_LETTER.index("SER"))[0]
    last = np.searchsorted(protein.residue_of, serine + 1)
    oxygen = np.flatnonzero((protein.residue_of == serine) & (protein.atom_name == "OG"))[0]
    phosphorus = protein.position[oxygen] + np.float32([0.9, 0.9, 0.9])
    with_phosphate = protein.replace(
        position=np.insert(protein.position, last, phosphorus, axis=0),
        atom_name=np.insert(protein.atom_name, last, "P"),
        element=np.insert(protein.element, last, "P"),
        residue_of=np.insert(protein.residue_of, last, serine),
    )
    turned = turn_side_chains(with_phosphate, angle)
    assert np.linalg.norm(turned.position[last] - turned.position[oxygen]) == pytest.approx(0.9 * 3**0.5, abs=1e-4)
    assert np.abs(turned.position[last] - phosphorus).max() > 0.1
    assert np.allclose(np.delete(turned.position, last, axis=0), expected.position)


def test_backbones_and_unknown_residues_stay(structures, recorded):
    only = read_structure(structures / "1ubi_ca.pdb")
    assert np.array_equal(torsional(only, np.random.default_rng(0)).position, only.position)
    protein, _ = recorded("p1")
    unknown = protein.replace(residue_type=np.full(len(protein), 20, np.int8))
    assert np.array_equal(torsional(unknown, np.random.default_rng(0)).position, protein.position)


def test_gaussian_noise(recorded):
    protein, _ = recorded("2J9H-A")
    noisy = gaussian(protein, np.random.default_rng(0))
    assert noisy.position.dtype == np.float32
    noise = noisy.position - protein.position
    # 4,908 draws: the standard deviation of their standard deviation is 0.003
    assert noise.std() == pytest.approx(0.3, abs=0.012)
    assert np.array_equal(noisy.position, gaussian(protein, np.random.default_rng(0)).position)


def test_slots_of_every_chi_are_in_order():
    """What the rotation rule rests on: the atoms of a chi follow one another in the residue."""
    from plait.structure.vocabulary import ATOMS

    for residue, quadruples in CHI_ATOMS.items():
        for quadruple in quadruples:
            slots = [ATOMS[residue].index(name) for name in quadruple.split()]
            assert slots[1] < slots[2] < slots[3]
