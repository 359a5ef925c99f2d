"""The bundled models on mutational scans, whole and in parts, beside baselines and published models.

    python benchmarks/mutation_effects.py --data ../shared/data/dms

`plait benchmark dms` on fixed models. The scans only report: nothing is chosen by them. Writes the tables, the picture
and the page into --out; the scores of each assay stay in --work, where another run finds them.
"""

import argparse
import copy
import dataclasses
import shlex
import sys
from pathlib import Path

from plait.models.baselines import BASELINES
from plait.models.catalogue import DEFAULT
from plait.models.loading import load
from plait.reports.benchmark import write_benchmark
from plait.tasks.dms_benchmark import benchmark_dms

STRICT, ZERO_SHOT, TOKENS = "plait-braid-strict", "plait-geometry", "plait-small"
BESIDE = ("BLOSUM62", "ESM2 (8M)", "ESM2 (35M)", "Site-Independent", "ESM-IF1", "SaProt (650M)", "ProSST (K=2048)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/dms"))
    parser.add_argument("--work", type=Path, default=Path("runs/mutation_effects"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/mutation_effects"))
    options = parser.parse_args()
    whole, strict, zero_shot = load(DEFAULT), load(STRICT), load(ZERO_SHOT)
    models = [whole, *parts_left_out(whole), strict, *parts_left_out(strict)]
    models += [
        zero_shot,
        scoring(zero_shot, "log-odds alone", weighting="none"),
        load(TOKENS),
        *BASELINES,
    ]
    result = benchmark_dms(options.data, models, out=options.work, report=lambda one: print(one, file=sys.stderr))
    command = shlex.join(["python", "benchmarks/mutation_effects.py", *sys.argv[1:]])
    print(write_benchmark(result, options.out, beside=BESIDE, command=command))


def parts_left_out(model) -> list:
    """An ensemble without each of its parts, and its stability alone."""
    return [
        scoring(model, "stability left out", stability=0.0),
        scoring(model, "sites left out", sites=0.0),
        scoring(model, "sites and stability left out", sites=0.0, stability=0.0),
        scoring(model, "stability alone", log_odds=0.0, stability=1.0),
    ]


def scoring(model, what: str, **changes):
    """The same network scoring otherwise."""
    other = copy.copy(model)
    other.name = f"{model.name} ({what})"
    other.scoring = dataclasses.replace(model.scoring, **changes)
    return other


if __name__ == "__main__":
    main()
