"""What residues see of cavities: by counting points anew, and turned with the structure."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from plait.structure import Protein, read_structure
from plait.structure.lining import FEATURES, NEAR, TOUCH, lining, point_pairs, principal_cavities


@pytest.fixture(scope="module")
def receptor(structures):
    """A receptor of 390 residues with a deep pocket."""
    return read_structure(structures / "4eiy.cif.gz")


def test_points_turn_with_the_structure(receptor):
    rotation = Rotation.random(random_state=3).as_matrix()
    turned = receptor.with_positions(receptor.position.astype(np.float64) @ rotation.T + [30.0, -7.0, 2.0])
    before, after = principal_cavities(receptor), principal_cavities(turned)
    expected = before.position @ rotation.T + [30.0, -7.0, 2.0]
    assert len(expected) > 100
    # a point at the very brink of a distance may come or go
    missing = (cdist(expected, after.position).min(1) > 0.01).sum() + (
        cdist(after.position, expected).min(1) > 0.01
    ).sum()
    assert missing <= 0.01 * len(expected)
    apart = np.abs(lining(receptor) - lining(turned)).max(1)
    assert (apart > 1e-3).mean() < 0.02


def test_points_are_away_from_atoms_and_counted_for_the_residues_near_them(receptor):
    cavity, found = principal_cavities(receptor), lining(receptor)
    gaps = cdist(cavity.position, receptor.position)
    assert gaps.min() > 3.2
    nearest = np.full((len(cavity.position), len(receptor)), np.inf)
    np.minimum.at(nearest, (slice(None), receptor.residue_of), gaps)
    assert np.allclose(found[:, 0], np.log1p((nearest <= TOUCH).sum(0)) / 4, atol=1e-5)
    assert np.allclose(found[:, 6], np.log1p((nearest <= NEAR).sum(0)) / 6, atol=1e-5)
    point, residue = point_pairs(receptor, cavity.position, TOUCH)
    assert set(zip(point.tolist(), residue.tolist())) == set(zip(*(x.tolist() for x in np.nonzero(nearest <= TOUCH))))
    most = np.where(nearest <= TOUCH, cavity.enclosed[:, None] / 7, 0).max(0)
    assert np.allclose(found[:, 2], most, atol=1e-5)


def test_shares_are_of_the_largest_cavity(receptor):
    found = lining(receptor)
    assert found.shape == (len(receptor), FEATURES) and found.dtype == np.float32
    assert found.min() == 0 and found[:, 5].max() == 1
    assert (found[found[:, 0] == 0][:, :6] == 0).all()


def test_nothing_is_lined_where_there_is_no_cavity():
    backbone = np.full((6, 3, 3), np.nan)
    backbone[:, 1] = [(2.0 * x, 0, 0) for x in range(6)]
    for count in (6, 2, 1):
        protein = Protein.from_backbone("G" * count, backbone[:count])
        assert not lining(protein).any()
