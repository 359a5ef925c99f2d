"""`plait sites` on structures that are odd: each has its answer, or one line that says what is wrong."""

import csv
import re
import resource

import pytest
import torch
from odd_structures import write_large, write_odd

from plait.cli.main import main
from plait.encoders.base import EncoderWithHeads
from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder
from plait.models.loading import save
from plait.models.model import Model
from plait.models.scoring import Scoring

ODD = (
    "backbone only", "C-alpha only", "one residue", "one residue, C-alpha only", "two residues", "atoms in one place",
    "a chain twice in one place", "all atoms in one place", "unknown atom names", "hydrogens and deuterium",
    "residues without C-alpha", "chains far apart", "ligands only",
)  # fmt: skip


@pytest.fixture(scope="module")
def odd(structures, tmp_path_factory):
    return write_odd(tmp_path_factory.mktemp("odd"), structures)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A model's folder with an untrained vabsnet that answers for residues and atoms."""
    torch.manual_seed(0)
    config = VabsnetConfig(layers=1, width=32, feed_forward=32, heads=4, edge_width=16, kernels=8)
    network = EncoderWithHeads(VabsnetEncoder(config), {"binding_site": 1, "atom_binding_site": 1})
    folder = tmp_path_factory.mktemp("model")
    save(Model("untrained", network, None, Scoring(), {}), folder)
    return folder


def rows(file):
    with open(file, newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("kind", ["geometry", "vabsnet"])
@pytest.mark.parametrize("name", ODD)
def test_odd_structures(odd, untrained, tmp_path, capsys, name, kind):
    assert set(odd) == set(ODD)
    (file, residues), out = odd[name], tmp_path / "out"
    model = "geometry" if kind == "geometry" else str(untrained)
    code = main(["sites", str(file), "--model", model, "--out", str(out), "--atoms"])
    said = capsys.readouterr()
    if residues == 0:
        assert code == 2
        assert re.fullmatch(r"plait: .*\n", said.err)
        assert file.name in said.err
        assert not out.exists()
        return
    assert code == 0, said.err
    assert said.err == ""
    table = rows(out / "sites.csv")
    assert len(table) == residues
    # a number for every residue: none is left out, whatever it lacks
    assert all(0 <= float(row["probability"]) <= 1 for row in table)
    atoms = rows(out / "atoms.csv")
    assert len(atoms) >= residues
    assert all(0 <= float(row["probability"]) <= 1 for row in atoms)
    assert not {row["atom"] for row in atoms} & {"H", "DA"}


def test_atoms_have_their_own_probability_only_from_a_head_for_them(odd, untrained, tmp_path, capsys):
    for model, of_their_residue in (("geometry", True), (str(untrained), False)):
        assert main(["sites", str(odd["backbone only"][0]), "--model", model, "--out", str(tmp_path), "--atoms"]) == 0
        residue = {row["author_number"]: row["probability"] for row in rows(tmp_path / "sites.csv")}
        same = [row["probability"] == residue[row["author_number"]] for row in rows(tmp_path / "atoms.csv")]
        assert all(same) == of_their_residue
        assert ("the model answers for residues" in capsys.readouterr().out) == of_their_residue


def test_atoms_are_answered_only_on_request(odd, tmp_path):
    assert main(["sites", str(odd["two residues"][0]), "--model", "geometry", "--out", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out" / "atoms.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["geometry", "vabsnet"])
def test_every_bad_file_has_an_answer_or_one_line(structures, untrained, tmp_path, capsys, kind):
    codes = set()
    for file in sorted((structures / "bad").iterdir()):
        model = "geometry" if kind == "geometry" else str(untrained)
        codes.add(main(["sites", str(file), "--model", model, "--out", str(tmp_path / "out")]))
        said = capsys.readouterr().err
        assert said == "" or re.fullmatch(r"plait: .*\n", said), file
    assert codes == {0, 2}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["geometry", "vabsnet"])
def test_five_thousand_residues(structures, untrained, tmp_path, kind):
    """In time for a coffee, and in memory that any machine has; docs/results/vabsnet.md has the numbers."""
    file, out = write_large(tmp_path / "large.cif", structures), tmp_path / "out"
    model = "geometry" if kind == "geometry" else str(untrained)
    assert main(["sites", str(file), "--model", model, "--out", str(out)]) == 0
    table = rows(out / "sites.csv")
    assert len(table) == 5000
    assert len({row["chain"] for row in table}) == 7
    assert rows(out / "pockets.csv")[0]["rank"] == "1"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 6e6  # kB, of all that this process has done
