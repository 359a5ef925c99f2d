"""Spearman correlation of a model's scores with mutational scans, beside the published models.

    python benchmarks/mutation_effects.py --data ../shared/data/dms --model plait-small --out docs/results

The scans only report: nothing is chosen by them. Writes mutation_effects.csv (one row per assay) and
mutation_effects.md into --out.
"""

import argparse
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

import plait
from plait.models.loading import load
from plait.structure import read_structure
from plait.structure.surface import relative_accessibility
from plait.structure.vocabulary import RESIDUES

PUBLISHED = ["BLOSUM62", "ESM2 (8M)", "ESM2 (35M)", "Site-Independent", "ESM-IF1", "SaProt (650M)", "ProSST (K=2048)"]
SHOWN = ["BLOSUM62", "ESM2 (8M)", "ESM-IF1", "ProSST (K=2048)"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/dms"))
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    options = parser.parse_args()
    model = load(options.model)
    reference = pd.read_csv(options.data / "reference.csv")
    published = pd.read_csv(options.data / "published_spearman.csv").set_index("DMS_id")
    rows = [evaluate(model, options.data, record) for record in reference.itertuples()]
    table = pd.DataFrame(rows).merge(published[PUBLISHED], left_on="assay", right_index=True, how="left")
    options.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "mutation_effects.csv", index=False, float_format="%.4f")
    text = page(table, model)
    (options.out / "mutation_effects.md").write_text(text, encoding="utf-8")
    print(text)


def evaluate(model, data: Path, record) -> dict:
    """Correlations of one assay: of the score, of the log-odds without the site's weight, and of two baselines."""
    protein = read_structure(data / "structures" / record.structure)
    started = time.perf_counter()
    score = model.score_matrix(protein)
    seconds = time.perf_counter() - started
    odds = score / model.site_weight(protein)[:, None]
    assay = pd.read_csv(data / "assays" / f"{record.DMS_id}.csv")
    position = assay["mutant"].str[1:-1].astype(int).to_numpy() - 1
    wild_type = assay["mutant"].str[0].map(RESIDUES.index).to_numpy()
    if not (protein.residue_type[position] == wild_type).all():
        raise SystemExit(f"{record.DMS_id}: wild types differ from {record.structure}")
    mutated = assay["mutant"].str[-1].map(RESIDUES.index).to_numpy()
    measured = assay["DMS_score"].to_numpy()
    exposed = relative_accessibility(protein)[position]
    return {
        "assay": record.DMS_id,
        "selection": record.coarse_selection_type,
        "protein": record.UniProt_ID,
        "plait": spearman(score[position, mutated], measured),
        "log-odds alone": spearman(odds[position, mutated], measured),
        "burial alone": spearman(-model_burial(protein)[position], measured),
        "accessibility alone": spearman(exposed, measured),
        "seconds": seconds,
    }


def model_burial(protein) -> np.ndarray:
    from plait.structure.surface import burial

    return burial(protein, radius=10.0)


def spearman(prediction, measured) -> float:
    known = np.isfinite(prediction)
    return float(spearmanr(prediction[known], measured[known]).statistic)


def page(table: pd.DataFrame, model) -> str:
    shown = ["plait", "log-odds alone", "burial alone", "accessibility alone", *SHOWN]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    lines = [
        "# Mutation effects: the bundled model on 24 mutational scans",
        "",
        f"Model `{model.name}` (digest {model.digest}), plait {plait.__version__}, commit {commit}. "
        "Spearman correlation, higher is better. The scans were not used to choose anything. Published results are "
        "those of ProteinGym, as in `published_spearman.csv` of the data.",
        "",
        "    python benchmarks/mutation_effects.py --data ../shared/data/dms",
        "",
        "| | " + " | ".join(shown) + " |",
        "| --- |" + " --- |" * len(shown),
        "| **mean of 24 assays** | " + " | ".join(f"**{table[name].mean():.3f}**" for name in shown) + " |",
        "| aggregated as ProteinGym does | " + " | ".join(f"{aggregated(table, name):.3f}" for name in shown) + " |",
    ]
    for selection, group in table.groupby("selection"):
        means = " | ".join(f"{group[name].mean():.3f}" for name in shown)
        lines.append(f"| {selection} ({len(group)}) | {means} |")
    lines += ["", "| assay | selection | " + " | ".join(shown) + " |", "| --- | --- |" + " --- |" * len(shown)]
    for row in table.to_dict("records"):
        values = " | ".join(f"{row[name]:.3f}" for name in shown)
        lines.append(f"| {row['assay']} | {row['selection']} | {values} |")
    return "\n".join(lines) + "\n"


def aggregated(table: pd.DataFrame, name: str) -> float:
    """Mean per protein and selection type, then over proteins of a type, then over types."""
    per_protein = table.groupby(["selection", "protein"])[name].mean()
    return float(per_protein.groupby("selection").mean().mean())


if __name__ == "__main__":
    main()
