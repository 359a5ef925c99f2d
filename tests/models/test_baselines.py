"""Baselines against published entries and measures of the structure."""

import numpy as np
import pytest

from plait.models.baselines import BASELINES
from plait.structure import read_structure
from plait.structure.protein import Protein
from plait.structure.surface import burial, relative_accessibility
from plait.structure.vocabulary import RESIDUES, UNKNOWN


@pytest.fixture(scope="module")
def ubiquitin(structures):
    return read_structure(structures / "1ubi.pdb")


@pytest.mark.parametrize("name", BASELINES)
def test_it_answers_as_a_model_does(name, ubiquitin):
    scores = BASELINES[name].score_matrix(ubiquitin)
    assert scores.shape == (76, 20)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert (scores[np.arange(76), ubiquitin.residue_type] == 0).all()
    assert np.array_equal(scores, BASELINES[name].score_matrix(ubiquitin))


@pytest.mark.parametrize("name", BASELINES)
def test_unknown_wild_types_have_no_score(name, ubiquitin):
    types = np.array(ubiquitin.residue_type)
    types[10] = UNKNOWN
    scores = BASELINES[name].score_matrix(ubiquitin.replace(residue_type=types))
    assert np.isnan(scores[10]).all()
    assert np.isfinite(np.delete(scores, 10, 0)).all()


def test_digests_differ():
    assert len({one.digest for one in BASELINES.values()}) == len(BASELINES)


def test_blosum62_has_the_published_entries(ubiquitin):
    """Henikoff & Henikoff 1992, figure 2: M to V 1, M to W -1, Q to E 2, I to G -4, T to P -1, L to I 2."""
    scores = BASELINES["blosum62"].score_matrix(ubiquitin)
    for mutant, expected in {"M1V": 1, "M1W": -1, "Q2E": 2, "I3G": -4, "T7P": -1, "L8I": 2}.items():
        position = int(mutant[1:-1]) - 1
        assert RESIDUES[ubiquitin.residue_type[position]] == mutant[0]
        assert scores[position, RESIDUES.index(mutant[-1])] == expected


def test_structure_alone_ranks_sites(ubiquitin):
    sites = np.array([ubiquitin.residue_type != type for type in range(UNKNOWN)]).T
    accessible = BASELINES["accessibility"].score_matrix(ubiquitin)
    buried = BASELINES["burial"].score_matrix(ubiquitin)
    expected = np.broadcast_to(relative_accessibility(ubiquitin)[:, None] - 1, sites.shape)
    assert np.array_equal(accessible[sites], expected[sites])
    assert np.array_equal(buried[sites], np.broadcast_to(-burial(ubiquitin)[:, None], sites.shape)[sites])
    assert np.isnan(BASELINES["burial"].score_matrix(_without_backbone(ubiquitin, 5))[5]).any()


def test_random_numbers_belong_to_the_sequence(ubiquitin):
    random = BASELINES["random"]
    moved = ubiquitin.with_positions(np.array(ubiquitin.position) + 1)
    assert np.array_equal(random.score_matrix(ubiquitin), random.score_matrix(moved))
    shorter = random.score_matrix(ubiquitin.select(np.arange(76) < 75))
    assert not np.array_equal(random.score_matrix(ubiquitin)[:75], shorter)


def _without_backbone(protein: Protein, residue: int) -> Protein:
    position = np.array(protein.backbone[:, :3])
    position[residue] = np.nan
    return Protein.from_backbone(protein.sequence, position)
