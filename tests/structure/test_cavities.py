"""Cavities against a plain walk along the lines, and by shapes whose cavity is known."""

import itertools

import numpy as np
import pytest

from plait.errors import InputError
from plait.structure import Protein, read_structure
from plait.structure.cavities import DIRECTIONS, cavity_points


def of_atoms(position) -> Protein:
    """C-alphas only."""
    backbone = np.full((len(position), 3, 3), np.nan)
    backbone[:, 1] = position
    return Protein.from_backbone("G" * len(position), backbone)


@pytest.fixture(scope="module")
def shell():
    """A hollow ball: atoms about 2 angstrom apart on a sphere of 8 angstrom about (20, 0, 0)."""
    height = np.linspace(-0.99, 0.99, 260)
    turn = np.pi * (3 - 5**0.5) * np.arange(260)
    across = np.sqrt(1 - height**2)
    return of_atoms(8 * np.stack([across * np.cos(turn), across * np.sin(turn), height], 1) + [20, 0, 0])


def test_a_hollow_ball_is_found(shell):
    cavity = cavity_points(shell, least=6)
    inside = np.linalg.norm(cavity.position - [20, 0, 0], axis=1) < 8
    assert inside.all()
    middle = np.linalg.norm(cavity.position - [20, 0, 0], axis=1) < 2
    assert middle.sum() >= 27
    assert np.allclose(cavity.position.mean(0), [20, 0, 0], atol=0.5)
    assert cavity.enclosed.max() == DIRECTIONS == 7


def test_a_plane_and_a_lone_atom_have_none():
    flat = np.array([(x, y, 0.0) for x, y in itertools.product(range(0, 20, 2), repeat=2)])
    assert len(cavity_points(of_atoms(flat), least=4).position) == 0
    assert len(cavity_points(of_atoms(flat[:1]), least=4).position) == 0


def test_points_are_those_of_a_plain_walk(structures):
    """Every grid point of a small box about a cavity: walked along each line, atom by atom."""
    protein = read_structure(structures / "1ubi.pdb")
    options = {"least": 4, "clearance": 2.6, "body": 1.8, "reach": 9.0}
    cavity = cavity_points(protein, **options)
    found = {tuple(np.rint(place).astype(int)): n for place, n in zip(cavity.position, cavity.enclosed)}
    assert found
    atoms = protein.position.astype(np.float64)
    lines = [d for d in itertools.product((-1, 0, 1), repeat=3) if np.abs(d).sum() in (1, 3) and d > (0, 0, 0)]
    assert len(lines) == DIRECTIONS

    def within(place, radius):
        return ((atoms - place) ** 2).sum(1).min() <= radius**2

    start = np.array(sorted(found)[len(found) // 2]) - 2
    for shift in itertools.product(range(5), repeat=3):
        place = start + shift
        count = 0
        for line in map(np.array, lines):
            far = int(9.0 / np.linalg.norm(line))
            ways = [any(within(place + way * n * line, 1.8) for n in range(1, far + 1)) for way in (1, -1)]
            count += all(ways)
        expected = count if count >= 4 and not within(place, 2.6) else None
        assert found.get(tuple(place.tolist())) == expected


def test_parts_that_are_far_apart_have_a_grid_each(structures):
    """As each has alone; whole angstrom apart, so that the grids are the same."""
    position = read_structure(structures / "1ubi.pdb").position.astype(np.float64)
    shift = np.array([5000, -4000, 6000])
    alone = cavity_points(of_atoms(position), least=4)
    both = cavity_points(of_atoms(np.concatenate([position, position + shift])), least=4)
    assert len(alone.position) > 50
    expected = np.concatenate([alone.position, alone.position + shift])
    assert np.array_equal(np.unique(both.position, axis=0), np.unique(expected, axis=0))
    assert sorted(both.enclosed) == sorted([*alone.enclosed, *alone.enclosed])


def test_a_grid_that_would_be_too_large_is_refused():
    """One part from end to end."""
    diagonal = np.arange(0, 3000, 15.0)[:, None] + np.zeros(3)
    with pytest.raises(InputError, match="too wide"):
        cavity_points(of_atoms(diagonal))
