"""How much a model's prediction weighs beside an alignment: measured on validation chains, tried on stability changes.

    OMP_NUM_THREADS=1 python benchmarks/alignment.py [--model NAME] [--chains 120] [--out docs/results/alignment.md]

Homologs are those of the corpus: the counts behind its profiles are recovered from profile and depth. The scans of
../shared/data/dms play no part.
"""

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
from scipy.special import gammaln
from scipy.stats import spearmanr

from plait.data.corpus import Corpus, CorpusConfig
from plait.data.site_profiles import PSEUDOCOUNTS, background, conditional, mixed, profile
from plait.data.stability import Stability, StabilityConfig
from plait.models.loading import load
from plait.structure.vocabulary import UNKNOWN

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("PLAIT_SHARED", ROOT.parent / "shared"))
PRIORS = np.exp(np.linspace(np.log(2), np.log(400), 107))
DEPTHS = ((0, 5), (5, 15), (15, 40), (40, np.inf))
TRIED = (3.5, 7.0, 14.0, 28.0, 56.0)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
SPLITS = ("train", "valid", "test")
FEWEST = 15


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--chains", type=int, default=120)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/results/alignment.md")
    options = parser.parse_args()
    model = load(options.model)
    command = shlex.join(["python", "benchmarks/alignment.py", *sys.argv[1:]])
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    lines = [
        "# A model's prediction beside an alignment",
        "",
        f"Made by `{command}` at commit {commit} with {model.name}.",
        *prior_section(model, options.chains),
        *stability_section(model),
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def counts(profile: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Weighted counts [R, 20] of the homologs behind a profile of the corpus, (N f + 5 g(f)) / (N + 5), at depth N."""
    profile, depth = profile.astype(float), depth.astype(float)
    system = depth[:, None, None] * np.eye(UNKNOWN) + PSEUDOCOUNTS * conditional().T
    frequency = np.linalg.solve(system, ((depth + PSEUDOCOUNTS)[:, None] * profile)[..., None])[..., 0]
    frequency = np.clip(frequency, 0, None)  # rounding of the profile leaves some slightly below zero
    return depth[:, None] * frequency / frequency.sum(axis=1, keepdims=True)


# -- the weight of the prediction


def likelihood(count: np.ndarray, prediction: np.ndarray, prior: float) -> np.ndarray:
    """Logarithm of the probability of the counts [R, 20] of each residue if its distribution is drawn from a Dirichlet
    distribution around the prediction with concentration `prior` (without the multinomial coefficient)."""
    alpha = prior * prediction
    return gammaln(prior) - gammaln(count.sum(1) + prior) + (gammaln(count + alpha) - gammaln(alpha)).sum(axis=1)


def best(curve: np.ndarray) -> float:
    """The prior of the highest likelihood [priors]."""
    return float(PRIORS[int(curve.argmax())])


def prior_section(model, most: int) -> list[str]:
    config = CorpusConfig(str(SHARED / "data/corpus"), split="valid", exclude="near_dms", profiles=True, longest=800)
    corpus = Corpus(config)
    parts = []
    for number in np.linspace(0, len(corpus) - 1, min(most, len(corpus))).round().astype(int):
        example = corpus[int(number)]
        own, depth = example.protein.residue_type.astype(int), example.labels["neff"]
        known = np.flatnonzero((own < UNKNOWN) & (depth > 0))
        found = counts(example.labels["profile"][known], depth[known])
        at = np.arange(len(known)), own[known]
        found[at] = np.maximum(found[at] - 1, 0)  # the chain itself, which the model has seen
        prediction = np.exp(model.log_probabilities(example.protein)[known].astype(float))
        parts.append((np.full(len(known), number), depth[known], own[known], found, prediction))
    chain, depth, own, count, prediction = (np.concatenate(column) for column in zip(*parts))
    priors = {
        f"{model.name}": prediction / prediction.sum(1, keepdims=True),
        "BLOSUM62, given the residue": conditional()[own],
        "composition of proteins": np.tile(background(), (len(own), 1)),
    }
    curves = {name: np.stack([likelihood(count, q, prior) for prior in PRIORS]) for name, q in priors.items()}
    ours = curves[model.name]
    by_chain = np.stack([ours[:, chain == one].sum(axis=1) for one in np.unique(chain)], axis=1)  # (priors, chains)
    draws = np.random.default_rng(0).integers(0, by_chain.shape[1], (1000, by_chain.shape[1]))
    low, high = np.percentile([best(by_chain[:, draw].sum(axis=1)) for draw in draws], [2.5, 97.5])
    lines = [
        "",
        "## B: how many effective sequences the prediction is worth",
        "",
        f"{len(np.unique(chain))} validation chains of the corpus without relatives of scanned proteins, {len(own):,} "
        "residues. The B under which the homologs' counts are likeliest if each residue's distribution is drawn from a "
        "Dirichlet distribution of concentration B around a prediction that does not know them (one sequence, the "
        "chain itself, is taken off the counts). Sequences weigh as in the corpus, one over the number of those that "
        "share 62 % of their residues. The likelihood is per residue, in nats, without a constant.",
        "",
        "| prediction | B | log-likelihood |",
        "| --- | ---: | ---: |",
    ]
    for name, curve in curves.items():
        mean = curve.mean(axis=1)
        lines.append(f"| {name} | {best(mean):.1f} | {mean.max():.2f} |")
    lines += ["", f"B of {model.name}: 95 % of 1,000 draws of chains lie between {low:.1f} and {high:.1f}.", ""]
    lines += ["| effective sequences at the residue | residues | B |", "| --- | ---: | ---: |"]
    for least, end in DEPTHS:
        within = (depth >= least) & (depth < end)
        name = f"{least} to {end:.0f}" if np.isfinite(end) else f"{least} and more"
        lines.append(f"| {name} | {within.sum():,} | {best(ours[:, within].sum(axis=1)):.1f} |")
    return lines


# -- tried on measured stability


def stability_section(model) -> list[str]:
    proteins = list(measured_proteins(model))
    deep = np.array([one["depth"] for one in proteins])
    lines = [
        "",
        "## Tried on changes of stability",
        "",
        f"{len(proteins)} proteins of ../shared/data/stability (`near_eval` = 0, at least {FEWEST} substitutions) that "
        f"stand in the corpus with a profile, most of them in its training split; median depth {np.median(deep):.0f}. "
        "Mean Spearman correlation of score and stability, log-odds times site weights, for the share of log p with "
        "the alignment beside log q without it. A share of 0 is the model alone, 1 the alignment with the prediction "
        "as its prior.",
        "",
        "| share | " + " | ".join(f"B = {prior:g}" for prior in TRIED) + " |",
        "| ---: |" + " ---: |" * len(TRIED),
    ]
    for share in SHARES:
        cells = [f"{np.mean([ranked(one, prior, share) for one in proteins]):.3f}" for prior in TRIED]
        lines.append(f"| {share:g} | " + " | ".join(cells) + " |")
    alone = np.mean([correlation(one, np.log(profile(one["count"]))) for one in proteins])
    lines += [
        "",
        f"Log-odds of the alignment alone (BLOSUM62 pseudocounts) times the same site weights: {alone:.3f}.",
    ]
    lines += ["", "By depth and share, with B = 14:", ""]
    lines.append("| median depth | proteins | " + " | ".join(f"{share:g}" for share in SHARES) + " |")
    lines.append("| --- | ---: |" + " ---: |" * len(SHARES))
    for low, high in ((0, 10), (10, 30), (30, np.inf)):
        chosen = [one for one in proteins if low <= one["depth"] < high]
        cells = [f"{np.mean([ranked(one, 14.0, share) for one in chosen]):.3f}" for share in SHARES]
        name = f"{low} to {high:.0f}" if np.isfinite(high) else f"{low} and more"
        lines.append(f"| {name} | {len(chosen)} | " + " | ".join(cells) + " |")
    return lines


def measured_proteins(model):
    """Proteins with measurements whose sequence, less five residues at each end, is part of a chain of the corpus."""
    index = pandas.read_parquet(SHARED / "data/corpus/index.parquet", columns=["sequence", "split", "has_profile"])
    index = index[index.has_profile == 1]
    folder = str(SHARED / "data/corpus")
    corpora = {split: Corpus(CorpusConfig(folder, split=split, exclude="nothing", profiles=True)) for split in SPLITS}
    chains = [
        (sequence, corpora[split], number)
        for split in SPLITS
        for number, sequence in enumerate(index.sequence[index.split == split])
    ]
    for split in SPLITS:
        config = StabilityConfig(str(SHARED / "data/stability"), split=split, exclude="near_eval", fewest=FEWEST)
        data = Stability(config)
        for number in range(len(data)):
            protein, changes = data[number].protein, data[number].labels["ddg"]
            core = protein.sequence[5:-5]
            found = next(((c, i, s.find(core)) for s, c, i in chains if len(core) >= 20 and core in s), None)
            if found is None:
                continue
            homologs = found[0][found[1]].labels
            column = np.arange(len(protein)) + found[2] - 5
            covered = (column >= 0) & (column < len(homologs["neff"]))
            covered[covered] = homologs["neff"][column[covered]] > 0
            count = np.zeros((len(protein), UNKNOWN))
            count[covered] = counts(homologs["profile"][column[covered]], homologs["neff"][column[covered]])
            yield {
                "own": protein.residue_type.astype(int),
                "log_p": model.log_probabilities(protein),
                "weight": model.site_weight(protein),
                "count": count,
                "depth": float(np.median(count.sum(axis=1))),
                "stability": -changes,
            }


def ranked(one: dict, prior: float, share: float) -> float:
    """Spearman correlation of a protein's mixed scores with its measured stabilities."""
    return correlation(one, mixed(one["log_p"], one["count"], prior=prior, share=share))


def correlation(one: dict, log_p: np.ndarray) -> float:
    """Spearman correlation of weighted log-odds with a protein's measured stabilities."""
    score = (log_p - np.take_along_axis(log_p, one["own"][:, None], 1)) * one["weight"][:, None]
    measured = np.isfinite(one["stability"])
    return float(spearmanr(score[measured], one["stability"][measured])[0])


if __name__ == "__main__":
    main()
