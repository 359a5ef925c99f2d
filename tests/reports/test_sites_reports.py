"""What the sites of a protein leave behind: whole, readable, and true to the result."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from plait.reports.page_parts import card_lines
from plait.reports.sites import SITE_FILES, sites_page_data, write_sites
from plait.structure.reading import read_structure
from plait.tasks.binding_sites import sites

NODE = shutil.which("node")


@pytest.fixture(scope="module")
def result(structures):
    return sites(structures / "4eiy.cif.gz", model="geometry")


@pytest.fixture(scope="module")
def out(result, tmp_path_factory):
    return write_sites(result, tmp_path_factory.mktemp("written") / "deep" / "run")


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_all_files_are_there_and_nothing_else(out):
    assert sorted(path.name for path in out.iterdir()) == sorted(SITE_FILES)


def test_tables_hold_the_result(result, out):
    rows = rows_of(out / "sites.csv")
    assert [row["author_number"] for row in rows] == result.table["author_number"].tolist()
    assert np.allclose([float(row["probability"]) for row in rows], result.probability, atol=5e-5)
    pockets = rows_of(out / "pockets.csv")
    assert [int(row["rank"]) for row in pockets] == list(range(1, len(result.pockets) + 1))
    scores = [float(row["score"]) for row in pockets]
    assert scores == sorted(scores, reverse=True)
    known = {f"{row['chain']}:{row['author_number']}" for row in rows}
    assert all(set(row["residues"].split()) <= known for row in pockets)


def test_the_structure_carries_probabilities_and_the_frame_of_the_file(result, out):
    written = read_structure(out / "structure.cif")
    assert np.allclose(written.b_factor, result.probability, atol=0.01)
    assert np.allclose(written.position, result.protein.position, atol=1e-3)
    centre = result.pockets[0].centre
    assert np.linalg.norm(written.position - centre, axis=1).min() < 6


def test_the_record_says_what_was_done(result, out):
    record = json.loads((out / "run.json").read_text())
    assert record["command"] == "plait sites"
    assert record["model"]["name"] == "geometry"
    assert record["sites"]["settings"]["threshold"] == 0.5
    assert record["sites"]["pockets"] == len(result.pockets)
    assert len(record["input"]["structure"]["sha256"]) == 64
    assert set(record["files"]) == set(SITE_FILES)


def test_the_page_needs_no_network_and_holds_every_residue(result, out):
    page = (out / "report.html").read_text()
    assert "{{" not in page.replace("{{}}", "").split('<script type="application/json"')[0]
    assert "default-src 'none'" in page
    data = sites_page_data(result)
    assert sum(len(chain["numbers"]) for chain in data["chains"]) == len(result.protein)
    best = data["pockets"][0]
    chain = data["chains"][0]
    shown = [f"A:{n}{c}" for n, c, p in zip(chain["numbers"], chain["codes"], chain["pockets"]) if p == 1]
    assert set(shown) == set(best["residues"])


def test_a_card_is_words():
    card = {
        "name": "x",
        "recipe": {"seed": 0, "noise": [0.1, 0.2], "data": {"split": "train", "near": {"kept": False}}},
    }
    card |= {"empty": {}, "nothing": None}
    assert card_lines(card) == [
        ["name", "x"],
        ["recipe", "seed 0; noise 0.1, 0.2\ndata: split train\ndata, near: kept no"],
    ]


@pytest.mark.skipif(NODE is None, reason="no node on this machine")
def test_the_page_does_what_it_shows(result, out):
    """Its script in a document just large enough for it."""
    stub = Path(__file__).with_name("page_stub.js")
    ran = subprocess.run([NODE, str(stub), str(out / "report.html")], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    shown = json.loads(ran.stdout)
    assert shown["facts"].startswith(f"{int(result.predicted.sum())} residues predicted to bind")
    assert len(shown["pockets"]) == len(result.pockets)
    assert len(shown["residues"]) == 12
    assert shown["residues"][0].startswith(f"{np.nanmax(result.probability):.3f}")
    assert shown["residue"].startswith(result.protein.residue_name[int(np.nanargmax(result.probability))])
    assert shown["pocket"].startswith("pocket 1:")
    assert "PHE 168" in " ".join(shown["found"])
    assert "probability" in shown["tip"]
    assert "threshold 0.5; pocket threshold 0.0; link 1.8" in shown["card"]
    assert "{" not in shown["card"]


def test_a_protein_without_pockets_has_a_page(tmp_path, structures):
    bare = read_structure(structures / "1ubi_ca.pdb").select(np.arange(76) < 3)
    nothing = sites(bare, model="geometry")
    write_sites(nothing, tmp_path / "out")
    assert rows_of(tmp_path / "out" / "pockets.csv") == []
    if NODE is not None:
        stub = Path(__file__).with_name("page_stub.js")
        page = tmp_path / "out" / "report.html"
        ran = subprocess.run([NODE, str(stub), str(page)], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["pockets"] == ["none"]


def test_plait_write_writes_sites_too(result, tmp_path):
    import plait

    assert plait.write(result, tmp_path / "out") == tmp_path / "out"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(SITE_FILES)
