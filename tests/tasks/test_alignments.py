"""An alignment beside the model: mixed in where it fits, said how deep it is, and recorded."""

import hashlib
import json

import numpy as np
import pytest
import scipy.stats

import plait
from plait.data.alignment_files import read_alignment
from plait.data.homologs import homologs_of
from plait.data.site_profiles import mixed
from plait.errors import InputError
from plait.models.scoring import Scoring
from plait.reports.page import page_data
from plait.reports.writing import write
from plait.structure.reading import read_structure
from plait.structure.vocabulary import RESIDUES

FLAT = np.full(20, -np.log(20), np.float32)


class FlatModel:
    """A model that holds all residues for equally likely: what it says of a site is what the alignment says."""

    name, digest, card = "flat", "", {}
    scoring = Scoring(alignment_prior=14.0, alignment_share=0.5)

    def __init__(self):
        self.asked = []

    def scores(self, protein, masked=None, homologs=None):
        self.asked.append((protein.chains, masked, homologs))
        log_p = np.tile(FLAT, (len(protein), 1))
        if homologs is not None:
            log_p = mixed(log_p, homologs.count, prior=14.0, share=0.5)
        return log_p - np.take_along_axis(log_p, protein.residue_type[:, None].astype(int), 1), None

    def describe_score(self):
        return "Higher is better tolerated."


@pytest.fixture
def ubiquitin(structures):
    return read_structure(structures / "1ubi.pdb")


@pytest.fixture
def aligned(tmp_path):
    def write_rows(*rows, name="family.a3m"):
        path = tmp_path / name
        path.write_text("".join(f">s{number}\n{row}\n" for number, row in enumerate(rows)))
        return path

    return write_rows


def family(sequence: str, number: int, changed: float = 0.5) -> list[str]:
    """The sequence and relatives of it that keep their glycines."""
    rng = np.random.default_rng(0)
    letters = RESIDUES[:20]
    rows = [
        "".join(a if a == "G" or rng.random() > changed else letters[rng.integers(20)] for a in sequence)
        for _ in range(number)
    ]
    return [sequence, *rows]


def said(result, kind="alignment") -> list[str]:
    return [str(remark) for remark in result.remarks if remark.kind == kind]


def test_what_the_family_keeps_scores_lower_when_it_is_changed(ubiquitin, aligned):
    sequence = ubiquitin.sequence
    result = plait.score(ubiquitin, model=FlatModel(), msa=aligned(*family(sequence, 200)))
    glycine = np.array([letter == "G" for letter in sequence])
    assert result.sensitivity[glycine].min() > result.sensitivity[~glycine].max()
    assert said(result) == []


def test_the_bundled_model_is_mixed_with_the_alignment(ubiquitin, aligned):
    model, path = plait.load(), aligned(*family(ubiquitin.sequence, 100))
    alone, result = plait.score(ubiquitin, model=model), plait.score(ubiquitin, model=model, msa=path)
    count = homologs_of(read_alignment(path), ubiquitin.residue_type).count
    scoring = model.scoring
    log_p = mixed(
        model.log_probabilities(ubiquitin), count, prior=scoring.alignment_prior, share=scoring.alignment_share
    )
    odds = log_p - np.take_along_axis(log_p, ubiquitin.residue_type[:, None].astype(int), 1)
    # what the alignment says of conservation weighs too: relative information content to a power
    conserved, before = (
        np.array([1 - scipy.stats.entropy(np.exp(row)) / np.log(20) for row in values.astype(float)])
        for values in (log_p, model.log_probabilities(ubiquitin))
    )
    factor = (conserved / before) ** scoring.information
    change = (odds * factor[:, None] - _odds(model, ubiquitin)) * model.site_weight(ubiquitin)[:, None]
    np.testing.assert_allclose(result.scores - alone.scores, change, atol=1e-4)  # float32 scores of a few units
    assert abs(change).max() > 0.5


def _odds(model, protein):
    log_p = model.log_probabilities(protein)
    return log_p - np.take_along_axis(log_p, protein.residue_type[:, None].astype(int), 1)


def test_residues_without_a_column_keep_the_models_scores(ubiquitin, aligned):
    rows = [row[:50] for row in family(ubiquitin.sequence, 50)]
    model = plait.load()
    alone, result = plait.score(ubiquitin, model=model), plait.score(ubiquitin, model=model, msa=aligned(*rows))
    np.testing.assert_allclose(result.scores[50:], alone.scores[50:], atol=1e-5)  # float32
    assert abs(result.scores[:50] - alone.scores[:50]).max() > 0.5
    (text,) = said(result)
    assert "covers little of the chain: 26 of 76 residues are in no column" in text
    assert "51, 52" in text


