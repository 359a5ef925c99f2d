"""Points on the surface: areas against biotite's, places against a plain computation."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from plait.structure import Protein, read_structure
from plait.structure.surface import accessible_area
from plait.structure.surface_points import surface_points


@pytest.fixture(scope="module")
def ubiquitin(structures):
    return read_structure(structures / "1ubi.pdb")


def test_a_lone_atom_has_a_whole_sphere():
    alone = Protein.from_backbone("G", np.array([[[np.nan] * 3, [1.0, 2, 3], [np.nan] * 3]]))
    points = surface_points(alone, np.ones(1, bool), probe=1.6)
    assert np.allclose(np.linalg.norm(points.position - [1, 2, 3], axis=1), 3.4)
    assert points.area.sum() == pytest.approx(4 * np.pi * 3.4**2)
    assert np.abs(points.position.mean(0) - [1, 2, 3]).max() < 0.05
    apart = cdist(points.position, points.position) + 10 * np.eye(len(points.position))
    assert 0.8 < apart.min() < 1.3 < 1.5


def test_areas_are_those_of_biotite(ubiquitin):
    """The same radii and probe, 500 points an atom placed otherwise: residues agree to 4 of about 250 A^2."""
    points = surface_points(ubiquitin, np.ones(len(ubiquitin), bool), probe=1.4, count=500)
    area = np.bincount(points.residue, points.area, minlength=len(ubiquitin))
    expected = np.bincount(ubiquitin.residue_of, accessible_area(ubiquitin, points=500))
    assert area.sum() == pytest.approx(expected.sum(), rel=0.005)
    assert np.abs(area - expected).max() < 4


def test_points_touch_their_residue_and_no_atom_is_nearer(ubiquitin):
    chosen = np.isin(np.arange(len(ubiquitin)), (5, 30, 70))
    points = surface_points(ubiquitin, chosen)
    assert set(points.residue.tolist()) <= {5, 30, 70}
    apart = cdist(points.position, ubiquitin.position)
    assert apart.min() > 1.5 + 1.6 - 1e-4  # oxygen's radius is the smallest
    own = np.where(points.residue[:, None] == ubiquitin.residue_of, apart, np.inf)
    assert own.min(1).max() <= 1.9 + 1.6


def test_atoms_in_one_place_and_no_residues(ubiquitin):
    double = Protein.from_backbone("GG", np.array([[[np.nan] * 3, [0.0, 0, 0], [np.nan] * 3]] * 2))
    assert len(surface_points(double, np.ones(2, bool)).position) == 184
    assert len(surface_points(ubiquitin, np.zeros(len(ubiquitin), bool)).position) == 0
