"""How scores are made of predictions, chosen without any mutational scan.

    python benchmarks/scoring_choices.py --data ../shared/data

1. What log-odds are multiplied by, on measured stability of proteins that the zero-shot members did not learn from:
   mean Spearman over proteins of training and validation clusters (near_eval = 0, at least 20 rows).
2. One pass, masked passes, or several models, on validation chains of the corpus: cross-entropy against the profile
   (weight: square root of the effective sequences, up to 30), and the mean over chains of Spearman's correlation of
   predicted log-odds with those of the profile. The networks are plait-geometry and plait-small.

Writes docs/results/scoring_choices.md.
"""

import argparse
import shlex
import sys
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from plait.data.corpus import Corpus, CorpusConfig
from plait.data.stability import Stability, StabilityConfig
from plait.data.stability_ranking import less_wild_type, rank_stability
from plait.models.loading import load
from plait.models.scoring import Scoring, information_content, site_weight

GEOMETRY, TOKENS = "plait-geometry", "plait-small"
PASSES, HIDDEN, NOISE = 6, 0.15, 0.2
EXPOSURE = "(0.3 + burial) (1.3 - area): exposure"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--chains", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("docs/results/scoring_choices.md"))
    options = parser.parse_args()
    geometry, tokens = load(GEOMETRY), load(TOKENS)
    lines = ["# How scores are made of predictions", "", *__doc__.split("\n\n")[2].splitlines(), ""]
    lines += [f"Command: `{shlex.join(['python', 'benchmarks/scoring_choices.py', *sys.argv[1:]])}`", ""]
    lines += [f"## Site weights ({GEOMETRY}, log-odds of its profiles)", "", *weights_table(geometry, options), ""]
    lines += ["## Passes and models", "", *passes_table(geometry, tokens, options), ""]
    options.out.write_text("\n".join(lines))
    print("\n".join(lines))


def weights_table(model, options) -> list[str]:
    found: dict[str, list] = {}
    for split in ("train", "valid"):
        config = StabilityConfig(folder=str(options.data / "stability"), split=split, exclude="near_eval", fewest=20)
        measured = Stability(config)
        for example in (measured[index] for index in range(len(measured))):
            protein = example.protein
            log_p = model.log_probabilities(protein)
            odds, content = less_wild_type(log_p, protein.residue_type), information_content(log_p)[:, None]
            buried = site_weight(protein, Scoring(weighting="burial"))[:, None]
            area = example.labels["accessibility"]
            area = np.where(np.isfinite(area), np.clip(area, 0, 1), 1 - buried[:, 0])[:, None]
            for name, score in {
                "none": odds,
                "relative burial": odds * buried,
                "1 - area (RSALOR)": odds * (1 - area),
                "their mean": odds * (buried + 1 - area) / 2,
                "their product": odds * buried * (1 - area),
                EXPOSURE: odds * (0.3 + buried) * (1.3 - area),
                **{
                    f"exposure, information content to the power {power}": odds
                    * (0.3 + buried)
                    * (1.3 - area)
                    * content**power
                    for power in (0.25, 0.5, 1, 2)
                },
                "burial without log-odds": np.broadcast_to(-buried, odds.shape),
                "area without log-odds": np.broadcast_to(area, odds.shape),
            }.items():
                found.setdefault(name, []).append((example, score))
    lines = [
        "| log-odds times | mega-scale | curated | beyond exposure, both together |",
        "| --- | --- | --- | --- |",
    ]
    plain = all_spearman(found[EXPOSURE])
    for name, predictions in found.items():
        rankings = rank_stability(predictions).values()
        cells = [f"{one.mean:.3f} ± {one.standard_error:.3f} ({len(one.spearman)})" for one in rankings]
        beyond = all_spearman(predictions) - plain
        cells.append(f"{beyond.mean():+.4f} ± {beyond.std(ddof=1) / len(beyond) ** 0.5:.4f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def all_spearman(predictions) -> np.ndarray:
    return np.concatenate([list(one.spearman.values()) for one in rank_stability(predictions).values()])


def passes_table(geometry, tokens, options) -> list[str]:
    chains = Corpus(CorpusConfig(folder=str(options.data / "corpus"), split="valid", profiles=True, longest=400))
    generator = np.random.default_rng(0)
    found: dict[str, list] = {}
    for index in generator.permutation(len(chains))[: options.chains]:
        example = chains[int(index)]
        protein = example.protein
        once, other = geometry.outputs(protein), tokens.outputs(protein)["profile"]
        masks = [generator.random(len(protein)) < HIDDEN for _ in range(PASSES)]
        masked = [geometry.outputs(protein, mask)["log_odds"] for mask in masks]
        shaken = [geometry.outputs(moved(protein, generator))["log_odds"] for _ in range(PASSES)]
        profile, odds = once["profile"], once["log_odds"]
        for name, values in {
            "profile head": [profile],
            "log-odds head": [odds],
            "both heads": [profile, odds],
            f"log-odds, mean of {PASSES} passes with 15 % hidden": masked,
            "log-odds, nothing hidden and those passes": [odds] * PASSES + masked,
            "log-odds, least of all passes": [np.minimum.reduce([odds, *masked])],
            f"log-odds, mean of {PASSES} passes with {NOISE} angstrom of noise": shaken,
            f"{TOKENS}": [other],
            f"log-odds and {TOKENS}": [odds, other],
            f"log-odds three times and {TOKENS}": [odds, odds, odds, other],
        }.items():
            found.setdefault(name, []).append(judged(np.mean(values, axis=0), example))
    lines = ["| | cross-entropy | Spearman of log-odds |", "| --- | --- | --- |"]
    for name, rows in found.items():
        sums = np.array(rows)
        lines.append(f"| {name} | {sums[:, 0].sum() / sums[:, 1].sum():.4f} | {sums[:, 2].mean():.4f} |")
    return lines


def moved(protein, generator):
    position = protein.position + generator.normal(0, NOISE, protein.position.shape)
    return protein.with_positions(position.astype(protein.position.dtype))


def judged(log_p: np.ndarray, example) -> tuple[float, float, float]:
    """Weighted sum of cross-entropies, sum of weights, Spearman's correlation of log-odds."""
    log_p = log_p - np.log(np.exp(log_p).sum(1, keepdims=True))
    profile, types = example.labels["profile"], example.protein.residue_type
    weight = np.sqrt(np.minimum(example.labels["neff"], 30))
    odds, expected = less_wild_type(log_p, types), less_wild_type(np.log(profile + 1e-4), types)
    known = np.isfinite(odds)
    entropy = -(profile * log_p).sum(1)
    return (entropy * weight).sum(), weight.sum(), spearmanr(odds[known], expected[known])[0]


if __name__ == "__main__":
    main()
