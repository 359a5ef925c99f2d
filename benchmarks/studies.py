"""Studies: arms of one recipe that differ in what is asked, with the same budget each.

    python benchmarks/studies.py recipes/studies/geometry.yaml --data ../shared/data

A study file has `summary`, `base` (a pre-training recipe) and `arms` (what each changes in it). Every arm is a
pre-training run under --work/arms, which a second call, or another study with the same arm, goes on with or finds done;
judged by its validation clusters, and reported, never chosen, by mutational scans. Writes --out/STUDY.csv, STUDY.md and
STUDY.png (learning curves from the runs' records). An arm's `tokens.tokenizer` may be `bundled:K`: the bundled
tokenizer's encoder, which sees whole chains, with a codebook of K states, fitted once; or `subgraph:K`: the same
encoder on the residues around each one alone, as ProSST has it, with a codebook of its own.
"""

import argparse
import copy
import dataclasses
import json
import shlex
import sys
import time
from pathlib import Path

import numpy as np
import pandas
import yaml

from plait.config import from_dict, to_dict
from plait.data.base import short_digest
from plait.data.corpus import Corpus, CorpusConfig
from plait.models.loading import load, load_tokenizer
from plait.tasks.assay_averages import MEAN
from plait.tasks.dms_benchmark import benchmark_dms
from plait.tokenizers.gvp import GVPTokenizer
from plait.training.options import PretrainConfig
from plait.training.pretrain import pretrain

