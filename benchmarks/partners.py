"""How well each kind of partner's sites are found: GPSite's official test chains and the complexes of the time split.

    python benchmarks/partners.py --data ../shared/data --model plait-partners --scratch runs/partners-scratch/...

Beside the model: one without pre-training (`--scratch`), the model of small molecules (`--sites`), the share of
training residues of the same type that bind, and burial. Intervals: clusters are drawn with replacement. Writes
docs/results/partners.md and partners.csv.
"""

import argparse
import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import pandas

from plait.data.partners import GROUPS, KINDS, Partners, PartnersConfig, backbone_alone
from plait.data.site_labels import RESIDUES
from plait.models.loading import load
from plait.structure.protein import Hetero
from plait.structure.surface import burial
from plait.tasks.binding_sites.partners import Partner
from plait.tasks.bootstrap import bootstrapped_ratio, draws
from plait.tasks.site_metrics import Ranking, auroc, average_precision

SMALL, COMPLEXES, BARE = "small-molecule", "complexes", "complexes, backbone alone"
CHAINS = "chains"
RESAMPLES, POOLED_RESAMPLES = 10_000, 100
NAMES = tuple(KINDS)


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the tables: a kind or group of partners on some proteins."""

    name: str
    partner: Partner
    examples: list
    source: str


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", default="plait-partners")
    parser.add_argument("--scratch", default="", help="folder of a model without pre-training")
    parser.add_argument("--sites", default="plait-sites", help="a model of small molecules, or empty")
    parser.add_argument(
        "--bare", action=argparse.BooleanOptionalAction, default=True, help="complexes as backbones too"
    )
    parser.add_argument("--kept", type=Path, default=Path("runs/partners/logits"), help="folder of answers, kept")
    parser.add_argument("--leave-out", default="recipes/partners_left_out.txt")
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    options = parser.parse_args()
    folders = {"folder": "labels", "corpus": "corpus", "complexes": "complexes"}
    places = {field: str(options.data / name) for field, name in folders.items()}
    test = Partners(PartnersConfig(split="test", **places))
    train = Partners(PartnersConfig(split="train", exclude="near_dms_cluster", leave_out=options.leave_out, **places))
    shares = _binding_by_type(train)
    rows = _rows(test, options.bare)
    names = {"plait-partners": options.model, "from scratch": options.scratch, options.sites: options.sites}
    models = {name: Kept(load(model), options.kept) for name, model in names.items() if model}
    scores = {name: _of_model(model, rows) for name, model in models.items()}
    scores["residue type"] = _each(rows, lambda row, e: shares[:, list(row.partner.columns)].max(1)[_types(e)])
    scores["exposure"] = _each(rows, lambda row, e: -np.nan_to_num(burial(e.protein), nan=0.0))
    table = pandas.concat([_measured(row, {n: s[at] for n, s in scores.items()}) for at, row in enumerate(rows)])
    options.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "partners.csv", index=False, float_format="%.4f")
    crossed = _crossed(models["plait-partners"], rows)
    (options.out / "partners.md").write_text(_page(table, crossed, options), encoding="utf-8")


def _rows(test: Partners, bare: bool) -> list[Row]:
    complexes, *sets = [[part[number] for number in range(len(part))] for part in test.parts]
    complexes = [_without_hetero(example) for example in complexes]
    rows = [Row(SMALL, Partner(SMALL, (0,)), complexes, COMPLEXES)]
    if bare:
        rows.append(Row(SMALL, Partner(SMALL, (0,)), [_bare(example) for example in complexes], BARE))
    of = {}
    for part, examples in zip(test.parts[1:], sets, strict=True):
        for column in part.columns:
            of.setdefault(NAMES[column], []).extend(examples)
    rows += [Row(kind, Partner(kind, (NAMES.index(kind),)), of[kind], CHAINS) for kind in NAMES]
    for group in ("metal", "nucleic-acid"):
        columns = tuple(NAMES.index(kind) for kind in GROUPS[group])
        rows.append(Row(group, Partner(group, columns), [e for kind in GROUPS[group] for e in of[kind]], CHAINS))
    return rows


def _without_hetero(example):
    return dataclasses.replace(example, protein=example.protein.replace(hetero=Hetero.empty()))


def _bare(example):
    return dataclasses.replace(example, protein=backbone_alone(example.protein))


def _types(example) -> np.ndarray:
    return example.protein.residue_type.astype(np.int64)


def _binding_by_type(train: Partners) -> np.ndarray:
    """Share of the training residues of each type that bind each kind: [21, kinds]."""
    bound, asked = np.zeros((21, len(KINDS))), np.zeros((21, len(KINDS)))
    for part in train.parts:
        for number in range(len(part)):
            example = part[number]
            label = example.labels[RESIDUES]
            np.add.at(asked, _types(example), np.isfinite(label))
            np.add.at(bound, _types(example), np.nan_to_num(label))
    return bound / np.maximum(asked, 1)


def _each(rows: list[Row], score) -> list[list[np.ndarray]]:
    return [[np.asarray(score(row, example), np.float64) for example in row.examples] for row in rows]


class Kept:
    """A model whose logits are kept in files, so that the page can be written anew."""

    def __init__(self, model, folder: Path):
        self.model, self.folder = model, folder / model.digest
        self.folder.mkdir(parents=True, exist_ok=True)

    def logits(self, example) -> np.ndarray:
        """What the model says of a protein: [R, columns]."""
        file = self.folder / f"{example.id}-{len(example.protein.position)}.npy"
        if not file.is_file():
            np.save(file, self.model.outputs(example.protein)[RESIDUES])
        return np.load(file)


def _of_model(model, rows: list[Row]) -> list[list[np.ndarray]]:
    def score(row, example):
        logits = model.logits(example)
        return logits[:, list(row.partner.columns) if logits.shape[1] > 1 else [0]].max(1)

    return _each(rows, score)


def _measured(row: Row, scores: dict[str, list[np.ndarray]]) -> pandas.DataFrame:
    """Means over proteins of AUROC and AUPRC, and AUPRC of all residues together, of each score on one row."""
    true = [row.partner.label(example.labels[RESIDUES]) for example in row.examples]
    clusters, cluster = np.unique([example.cluster for example in row.examples], return_inverse=True)
    found = []
    for name, score in scores.items():
        line = {"partner": row.name, "source": row.source, "score": name, "proteins": len(true),
                "clusters": len(clusters), "binding": float(np.nanmean(np.concatenate(true)))}  # fmt: skip
        for metric, function in (("auroc", auroc), ("auprc", average_precision)):
            values = np.array([function(*pair) for pair in zip(score, true, strict=True)])
            known = np.isfinite(values)
            sums, counts = (
                np.bincount(cluster[known], part, minlength=len(clusters))
                for part in (values[known], np.ones(known.sum()))
            )
            value, resampled = bootstrapped_ratio(sums, counts, np.random.default_rng(0), RESAMPLES)
            line |= _interval(metric, value, resampled)
        line |= _pooled(score, true, cluster, len(clusters))
        found.append(line)
    return pandas.DataFrame(found)


def _pooled(score, true, cluster, count: int) -> dict:
    of_residue = np.repeat(cluster, [len(one) for one in true])
    known = np.isfinite(np.concatenate(true))
    ranking = Ranking.of(np.concatenate(score)[known], np.concatenate(true)[known])
    drawn = draws(count, np.random.default_rng(0), POOLED_RESAMPLES)
    resampled = np.array([ranking.weighted(row[of_residue[known]]).average_precision() for row in drawn])
    return _interval("auprc_pooled", ranking.average_precision(), resampled)


def _interval(name: str, value, resampled) -> dict:
    low, high = np.nanpercentile(resampled, (2.5, 97.5))
    return {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}


def _crossed(model, rows: list[Row]) -> pandas.DataFrame:
    """Mean AUPRC on the chains of each kind, if another kind's column were read."""
    found = {}
    for row in rows:
        if row.source != CHAINS or row.name not in NAMES:
            continue
        values = []
        for example in row.examples:
            true = row.partner.label(example.labels[RESIDUES])
            values.append([average_precision(column, true) for column in model.logits(example).T])
        found[row.name] = np.nanmean(np.array(values), axis=0)
    return pandas.DataFrame(found, index=NAMES).T


