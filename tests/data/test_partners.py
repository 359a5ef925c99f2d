"""Complexes and labelled chains as one set: who says what of which kind, and what is kept from the tests."""

import numpy as np
import pandas as pd
import pytest

from plait.data.complexes import Complexes, ComplexesConfig
from plait.data.partners import KINDS, Partners, PartnersConfig, backbone_alone
from plait.errors import InputError
from plait.structure import read_structure


@pytest.fixture(scope="module")
def opened(shared):
    data, made = shared / "data", {}

    def make(split="train", **options):
        key = (split, *options.items())
        folders = {"folder": "labels", "corpus": "corpus", "complexes": "complexes"}
        places = {field: str(data / name) for field, name in folders.items()}
        if key not in made:
            made[key] = Partners(PartnersConfig(split=split, **places, **options))
        return made[key]

    return make


@pytest.fixture(scope="module")
def index(shared):
    return pd.read_parquet(shared / "data" / "labels" / "residue_index.parquet")


def test_official_test_chains_are_the_readmes(opened):
    """GPSite's test chains with a structure: ATP 16, HEM 8, CA 25, MG 61, MN 9, ZN 46, DNA 26, RNA 22 (23 records, two
    of them of one chain), PEP 52, PRO 118."""
    dataset = opened("test")
    assert [len(part) for part in dataset.parts[1:]] == [16, 8, 25, 61, 9, 46, 26, 22, 52, 118]


def test_no_training_chain_is_of_a_tested_cluster(opened, index):
    tested = index[(index["source"] == "gpsite") & (index["official_split"] == "test")]
    interfaces = index[index["source"] == "scannet_PPBS"]
    tests_of_interfaces = interfaces[interfaces["official_split"].str.startswith("test")]
    cluster = index.drop_duplicates("corpus_id").set_index("corpus_id")["cluster"]
    for split in ("train", "valid"):
        for part in opened(split).parts:
            chains = [name for name in part.ids if name in cluster.index]
            assert not set(cluster[chains]) & set(tested["cluster"])
    trained = {name for part in opened("train").parts[-1:] for name in part.ids}
    others = set(interfaces["corpus_id"]) - set(tests_of_interfaces["corpus_id"])
    assert trained and trained <= others | set(tests_of_interfaces["corpus_id"])
    validation = interfaces[interfaces["official_split"].str.startswith("validation")]
    assert trained <= set(validation["corpus_id"])


def test_no_training_complex_is_near_a_test_complex(opened, shared):
    entries = pd.read_parquet(shared / "data" / "complexes" / "index.parquet").set_index("id")
    test = set(entries["cluster"][entries["split"] == "test"])
    for split in ("train", "valid"):
        own = entries.loc[list(opened(split).parts[0].ids)]
        assert not own["near_test"].any()
        assert not set(own["cluster"]) & test


@pytest.mark.parametrize(
    ("part", "known"),
    [(0, {"small-molecule"}), (2, {"small-molecule", "atp"}), (3, {"small-molecule", "haem"}), (7, {"zinc"}),
     (8, {"dna"}), (-1, {"protein"})],
)  # fmt: skip
def test_a_source_speaks_of_its_own_kind_alone(opened, part, known):
    label = opened("train").parts[part][0].labels["binding_site"]
    assert label.shape[1] == len(KINDS)
    assert {kind for kind, column in zip(KINDS, label.T, strict=True) if np.isfinite(column).any()} == known


def test_zinc_is_bound_by_cysteine_histidine_and_acids(opened):
    part, bound, rest = opened("valid").parts[6], [], []
    for example in (part[number] for number in range(len(part))):
        site = example.labels["binding_site"][:, list(KINDS).index("zinc")] == 1
        residues = np.array(list(example.protein.sequence))
        bound += list(residues[site])
        rest += list(residues[~site])
    assert np.isin(bound, list("CHDE")).mean() > 0.8
    assert np.isin(rest, list("CHDE")).mean() < 0.3


def test_complexes_are_shown_as_they_are_and_as_backbones(opened, shared):
    dataset = opened("train")
    whole, bare = dataset.parts[0][0], dataset.parts[1][0]
    assert whole.id == bare.id
    assert np.array_equal(whole.labels["binding_site"], bare.labels["binding_site"], equal_nan=True)
    assert set(bare.protein.atom_name) == {"N", "CA", "C"}
    assert len(bare.protein.hetero) == 0
    assert np.array_equal(bare.protein.backbone[:, :3], whole.protein.backbone[:, :3], equal_nan=True)
    assert len(whole.protein.position) > 2 * len(bare.protein.position)
    source = Complexes(ComplexesConfig(folder=str(shared / "data" / "complexes")))
    place = source.ids.index(whole.id)
    label = source[place].labels["binding_site"]
    assert np.array_equal(whole.labels["binding_site"][:, 0], label, equal_nan=True)


def test_a_list_is_left_out_of_training_but_not_of_the_test(opened, tmp_path):
    dataset, test = opened("train"), opened("test")
    names = [dataset.parts[0].ids[0], dataset.parts[5].ids[0], test.parts[5].ids[0]]
    (tmp_path / "ids.txt").write_text("\n".join(names))
    options = {"leave_out": str(tmp_path / "ids.txt")}
    assert not set(names) & set(opened("train", **options).ids)
    assert names[2] in opened("test", **options).ids
    with pytest.raises(InputError, match="list of entries"):
        opened("train", leave_out=str(tmp_path / "none.txt"))


def test_shares_are_as_asked(opened):
    dataset = opened("train", complexes_share=0.3, backbone_share=0.2)
    assert dataset.shares[:2] == pytest.approx([0.3, 0.2])
    assert dataset.shares[2:] / dataset.shares[2] == pytest.approx(
        np.sqrt([len(part) / len(dataset.parts[2]) for part in dataset.parts[2:]])
    )
    with pytest.raises(InputError, match="shares"):
        opened("train", complexes_share=0.6, backbone_share=0.4)


def test_a_backbone_alone_has_nothing_else(structures):
    protein = read_structure(structures / "1ubi.pdb")
    bare = backbone_alone(protein)
    assert len(bare.position) == 3 * len(protein)
    assert bare.sequence == protein.sequence
    assert len(bare.hetero) == 0