TOKENIZER_MODEL = "plait-small"
CODEBOOK_RESIDUES = 200_000
SMOOTH = 5
BY_TYPE = "by_type_"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("runs/studies"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/studies"))
    parser.add_argument("--steps", type=int, help="another budget than the study's")
    options = parser.parse_args()
    for file in options.studies:
        study = yaml.safe_load(file.read_text())
        command = shlex.join(["python", "benchmarks/studies.py", *sys.argv[1:]])
        run_study(file.stem, study, options, command)


def run_study(name: str, study: dict, options, command: str) -> None:
    rows, curves = [], {}
    for arm, changes in study["arms"].items():
        recipe = merged(study["base"], changes or {})
        recipe["data"] = merged(recipe.get("data", {}), {"folder": str(options.data / "corpus")})
        if "stability" in recipe:
            place = {"data": {"folder": str(options.data / "stability")}}
            recipe["stability"] = merged(recipe["stability"], place)
        tokenizer = recipe.get("tokens", {}).get("tokenizer", "")
        if ":" in tokenizer:
            recipe["tokens"]["tokenizer"] = str(codebook(*tokenizer.split(":"), options))
        if options.steps:
            recipe["run"] = merged(recipe["run"], {"steps": options.steps})
        whole = to_dict(from_dict(PretrainConfig, recipe, place=f"{name}, {arm}"))
        digest = short_digest(json.dumps(whole, sort_keys=True).encode())
        folder = options.work / "arms" / digest
        recipe["run"] = merged(recipe["run"], {"out": str(folder)})
        recipe["model"] = str(folder / digest)
        started = time.perf_counter()
        _, values = pretrain(from_dict(PretrainConfig, recipe, place=f"{name}, {arm}"))
        print(f"{name}, {arm}: {values} in {time.perf_counter() - started:.0f} s", flush=True)
        model = load(recipe["model"])
        curves[arm] = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        rows.append({"arm": arm, "parameters": model.card["parameters"], **values, **scans(model, options)})
        options.out.mkdir(parents=True, exist_ok=True)
        table = pandas.DataFrame(rows)
        table.to_csv(options.out / f"{name}.csv", index=False, float_format="%.4f")
    budget = recipe["run"]["steps"] * recipe["batch"]["residues"]
    (options.out / f"{name}.md").write_text(page(name, study, table, budget, command))
    draw(curves, options.out / f"{name}.png")


def scans(model, options) -> dict[str, float]:
    """Mean Spearman over the scans with every head that the model has, with site weights and without; of the first head
    with weights also NDCG, top recall, and Spearman by selection type."""
    found = {}
    for head in [one for one in ("profile", "residue") if one_has(model, one)]:
        for weighting in ("none", "exposure"):
            other = copy.copy(model)
            other.scoring = dataclasses.replace(model.scoring, head=head, weighting=weighting, stability=0.0)
            other.name = f"{model.name} {head} {weighting}"
            summary = benchmark_dms(options.data / "dms", [other], out=options.work / "scans").summary
            values = summary[summary.model == other.name].set_index(["metric", "average"])["value"]
            found[f"spearman_{head}_{weighting}"] = values["spearman", MEAN]
            if weighting == "exposure" and "ndcg" not in found:
                found |= {"ndcg": values["ndcg", MEAN], "top_recall": values["top_recall", MEAN]}
                types = values["spearman"].drop(MEAN)
                found |= {f"{BY_TYPE}{name}": value for name, value in types.items()}
    return found


def one_has(model, head: str) -> bool:
    heads = getattr(model.network, "heads", None)
    if heads is None:
        return head == "residue" or model.network.config.profile_head
    return {"residue": "residue_type"}.get(head, head) in heads


def codebook(kind: str, size: str, options) -> Path:
    """The folder of a tokenizer, made if it is not there. In the names of arms and runs `bundled` is its size alone."""
    folder = options.work / "codebooks" / (size if kind == "bundled" else f"{kind}-{size}")
    if not (folder / "config.json").exists():
        bundled = load_tokenizer(TOKENIZER_MODEL)
        tokenizer = {"bundled": type(bundled), "subgraph": GVPTokenizer}[kind]
        config = bundled.config if kind == "bundled" else GVPTokenizer.Config(encoder=bundled.encoder.config)
        train = Corpus(CorpusConfig(folder=str(options.data / "corpus")))
        order = np.random.default_rng(0).permutation(len(train))
        count = int(np.searchsorted(np.cumsum(train.lengths[order]), CODEBOOK_RESIDUES)) + 1
        proteins = [train[int(index)].protein for index in order[:count]]
        tokenizer.fit(bundled.encoder, proteins, int(size), config, seed=0).save(folder)
    return folder


def merged(base: dict, changes: dict) -> dict:
    """A copy of `base` with the keys of `changes` put in, level by level; a key of value None is taken out."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def page(name: str, study: dict, table: pandas.DataFrame, budget: int, command: str) -> str:
    lines = [f"# Study: {name}", "", study["summary"].strip(), ""]
    lines += [f"Every arm: {budget:,} residues. Command: `{command}`", "", f"![learning curves]({name}.png)", ""]
    types = [column for column in table.columns if column.startswith(BY_TYPE)]
    lines += rows_of(table.drop(columns=types))
    lines += ["", "By selection type (Spearman with site weights; ProteinGym's aggregate is the mean over types):", ""]
    lines += rows_of(table[["arm", *types]].rename(columns=lambda name: name.removeprefix(BY_TYPE)))
    return "\n".join(lines) + "\n"


def rows_of(table: pandas.DataFrame) -> list[str]:
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    return lines + ["| " + " | ".join(map(written, row)) + " |" for row in table.itertuples(index=False)]


def written(cell) -> str:
    if isinstance(cell, float):
        return "" if np.isnan(cell) else f"{cell:.3f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def draw(curves: dict[str, list[dict]], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for arm, records in curves.items():
        taught = [(record["step"], record["train_profile"]) for record in records if "train_profile" in record]
        if taught:
            step, loss = np.array(taught).T
            around = np.convolve(np.ones(len(loss)), np.ones(SMOOTH), "same")
            axes.plot(step, np.convolve(loss, np.ones(SMOOTH), "same") / around, label=arm)
    axes.set(xlabel="step", ylabel=f"cross-entropy of profiles\n(training, mean of {SMOOTH} records)")
    axes.legend(fontsize=8)
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    main()
