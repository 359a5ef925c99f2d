"""How sure a score is: the spread over an ensemble's networks, from the model to the table, the page and the record."""

import csv
import json

import numpy as np
import pytest
from tiny_models import tiny_ensemble

from plait.reports.page import page_data
from plait.reports.writing import write
from plait.structure.reading import read_structure
from plait.structure.vocabulary import RESIDUES
from plait.tasks.mutation_effects import score


@pytest.fixture(scope="module")
def ensemble():
    return tiny_ensemble()


@pytest.fixture(scope="module")
def ubiquitin(structures):
    return read_structure(structures / "1ubi.pdb")


@pytest.fixture(scope="module")
def every(ensemble, ubiquitin):
    return score(ubiquitin, model=ensemble)


def members(ensemble, protein, masked=None) -> np.ndarray:
    """The scores of each network by itself, [members, R, 20]."""
    return np.stack([one.score_matrix(protein, masked) for one in ensemble.members])


def test_the_spread_is_the_standard_deviation_over_the_networks(ensemble, ubiquitin, every):
    alone = members(ensemble, ubiquitin)
    # float32 scores of order 1
    np.testing.assert_allclose(every.spread, alone.std(axis=0), atol=2e-6)
    np.testing.assert_allclose(every.scores, alone.mean(axis=0), atol=2e-6)
    assert every.spread.dtype == np.float32
    assert every.table.columns[7:10].tolist() == ["plait_score", "percentile", "spread"]
    for row in every.table.sample(50, random_state=0).itertuples():
        assert row.spread == every.spread[row.sequence_position - 1, RESIDUES.index(row.mutated)] > 0


def test_each_chain_has_its_own(ensemble, structures):
    protein = read_structure(structures / "2d7t.pdb.gz")
    both = score(protein, model=ensemble)
    for chain in protein.chains:
        alone = ensemble.scores(protein.select(protein.chain == chain))[1]
        np.testing.assert_array_equal(both.spread[protein.chain == chain], alone)


def test_unknown_residues_have_none(ensemble, ubiquitin):
    types = ubiquitin.residue_type.copy()
    types[4] = 20
    result = score(ubiquitin.replace(residue_type=types), model=ensemble, mutations="V5A,M1A,V5A:M1A")
    assert np.isnan(result.spread[4]).all()
    assert np.isfinite(np.delete(result.spread, 4, 0)).all()
    assert np.isnan(result.table["spread"]).tolist() == [True, False, True]


@pytest.mark.parametrize("multi", ["additive", "joint"])
def test_of_several_substitutions_it_is_the_root_of_the_sum_of_squares(ensemble, ubiquitin, multi):
    result = score(ubiquitin, model=ensemble, mutations="L43A:L50A,L8A,K6K,L50A:K48R:L43A", multi=multi)
    single, pair = members(ensemble, ubiquitin).std(0), members(ensemble, ubiquitin, masked=[42, 49]).std(0)
    triple = members(ensemble, ubiquitin, masked=[42, 47, 49]).std(0)
    if multi == "additive":
        pair = triple = single
    a, r = RESIDUES.index("A"), RESIDUES.index("R")
    expected = [np.hypot(pair[42, a], pair[49, a]), single[7, a], 0]
    expected.append(np.sqrt(triple[49, a] ** 2 + triple[47, r] ** 2 + triple[42, a] ** 2))
    np.testing.assert_allclose(result.table["spread"], expected, atol=2e-6)
    assert "root of the sum" in result.spread_meaning


def test_a_single_network_has_none(ensemble, ubiquitin, tmp_path):
    result = score(ubiquitin, model=ensemble.members[0], mutations="L50A,L43A:L50A")
    assert np.isnan(result.spread).all()
    assert result.spread_meaning is None
    out = write(result, tmp_path / "run")
    with open(out / "scores.csv", newline="") as file:
        assert [row["spread"] for row in csv.DictReader(file)] == ["", ""]
    record = json.loads((out / "run.json").read_text())
    assert record["score"]["spread"] is None
    assert record["model"]["members"] is None
    assert page_data(result)["spread"] is None
    assert page_data(result)["chains"][0]["spread"] is None


def test_it_is_written_and_explained(every, tmp_path):
    out = write(every, tmp_path / "run")
    with open(out / "scores.csv", newline="") as file:
        written = [float(row["spread"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(written, every.table["spread"], atol=5.1e-5)  # four decimals
    record = json.loads((out / "run.json").read_text())
    assert record["model"]["members"] == ["tiny-0", "tiny-1", "tiny-2"]
    assert record["score"]["spread"].startswith("Spread: standard deviation")
    assert "3 networks" in record["score"]["meaning"]
    data = page_data(every)
    assert data["spread"] == record["score"]["spread"]
    np.testing.assert_allclose(data["chains"][0]["spread"], every.spread, atol=5.1e-5)


def test_the_users_columns_follow(ensemble, ubiquitin, tmp_path):
    (tmp_path / "in.csv").write_text("mutant,spread,note\nL50A,wide,x\n")
    table = score(ubiquitin, model=ensemble, csv=tmp_path / "in.csv").table
    assert table.columns[9:].tolist() == ["spread", "spread (input)", "note"]


def test_what_would_leave_the_best_tenth_is_counted(every):
    """By sorting, for one chain."""
    table = every.table.sort_values("plait_score", ascending=False, kind="stable")
    best = table[table["percentile"] >= 90]
    leaves = sum(row.plait_score - row.spread < best["plait_score"].iloc[-1] for row in best.itertuples())
    assert 0 < leaves < len(best) == 144
    (remark,) = [one for one in every.remarks if one.kind == "spread"]
    assert f"{leaves} of its 144 substitutions" in remark.text


def test_low_confidence_is_said_first(ensemble, structures):
    """On screen the first notes stand; on the page this one stands beside the meaning."""
    result = score(structures / "AF-Q5VSL9-F1-model_v4.cif.gz", model=ensemble.members[0])
    assert result.remarks[0].kind == "low pLDDT"
    data = page_data(result)
    assert data["warnings"] == [str(result.remarks[0])]
    assert data["chains"][0]["b_factor"][0] == pytest.approx(float(result.protein.b_factor[0]), abs=0.051)  # a decimal