def _page(table: pandas.DataFrame, crossed: pandas.DataFrame, options) -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    lines = [INTRODUCTION + (SITES.format(name=options.sites) if options.sites else "")]
    names = list(dict.fromkeys(table["score"]))
    for metric, title in (
        ("auprc", "AUPRC, mean over proteins"),
        ("auroc", "AUROC, mean over proteins"),
        ("auprc_pooled", "AUPRC of all residues together"),
    ):
        lines += [f"\n## {title}\n", f"| partner | proteins (clusters) | residues that bind | {' | '.join(names)} |"]
        lines.append("| --- " * (3 + len(names)) + "|")
        for (partner, source), part in table.groupby(["partner", "source"], sort=False):
            part = part.set_index("score")
            where = "" if source == CHAINS else f" ({source})"
            cells = [
                f"{part.at[n, metric]:.3f} [{part.at[n, metric + '_low']:.3f}, {part.at[n, metric + '_high']:.3f}]"
                for n in names
            ]
            first = part.iloc[0]
            lines.append(
                f"| {partner}{where} | {first['proteins']} ({first['clusters']}) | {first['binding']:.1%} | "
                + " | ".join(cells) + " |"
            )  # fmt: skip
    lines += ["\n## Another kind's column\n", CROSSED, f"| chains of | {' | '.join(crossed.columns)} |"]
    lines.append("| --- " * (1 + len(crossed.columns)) + "|")
    for kind, row in crossed.iterrows():
        lines.append(f"| {kind} | " + " | ".join(f"{'**' if c == kind else ''}{v:.3f}{'**' if c == kind else ''}"
                                                 for c, v in row.items()) + " |")  # fmt: skip
    scratch = f" --scratch {options.scratch}" if options.scratch else ""
    sites = f"--sites {options.sites}" if options.sites else "--sites ''"
    bare = "" if options.bare else " --no-bare"
    lines.append(
        f"\nCommand: `python benchmarks/partners.py --data ../shared/data --model {options.model}{scratch} {sites}"
        f"{bare}` (commit {commit}). All figures: [partners.csv](partners.csv)."
    )
    return "\n".join(lines) + "\n"


