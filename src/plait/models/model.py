"""`Model`: an encoder with its tokenizer, how it scores, and its card. Everything that can be asked is asked of it."""

import functools
from typing import Any

import numpy as np

from plait.data.homologs import Homologs
from plait.data.site_profiles import mixed
from plait.errors import InputError
from plait.models.scoring import Scoring, information_content, raised_by_sites, site_weight
from plait.structure.protein import Protein
from plait.structure.vocabulary import UNKNOWN


class Model:
    """A model for scoring substitutions and for embedding residues.

    Attributes
    ----------
    name : str
    network : torch.nn.Module
        An `EncoderWithHeads`, or a `ProsstForMaskedLM`.
    tokenizer : Tokenizer or None
    scoring : Scoring
    card : dict
        What it was trained on and how, its licence and its limits.
    digest : str
        SHA-256 of its weights (and of what says whose embeddings it reads), shortened.
    embeddings : source of `plait.models.embedding_sources`, or None
        Where the embeddings come from that its encoder reads.
    """

    def __init__(
        self, name: str, network, tokenizer, scoring: Scoring, card: dict[str, Any], digest: str = "", embeddings=None
    ):
        self.name, self.network, self.tokenizer = name, network.eval(), tokenizer
        self.scoring, self.card, self.digest = scoring, card, digest
        self._structure_tokens = functools.lru_cache(maxsize=8)(self._tokenise)
        self.embeddings = embeddings
        self._language = functools.lru_cache(maxsize=8)(lambda protein: self.embeddings(protein))

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
        return self._read(self.outputs(protein, masked))

    def outputs(self, protein: Protein, masked=None) -> dict[str, np.ndarray]:
        """What each head says of one chain, float32 [R, 20] by name: natural log-probabilities of "residue_type",
        "profile" and "log_odds", and "stability" in kcal/mol; only differences within a residue mean anything."""
        from plait.models.networks import predict

        tokens, language = self.structure_tokens(protein), self.language(protein)
        found = predict(self.network, protein, structure_tokens=tokens, masked=masked, language=language)
        return {name: value.numpy() for name, value in found.items()}

    def structure_tokens(self, protein: Protein) -> np.ndarray | None:
        """The structure tokens that the network reads of a chain, int64 [R]; None for one that reads none."""
        from plait.models.networks import structure_of

        structure = structure_of(self.network)
        reads = structure is not None and structure.tokenizer != "random"
        return self._structure_tokens(protein) if reads else None

    def language(self, protein: Protein) -> np.ndarray | None:
        """The embeddings that the network reads beside a structure, float32 [R, S]; None for one that reads none.

        Raises
        ------
        InputError
            If they are precomputed and not given, or not those of this structure.
        """
        return None if self.embeddings is None else self._language(protein)

    def site_weight(
        self, protein: Protein, found: dict[str, np.ndarray] | None = None, log_p: np.ndarray | None = None
    ) -> np.ndarray:
        """What the log-odds of each residue are multiplied by: float32 [R]; see `plait.models.scoring`: `site_weight`,
        `raised_by_sites`, and a power of `information_content`. `found` are the outputs for the protein, where they are
        at hand, and `log_p` [R, 20] the log-probabilities if others than those of `found`."""
        weight, scoring = site_weight(protein, self.scoring), self.scoring
        if found is None and (scoring.sites or scoring.information):
            found = self.outputs(protein)
        if scoring.sites:
            groups, rates = scoring.site_groups, scoring.site_rates
            weight = raised_by_sites(weight, found["binding_site"], scoring.sites, groups, rates)
        if scoring.information:
            information = information_content(self._read(found) if log_p is None else log_p)
            weight = (weight * information**scoring.information).astype(np.float32)
        return weight

    def score_matrix(self, protein: Protein, masked=None, homologs: Homologs | None = None) -> np.ndarray:
        """Score of every single substitution of one chain: float32 [R, 20], 0 for the wild type, NaN where it is
        unknown; see `combine`."""
        return self.scores(protein, masked, homologs)[0]

    def scores(
        self, protein: Protein, masked=None, homologs: Homologs | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """`score_matrix`, and how far the score is uncertain, float32 [R, 20]: the standard deviation over the members
        of an ensemble; None for a single network."""
        return self.combine(protein, self.outputs(protein, masked), homologs), None

    def combine(self, protein: Protein, found: dict[str, np.ndarray], homologs: Homologs | None = None) -> np.ndarray:
        """The scores that outputs make: float32 [R, 20].

        log p(mutated) - log p(wild type), times the site's weight; plus `scoring.stability` times the predicted change
        of stability, times the weight that the site has without its ligands, and brought to the standard deviation that
        the first has over the chain.
        With `homologs` of the chain the probabilities are first mixed with theirs (`plait.data.site_profiles.mixed`).
        """
        known = protein.residue_type != UNKNOWN
        rows, wild_type = np.arange(len(protein)), np.where(known, protein.residue_type, 0).astype(np.int64)

        def gain(values):
            return values - values[rows, wild_type][:, None]

        log_p = self._read(found)
        scoring, weight = self.scoring, self.site_weight(protein, found)[:, None]
        alone = scoring.log_odds * gain(log_p) * weight
        score = alone
        if homologs is not None:
            log_p = mixed(log_p, homologs.count, prior=scoring.alignment_prior, share=scoring.alignment_share)
            score = scoring.log_odds * gain(log_p) * self.site_weight(protein, found, log_p)[:, None]
        if scoring.stability and known.any():
            stability = gain(found["stability"]) * site_weight(protein, scoring)[:, None]
            scale = float(alone[known].std() / max(stability[known].std(), 1e-6)) if scoring.log_odds else 1.0
            score = score + scoring.stability * scale * stability
        score[~known] = np.nan
        return score.astype(np.float32)

    def _read(self, found: dict[str, np.ndarray]) -> np.ndarray:
        """The output that scores are made of."""
        if self.scoring.output not in found:
            raise InputError(
                "this model does not score substitutions",
                file=self.name,
                got=", ".join(found),
                expected=f"an output {self.scoring.output}",
                do="plait models lists others; one with the output binding_site is for plait sites.",
            )
        return found[self.scoring.output]

    def describe_score(self) -> str:
        """What a score means, in a sentence or two: direction and scale."""
        what = {
            "profile": "natural log of how much likelier evolution accepts the mutated residue than the wild type "
            "at this place of this structure, as the model predicts it",
            "log-odds": "natural log of how much likelier evolution accepts the mutated residue than the wild type "
            "at this place of this structure, as the model predicts it",
            "residue": "natural log of the probability of the mutated residue over that of the wild type at this "
            "place of this structure, as the model predicts it",
        }[self.scoring.head]
        text = f"plait_score is the {what}"
        text += {
            "none": "",
            "burial": ", times the relative burial of the site (0.05 on the surface to 1 in the core)",
            "exposure": ", times a weight of the site that falls with its accessible area and rises with its number of "
            "neighbours (about 0.1 in a loose tail to 1 in the core)",
        }[self.scoring.weighting]
        if self.scoring.sites:
            groups = " or ".join(dict.fromkeys(name.replace("-", " ") for name in self.scoring.site_groups if name))
            text += f", raised where the residue is predicted to touch a {groups or 'ligand'}"
        if self.scoring.information:
            power = f"to the power {self.scoring.information:.3g}"
            text += f", times how conserved the site is predicted to be (relative information content {power})"
        if self.scoring.stability:
            text += (
                f", plus {self.scoring.stability:.3g} times the predicted change of folding stability, weighted by "
                "burial and area too and brought to the same standard deviation"
            )
        return (
            text
            + ". Higher is better tolerated; 0 is as good as the wild type, most substitutions are below. It ranks "
            "substitutions within a protein; it is no energy, and scores of different proteins are not comparable."
        )

    def _tokenise(self, protein: Protein) -> np.ndarray:
        if self.tokenizer is None:
            raise InputError(
                "this model reads structure tokens and has no tokenizer",
                file=self.name,
                do="Give one with --tokenizer FOLDER; plait models convert makes it from the published files.",
            )
        return self.tokenizer(protein)
