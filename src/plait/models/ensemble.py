"""Several models as one: their outputs are averaged, and how far they differ says how sure the average is."""

import numpy as np

from plait.data.base import short_digest
from plait.errors import InputError
from plait.models.model import Model
from plait.models.scoring import Scoring


class Ensemble(Model):
    """A model whose outputs are the means of its members'.

    Log-probabilities are averaged as such (a geometric mean, not renormalised: scores are differences), stability in
    kcal/mol; a head that some members lack is the mean over the others. The head that the ensemble scores with is, in
    each member, the one that the member scores with by itself. A member without such a head, such as a model of binding
    sites, adds what it knows and has no vote.

    Parameters
    ----------
    members : sequence of Model
        Nothing else of how they score by themselves matters.
    weights : sequence of float, optional
        What each member counts in the means; all alike if not given. The spread is over members as they are.

    Raises
    ------
    InputError
        If there are not as many weights as members, or one is not above 0.
    """

    def __init__(self, name: str, members, scoring: Scoring, card: dict, weights=None):
        self.members = tuple(members)
        weights = [1.0] * len(self.members) if weights is None else weights
        numbers = isinstance(weights, list | tuple) and all(isinstance(weight, int | float) for weight in weights)
        if not numbers or len(weights) != len(self.members) or not all(weight > 0 for weight in weights):
            raise InputError(
                "weights that do not fit the members of an ensemble",
                file=name,
                got=weights,
                expected=f"{len(self.members)} numbers above 0",
            )
        self.weights = tuple(float(weight) for weight in weights)
        digest = short_digest(*(member.digest.encode() for member in self.members), str(self.weights).encode())
        super().__init__(name, self.members[0].network, self.members[0].tokenizer, scoring, card, digest)

    def outputs(self, protein, masked=None):
        return self._mean(self._each(protein, masked))

    def scores(self, protein, masked=None, homologs=None):
        found = self._each(protein, masked)
        whole = self._mean(found)
        votes = [one for one in found if self.scoring.output in one]
        score = self.combine(protein, whole, homologs)
        if len(votes) < 2:
            return score, None
        matrices = [self.combine(protein, {**whole, **one}, homologs) for one in votes]
        return score, np.std(matrices, axis=0).astype(np.float32)

    def describe_score(self):
        count = sum("binding_site" not in getattr(member.network, "heads", {}) for member in self.members)
        if count < 2:
            return super().describe_score()
        together = f"It is that of {count} networks' mean prediction; the spread says how far their scores differ."
        return f"{super().describe_score()} {together}"

    def _each(self, protein, masked) -> list[dict[str, np.ndarray]]:
        found = [member.outputs(protein, masked) for member in self.members]
        for member, one in zip(self.members, found, strict=True):
            if member.scoring.output in one:
                one[self.scoring.output] = one[member.scoring.output]
        return found

    def _mean(self, found: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        means = {}
        for name in dict.fromkeys(name for one in found for name in one):
            having = [(one[name], weight) for one, weight in zip(found, self.weights, strict=True) if name in one]
            values, weights = zip(*having, strict=True)
            means[name] = np.average(values, axis=0, weights=weights).astype(np.float32)
        return means
