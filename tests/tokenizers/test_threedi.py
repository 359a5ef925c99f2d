"""3Di: the tokens of biotite's port of Foldseek where it can see, and `unknown` where it cannot."""

import numpy as np
import pytest

from plait.structure import Protein, read_structure
from plait.tokenizers.threedi import LETTERS, ThreeDiTokenizer

TOKENIZER = ThreeDiTokenizer.default()


def of_biotite(protein):
    """Letters that biotite gives, chain after chain. It computes distances in single precision: close to the origin
    it loses least."""
    from biotite.structure import AtomArray
    from biotite.structure.alphabet import to_3di

    atoms = AtomArray(len(protein.position))
    atoms.coord = protein.position - protein.position.mean(0)
    atoms.atom_name = np.array(protein.atom_name)
    atoms.chain_id = np.array(protein.chain)[protein.residue_of]
    atoms.res_id = np.array(protein.residue_of) + 1
    atoms.res_name = np.array(protein.residue_name)[protein.residue_of]
    sequences, _ = to_3di(atoms)
    return "".join("".join(sequence.symbols) for sequence in sequences).upper()


@pytest.mark.parametrize("name", ["1ubi.pdb", "1aki.bcif", "3enl.pdb.gz", "2d7t.pdb.gz", "1igy.cif.gz", "2d0f.cif.gz"])
def test_tokens_of_whole_chains_are_foldseeks(structures, name):
    protein = read_structure(structures / name)
    tokens = TOKENIZER(protein)
    assert len(protein) - (tokens != TOKENIZER.unknown).sum() == 2 * len(protein.chains)  # the ends
    pairs = zip(TOKENIZER.letters(tokens), of_biotite(protein))
    assert all(ours == "X" or ours == theirs for ours, theirs in pairs)


def test_whole_and_bare_structures_agree_with_ideal_c_betas(structures):
    protein = read_structure(structures / "3enl.pdb.gz")
    bare = Protein.from_backbone(protein.sequence, protein.backbone)
    ideal = ThreeDiTokenizer(ThreeDiTokenizer.Config(ideal_c_beta=True))
    assert np.array_equal(ideal(protein), ideal(bare))
    assert np.array_equal(ideal(bare), TOKENIZER(bare))
    assert (ideal(protein) == TOKENIZER(protein)).mean() > 0.9


def test_nothing_is_seen_across_a_gap(structures):
    protein = read_structure(structures / "1ubi.pdb")
    gap = protein.select(np.abs(np.arange(76) - 40) > 2)
    tokens = TOKENIZER(gap)
    assert set(np.flatnonzero(tokens == TOKENIZER.unknown)) == {0, 37, 38, 70}


def test_c_alpha_alone_is_unknown(structures):
    protein = read_structure(structures / "1ubi_ca.pdb")
    assert (TOKENIZER(protein) == TOKENIZER.unknown).all()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_too_few_residues_are_unknown_or_answered(structures, count):
    protein = read_structure(structures / "1ubi.pdb").select(np.arange(76) < count)
    tokens = TOKENIZER(protein)
    assert len(tokens) == count
    assert (tokens != TOKENIZER.unknown).sum() == (2 if count == 4 else 0)  # a lone residue has no partner


def test_letters(structures):
    assert TOKENIZER.letters(np.arange(21)) == LETTERS + "X"
