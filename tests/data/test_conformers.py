"""Conformer pairs: what their README says of them, read back; coordinates beside the files of whole structures."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from plait.data.conformers import ATOMS, Conformers, ConformersConfig
from plait.errors import InputError
from plait.structure import read_structure
from plait.structure.vocabulary import ATOMS as OF_RESIDUES

SPLITS = ("train", "valid", "test")


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "data" / "conformers"


@pytest.fixture(scope="module")
def opened(folder):
    def make(split="train", **options):
        return Conformers(ConformersConfig(folder=str(folder), split=split, **options))

    return make


@pytest.fixture(scope="module")
def everything(opened):
    """Every pair of the folder by its id."""
    return {name: (part, n) for part in (opened(s, heldout=True) for s in SPLITS) for n, name in enumerate(part.ids)}


def superposed(mobile, fixed):
    turn, _ = Rotation.align_vectors(fixed - fixed.mean(0), mobile - mobile.mean(0))
    return turn.apply(mobile - mobile.mean(0)) + fixed.mean(0)


def test_counts_are_those_of_the_readme(opened, everything):
    assert len(everything) == 783
    assert sum(len(opened(split)) for split in SPLITS) == 783 - 21
    kinds = {"unbound-bound": 412, "holo-holo": 181, "apo-holo": 86, "alternative": 72, "nmr-models": 32}
    prefixes = {"bm5": "unbound-bound", "holo": "holo-holo", "apo": "apo-holo", "codnas": "alternative"}
    found = [prefixes.get(name.split("_")[0], "nmr-models") for name in everything]
    assert {kind: found.count(kind) for kind in kinds} == kinds
    for kind in kinds:
        chosen = opened(kind=kind, heldout=True).ids
        assert {*chosen} == {name for name in opened(heldout=True).ids if found[[*everything].index(name)] == kind}
    clusters = [set(opened(split, heldout=True).clusters.tolist()) for split in SPLITS]
    assert len(set.union(*clusters)) == sum(map(len, clusters)) == 449
    shares = np.array([len(one) for one in clusters]) / 449
    # a cluster is in valid or test with probability 0.1: standard deviation 0.014
    assert np.allclose(shares, [0.8, 0.1, 0.1], atol=0.045)


def test_a_split_does_not_depend_on_the_filters(opened):
    few = opened(kind="apo-holo", most=4.0, longest=300)
    assert {*few.ids} < {*opened().ids}
    assert max(few.lengths) <= 300
    assert all(name.startswith("apo_") for name in few.ids)


def test_differences_are_those_of_the_table(folder, everything):
    """RMSD of the C-alphas after superposition (by scipy), for some pairs of every kind."""
    table = pd.read_parquet(folder / "pairs.parquet").set_index("id")
    for kind in table["kind"].unique():
        for name in table.index[table["kind"] == kind][::17]:
            part, index = everything[name]
            example = part[index]
            first, second = example.protein.c_alpha, example.labels["conformer"][:, 1]
            apart = np.linalg.norm(superposed(second, first) - first, axis=1)
            assert (apart**2).mean() ** 0.5 == pytest.approx(table["rmsd_ca"][name], abs=0.02)
            # superposed as they come
            assert np.allclose(np.linalg.norm(second - first, axis=1), apart, atol=0.1)
    least, most = (
        table["rmsd_ca"][list(part.ids)] for part in (everything_of(folder, least=2.0), everything_of(folder, most=2.0))
    )
    assert least.min() >= 2 >= most.max()


def everything_of(folder, **options):
    return Conformers(ConformersConfig(folder=str(folder), **options))


def test_both_sides_are_those_of_whole_structures(folder, everything):
    """Ten pairs are there as PDB files too: every distance between backbone atoms and C-betas agrees."""
    for file in sorted((folder / "full_atom").glob("*.a.pdb.gz")):
        part, index = everything[file.name.removesuffix(".a.pdb.gz")]
        example = part[index]
        ours = (np.stack([example.protein.atom(name) for name in ATOMS], axis=1), example.labels["conformer"])
        for side, found in zip("ab", ours, strict=True):
            protein = read_structure(str(file).replace(".a.pdb", f".{side}.pdb"))
            assert protein.sequence == example.protein.sequence
            if side == "a":
                assert protein.author_number.tolist() == example.protein.author_number.tolist()
            expected = np.stack([protein.atom(name) for name in ATOMS], axis=1)
            there = np.isfinite(found).all(-1)
            assert there[:, :4].all() and np.isfinite(expected[there]).all()
            rows = np.flatnonzero(there.ravel())[::7]
            found, expected = (x.reshape(-1, 3)[rows].astype(float) for x in (found, expected))
            between = [np.linalg.norm(x[:, None] - x, axis=-1) for x in (found, expected)]
            # each coordinate is rounded to 0.01
            assert np.abs(between[0] - between[1]).max() < 0.04


def test_atoms_are_the_first_of_every_residue(opened):
    assert all(names[:5] == ATOMS[: len(names[:5])] for names in OF_RESIDUES.values())
    example = opened()[5]
    glycine = example.protein.residue_name == "GLY"
    assert glycine.any()
    assert np.isnan(example.labels["conformer"][glycine, 4]).all()
    assert np.isfinite(example.labels["conformer"][:, :4]).all()
    part = example.crop(3, 30)
    assert np.array_equal(part.labels["conformer"], example.labels["conformer"][3:33], equal_nan=True)


def test_errors_name_the_place(folder, opened, tmp_path):
    with pytest.raises(InputError, match="no pair of conformers is left"):
        opened(most=0.001)
    with pytest.raises(InputError, match=r"pairs\.parquet"):
        Conformers(ConformersConfig(folder=str(tmp_path)))
    for file in ("pairs.parquet", "pairs.npz"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    arrays = dict(np.load(folder / "pairs.npz"))
    arrays["offset"] = np.minimum(arrays["offset"], arrays["offset"][1] - 1)
    np.savez(tmp_path / "pairs.npz", **arrays)
    broken = Conformers(ConformersConfig(folder=str(tmp_path)))
    with pytest.raises(InputError, match=f"broken record.*{broken.ids[0]}|{broken.ids[0]}.*broken record"):
        broken[0]
