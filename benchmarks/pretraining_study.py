"""Pre-training arms, each followed by the same probe and fine-tuning on folds, EC and sites: mean rank over tasks.

    python benchmarks/pretraining_study.py recipes/studies/pretraining.yaml --data ../shared/data

A study file has `summary`, `pretrain` (a recipe), `arms` (the objectives of each; nothing for no pre-training), `tasks`
(fine-tuning recipes by task) and `seeds`. What is done is not done again: pre-trainings lie in --work/ARM/pretrain and
fine-tunings in --work/ARM/TASK-SEED, and a second call goes on. Seed after seed goes through all arms, so that what is
there at any time is comparable; --until stops before the next run. The page --out/STUDY.md is written after each.

The probe is linear: the frozen encoder's vectors of all proteins are computed once (their graphs once for all arms),
and one linear layer is taught on them, with the epoch chosen by validation. Tasks of residues have no probe.
"""

import argparse
import copy
import json
import shlex
import time
from pathlib import Path

import numpy as np
import pandas
import torch
import yaml
from scipy.stats import rankdata, spearmanr

from plait.config import from_dict
from plait.data.batches import BatchConfig, Batches, in_order
from plait.encoders.base import is_protein_head
from plait.objectives.base import total
from plait.registry import get
from plait.training.finetune import finetune
from plait.training.options import FinetuneConfig, PretrainConfig
from plait.training.pretrain import make_objective, pretrain
from plait.training.sets import open_set
from plait.training.start import read_start

COLUMNS = {
    "family": ("fold", "accuracy_family"),
    "superfamily": ("fold", "accuracy_superfamily"),
    "fold": ("fold", "accuracy_fold"),
    "EC Fmax": ("ec", "fmax"),
    "EC AUPR": ("ec", "aupr"),
    "interface AUPRC": ("binding-sites", "auprc"),
}
"""What arms are ranked by: title, task and metric on its test."""

BINS = (30, 40, 50, 70, 95)

PUBLISHED = {
    "none": 7.8, "denoising": 5.0, "residue-type": 5.4, "distance": 6.4, "angle": 4.2, "dihedral": 7.2,
    "multiview": 4.0, "diffpret": 3.2, "siamdiff": 1.2,
}  # fmt: skip
"""Mean ranks of SiamDiff's table at residue level, GearNet-Edge (specs/siamdiff.md, section 8)."""


