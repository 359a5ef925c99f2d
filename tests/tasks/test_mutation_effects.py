"""Scores of mutations: every residue answered for, by both numberings, as the model's matrix has it."""

import numpy as np
import pytest
from scipy.stats import percentileofscore

from plait.errors import InputError
from plait.registry import get
from plait.structure.protein import Protein
from plait.structure.reading import read_structure
from plait.structure.vocabulary import RESIDUES
from plait.tasks.mutation_effects import COLUMNS, score


class FixedModel:
    """A model whose log probabilities are drawn per residue from its C-alpha, and halved where masked."""

    name = "fixed"
    card = {"name": "fixed"}

    def __init__(self):
        self.passes = []

    def log_probabilities(self, protein, masked=None):
        self.passes.append(None if masked is None else tuple(masked))
        seed = np.nan_to_num(protein.position[:, 0]).sum()
        logits = np.random.default_rng(abs(int(seed * 1000))).normal(size=(len(protein), 20))
        if masked is not None:
            logits[list(masked)] /= 2
        return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)

    def score_matrix(self, protein, masked=None):
        log_p = self.log_probabilities(protein, masked)
        wild_type = np.where(protein.residue_type < 20, protein.residue_type, 0).astype(int)
        return log_p - np.take_along_axis(log_p, wild_type[:, None], 1)

    def scores(self, protein, masked=None):
        return self.score_matrix(protein, masked), None

    def describe_score(self):
        return "log p(mutated) - log p(wild type); higher is better."


@pytest.fixture
def model():
    return FixedModel()


@pytest.fixture
def ubiquitin(structures):
    return read_structure(structures / "1ubi.pdb")


def test_every_single_substitution_is_ranked(model, ubiquitin):
    result = score(ubiquitin, model=model)
    table = result.table
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 76 * 19
    assert table["mutant"].is_unique
    assert (np.diff(table["plait_score"]) <= 0).all()
    matrix = model.score_matrix(ubiquitin)
    for row in table.sample(50, random_state=0).itertuples():
        assert row.wild_type == ubiquitin.sequence[row.sequence_position - 1]
        assert row.plait_score == matrix[row.sequence_position - 1, RESIDUES.index(row.mutated)]
        assert row.percentile == pytest.approx(
            percentileofscore(table["plait_score"], row.plait_score, "mean"), abs=1e-4
        )
    assert (result.scores[np.arange(76), ubiquitin.residue_type] == 0).all()


def test_sensitivity_is_minus_the_mean_over_the_substitutions(model, ubiquitin):
    result = score(ubiquitin, model=model)
    means = result.table.groupby("sequence_position")["plait_score"].mean()
    # float32 sums of 19 numbers of order 1
    np.testing.assert_allclose(result.sensitivity, -means.to_numpy(), atol=1e-5)


def test_mutants_keep_their_order_and_add_up(model, ubiquitin):
    table = score(ubiquitin, model=model, mutations="L8A,M1C:Q2A,L8A,p.Met1Cys,M1M").table
    assert table["mutant"].tolist() == ["L8A", "M1C:Q2A", "L8A", "p.Met1Cys", "M1M"]
    matrix = model.score_matrix(ubiquitin)
    one, two = matrix[0, RESIDUES.index("C")], matrix[1, RESIDUES.index("A")]
    assert table["plait_score"][1] == pytest.approx(one + two, abs=1e-6)  # one float32 addition
    assert table["plait_score"][3] == one
    assert table["plait_score"][4] == 0
    assert table["sequence_position"][1] == "1:2"
    assert table["hgvs"].tolist()[1] == "p.[Met1Cys;Gln2Ala]"
    singles = score(ubiquitin, model=model).table["plait_score"]
    for value, percentile in zip(table["plait_score"], table["percentile"]):
        assert percentile == pytest.approx(percentileofscore(singles, value, "mean"), abs=0.04)  # of 1,444: half a rank


def test_joint_masks_the_positions_together_once(model, ubiquitin):
    result = score(ubiquitin, model=model, mutations="M1C:Q2A,Q2C:M1D,L8A", multi="joint")
    assert model.passes == [None, (0, 1)]
    log_p = FixedModel().log_probabilities(ubiquitin, masked=[0, 1])
    m, q, c, a = (RESIDUES.index(letter) for letter in "MQCA")
    expected = log_p[0, c] - log_p[0, m] + log_p[1, a] - log_p[1, q]
    assert result.table["plait_score"][0] == pytest.approx(float(expected), abs=1e-5)
    assert result.table["plait_score"][2] == model.score_matrix(ubiquitin)[7, a]
    assert "masked together" in result.meaning
    assert "additive" in score(ubiquitin, model=model, mutations="M1C:Q2A").meaning


def test_the_input_table_keeps_its_columns(model, ubiquitin, tmp_path):
    path = tmp_path / "mutants.csv"
    path.write_text('name,mutant,plait_score,DMS_score\nNA,M1C,9,001\nb,"Q2A,L8A",8,1e3\n')
    result = score(ubiquitin, model=model, csv=path)
    assert tuple(result.table.columns) == (*COLUMNS, "name", "plait_score (input)", "DMS_score")
    assert result.table["name"].tolist() == ["NA", "b"]
    assert result.table["DMS_score"].tolist() == ["001", "1e3"]
    assert any("plait_score (input)" in str(remark) for remark in result.remarks)


