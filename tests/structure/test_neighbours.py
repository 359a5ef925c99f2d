"""Neighbours from the tree equal those from all distances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.structure import read_structure
from plait.structure.neighbours import nearest, within_radius


def distances(points, others):
    with np.errstate(invalid="ignore"):
        return np.linalg.norm(points[:, None].astype(float) - others[None].astype(float), axis=-1)


def cloud(seed, count, absent):
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(count, 3)) * 6
    points[generator.random(count) < absent] = np.nan
    return points


clouds = st.builds(cloud, st.integers(0, 2**32 - 1), st.integers(0, 60), st.sampled_from([0.0, 0.2, 1.0]))


@settings(max_examples=60, deadline=None)
@given(points=clouds, radius=st.floats(0.5, 20))
def test_pairs_equal_all_distances(points, radius):
    near = distances(points, points) <= radius
    np.fill_diagonal(near, False)
    assert np.array_equal(within_radius(points, radius), np.argwhere(near))


@settings(max_examples=60, deadline=None)
@given(points=clouds, others=clouds, radius=st.floats(0.5, 20))
def test_pairs_between_two_sets(points, others, radius):
    expected = np.argwhere(distances(points, others) <= radius)
    assert np.array_equal(within_radius(points, radius, others), expected.reshape(-1, 2))


@settings(max_examples=60, deadline=None)
@given(points=clouds, k=st.integers(1, 70))
def test_nearest_equal_all_distances(points, k):
    index, distance = nearest(points, k)
    table = distances(points, points)
    np.fill_diagonal(table, np.inf)
    check_nearest(index, distance, np.where(np.isnan(table), np.inf, table), k)


@settings(max_examples=60, deadline=None)
@given(points=clouds, others=clouds, k=st.integers(1, 70))
def test_nearest_among_others(points, others, k):
    index, distance = nearest(points, k, others)
    table = distances(points, others)
    check_nearest(index, distance, np.where(np.isnan(table), np.inf, table), k)


def check_nearest(index, distance, table, k):
    width = max(k - table.shape[1], 0)
    expected = np.sort(np.pad(table, ((0, 0), (0, width)), constant_values=np.inf), axis=1)[:, :k]
    assert index.shape == distance.shape == (len(table), k)
    assert np.allclose(distance, expected, atol=1e-12)
    assert ((index == -1) == np.isinf(distance)).all()
    rows, columns = np.nonzero(index >= 0)
    assert np.allclose(table[rows, index[rows, columns]], distance[rows, columns], atol=1e-12)
    for row in index:
        found = row[row >= 0]
        assert len(set(found.tolist())) == len(found)


def test_points_in_one_place_are_neighbours_of_each_other():
    index, distance = nearest(np.zeros((5, 3)), 4)
    assert (distance == 0).all()
    for number, row in enumerate(index):
        assert sorted(row.tolist()) == [other for other in range(5) if other != number]
    assert len(within_radius(np.zeros((5, 3)), 1.0)) == 20


def test_real_structure_without_crystal_images(structures):
    c_alpha = read_structure(structures / "1ubi.pdb").c_alpha
    index, distance = nearest(c_alpha, 1)
    # 2.9 is cis, 3.8 trans; ubiquitin has neither a cis bond nor a residue alone.
    assert distance.max() < 4.0 and distance.min() > 3.6
    assert index.max() < len(c_alpha)
    with pytest.raises((ValueError, IndexError)):
        nearest(c_alpha[:, :2][0], 1)