INTRODUCTION = """# Sites of each kind of partner

`plait-partners` (`recipes/partners.yaml`) answers for eleven kinds of partners, a column each. It was taught
complexes with small molecules (all atoms, and N, CA and C alone) and chains of the corpus (N, CA, C) with the labels
of GPSite's ten sets; and of ScanNet's validation sets of interfaces.

**What the probability means.** Each set holds chains that bind its kind of partner. Of the others nothing is known,
so a chain teaches only the kinds in whose sets it is. The probability is that of a residue given that its protein
binds such a partner: whoever asks for zinc says that there is zinc. On a protein that binds none, it is no evidence
that it does.

**What is kept from the test.** Chains: GPSite's official test chains, as far as they have a structure in the corpus;
no chain of their 30 % clusters was trained on or chose thresholds. Complexes: 2019 and later; no entry of 30 %
identity or more, nor of their clusters. Complexes near test chains of ATP and haem, and chains near test complexes,
were left out too, as were all relatives of targets of mutational scans. The encoder was pre-trained on profiles of
the corpus: most test chains were in it, without their sites.

**Beside it.** Residue type: the share of training residues of the type that bind. Exposure: fewer neighbours. Groups
(metal, nucleic-acid): the largest of the group's columns, where the kind is not told, over the chains of its kinds;
what another kind of the group binds there counts as not binding. 95 % intervals: clusters drawn with replacement.
Chains have no side chains, so figures of chains and of whole structures do not compare.
"""

SITES = """
`{name}` was taught small molecules alone, on all atoms, relatives of the test complexes among them.
"""

CROSSED = """Mean AUPRC on the test chains of each kind (rows) if the column of another kind (columns) were read: how
far the model tells kinds apart, and what is lost by a wrong name.
"""

if __name__ == "__main__":
    main()