PROBE = {"epochs": 30, "batch": 128, "learning_rate": 0.003, "weight_decay": 0.01}
"""How the linear layer of the probe is taught."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("runs/pretraining_study"))
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--arms", nargs="*", help="only these")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--until", help="HH:MM by the clock of the machine: no run is begun later")
    parser.add_argument("--page", action="store_true", help="only write the page of what is there")
    options = parser.parse_args()
    study = yaml.safe_load(options.study.read_text())
    study["command"] = shlex.join(["python", "benchmarks/pretraining_study.py", str(options.study)])
    arms = options.arms or list(study["arms"])
    page = options.out / f"{options.study.stem}_study.md"
    if not options.page:
        for job in jobs(study, arms, options):
            if options.until and time.strftime("%H:%M") >= options.until:
                print(f"stopped before the next run, it is {options.until}")
                break
            if job():
                write_page(study, page, options)
    write_page(study, page, options)


def jobs(study: dict, arms: list[str], options):
    """Everything to do, in its order: functions that say whether they did something."""
    for arm in arms:
        if study["arms"][arm]:
            yield lambda arm=arm: pretrain_arm(study, arm, options)
    for task in probed(study):
        proteins = Proteins(study, task, options)
        for arm in arms:
            yield lambda arm=arm, task=task, proteins=proteins: probe_arm(study, arm, task, proteins, options)
    for seed in range(study["seeds"]):
        for task in study["tasks"]:
            for arm in arms:
                yield lambda arm=arm, task=task, seed=seed: finetune_arm(study, arm, task, seed, options)


def probed(study: dict) -> list[str]:
    """The tasks of whole proteins."""
    return [task for task in study["tasks"] if all(map(is_protein_head, get("task", task).heads))]


def pretrain_arm(study: dict, arm: str, options) -> bool:
    folder = options.work / arm / "pretrain"
    recipe = located(study["pretrain"], options, folder)
    recipe["objective"] = study["arms"][arm]
    if done(folder, recipe):
        return False
    started = time.process_time()
    _, values = pretrain(from_dict(PretrainConfig, recipe, place=f"pretrain, {arm}"))
    finish(folder, recipe, values, time.process_time() - started)
    return True


class Proteins:
    """Examples of a task by split, and batches of their graphs, which are the same for all arms."""

    def __init__(self, study: dict, task: str, options):
        self.study, self.task, self.options = study, task, options
        self._splits = None

    def splits(self, encoder) -> dict[str, tuple[list, list]]:
        """Examples and prepared batches of "train", "valid" and "test"."""
        if self._splits is None:
            recipe = located({**self.study["tasks"][self.task], "task": self.task}, self.options, Path("unused"))
            data = from_dict(FinetuneConfig, recipe).data
            self._splits = {}
            for split in ("train", "valid", "test"):
                dataset = open_set(data, split=split)
                batches, examples = [], []
                for indices in in_order(dataset, recipe["batch"]["residues"]):
                    part = [dataset[int(index)] for index in indices]
                    batches.append(encoder.prepare([example.protein for example in part]))
                    examples += part
                self._splits[split] = examples, batches
        return self._splits


def probe_arm(study: dict, arm: str, task: str, proteins: Proteins, options) -> bool:
    folder = options.work / arm / f"{task}-probe"
    recipe = {"data": study["tasks"][task]["data"], "pretrain": study["pretrain"], "arm": study["arms"][arm], **PROBE}
    if done(folder, recipe):
        return False
    started = time.process_time()
    encoder = encoder_of(study, arm, options)
    shown = proteins.splits(encoder)
    with torch.inference_mode():
        vectors = {
            split: torch.cat([encoder(batch).protein for batch in batches]) for split, (_, batches) in shown.items()
        }
    examples = {split: of for split, (of, _) in shown.items()}
    scale = vectors["train"].std(0).clamp(min=1e-6)
    vectors = {split: (of - vectors["train"].mean(0)) / scale for split, of in vectors.items()}
    values = [probe(get("task", task), vectors, examples, seed) for seed in range(study["seeds"])]
    folder.mkdir(parents=True, exist_ok=True)
    finish(folder, recipe, values, time.process_time() - started)
    return True


def encoder_of(study: dict, arm: str, options):
    """The arm's frozen encoder; without pre-training a new one."""
    torch.manual_seed(0)
    part = from_dict(PretrainConfig, {"encoder": study["pretrain"]["encoder"]}).encoder
    encoder = get("encoder", part.name)(part.config)
    if study["arms"][arm]:
        start = read_start(str(options.work / arm / "pretrain"))
        start.load_into(encoder, arm)
    else:  # running means of batch normalisation, which pre-training would have set
        corpus = open_set(from_dict(PretrainConfig, located(study["pretrain"], options, Path("unused"))).data)
        batches = Batches(corpus, BatchConfig(**study["pretrain"]["batch"]), seed=0)
        with torch.no_grad():
            for step in range(50):
                encoder.train()(encoder.prepare([example.protein for example in batches[step]]))
    return encoder.eval()


