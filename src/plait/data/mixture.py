"""Several data sets as one, each with its share of the draws: corpus and measured stability in one training."""

from collections.abc import Sequence

import numpy as np

from plait.data.base import DataSet, Example, short_digest
from plait.errors import InputError


class Mixture(DataSet):
    """The examples of several sets, one set after the other.

    `plait.data.batches.Batches` draws from it so that each set has its share; an epoch has as many draws as the sets
    have examples together, so that a small set with a large share is seen many times in it. Validation sets stay
    apart: mix what is trained on only. Structure tokens are given to the parts (`WithStructureTokens`), then mixed.

    Parameters
    ----------
    parts : sequence of DataSet
    shares : sequence of float
        How large a part of the draws comes from each; they are scaled to the sum 1.

    Attributes
    ----------
    part : int64 [N]
        The set that each example belongs to, from 0.
    shares : float64 [number of sets]
    clusters : int64 [N]
        Clusters of different sets are different ones here, whatever their numbers; an example of a set without
        clusters is one of its own.
    """

    def __init__(self, parts: Sequence[DataSet], shares: Sequence[float]):
        if len(parts) != len(shares) or not parts or not all(np.isfinite(share) and share > 0 for share in shares):
            raise InputError(
                "shares that do not fit the data sets", got=list(shares), expected=f"{len(parts)} numbers above 0"
            )
        self.parts = tuple(parts)
        self.shares = np.asarray(shares, float) / np.sum(shares)
        sizes = [len(part) for part in parts]
        self.part = np.repeat(np.arange(len(sizes)), sizes)
        self.lengths = np.concatenate([np.asarray(part.lengths, np.int64) for part in parts])
        self._first = np.cumsum([0, *sizes])
        clusters, used = [], 0
        for part, size in zip(parts, sizes):
            own = getattr(part, "clusters", None)
            own = np.arange(size) if own is None else np.unique(own, return_inverse=True)[1]
            clusters.append(own + used)
            used += size
        self.clusters = np.concatenate(clusters)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Example:
        part = int(self.part[index])
        return self.parts[part][int(range(len(self))[index] - self._first[part])]

    @property
    def digest(self) -> str:
        return short_digest(*(part.digest.encode() for part in self.parts), str(self.shares.tolist()).encode())