def test_chains_take_the_alignment_that_fits_them(structures, aligned):
    protein = read_structure(structures / "2d7t.pdb.gz")
    heavy = protein.select_chain("H").sequence
    model = FlatModel()
    result = plait.score(protein, model=model, msa=aligned(*family(heavy, 40)))
    assert [homologs is not None for _, _, homologs in model.asked] == [chain == "H" for chain in protein.chains]
    assert said(result) == ["chain L: no sequence of the alignment matches; scored by the model alone"]
    assert [one["chain"] for one in result.alignment_facts] == ["H"]


def test_joint_mutants_see_the_alignment_too(ubiquitin, aligned):
    model = FlatModel()
    plait.score(ubiquitin, model=model, mutations="M1A:Q2A", multi="joint", msa=aligned(*family(ubiquitin.sequence, 9)))
    assert [masked for _, masked, _ in model.asked] == [None, [0, 1]]
    assert model.asked[0][2] is model.asked[1][2] is not None


def test_a_shallow_alignment_is_said_to_be_shallow(ubiquitin, aligned):
    result = plait.score(ubiquitin, model=FlatModel(), msa=aligned(*family(ubiquitin.sequence, 2)))
    assert any("shallow: a median of 3.0 effective sequences" in text for text in said(result))
    single = plait.score(ubiquitin, model=FlatModel(), msa=aligned(ubiquitin.sequence))
    assert any("a median of 1.0" in text for text in said(single))


def test_mutations_fragments_and_another_first_sequence_are_said(ubiquitin, aligned):
    rows = family(ubiquitin.sequence, 30, changed=0.6)
    fragment = "-" * 60 + ubiquitin.sequence[60:]
    own = ubiquitin.sequence[:8] + "W" + ubiquitin.sequence[9:]
    result = plait.score(ubiquitin, model=FlatModel(), msa=aligned(*rows[1:], own, fragment))
    texts = said(result)
    assert "sequence 31 of the alignment (s30) was taken for the chain's" in texts[0]
    assert "1 of 32 sequences fill under 30% of the chain" in texts[1]
    assert "s30 in the alignment differs from the structure: T9 is W" in texts[2]


def test_record_meaning_and_page_say_what_was_mixed(structures, aligned, tmp_path):
    path = aligned(*family(read_structure(structures / "1ubi.pdb").sequence, 60))
    result = plait.score(structures / "1ubi.pdb", model=FlatModel(), msa=path)
    record = json.loads((write(result, tmp_path / "run") / "run.json").read_text())
    assert record["input"]["alignment"] == {
        "file": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    (facts,) = record["alignment"]
    assert facts["chain"] == "A"
    assert facts["coverage"] == facts["identity"] == 1
    assert (facts["sequences"], facts["used"], facts["prior"], facts["share"]) == (61, 61, 14, 0.5)
    assert 40 < facts["depth_median"] <= facts["effective"] <= 61
    assert record["arguments"]["msa"] == str(path)
    for part in ("61 sequences", "100% of residues covered", "(N f + B q) / (N + B) with B = 14"):
        assert part in record["score"]["meaning"]
    page = page_data(result)
    assert page["alignment"].startswith("61 sequences, median of ")
    assert page["meaning"] == result.meaning


def test_without_an_alignment_nothing_is_said(ubiquitin):
    result = plait.score(ubiquitin, model=FlatModel())
    assert result.alignment is None
    assert result.alignment_facts is None
    assert "alignment" not in result.meaning
    assert page_data(result)["alignment"] is None


def test_another_proteins_alignment_is_refused(structures, aligned):
    other = read_structure(structures / "1a8o.pdb").sequence
    with pytest.raises(InputError, match=r"family\.a3m, chain A of 1ubi\.pdb: no sequence of the alignment matches"):
        plait.score(structures / "1ubi.pdb", model=FlatModel(), msa=aligned(*family(other, 5)))


def test_an_alignment_may_be_given_as_it_was_read(ubiquitin, aligned):
    path = aligned(*family(ubiquitin.sequence, 20))
    one = plait.score(ubiquitin, model=FlatModel(), msa=path)
    two = plait.score(ubiquitin, model=FlatModel(), msa=read_alignment(path))
    assert np.array_equal(one.scores, two.scores)
    assert one.arguments == two.arguments