def probe(task, vectors: dict, examples: dict, seed: int) -> dict[str, float]:
    """Metrics on the test of a linear layer taught on vectors, at the epoch with the best validation."""
    objective = make_objective({task.objective: {}})
    head = next(iter(objective.heads))
    torch.manual_seed(seed)
    layer = torch.nn.Linear(vectors["train"].shape[1], objective.heads[head])
    optimiser = torch.optim.AdamW(layer.parameters(), PROBE["learning_rate"], weight_decay=PROBE["weight_decay"])
    generator = np.random.default_rng(seed)
    best, found = -1.0, {}

    def metrics(split):
        with torch.no_grad():
            outputs = layer(vectors[split]).numpy()
        return task.evaluate(examples[split], [{head: row} for row in outputs])

    for _ in range(PROBE["epochs"]):
        order = generator.permutation(len(examples["train"]))
        for rows in np.array_split(order, max(1, len(order) // PROBE["batch"])):
            view = objective.view([examples["train"][row] for row in rows], generator)
            optimiser.zero_grad()
            total(objective.loss({head: layer(vectors["train"][rows])}, view)).backward()
            optimiser.step()
        value = metrics("valid")[task.criterion]
        if value > best:
            best, found = value, metrics("test")
    return found


def finetune_arm(study: dict, arm: str, task: str, seed: int, options) -> bool:
    folder = options.work / arm / f"{task}-{seed}"
    recipe = located({**study["tasks"][task], "task": task, "test": ["test"]}, options, folder)
    recipe["encoder"], recipe["run"]["seed"] = study["pretrain"]["encoder"], seed
    if study["arms"][arm]:
        recipe["start"] = str(options.work / arm / "pretrain")
        del recipe["encoder"]
    if done(folder, recipe):
        return False
    started = time.process_time()
    part = type("Uncalibrated", (get("task", task),), {"calibrate": staticmethod(lambda *_, **__: {})})
    result = finetune(from_dict(FinetuneConfig, recipe, place=f"{task}, {arm}"), part)
    finish(folder, recipe, result.tests["test"][0], time.process_time() - started)
    return True


def located(recipe: dict, options, folder: Path) -> dict:
    """The recipe with its folders."""
    recipe = copy.deepcopy(recipe)
    corpus = str(options.data / "corpus")
    own = recipe["data"]["name"] == "corpus"
    recipe["data"] |= {"folder": corpus} if own else {"folder": str(options.data / "labels"), "corpus": corpus}
    recipe["run"] |= {"out": str(folder), "threads": options.threads, "device": "cpu"}
    return recipe


def done(folder: Path, recipe: dict) -> bool:
    """Whether the run of this recipe is there; the number of threads does not matter."""
    file = folder / "study.json"
    return file.is_file() and _essence(json.loads(file.read_text())["recipe"]) == _essence(recipe)


def _essence(recipe: dict) -> dict:
    recipe = json.loads(json.dumps(recipe))
    recipe.get("run", {}).pop("threads", None)
    return recipe


def finish(folder: Path, recipe: dict, values: dict, seconds: float) -> None:
    part = folder / "study.json.part"
    part.write_text(json.dumps({"recipe": recipe, "values": values, "seconds": seconds}, indent=1) + "\n")
    part.rename(folder / "study.json")
    print(f"{folder}: {values} in {seconds:.0f} s of processor time", flush=True)


def found(study: dict, options) -> pandas.DataFrame:
    """Metrics of all that is there: arm, task, seed, kind (probe or fine-tuning), and a column a metric."""
    rows = []
    for arm in study["arms"]:
        for task in study["tasks"]:
            name = {"arm": arm, "task": task}
            for seed in range(study["seeds"]):
                values = read(options.work / arm / f"{task}-{seed}")
                rows += [{**name, "kind": "fine-tuning", "seed": seed, **values}] if values else []
            probes = read(options.work / arm / f"{task}-probe") or []
            rows += [{**name, "kind": "probe", "seed": seed, **values} for seed, values in enumerate(probes)]
    return pandas.DataFrame(rows, columns=None if rows else ["arm", "task", "kind", "seed"])


def read(folder: Path):
    file = folder / "study.json"
    return json.loads(file.read_text())["values"] if file.is_file() else None


def mean_ranks(means: pandas.DataFrame) -> pandas.Series:
    """Mean over columns of the rank of each arm in it (1 best, equal ones share); higher values are better."""
    return pandas.Series(np.mean([rankdata(-means[column]) for column in means], axis=0), index=means.index)


def write_page(study: dict, file: Path, options) -> None:
    table = found(study, options)
    tasks = [f"{name} {recipe['run']['steps']} steps of {recipe['batch']['residues']:,}" for name, recipe in
             study["tasks"].items()]  # fmt: skip
    run, residues = study["pretrain"]["run"], study["pretrain"]["batch"]["residues"]
    lines = ["# What pre-training is worth", "", study["summary"].strip(), ""]
    lines.append(
        f"Each pre-training has {run['steps']} steps of at most {residues:,} residues, each fine-tuning on "
        f"{' and on '.join(tasks)}; a probe has {PROBE['epochs']} epochs. This is what two busy cores did in eighty "
        "minutes, and far from convergence: it compares beginnings, not objectives at their best. Mean and standard "
        f"deviation are over {study['seeds']} seeds of probe or fine-tuning, with one of pre-training. The paper "
        "pre-trains an encoder of 20.1 million weights for 50 epochs on AlphaFold DB."
    )
    lines += ["", f"Command: `{study['command']}`", ""]
    for kind, heading, tasks in (
        ("probe", "Linear probe", probed(study)),
        ("fine-tuning", "Full fine-tuning", list(study["tasks"])),
    ):
        lines += section(study, heading, table[table["kind"] == kind], tasks, options)
    lines += [
        "The superfamily test is easier than the family test here, as two large superfamilies (protein kinases and "
        "immunoglobulin domains) make half of it; see the row of frequencies. Training and tests are those of "
        "docs/how-to/classify-proteins.md; the published benchmark has other domains and is not comparable.",
        "",
        *costs(study, options),
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".md.part")
    part.write_text("\n".join(lines).rstrip() + "\n")
    part.rename(file)


def section(study: dict, heading: str, table: pandas.DataFrame, tasks: list[str], options) -> list[str]:
    """Tables of one kind of use of the encoders, for the arms that have all of its tasks."""
    columns = {title: at for title, at in COLUMNS.items() if at[0] in set(table["task"])}
    values = {
        title: table[table["task"] == task].groupby("arm")[metric].agg(["mean", "std", "count"])
        for title, (task, metric) in columns.items()
    }
    whole = [arm for arm in study["arms"] if values and all(arm in one.index for one in values.values())]
    runs, wanted = len(table), len(study["arms"]) * len(tasks) * study["seeds"]
    missing = [f"{runs} of {wanted} runs are there; the same command goes on.", ""] if runs < wanted else []
    if not whole:
        return [f"## {heading}", "", *missing]
    means = pandas.DataFrame({title: one["mean"].reindex(whole) for title, one in values.items()})
    lines = [f"## {heading}", "", *missing, *rank_table(means, values), frequencies(study, columns, options), ""]
    if not missing:
        lines += [*verdict(means, values), ""]
    return [*lines, *bin_table(table, whole), ""]


def frequencies(study: dict, columns: dict, options) -> str:
    """A row of the table for an answer that does not look at the protein: how frequent each class is in training."""
    found = {
        task: frequency_metrics(study, task, options) for task in dict.fromkeys(task for task, _ in columns.values())
    }
    cells = [f"{found[task][metric]:.3f}" for task, metric in columns.values()]
    return "| frequency of the class alone | " + " | ".join(cells) + " | | | |"


def frequency_metrics(study: dict, task: str, options) -> dict[str, float]:
    folder = options.work / "frequencies" / task
    recipe = {"data": study["tasks"][task]["data"]}
    if not done(folder, recipe):
        place = located({**study["tasks"][task], "task": task}, options, folder)
        data = from_dict(FinetuneConfig, place).data
        train, test = (open_set(data, split=split) for split in ("train", "test"))
        examples, head = [test[index] for index in range(len(test))], next(iter(get("task", task).heads))
        if task in probed(study):
            labels = [train[index].protein_labels[task] for index in range(len(train))]
            counts = np.bincount(labels) if task == "fold" else np.sum(labels, axis=0)
            outputs = [{next(iter(train.classes)): counts.astype(np.float64)}] * len(test)
        else:  # every residue is as likely
            outputs = [{head: np.zeros((len(example.protein), 1))} for example in examples]
        folder.mkdir(parents=True, exist_ok=True)
        finish(folder, recipe, get("task", task).evaluate(examples, outputs), 0.0)
    return read(folder)


def rank_table(means: pandas.DataFrame, values: dict) -> list[str]:
    ranks = mean_ranks(means)
    lines = ["| pre-training | " + " | ".join(means.columns) + " | mean rank | published mean rank | seeds |"]
    lines.append("|" + " --- |" * (len(means.columns) + 4))
    for arm in means.index:
        cells = []
        for title in means.columns:
            mean, std, _ = values[title].loc[arm]
            cells.append(f"{mean:.3f}" + ("" if np.isnan(std) else f" ± {std:.3f}"))
        seeds = int(min(one.loc[arm, "count"] for one in values.values()))
        lines.append(f"| {arm} | " + " | ".join(cells) + f" | {ranks[arm]:.1f} | {PUBLISHED.get(arm, '')} | {seeds} |")
    return lines


def verdict(means: pandas.DataFrame, values: dict) -> list[str]:
    """Whether the paper's order holds, in numbers."""
    ranks = mean_ranks(means)
    both = [arm for arm in means.index if arm in PUBLISHED]
    lines = []
    if len(both) > 2:
        rho = spearmanr([ranks[arm] for arm in both], [PUBLISHED[arm] for arm in both]).statistic
        lines.append(
            f"The paper's order {'holds' if rho > 0.5 else 'does not hold'} at this scale: over the {len(both)} arms "
            f"that it has, our mean ranks and its correlate with {rho:+.2f} (Spearman; its columns are EC, the effects "
            "of mutations on binding and the quality of models)."
        )
    if "none" in means.index:
        better, worse = [], []
        for arm in means.index.drop("none"):
            signs = []
            for title in means.columns:
                mine, base = values[title].loc[arm], values[title].loc["none"]
                spread = float(np.sqrt((mine["std"] ** 2 + base["std"] ** 2) / 2))
                signs.append(0 if np.isnan(spread) else int(np.sign(mine["mean"] - base["mean"])) * (
                    abs(mine["mean"] - base["mean"]) > 2 * spread
                ))  # fmt: skip
            better += [f"{arm} ({sum(s > 0 for s in signs)})"] * any(s > 0 for s in signs)
            worse += [f"{arm} ({sum(s < 0 for s in signs)})"] * any(s < 0 for s in signs)
        lines += [
            "",
            "Further from no pre-training than two standard deviations between seeds, with the number of columns:",
        ]
        lines[-1] += f" above it {', '.join(better) or 'no arm'}; below it {', '.join(worse) or 'no arm'}."
    return lines


def bin_table(table: pandas.DataFrame, arms: list[str]) -> list[str]:
    table = table[table["task"] == "ec"]
    if table.empty:
        return []
    means = table.groupby("arm")[[f"fmax_{one}" for one in BINS]].mean()
    lines = ["EC Fmax of the test chains below so much identity to the official training chains (cumulative):", ""]
    lines += ["| pre-training | " + " | ".join(f"{one} %" for one in BINS) + " |", "|" + " --- |" * (len(BINS) + 1)]
    return lines + [f"| {arm} | " + " | ".join(f"{value:.3f}" for value in means.loc[arm]) + " |" for arm in arms]


def costs(study: dict, options) -> list[str]:
    """Seconds of processor time of each pre-training."""
    seconds = {}
    for arm in study["arms"]:
        file = options.work / arm / "pretrain" / "study.json"
        if file.is_file():
            seconds[arm] = json.loads(file.read_text())["seconds"]
    if not seconds:
        return []
    told = ", ".join(f"{arm} {value:.0f}" for arm, value in seconds.items())
    return [f"Processor time of pre-training in seconds, validation included, on a shared machine: {told}."]


if __name__ == "__main__":
    main()
