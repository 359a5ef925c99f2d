"""Nearest centres, exactly; codebooks from files and from data."""

import pickle
import sys

import numpy as np
import pytest

from plait.errors import InputError
from plait.tokenizers.codebook import Codebook


def by_brute_force(points, centres):
    return np.array([((point - centres) ** 2).sum(axis=1).argmin() for point in points.astype(np.float64)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_assign_gives_the_nearest(dtype):
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(300, 12)).astype(dtype)
    points = generator.normal(size=(5000, 12)).astype(np.float32)
    assert (Codebook(centres).assign(points) == by_brute_force(points, centres)).all()


def test_of_equally_near_centres_the_first():
    centres = np.array([[5, 5], [1, 0], [0, 1], [1, 0], [-1, 0]], np.float32)
    assert Codebook(centres).assign(np.array([[0, 0], [1, 0], [2, 0.0]])).tolist() == [1, 1, 1]
    # Far from the origin the expansion of the square has lost all digits; exact differences have not.
    far = np.array([[1e8, 0], [1e8 + 1, 0], [1e8 + 1, 0]])
    assert Codebook(far).assign(np.array([[1e8 + 0.75, 0], [1e8 + 0.5, 0]])).tolist() == [1, 0]


def test_what_is_not_finite_is_unknown():
    codebook = Codebook(np.eye(3))
    assert codebook.assign(np.array([[0, 1, 0], [np.nan, 0, 0], [np.inf, 0, 0]])).tolist() == [1, 3, 3]
    assert codebook.assign(np.zeros((0, 3))).tolist() == []


def test_save_and_load(tmp_path):
    centres = np.random.default_rng(0).normal(size=(7, 4))
    Codebook(centres).save(tmp_path / "centres.npy")
    again = Codebook.load(tmp_path / "centres.npy")
    assert again.centres.dtype == np.float64
    assert (again.centres == centres).all()


def test_bad_files(tmp_path):
    def refused(match):
        return pytest.raises(InputError, match=match)

    with refused("no such codebook"):
        Codebook.load(tmp_path / "absent.npy")
    (tmp_path / "empty.npy").write_bytes(b"")
    with refused(r"empty\.npy"):
        Codebook.load(tmp_path / "empty.npy")
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(np.eye(3)))
    with refused("plait models convert"):
        Codebook.load(tmp_path / "pickle.npy")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with refused(r"objects\.npy"):
        Codebook.load(tmp_path / "objects.npy")
    np.save(tmp_path / "flat.npy", np.zeros(5))
    with refused(r"\(5,\)"):
        Codebook.load(tmp_path / "flat.npy")
    np.save(tmp_path / "hole.npy", np.array([[1, 2], [np.nan, 0]]))
    with refused("row 1"):
        Codebook.load(tmp_path / "hole.npy")
    with refused("do not fit"):
        Codebook(np.eye(3)).assign(np.zeros((2, 4)))


def test_fit_finds_groups_and_repeats():
    generator = np.random.default_rng(0)
    groups = 10 * generator.normal(size=(6, 5))
    points = np.concatenate([group + 0.1 * generator.normal(size=(40, 5)) for group in groups]).astype(np.float32)
    points = np.concatenate([points, np.full((2, 5), np.nan, np.float32)])
    codebook = Codebook.fit(points, 6, seed=3, starts=3)
    nearest = np.sort(by_brute_force(groups, codebook.centres))
    assert nearest.tolist() == list(range(6))
    assert (Codebook.fit(points, 6, seed=3, starts=3).centres == codebook.centres).all()
    assert codebook.inertia(points) == pytest.approx(5 * 0.01, rel=0.3)  # 5 coordinates of variance 0.01


def test_fit_needs_enough_points_and_scikit_learn(monkeypatch):
    with pytest.raises(InputError, match="3 of them"):
        Codebook.fit(np.repeat(np.eye(3), 4, axis=0), 5)
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(InputError, match=r"plait\[train\]"):
        Codebook.fit(np.eye(3), 2)
