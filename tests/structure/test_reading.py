"""Real files of every kind, against counts made with gemmi and biotite by another program (facts.json)."""

import dataclasses
import gzip
import json
import os
import time
from pathlib import Path

import gemmi
import numpy as np
import pytest

from plait.errors import InputError
from plait.structure import read_structure
from plait.structure.geometry import backbone_dihedrals, chain_breaks
from plait.structure.remarks import lacks_side_chain_atoms
from plait.structure.vocabulary import RESIDUES, THREE_LETTER

FOLDER = Path(os.environ.get("PLAIT_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data" / "structures"
FACTS = json.loads((FOLDER / "facts.json").read_text()) if (FOLDER / "facts.json").is_file() else {}
TEXT = sorted(name for name, facts in FACTS.items() if "atoms" in facts)
BINARY = sorted(set(FACTS) - set(TEXT))


def remarks(protein, kind):
    return [remark for remark in protein.remarks if remark.kind == kind]


def number_in(remark):
    return int(remark.text.split()[0])


@pytest.mark.parametrize("name", TEXT)
def test_counts(name):
    facts, protein = FACTS[name], read_structure(FOLDER / name)
    hetero = protein.hetero

    def molecules(kind):
        return len(np.unique(hetero.group[hetero.kind == kind]))

    assert protein.chain_lengths == {chain.strip(): n for chain, n in facts["protein_chains"].items()}
    assert molecules("water") == facts["waters"]
    assert molecules("nucleic") == facts["nucleotides"]
    assert molecules("sugar") == facts["sugars"]
    beside = np.unique(hetero.residue_name[np.isin(hetero.kind, ["ligand", "ion", "sugar"])]).tolist()
    assert beside == sorted(facts["other_residues"])
    assert sorted(set(protein.residue_name.tolist()) - set(THREE_LETTER)) == sorted(facts["modified_residues"])
    assert (protein.insertion_code != "").sum() == facts["insertion_code_residues"]
    assert [protein.author_number.min(), protein.author_number.max()] == facts["residue_number_range"]
    assert (protein.author_number < 0).sum() == facts["negative_numbers"]
    assert chain_breaks(protein).sum() - len(protein.chains) == facts["chain_breaks"]
    assert len(remarks(protein, "gap")) == facts["chain_breaks"]
    alone = (np.bincount(protein.residue_of) == 1) & np.isfinite(protein.c_alpha[:, 0])
    assert (~protein.has_backbone & ~alone).sum() == facts["incomplete_backbone"]
    assert (lacks_side_chain_atoms(protein) & ~alone).sum() == facts["residues_missing_side_chain_atoms"]
    assert sum(map(number_in, remarks(protein, "hydrogen"))) == facts["hydrogens"] + facts["deuteriums"]
    assert len(remarks(protein, "model")) == (facts["models"] > 1)
    # In 4gpg only hydrogen and deuterium share sites: facts.json counts those residues, we leave both elements out.
    altlocs = 0 if name == "4gpg.cif.gz" else facts["altloc_residues"]
    assert sum(map(number_in, remarks(protein, "altloc"))) == altlocs
    # facts.json counts further types (ARG, GLN and GLU in one place are two), a remark is on one position.
    further = sum(remark.text.count("(") - 1 for remark in remarks(protein, "heterogeneous"))
    assert further == facts["heterogeneous_positions"]
    omega = backbone_dihedrals(protein)[:, 2]
    proline = (protein.residue_name == "PRO") & ~chain_breaks(protein)
    assert (np.abs(np.rad2deg(omega[proline])) < 30).sum() == facts["cis_prolines"]
    for chain, labels in facts.get("label_ids_of_protein_chains", {}).items():
        assert set(protein.label_chain[protein.chain == chain].tolist()) == set(labels)


@pytest.mark.parametrize("name", sorted(FACTS))
def test_arrays_are_consistent(name):
    protein = read_structure(FOLDER / name)
    residues, atoms = len(protein), len(protein.position)
    for field in (
        "residue_name",
        "chain",
        "label_chain",
        "author_number",
        "insertion_code",
        "sequence_index",
        "b_factor",
    ):
        assert getattr(protein, field).shape == (residues,)
    for field in ("atom_name", "element", "residue_of"):
        assert getattr(protein, field).shape == (atoms,)
    assert (np.diff(protein.residue_of) >= 0).all()
    assert set(protein.residue_of.tolist()) == set(range(residues)), "every residue has atoms"
    assert not np.isin(protein.element, ["H", "D"]).any()
    assert np.isfinite(protein.position).all()
    pairs = list(zip(protein.residue_of.tolist(), protein.atom_name.tolist()))
    assert len(set(pairs)) == len(pairs), "one location an atom"
    for chain in protein.chains:
        index = protein.sequence_index[protein.chain == chain]
        assert (index == np.arange(len(index))).all()
    assert (np.diff([protein.chains.index(chain) for chain in protein.chain.tolist()]) >= 0).all()
    assert not protein.position.flags.writeable
    if len(protein.hetero):
        assert set(protein.hetero.kind.tolist()) <= {"ligand", "ion", "water", "nucleic", "sugar"}
        assert (np.diff(protein.hetero.group) >= 0).all()


@pytest.mark.parametrize("name", BINARY)
def test_binary_counts(name):
    facts, protein = FACTS[name]["biotite"], read_structure(FOLDER / name)
    assert len(protein) == facts["amino_acid_residues"]
    assert list(protein.chains) == facts["protein_chains"]
    assert sorted(set(protein.label_chain.tolist())) == facts["label_chains"]


def alike(one, other, *, except_for=()):
    for field in dataclasses.fields(one):
        if field.name in {"source", "remarks", "hetero", *except_for}:
            continue
        first, second = getattr(one, field.name), getattr(other, field.name)
        assert np.array_equal(first, second), field.name
    for field in dataclasses.fields(one.hetero):
        assert np.array_equal(getattr(one.hetero, field.name), getattr(other.hetero, field.name)), field.name


@pytest.mark.parametrize(
    "names",
    [
        ("1aki.pdb.gz", "1aki.cif", "1aki.bcif"),
        ("1gbt.cif.gz", "1gbt.bcif.gz"),
        ("AF-Q5VSL9-F1-model_v4.pdb.gz", "AF-Q5VSL9-F1-model_v4.cif.gz"),
    ],
)
def test_formats_read_alike(structures, names):
    first, *others = (read_structure(structures / name) for name in names)
    for other in others:
        # The waters of an mmCIF file have author chains and numbers, as in the PDB file, so all of it is compared.
        alike(first, other)


def test_formats_read_alike_with_heterogeneity(structures):
    """The two 3jqh files are of different releases; which of PRO/SER and ARG/GLN/GLU is kept must not differ."""
    text, binary = read_structure(structures / "3jqh.cif"), read_structure(structures / "3jqh.bcif.gz")
    alike(dataclasses.replace(text, hetero=binary.hetero), binary)
    assert [str(r) for r in remarks(text, "altloc")] == [str(r) for r in remarks(binary, "altloc")]


def test_hybrid_36(structures):
    plain, hybrid = read_structure(structures / "1aki.pdb.gz"), read_structure(structures / "1aki_hybrid36.pdb.gz")
    assert (hybrid.author_number - plain.author_number == 9950).all()
    assert hybrid.author_number.max() == 10079
    assert np.array_equal(hybrid.position, plain.position)


def test_text_mmcif_takes_at_most_three_times_gemmis_parse(structures):
    """12,750 atoms; both in turn, so that other work on the machine meets both (measured: 1.3 to 1.9 times)."""
    path, ratios = str(structures / "1igy.cif.gz"), []
    for _ in range(9):
        start = time.perf_counter()
        gemmi.read_structure(path)
        middle = time.perf_counter()
        read_structure(path)
        ratios.append((time.perf_counter() - middle) / (middle - start))
    assert np.median(ratios) <= 3


# -- choices


@pytest.mark.parametrize(
    "name", ["1k6p.pdb.gz", "1o1z.pdb.gz", "1pwc.pdb.gz", "2erl.pdb.gz", "3o5r.cif.gz", "4eiy.cif.gz"]
)
def test_altlocs_are_of_one_conformer_with_the_highest_occupancy(structures, name):
    """Against gemmi's hierarchy, read atom by atom."""
    protein = read_structure(structures / name)
    kept = {
        (protein.chain[r], int(protein.author_number[r]), protein.insertion_code[r], a): tuple(xyz)
        for r, a, xyz in zip(protein.residue_of, protein.atom_name.tolist(), protein.position.round(3).tolist())
    }
    checked = 0
    for chain in gemmi.read_structure(str(structures / name))[0]:
        for residue in chain:
            by_letter = {}
            for atom in residue:
                if atom.has_altloc() and not atom.is_hydrogen():
                    by_letter.setdefault(atom.altloc, []).append(atom)
            key = (chain.name, residue.seqid.num, residue.seqid.icode.strip())
            if len(by_letter) < 2 or (*key, "CA") not in kept:
                continue
            mean = {letter: round(np.mean([a.occ for a in atoms]), 4) for letter, atoms in by_letter.items()}
            best = max(mean, key=mean.get)  # the first of equals
            for atom in by_letter[best]:
                assert kept[(*key, atom.name)] == pytest.approx(atom.pos.tolist(), abs=2e-3), (key, atom.name)
                checked += 1
    assert checked >= 8


def test_digits_name_altlocs(structures):
    """biotite drops these eight residues without a word."""
    protein = read_structure(structures / "1k6p.pdb.gz")
    assert protein.chain_lengths == {"A": 99, "B": 99}
    assert protein.has_backbone.all()


def test_heterogeneity_keeps_the_most_occupied_type(structures):
    protein = read_structure(structures / "3jqh.cif")
    assert protein.residue_name[[0, 14]].tolist() == ["PRO", "ARG"]
    texts = [str(remark) for remark in remarks(protein, "heterogeneous")]
    assert texts[0] == "chain A, residue 1: PRO kept of PRO (0.83), SER (0.17)"
    ejg = read_structure(structures / "1ejg.pdb.gz")
    assert ejg.residue_name[[21, 24]].tolist() == ["PRO", "LEU"]


def test_modified_residues_have_the_type_of_their_parent(structures):
    for name, parents in {
        "1a8o.pdb": {"MSE": "M"},
        "1atp.pdb.gz": {"SEP": "S", "TPO": "T"},
        "2src.pdb.gz": {"PTR": "Y"},
        "1as5.cif.gz": {"HYP": "P"},
        "1hvr.pdb.gz": {"CSO": "C"},
        "2juy.pdb.gz": {"SME": "M"},
        "1grm.cif.gz": {"DLE": "L", "DVA": "V", "FVA": "V"},
        "1ema.cif.gz": {"CRO": "X", "MSE": "M"},
        "5eil.cif.gz": {"BP5": "X"},
    }.items():
        protein = read_structure(structures / name)
        for modified, parent in parents.items():
            types = protein.residue_type[protein.residue_name == modified]
            assert len(types) and (types == RESIDUES.index(parent)).all(), modified
            assert any(remark.text.startswith(modified) for remark in remarks(protein, "modified residue"))


def test_the_chromophore_joins_its_neighbours(structures):
    """CRO has atoms N1 and C3 for N and C; the chain goes on through it all the same."""
    protein = read_structure(structures / "1ema.cif.gz")
    index = protein.residue_name.tolist().index("CRO")
    assert not chain_breaks(protein)[[index, index + 1]].any()
    assert not protein.has_backbone[index]


def test_chain_by_author_and_by_label(structures):
    whole = read_structure(structures / "5zng.cif.gz")
    author = read_structure(structures / "5zng.cif.gz", chain="C")
    label = read_structure(structures / "5zng.cif.gz", chain="B")
    assert author.chain_lengths == label.chain_lengths == {"C": 62}
    assert np.array_equal(author.position, whole.position[whole.chain[whole.residue_of] == "C"])
    assert [r.text for r in remarks(label, "chain")] == ["read; left out: A"]
    assert len(author.hetero) == len(whole.hetero)
    # Author's identifiers come first: in 1ncb label L is the chain that no author calls so.
    assert read_structure(structures / "1ncb.cif.gz", chain="L").chain_lengths == {"L": 214}
    assert read_structure(structures / "2erl.pdb.gz", chain="").chain_lengths == {"": 40}


def test_missing_chain_lists_those_there(structures):
    expected = r"1ncb.cif.gz: no such chain \(got 'Q'; expected one of N \(label A\), L \(label B\), H \(label C\)"
    with pytest.raises(InputError, match=expected):
        read_structure(structures / "1ncb.cif.gz", chain="Q")
    with pytest.raises(InputError, match="chain has no protein"):
        read_structure(structures / "5ugo.cif.gz", chain="T")


@pytest.mark.parametrize("name", ["1lcd.pdb.gz", "1l2y.cif.gz", "2axd.pdb.gz"])
def test_models(structures, name):
    path, models = structures / name, FACTS[name]["models"]
    reference = gemmi.read_structure(str(path))
    first, last = read_structure(path), read_structure(path, model=models)
    for protein, model in ((first, reference[0]), (last, reference[models - 1])):
        residue = model[protein.chain[0]][0]
        assert protein.c_alpha[0] == pytest.approx(residue["CA"][0].pos.tolist(), abs=1e-3)
    assert first.sequence == last.sequence
    assert np.abs(first.c_alpha - last.c_alpha).max() > 0.05
    with pytest.raises(InputError, match=rf"no such model \(got model {models + 1}; expected 1 to {models}\)"):
        read_structure(path, model=models + 1)
    with pytest.raises(InputError, match="no such model"):
        read_structure(path, model=0)


def test_bytes_and_names(structures):
    path = structures / "1ubi.pdb"
    from_path = read_structure(path)
    assert from_path.source == "1ubi.pdb"
    for data in (path.read_bytes(), gzip.compress(path.read_bytes()), path.read_bytes().replace(b"\n", b"\r\n")):
        protein = read_structure(data, name="ubiquitin")
        assert protein.source == "ubiquitin"
        alike(protein, from_path)
    alike(read_structure((structures / "1aki.bcif").read_bytes()), read_structure(structures / "1aki.cif"))
    assert read_structure(str(path), name="x").source == "x"


def test_gzip_members_are_joined(structures):
    data = (structures / "1ubi.pdb").read_bytes()
    members = gzip.compress(data[:20_000]) + gzip.compress(data[20_000:])
    alike(read_structure(members), read_structure(data))


# -- what stands beside the chains


def test_ligands_are_kept(structures):
    hetero = read_structure(structures / "1atp.pdb.gz").hetero
    atp = hetero.select(hetero.residue_name == "ATP")
    assert len(atp) == 31 and set(atp.kind.tolist()) == {"ligand"}, "the heavy atoms of ATP"
    assert set(hetero.kind[hetero.residue_name == "MN"].tolist()) == {"ion"}


def test_nucleic_acids_are_kept_apart(structures):
    protein = read_structure(structures / "1lcd.pdb.gz")
    assert protein.chains == ("A",)
    assert set(protein.hetero.residue_name[protein.hetero.kind == "nucleic"].tolist()) == {"DA", "DC", "DG", "DT"}


def pdb_line(record, serial, atom, residue, chain, number, xyz, element="C", b=10.0):
    atom = f" {atom:<3}"
    return (
        f"{record:<6}{serial:>5} {atom} {residue:>3} {chain}{number:>4}    "
        + "".join(f"{value:8.3f}" for value in xyz)
        + f"  1.00{b:6.2f}          {element:>2}\n"
    )


def test_free_amino_acid_is_a_ligand(structures):
    """A glycine far from the chain, written as HETATM after it, is no residue."""
    data = (structures / "1ubi.pdb").read_bytes().replace(b"END   ", b"")
    for atom, x in (("N", 60.0), ("CA", 61.4), ("C", 62.9), ("O", 63.5)):
        data += pdb_line("HETATM", 900, atom, "GLY", "A", 501, (x, 60.0, 60.0), atom[0]).encode()
    protein = read_structure(data)
    assert len(protein) == 76
    assert set(protein.hetero.kind[protein.hetero.residue_name == "GLY"].tolist()) == {"ligand"}


def test_modified_residues_written_after_the_chain_go_back_to_their_place(structures):
    """Some programs write all HETATM records at the end; the bonds say where a selenomethionine belongs."""
    lines = (structures / "1a8o.pdb").read_bytes().splitlines(keepends=True)
    coordinates = [line for line in lines if line.startswith((b"ATOM", b"HETATM"))]
    selenium = [line for line in coordinates if line[17:20] == b"MSE"]
    others = [line for line in coordinates if line.startswith(b"ATOM")]
    shuffled = b"".join([*others, b"TER\n", *selenium, b"END\n"])
    protein, expected = read_structure(shuffled), read_structure(b"".join(lines))
    assert protein.author_number.tolist() == expected.author_number.tolist()
    assert np.array_equal(protein.backbone, expected.backbone)


def test_chains_that_share_a_name_are_told_apart(structures):
    data = (structures / "1ubi.pdb").read_bytes()
    first = b"".join(line for line in data.splitlines(keepends=True) if line.startswith(b"ATOM"))
    second = b"".join(
        line[:30] + b"%8.3f" % (float(line[30:38]) + 60) + line[38:] for line in first.splitlines(keepends=True)
    )
    protein = read_structure(first + b"TER\n" + second + b"TER\nEND\n")
    assert protein.chain_lengths == {"A": 76, "A-2": 76}
    assert len(remarks(protein, "repeated chain")) == 1
    assert np.allclose(protein.c_alpha[76:] - protein.c_alpha[:76], [60, 0, 0], atol=1e-3)


def test_mmcif_without_author_identifiers(structures):
    """As PyMOL writes it."""
    block = gemmi.cif.read_string((structures / "1crn.cif").read_bytes()).sole_block()
    table = block.find_mmcif_category("_atom_site.")
    for tag in [tag for tag in table.tags if "auth_" in tag]:
        index = list(table.tags).index(tag)
        table.loop.remove_column(table.tags[index])
        table = block.find_mmcif_category("_atom_site.")
    protein = read_structure(block.as_string().encode())
    expected = read_structure(structures / "1crn.cif")
    assert protein.sequence == expected.sequence and protein.chains == ("A",)
    assert np.array_equal(protein.position, expected.position)
    assert np.array_equal(protein.author_number, expected.author_number)


def mmcif_with(structures, name, tag, value_of):
    """The mmCIF file with the values of one column of atom_site replaced."""
    document = gemmi.cif.read_string((structures / name).read_bytes())
    column = document.sole_block().find_values(f"_atom_site.{tag}")
    for row, value in enumerate(column):
        column[row] = value_of(row, value)
    return document.as_string().encode()


def test_long_chain_names_are_told_apart(structures):
    """gemmi's arrays hold seven characters of a name."""
    data = mmcif_with(structures, "1crn.cif", "auth_asym_id", lambda row, _: "assembly1" if row < 150 else "assembly2")
    protein = read_structure(data)
    assert protein.chains == ("assembly1", "assembly2")
    assert set(protein.label_chain.tolist()) == {"A"}
    assert len(read_structure(data, chain="assembly2")) == protein.chain_lengths["assembly2"]


def test_unknown_modified_nucleotides_are_nucleic(structures):
    text = gzip.decompress((structures / "5ugo.cif.gz").read_bytes()).replace(b" DG ", b" ZZ7 ")
    kinds = read_structure(text).hetero
    assert set(kinds.kind[kinds.residue_name == "ZZ7"].tolist()) == {"nucleic"}


# -- predicted models


def test_alphafold_files_carry_plddt(structures):
    for name in ("AF-Q5VSL9-F1-model_v4.cif.gz", "AF-Q5VSL9-F1-model_v4.pdb.gz"):
        protein = read_structure(structures / name)
        assert protein.predicted
        assert protein.b_factor.min() >= 0 and 50 < protein.b_factor.max() <= 100
        assert "AlphaFold" in remarks(protein, "predicted")[0].text


def test_predicted_is_inferred_without_a_header(shared):
    """The structures of the assays have pLDDT in the B-factor and no header but CRYST1."""
    files = sorted((shared / "data" / "dms" / "structures").glob("*.pdb.gz"))
    proteins = [read_structure(file) for file in files]
    assert len(proteins) >= 20
    told = {p.source: remarks(p, "predicted") for p in proteins if p.predicted}
    assert len(told) >= len(files) - 3
    assert all("taken for" in found[0].text or "predicted by" in found[0].text for found in told.values())


def test_experimental_structures_are_not_taken_for_predicted():
    predicted = [name for name in FACTS if read_structure(FOLDER / name).predicted]
    assert sorted(predicted) == ["AF-Q5VSL9-F1-model_v4.cif.gz", "AF-Q5VSL9-F1-model_v4.pdb.gz"]


def test_esmfold_writes_fractions(structures):
    """The ESMFold server's files have pLDDT of 0 to 1."""
    lines = (structures / "1ubi.pdb").read_bytes().splitlines(keepends=True)
    atoms = [
        line[:60] + b"%6.2f" % (0.5 + int(line[22:26]) / 200) + line[66:] for line in lines if line.startswith(b"ATOM")
    ]
    protein = read_structure(b"TITLE     ESMFOLD V1 PREDICTION FOR INPUT\n" + b"".join(atoms) + b"END\n")
    assert protein.predicted
    assert protein.b_factor[9] == pytest.approx(55.0, abs=0.6), "100 times 0.55 rounded to two places"


def test_c_alpha_only(structures):
    protein = read_structure(structures / "1lzh.pdb.gz")
    assert len(protein) == 258 and np.isfinite(protein.c_alpha).all()
    assert np.isnan(protein.backbone[:, [0, 2, 3]]).all()
    assert not protein.has_backbone.any() and np.isnan(protein.c_beta).all()
    assert number_in(remarks(protein, "C-alpha only")[0]) == 258
