"""Exposure and burial: against areas computed elsewhere and against counting by hand."""

import json

import numpy as np
import pytest

from plait.structure import Protein, read_structure
from plait.structure.surface import burial, relative_accessibility
from plait.structure.vocabulary import THREE_LETTER, encode


@pytest.fixture(scope="module")
def measured(shared):
    """Proteins with the relative accessible areas that came with the stability data (computed by other means)."""
    pandas = pytest.importorskip("pandas")
    folder = shared / "data" / "stability"
    table = pandas.read_parquet(folder / "proteins.parquet")
    arrays = np.load(folder / "structures.npz")
    coordinates, areas = arrays["coords"], arrays["rsa"]
    slots = json.loads((folder / "atom14.json").read_text())
    chosen = table[(table.has_structure == 1) & (table.n_residue_differs == 0)].iloc[::40]
    result = []
    for row in chosen.itertuples():
        rows = slice(row.offset, row.offset + row.length)
        result.append((_protein(row.sequence, coordinates[rows], slots), areas[rows].astype(float)))
    return result


def _protein(sequence, coordinates, slots):
    types = encode(sequence)
    names = np.array([slots[letter] + [""] * (14 - len(slots[letter])) for letter in sequence])
    there = (coordinates[..., 0] != -32768) & (names != "")
    residues = len(sequence)
    blank = np.full(residues, "")
    return Protein(
        residue_type=types,
        residue_name=np.array(THREE_LETTER)[types],
        chain=np.full(residues, "A"),
        label_chain=np.full(residues, "A"),
        author_number=np.arange(1, residues + 1, dtype=np.int32),
        insertion_code=blank,
        sequence_index=np.arange(residues, dtype=np.int32),
        b_factor=np.zeros(residues, np.float32),
        position=coordinates[there] / np.float32(100),
        atom_name=names[there],
        element=np.array([name[0] for name in names[there]]),
        residue_of=np.nonzero(there)[0].astype(np.int32),
    )


def test_areas_agree_with_those_computed_elsewhere(measured):
    """Same radii and maxima, another program: 100 points leave about 1 % of the largest area as noise."""
    assert len(measured) >= 5
    for protein, area in measured:
        ours = relative_accessibility(protein)
        known = (area < 255) & np.isfinite(ours)
        assert known.mean() > 0.9
        assert np.corrcoef(ours[known], area[known])[0, 1] > 0.995
        assert np.abs(ours[known] * 100 - area[known]).mean() < 2


def test_a_buried_residue_is_less_exposed_than_its_tail(structures):
    protein = read_structure(structures / "1ubi.pdb")
    area = relative_accessibility(protein)
    assert area[2] < 0.05  # isoleucine 3, in the core
    assert area[74:].min() > 0.5  # the free tail
    assert np.isfinite(area).all()


def test_exposure_is_that_within_the_given_protein(structures):
    protein = read_structure(structures / "2d7t.pdb.gz")
    together = relative_accessibility(protein)
    alone = np.concatenate([relative_accessibility(protein.select_chain(chain)) for chain in protein.chains])
    assert (alone >= together - 1e-6).all()
    assert (alone - together).max() > 0.3  # residues in the interface of the two domains


def test_backbones_have_no_exposure_but_burial(structures):
    protein = read_structure(structures / "1ubi.pdb")
    bare = Protein.from_backbone(protein.sequence, protein.backbone)
    assert np.isnan(relative_accessibility(bare)).all()
    assert np.array_equal(burial(bare), burial(protein))


def test_c_alpha_alone_has_neither(structures):
    protein = read_structure(structures / "1ubi_ca.pdb")
    assert np.isnan(relative_accessibility(protein)).all()
    assert np.isnan(burial(protein)).all()


def test_burial_counts_neighbours(structures):
    protein = read_structure(structures / "1ubi.pdb")
    distance = np.linalg.norm(protein.c_beta[:, None] - protein.c_beta[None], axis=-1)
    assert np.array_equal(burial(protein), (distance <= 10).sum(1) - 1)
    assert np.array_equal(burial(protein, radius=6.0), (distance <= 6).sum(1) - 1)
