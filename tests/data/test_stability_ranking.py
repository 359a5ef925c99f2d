"""The evaluation of stability predictions, on the simple predictors of the data's README."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from plait.data.base import Example
from plait.data.stability import Stability, StabilityConfig
from plait.data.stability_ranking import less_wild_type, rank_stability
from plait.structure.protein import Protein
from plait.structure.vocabulary import RESIDUES


@pytest.fixture(scope="module")
def examples(shared):
    """A function: the examples of the test split."""

    def read(exclude):
        folder = str(shared / "data" / "stability")
        dataset = Stability(StabilityConfig(folder=folder, split="test", exclude=exclude))
        return [dataset[index] for index in range(len(dataset))]

    return read


@pytest.fixture(scope="module")
def blosum62():
    """float [20, 20], from biotite."""
    from biotite.sequence.align import SubstitutionMatrix

    matrix = SubstitutionMatrix.std_protein_matrix()
    order = [matrix.get_alphabet1().encode(letter) for letter in RESIDUES[:20]]
    return matrix.score_matrix()[np.ix_(order, order)].astype(float)


# README, "Expectations": proteins, rows, minus BLOSUM62, 1 - relative accessibility
@pytest.mark.parametrize(
    ("kind", "exclude", "proteins", "rows", "substitution", "burial"),
    [
        ("megascale", "near_dms", 5, 1412, 0.168, 0.502),
        ("megascale", "near_eval", 6, 2576, 0.167, 0.486),
        ("curated", "near_dms", 12, 473, 0.182, 0.323),
        ("curated", "near_eval", 16, 673, 0.132, 0.334),
    ],
)
def test_simple_predictors_rank_as_the_readme_says(
    examples, blosum62, kind, exclude, proteins, rows, substitution, burial
):
    read = examples(exclude)
    by_matrix = rank_stability((example, blosum62[example.protein.residue_type]) for example in read)[kind]
    by_access = rank_stability(
        (example, np.repeat(example.labels["accessibility"][:, None], 20, axis=1)) for example in read
    )[kind]
    for ranking, expected in ((by_matrix, substitution), (by_access, burial)):
        assert len(ranking.spearman) == proteins
        assert sum(ranking.rows.values()) == rows
        assert round(ranking.mean, 3) == expected


@pytest.fixture
def made_up():
    generator = np.random.default_rng(0)
    sequence = "".join(generator.choice(list(RESIDUES[:20]), 12))
    ddg = np.where(generator.random((12, 20)) < 0.5, generator.normal(size=(12, 20)).round(1), np.nan)
    labels = {"ddg_megascale": ddg.astype(np.float32), "ddg_curated": np.full((12, 20), np.nan, np.float32)}
    return Example("made up", Protein.from_backbone(sequence, generator.normal(size=(12, 3, 3))), labels)


def test_correlation_is_spearmans_with_ties_and_missing_scores(made_up):
    generator = np.random.default_rng(1)
    score = generator.normal(size=(12, 20)).round(1)
    score[3] = np.nan
    found = rank_stability([(made_up, score)])
    ddg = made_up.labels["ddg_megascale"]
    used = np.isfinite(ddg) & np.isfinite(score)
    assert found["megascale"].spearman["made up"] == pytest.approx(spearmanr(score[used], -ddg[used])[0])
    assert found["megascale"].rows == {"made up": used.sum()}
    assert math.isnan(found["megascale"].standard_error)
    assert found["curated"].spearman == {}
    assert math.isnan(found["curated"].mean)


def test_a_constant_prediction_is_worth_nothing_and_few_rows_are_left_out(made_up):
    score = np.zeros((12, 20))
    assert rank_stability([(made_up, score)])["megascale"].mean == 0
    score[2:] = np.nan
    assert math.isnan(rank_stability([(made_up, score)])["megascale"].mean)


def test_scores_are_relative_to_the_wild_type():
    output = np.random.default_rng(0).normal(size=(3, 20))
    score = less_wild_type(output, np.array([4, 0, 20], np.int8))
    assert score[0, 4] == score[1, 0] == 0
    assert score[0, 7] == pytest.approx(output[0, 7] - output[0, 4])
    assert np.isnan(score[2]).all()
