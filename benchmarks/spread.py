"""Does the spread say how sure a score is? On validation chains of the corpus, whose profiles no member learned from.

    python benchmarks/spread.py --data ../shared/data/corpus

For every substitution: the spread that `plait score` states (standard deviation over the members of the default model)
against the error, the absolute difference of the model's log-odds, weighted by site, from those of the profile with the
same weights. Chains are drawn at random; substitutions are sorted by spread into tenths.

Writes docs/results/spread.md.
"""

import argparse
import shlex
import sys
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from plait.data.corpus import Corpus, CorpusConfig
from plait.data.stability_ranking import less_wild_type
from plait.models.catalogue import DEFAULT
from plait.models.loading import load
from plait.objectives.log_odds import LEAST

TENTHS = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/corpus"))
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--chains", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("docs/results/spread.md"))
    options = parser.parse_args()
    spread, error, within = compared(load(options.model), options)
    lines = ["# Does the spread say how sure a score is?", "", *__doc__.split("\n\n")[2].splitlines(), ""]
    lines += [f"Command: `{shlex.join(['python', 'benchmarks/spread.py', *sys.argv[1:]])}`", ""]
    lines += [f"{options.model}, {len(within)} chains, {len(spread):,} substitutions.", ""]
    lines += table(spread, error)
    lines += [
        "",
        f"Spearman's correlation of spread and error: {spearmanr(spread, error)[0]:.3f} over all substitutions; "
        f"{np.mean(within):.3f} on average within a chain, "
        f"above 0 in {sum(value > 0 for value in within)} of {len(within)} chains.",
        "",
    ]
    options.out.write_text("\n".join(lines))
    print("\n".join(lines))


def compared(model, options) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Spread and error of all substitutions, and their correlation within each chain."""
    chains = Corpus(CorpusConfig(folder=str(options.data), split="valid", profiles=True, longest=400))
    spreads, errors, within = [], [], []
    for index in np.random.default_rng(0).permutation(len(chains))[: options.chains]:
        example = chains[int(index)]
        protein = example.protein
        score, spread = model.scores(protein)
        odds = less_wild_type(np.log(example.labels["profile"] + LEAST), protein.residue_type)
        true = odds * model.site_weight(protein)[:, None]
        asked = np.isfinite(true) & np.isfinite(score) & (np.arange(20) != protein.residue_type[:, None])
        # on the scale of the profile's log-odds: scores with stability are wider
        size = np.sqrt((true[asked] ** 2).mean() / (score[asked] ** 2).mean())
        spreads.append(spread[asked] * size)
        errors.append(np.abs(score[asked] * size - true[asked]))
        within.append(float(spearmanr(spreads[-1], errors[-1])[0]))
    return np.concatenate(spreads), np.concatenate(errors), within


def table(spread: np.ndarray, error: np.ndarray) -> list[str]:
    lines = [
        "| tenth by spread | mean spread | mean error | error exceeded by one in ten |",
        "| --- | --- | --- | --- |",
    ]
    for number, part in enumerate(np.array_split(np.argsort(spread), TENTHS), 1):
        high = np.percentile(error[part], 90)
        lines.append(f"| {number} | {spread[part].mean():.3f} | {error[part].mean():.3f} | {high:.3f} |")
    return lines


if __name__ == "__main__":
    main()
