"""Pockets and ligands by hand."""

import numpy as np

from plait.tasks.pocket_metrics import centre_distances, found_within, rank_of_first


def test_distances_by_hand():
    ligand = np.array([[0.0, 0, 0], [2, 0, 0], [4, 0, 0]])  # a rod, its mean at (2, 0, 0)
    centres = np.array([[4.0, 3, 0], [2, 5, 0]])
    dca, dcc = centre_distances(centres, ligand)
    assert np.allclose(dca, [3, 5])
    assert np.allclose(dcc, [13**0.5, 5])
    none = centre_distances(np.zeros((0, 3)), ligand)
    assert all(len(one) == 0 for one in none)


def test_the_first_pocket_that_meets_the_ligand_counts():
    assert rank_of_first(np.array([9.0, 4.0, 1.0])) == 2
    assert rank_of_first(np.array([9.0, 4.1])) == 0
    assert rank_of_first(np.array([])) == 0


def test_success_among_the_first_n():
    """A structure of two ligands (ranks 3 and none) and one of one ligand (rank 1)."""
    rank, ligands = np.array([3, 0, 1]), np.array([2, 2, 1])
    assert found_within(rank, ligands).tolist() == [False, False, True]
    assert found_within(rank, ligands + 2).tolist() == [True, False, True]
    assert found_within(rank, 3).tolist() == [True, False, True]