def test_an_error_in_the_table_names_file_and_row(model, ubiquitin, tmp_path):
    path = tmp_path / "mutants.csv"
    path.write_text("mutant\nM1C\nA2C\n")
    with pytest.raises(InputError) as caught:
        score(ubiquitin, model=model, csv=path)
    text = str(caught.value)
    assert "mutants.csv, row 2 (line 3)" in text
    assert "got A; expected Q" in text


def test_a_table_that_plait_wrote_is_read_back_chain_by_chain(model, structures, tmp_path):
    protein = read_structure(structures / "2d7t.pdb.gz")
    first = score(protein, model=model).table.sample(40, random_state=1)
    first.to_csv(tmp_path / "scores.csv", index=False)
    again = score(protein, model=model, csv=tmp_path / "scores.csv").table
    assert again["chain"].tolist() == first["chain"].tolist()
    np.testing.assert_array_equal(again["plait_score"], first["plait_score"])


def test_chains_are_scored_each_by_itself(model, structures):
    protein = read_structure(structures / "2d7t.pdb.gz")
    both = score(protein, model=model)
    alone = score(structures / "2d7t.pdb.gz", model=model, chain="L")
    np.testing.assert_array_equal(both.scores[protein.chain == "L"], alone.scores)
    assert set(both.table["chain"]) == {"H", "L"}
    assert set(alone.table["chain"]) == {"L"}


def test_insertion_codes_are_in_the_author_number(model, structures):
    result = score(structures / "2d7t.pdb.gz", model=model, numbering="author")
    inserted = result.table[result.table["author_number"].str.contains("[A-Z]")]
    assert inserted[["chain", "author_number"]].drop_duplicates().shape[0] == 4  # facts.json
    row = inserted.iloc[0]
    assert row["mutant"] == f"{row['wild_type']}{row['author_number']}{row['mutated']}"


def test_modified_residues_are_scored_as_their_parent(model, structures):
    result = score(structures / "1a8o.pdb", model=model)
    assert (result.table["sequence_position"] == 1).sum() == 19
    assert set(result.table[result.table["sequence_position"] == 1]["wild_type"]) == {"M"}
    assert any("MSE" in str(remark) for remark in result.remarks)


def test_unknown_residues_are_left_out_and_said(model, ubiquitin):
    types = ubiquitin.residue_type.copy()
    types[4] = 20
    protein = ubiquitin.replace(residue_type=types)
    result = score(protein, model=model)
    assert np.isnan(result.scores[4]).all()
    assert np.isnan(result.sensitivity[4])
    assert 5 not in set(result.table["sequence_position"])
    assert any(remark.kind == "unknown residue" for remark in result.remarks)
    mutants = score(protein, model=model, mutations="V5A,M1A")
    assert np.isnan(mutants.table["plait_score"][0])
    assert any("no score" in str(remark) for remark in mutants.remarks)


def test_residues_without_backbone_are_said(model, structures):
    result = score(structures / "bad" / "some_ca_missing.pdb", model=model)
    assert any(remark.kind == "incomplete backbone" and "GLY 10" in str(remark) for remark in result.remarks)


def test_no_backbone_at_all_is_refused(model, structures):
    with pytest.raises(InputError, match=r"1ubi_ca\.pdb.*backbone"):
        score(structures / "1ubi_ca.pdb", model=model)


def test_low_plddt_is_counted(model, structures):
    result = score(structures / "AF-Q5VSL9-F1-model_v4.cif.gz", model=model)
    low = int((result.protein.b_factor < 70).sum())
    assert low > 0
    assert any(remark.kind == "low pLDDT" and f"{low} of 837" in str(remark) for remark in result.remarks)


@pytest.mark.parametrize(
    "keywords",
    [
        {"chain": "Q"},
        {"numbering": "auther"},
        {"multi": "both"},
        {"mutations": "M1C", "csv": "x.csv"},
        {"mutations": []},
        {"mutations": "M2C"},
    ],
)
def test_bad_arguments_are_input_errors(model, ubiquitin, keywords):
    with pytest.raises(InputError):
        score(ubiquitin, model=model, **keywords)


def test_the_record_has_digests_and_arguments(model, structures):
    import hashlib

    result = score(structures / "1ubi.pdb", model=model, mutations="M1C")
    expected = hashlib.sha256((structures / "1ubi.pdb").read_bytes()).hexdigest()
    assert result.source["structure"]["sha256"] == expected
    assert result.arguments["mutations"] == "M1C"


def test_the_task_is_registered():
    assert get("task", "mutation-effects").summary


def test_a_single_residue_is_scored(model):
    protein = Protein.from_backbone("M", np.arange(12.0).reshape(1, 4, 3))
    assert len(score(protein, model=model).table) == 19
