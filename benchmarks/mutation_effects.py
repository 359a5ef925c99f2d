"""The bundled model on mutational scans, with and without its site weights, beside baselines and published models.

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
from plait.models.loading import load
from plait.reports.benchmark import write_benchmark
from plait.tasks.dms_benchmark import benchmark_dms

BESIDE = ("BLOSUM62", "ESM2 (8M)", "ESM2 (35M)", "Site-Independent", "ESM-IF1", "SaProt (650M)", "ProSST (K=2048)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/dms"))
    parser.add_argument("--model", default=None)
    parser.add_argument("--work", type=Path, default=Path("runs/mutation_effects"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/mutation_effects"))
    options = parser.parse_args()
    model = load(options.model)
    models = [model, without_site_weights(model), *BASELINES]
    result = benchmark_dms(options.data, models, out=options.work, report=lambda one: print(one, file=sys.stderr))
    command = shlex.join(["python", "benchmarks/mutation_effects.py", *sys.argv[1:]])
    print(write_benchmark(result, options.out, beside=BESIDE, command=command))


def without_site_weights(model):
    """The same network scoring by its log-odds alone."""
    plain = copy.copy(model)
    plain.name = f"{model.name} (log-odds alone)"
    plain.scoring = dataclasses.replace(model.scoring, weighting="none")
    return plain


if __name__ == "__main__":
    main()
