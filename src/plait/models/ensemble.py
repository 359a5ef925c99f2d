"""Several models as one: their outputs are averaged, and how far they differ says how sure the average is."""

import numpy as np

from plait.data.base import short_digest
from plait.models.model import Model
from plait.models.scoring import Scoring


class Ensemble(Model):
    """A model whose outputs are the means of its members'.

    Log-probabilities are averaged as such (a geometric mean, not renormalised: scores are differences), stability in
    kcal/mol; a head that some members lack is the mean over the others.

    Parameters
    ----------
    members : sequence of Model
        How they score by themselves does not matter.
    """

    def __init__(self, name: str, members, scoring: Scoring, card: dict):
        self.members = tuple(members)
        digest = short_digest(*(member.digest.encode() for member in self.members))
        super().__init__(name, self.members[0].network, self.members[0].tokenizer, scoring, card, digest)

    def outputs(self, protein, masked=None):
        return _mean([member.outputs(protein, masked) for member in self.members])

    def scores(self, protein, masked=None, homologs=None):
        found = [member.outputs(protein, masked) for member in self.members]
        whole = _mean(found)
        matrices = [self.combine(protein, {**whole, **one}, homologs) for one in found if self.scoring.output in one]
        return self.combine(protein, whole, homologs), np.std(matrices, axis=0).astype(np.float32)


def _mean(found: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    names = dict.fromkeys(name for one in found for name in one)
    return {name: np.mean([one[name] for one in found if name in one], axis=0) for name in names}
