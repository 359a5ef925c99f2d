"""How likely a pocket of a score holds a ligand: fitted on validation complexes, judged on the tests.

    python benchmarks/pocket_probability.py [MODEL ...] [--data ../shared/data] [--out docs/results/sites]

For each model the two numbers for its card ("binding_sites", `pocket_odds`) and, for test and test_dude, how many of
the pockets in each range of probability had a ligand within 4 angstrom of their centre. Ligands are not shown to
models. Writes --out/pocket_probability.md.
"""

import argparse
import dataclasses
import itertools
import shlex
import sys
from pathlib import Path

import numpy as np

from plait.data.complexes import Complexes, ComplexesConfig
from plait.models.loading import load
from plait.structure.protein import Hetero
from plait.tasks.binding_sites.predicting import SiteSettings, find
from plait.tasks.site_settings import holds_ligand, pocket_odds

EDGES = (0.0, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["plait-sites"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/sites"))
    options = parser.parse_args()
    lines = [
        "# How likely a pocket holds a ligand",
        "",
        "Log-odds that a heavy atom of a ligand is within 4 angstrom of a pocket's centre, a line in the logarithm of "
        "the pocket's score, fitted on the validation complexes; then how often that was so in the test sets, by what "
        "was said. Every complex has a ligand.",
        "",
        f"Command: `{shlex.join(['python', 'benchmarks/pocket_probability.py', *sys.argv[1:]])}`",
    ]
    for name in options.models:
        model = load(name)
        found = predicted(model, "valid", options.data)
        odds = tuple(round(one, 4) for one in pocket_odds(found))
        pockets = sum(len(one) for _, one in found)
        lines += ["", f"## {name}", ""]
        lines.append(f"`pocket_odds: {list(odds)}` from {pockets} pockets of {len(found)} complexes.")
        settings = dataclasses.replace(SiteSettings.of(model), pocket_odds=odds)
        for split in ("test", "test_dude"):
            lines += ["", *table(predicted(model, split, options.data), settings, split)]
    text = "\n".join(lines) + "\n"
    print(text)
    (options.out / "pocket_probability.md").write_text(text, encoding="utf-8")


def predicted(model, split: str, data: Path) -> list[tuple]:
    """Each complex of a split with its pockets."""
    complexes, settings = (
        Complexes(ComplexesConfig(folder=str(data / "complexes"), split=split, exclude="nothing")),
        SiteSettings.of(model),
    )
    examples = (complexes[index] for index in range(len(complexes)))
    return [
        (example, find(model, example.protein.replace(hetero=Hetero.empty()), settings).pockets) for example in examples
    ]


def table(found: list[tuple], settings: SiteSettings, split: str) -> list[str]:
    said = settings.pocket_probability([pocket.score for _, pockets in found for pocket in pockets])
    met = np.concatenate([holds_ligand(*pair) for pair in found])
    said, met = said[np.isfinite(met)], met[np.isfinite(met)]
    brier, constant = ((met - said) ** 2).mean(), met.var()
    lines = [f"| {split}: said | pockets | said on average | had a ligand |", "| --- | --- | --- | --- |"]
    for low, high in itertools.pairwise(EDGES):
        own = (said >= low) & (said < high) if high < 1 else said >= low
        if own.any():
            cells = (f"{low:g} to {high:g}", own.sum(), f"{said[own].mean():.3f}", f"{met[own].mean():.3f}")
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += ["", f"Brier score {brier:.3f}, of always saying {met.mean():.3f}: {constant:.3f}."]
    return lines


if __name__ == "__main__":
    main()
