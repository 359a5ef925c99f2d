"""`Model`: an encoder with its tokenizer, how it scores, and its card. Everything that can be asked is asked of it."""

import dataclasses
import functools
from typing import Any

import numpy as np

from plait.config import option
from plait.structure.protein import Protein
from plait.structure.vocabulary import UNKNOWN


@dataclasses.dataclass(frozen=True)
class Scoring:
    """How a model's probabilities become scores of substitutions."""

    head: str = option("residue", "which output is read: residue (language-model head) or profile")
    weighting: str = option(
        "none", "none, or burial: log-odds times the relative burial of the site, after RSALOR (btaf322)"
    )
    burial_radius: float = option(10.0, "neighbours of a C-beta are counted within this distance (angstrom)")
    burial_percentile: float = option(90.0, "this percentile of a chain's counts is burial 1")
    burial_least: float = option(0.05, "least relative burial")


class Model:
    """A model for scoring substitutions and for embedding residues.

    Attributes
    ----------
    name : str
    network : torch.nn.Module
        A `ProsstForMaskedLM`.
    tokenizer : Tokenizer or None
    scoring : Scoring
    card : dict
        What it was trained on and how, its licence and its limits.
    digest : str
        SHA-256 of its weights, shortened.
    """

    def __init__(self, name: str, network, tokenizer, scoring: Scoring, card: dict[str, Any], digest: str = ""):
        self.name, self.network, self.tokenizer = name, network.eval(), tokenizer
        self.scoring, self.card, self.digest = scoring, card, digest
        self._structure_tokens = functools.lru_cache(maxsize=8)(self._tokenise)

    def log_probabilities(self, protein: Protein, masked=None) -> np.ndarray:
        """Natural logarithms of the probability of each residue type: float32 [R, 20], in the order of
        `vocabulary.RESIDUES`.

        Parameters
        ----------
        protein : Protein
            One chain.
        masked : indices, optional
            Residues whose type the model does not see.
        """
        import torch

        from plait.encoders.prosst.features import RESIDUE_COLUMNS, prepare

        config = self.network.config
        tokens = [self._structure_tokens(protein)] if config.has_structure and config.tokenizer != "random" else None
        batch = prepare(config, [protein], structure_tokens=tokens, masked=None if masked is None else [masked])
        with torch.inference_mode():
            ids, structure, mask = batch.pad()
            output = self.network(ids, structure, mask)
            if self.scoring.head == "profile":
                logits = batch.unpad(torch.log_softmax(output.profile_logits.float(), -1))
            else:
                logits = batch.unpad(torch.log_softmax(output.logits.float(), -1))[:, RESIDUE_COLUMNS]
        return logits.numpy()

    def site_weight(self, protein: Protein) -> np.ndarray:
        """What the log-odds of each residue are multiplied by: float32 [R]; ones without a weighting.

        Relative burial is the number of ideal C-betas within `burial_radius`, over the chain's `burial_percentile`,
        clipped to [`burial_least`, 1]; the chain's median where a residue has no backbone.
        """
        if self.scoring.weighting != "burial":
            return np.ones(len(protein), np.float32)
        from plait.structure.surface import burial

        count = np.asarray(burial(protein, radius=self.scoring.burial_radius), np.float32)
        seen = np.isfinite(count)
        if not seen.any():
            return np.ones(len(protein), np.float32)
        full = max(1.0, float(np.percentile(count[seen], self.scoring.burial_percentile)))
        relative = np.clip(count / full, self.scoring.burial_least, 1.0)
        return np.where(seen, relative, np.median(relative[seen])).astype(np.float32)

    def score_matrix(self, protein: Protein, masked=None) -> np.ndarray:
        """Score of every single substitution: float32 [R, 20], 0 for the wild type, NaN where it is unknown.

        log p(mutated) - log p(wild type), times the site's weight.
        """
        log_p = self.log_probabilities(protein, masked=masked)
        known = protein.residue_type != UNKNOWN
        wild_type = np.where(known, protein.residue_type, 0).astype(np.int64)
        odds = log_p - log_p[np.arange(len(protein)), wild_type][:, None]
        odds = odds * self.site_weight(protein)[:, None]
        odds[~known] = np.nan
        return odds.astype(np.float32)

    def describe_score(self) -> str:
        """What a score means, in a sentence or two: direction and scale."""
        what = {
            "profile": "natural log of how much likelier evolution accepts the mutated residue than the wild type "
            "at this place of this structure, as the model predicts it",
            "residue": "natural log of the probability of the mutated residue over that of the wild type at this "
            "place of this structure, as the model predicts it",
        }[self.scoring.head]
        text = f"plait_score is the {what}"
        if self.scoring.weighting == "burial":
            text += ", times the relative burial of the site (0.05 on the surface to 1 in the core)"
        return (
            text
            + ". Higher is better tolerated; 0 is as good as the wild type, most substitutions are below. It ranks "
            "substitutions within a protein; it is no energy, and scores of different proteins are not comparable."
        )

    def _tokenise(self, protein: Protein) -> np.ndarray:
        if self.tokenizer is None:
            from plait.errors import InputError

            raise InputError(
                "this model reads structure tokens and has no tokenizer",
                file=self.name,
                do="Give one with --tokenizer FOLDER; plait models convert makes it from the published files.",
            )
        return self.tokenizer(protein)
