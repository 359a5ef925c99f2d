"""A codebook: centres of k-means, and the nearest of them."""

import os
from pathlib import Path

import numpy as np

from plait.errors import InputError

NEAR = 1e-9
"""Relative to the squared lengths involved: centres this close to the nearest are compared by exact differences."""

DISTANCES_AT_ONCE = 1 << 20
MINI_BATCH_FROM = 200_000


class Codebook:
    """K centres of d numbers each.

    Parameters
    ----------
    centres : float32 or float64 [K, d]

    Raises
    ------
    InputError
        If they are not a table of finite floating-point numbers.
    """

    def __init__(self, centres: np.ndarray):
        centres = np.asarray(centres)
        if centres.ndim != 2 or not len(centres) or centres.dtype.kind != "f":
            raise InputError(
                "not the centres of a codebook",
                got=f"{centres.dtype} of shape {centres.shape}",
                expected="a table of floating-point numbers, one row per centre",
            )
        if not np.isfinite(centres).all():
            row = int(np.nonzero(~np.isfinite(centres).all(axis=1))[0][0])
            raise InputError("a centre of the codebook is not finite", place=f"row {row}")
        self.centres = np.ascontiguousarray(centres)
        self._terms = None

    def __len__(self) -> int:
        """Number of centres K."""
        return len(self.centres)

    def __repr__(self) -> str:
        return f"<Codebook of {len(self)} centres in {self.centres.shape[1]} dimensions>"

    def assign(self, embedding: np.ndarray) -> np.ndarray:
        """The nearest centre, of equally near ones the first, to each row: int64 [n], K where a row is not finite.

        Distances are Euclidean, in float64 (specs/prosst.md, A7: in float32 the usual expansion of the square is
        not good enough).
        """
        import torch

        embedding = np.asarray(embedding)
        if embedding.ndim != 2 or embedding.shape[1] != self.centres.shape[1]:
            raise InputError(
                "embeddings and codebook do not fit",
                got=f"embeddings of shape {embedding.shape}",
                expected=f"{self.centres.shape[1]} numbers in a row",
            )
        tokens = np.full(len(embedding), len(self), np.int64)
        finite = np.nonzero(np.isfinite(embedding).all(axis=1))[0]
        if self._terms is None:
            double = torch.from_numpy(self.centres.astype(np.float64))
            self._terms = double, 0.5 * double.square().sum(dim=1)
        centres, half_square = self._terms  # (K, d), (K,)
        step = max(1, DISTANCES_AT_ONCE // len(self))
        for rows in np.split(finite, range(step, len(finite), step)):
            points = torch.from_numpy(embedding[rows].astype(np.float64))
            distance = torch.addmm(half_square, points, centres.T, alpha=-1)  # (n, K), half the square less |x|^2 / 2
            least, nearest = distance.min(dim=1)
            scale = half_square.max() + 0.5 * points.square().sum(dim=1)
            near = distance <= (least + NEAR * scale).unsqueeze(1)
            nearest = nearest.numpy()
            for row in np.nonzero((near.sum(dim=1) > 1).numpy())[0]:
                candidates = near[row].nonzero()[:, 0]
                exact = (centres[candidates] - points[row]).square().sum(dim=1)
                nearest[row] = candidates[int(np.argmin(exact.numpy()))]
            tokens[rows] = nearest
        return tokens

    def save(self, path) -> None:
        """Write the centres as .npy, whole or not at all."""
        path = Path(path)
        beside = path.with_name(f".{path.name}.part")
        with open(beside, "wb") as file:
            np.save(file, self.centres, allow_pickle=False)
        os.replace(beside, path)

    @classmethod
    def load(cls, path) -> "Codebook":
        """Centres from a .npy file, or from a .safetensors file with one table, or with one called "centres".

        Raises
        ------
        InputError
            If there is no such file or it holds something else, a pickle above all.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError("no such codebook", file=path)
        if path.suffix == ".safetensors":
            from plait.data.tensors import read_tensors

            tensors = read_tensors(path)
            if "centres" not in tensors and len(tensors) != 1:
                raise InputError(
                    "no centres in the file", file=path, got=", ".join(sorted(tensors)[:5]), expected="'centres'"
                )
            centres = tensors.get("centres", next(iter(tensors.values()))).numpy()
        else:
            try:
                centres = np.load(path, allow_pickle=False)
            except (ValueError, OSError, EOFError) as error:
                raise InputError(
                    "not a .npy file of numbers",
                    file=path,
                    got=str(error).split("\n")[0],
                    do="Published .joblib codebooks are converted by `plait models convert`.",
                ) from None
        try:
            return cls(centres)
        except InputError as error:
            raise error.at(file=path) from None

    @classmethod
    def fit(cls, embedding: np.ndarray, size: int, *, seed: int = 0, starts: int = 1, iterations: int = 100):
        """K-means of `size` centres with k-means++ starts; in mini-batches from 200,000 rows on.

        Parameters
        ----------
        embedding : float [n, d]
            Rows that are not finite are left out.
        seed : int
            Of the starts and the batches.
        starts : int
            The best of so many is kept.

        Raises
        ------
        InputError
            If there are fewer distinct rows than centres, or scikit-learn is not installed.
        """
        try:
            from sklearn.cluster import KMeans, MiniBatchKMeans
        except ImportError:
            raise InputError(
                "fitting a codebook needs scikit-learn, which is not installed", do="pip install 'plait[train]'"
            ) from None
        embedding = np.asarray(embedding, np.float32)
        embedding = embedding[np.isfinite(embedding).all(axis=1)]
        distinct = len(embedding) if len(embedding) < size else len(np.unique(embedding, axis=0))
        if distinct < size:
            raise InputError(
                "too few different embeddings for a codebook", got=f"{distinct} of them", expected=f"{size} or more"
            )
        options = {"n_clusters": size, "init": "k-means++", "n_init": starts, "max_iter": iterations}
        if len(embedding) < MINI_BATCH_FROM:
            fitted = KMeans(**options, random_state=seed).fit(embedding)
        else:
            fitted = MiniBatchKMeans(**options, random_state=seed, batch_size=8 * max(size, 1024)).fit(embedding)
        return cls(fitted.cluster_centers_.astype(np.float32))

    def inertia(self, embedding: np.ndarray) -> float:
        """Mean squared distance of the finite rows from their nearest centres."""
        embedding = np.asarray(embedding, np.float64)
        tokens = self.assign(embedding)
        seen = tokens < len(self)
        return float(((embedding[seen] - self.centres[tokens[seen]]) ** 2).sum(axis=1).mean())
