"""The leakage study: does pre-training on all atoms give its answers away, and do span masks mend it?

    python benchmarks/leakage.py --data ../shared/data

Every arm (recipes/leakage/*.yaml but sites.yaml) is pre-trained under --work/ARM with equal steps and judged by chains
held out of the same set, then fine-tuned for binding sites by recipes/leakage/sites.yaml under --work/ARM-sites, beside
the same network from scratch. What is done is not done again. Writes --out (a page) with a picture beside it.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

import numpy as np
import yaml

from plait.config import Part, from_dict
from plait.registry import get
from plait.structure.vocabulary import UNKNOWN
from plait.tasks.binding_sites import BindingSites
from plait.training.finetune import finetune
from plait.training.options import FinetuneConfig, PretrainConfig
from plait.training.pretrain import pretrain
from plait.training.sets import training_and_validation

ARMS = {
    "residues": "residues only: C-alphas, spans",
    "random": "all atoms, single residues at random, all their atoms stay",
    "smpc": "all atoms, SMPC, nothing made from what is hidden",
    "smpc-backbone": "all atoms, SMPC that keeps N, CA, C, O",
    "smpc-open": "all atoms, SMPC with the published frame leak",
}
TRIVIAL = 3 * 0.5 * np.sqrt(2 / np.pi)
"""Position loss of leaving noised atoms where they are (angstrom): three axes of noise 0.5."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--recipes", type=Path, default=Path("recipes/leakage"))
    parser.add_argument("--work", type=Path, default=Path("runs/leakage"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/leakage.md"))
    parser.add_argument("--arms", default=",".join(ARMS), help="names, separated by commas")
    parser.add_argument("--steps", type=int, help="of pre-training, instead of the recipes'")
    parser.add_argument("--site-steps", type=int, help="of fine-tuning, instead of the recipe's")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    arms = options.arms.split(",")
    rows = {arm: {"taught": pretrained(arm, options)} for arm in arms}
    for arm in ["scratch", *arms]:
        rows.setdefault(arm, {})["sites"] = fine_tuned(arm, options)
        command = shlex.join(["python", "benchmarks/leakage.py", *sys.argv[1:]])
        options.out.write_text(page(rows, options, command), encoding="utf-8")
    draw(arms, options)


def recipe_of(name: str, options) -> dict:
    recipe = yaml.safe_load((options.recipes / f"{name}.yaml").read_text())
    recipe["data"]["folder"] = str(options.data / "complexes")
    recipe["run"]["threads"] = options.threads
    return recipe


def pretrained(arm: str, options) -> dict[str, float]:
    """What the held-out chains say of an arm."""
    recipe = recipe_of(arm, options)
    recipe["run"] |= {"out": str(options.work / arm)} | ({"steps": options.steps} if options.steps else {})
    _, values = pretrain(from_dict(PretrainConfig, recipe, place=arm))
    print(arm, {name: round(value, 3) for name, value in values.items()}, flush=True)
    return values


def fine_tuned(arm: str, options) -> dict[str, dict[str, float]]:
    """What the complexes of validation and test say of the same fine-tuning from an arm."""
    recipe = recipe_of("sites", options)
    recipe["run"] |= {"out": str(options.work / f"{arm}-sites")}
    recipe["run"] |= {"steps": options.site_steps} if options.site_steps else {}
    recipe["start"] = "" if arm == "scratch" else str(options.work / arm)
    task = type("Sites", (BindingSites,), {"calibrate": staticmethod(lambda model, examples, progress: {})})
    found = finetune(from_dict(FinetuneConfig, recipe, place=f"{arm}, sites"), task)
    print(arm, "sites", found.validation[0], {split: one[0] for split, one in found.tests.items()}, flush=True)
    return {"valid": found.validation[0], **{split: one[0] for split, one in found.tests.items()}}


def commonest(options) -> float:
    """Share of the commonest residue type among the held-out chains: the accuracy of always naming it."""
    recipe = recipe_of("smpc", options)
    data = recipe["data"]
    config = from_dict(get("dataset", data.pop("name")).Config, data)
    _, valid = training_and_validation(Part("complexes", config))
    types = np.concatenate([valid[index].protein.residue_type for index in range(len(valid))])
    return float(np.bincount(types[types != UNKNOWN]).max() / (types != UNKNOWN).sum())


def page(rows: dict, options, command: str) -> str:
    first = from_dict(PretrainConfig, recipe_of("smpc", options))
    steps = options.steps or first.run.steps
    tuned = from_dict(FinetuneConfig, recipe_of("sites", options))
    site_steps = options.site_steps or tuned.run.steps
    lines = [
        "# Does pre-training on all atoms give its answers away?",
        "",
        "The paper of Vabs-Net says that with all atoms visible a network reads a hidden residue's type and place off "
        "the atoms that stay, learns little of residues, and that hiding spans of residues with all their atoms but "
        "C-alpha (SMPC) mends it.",
        "",
        f"`vabsnet` of size small, {steps} steps of at most {first.batch.residues} residues of the ligand-free chains "
        "(`split: pretrain`), one recipe each in recipes/leakage, the same seed; judged by one cluster in twenty that "
        "is held out. Then the same fine-tuning for binding sites from each, "
        f"{site_steps} steps of at most {tuned.batch.residues} residues (recipes/leakage/sites.yaml). Budgets are "
        "small: they show what leaks, and say little of what long pre-training is worth.",
        "",
        f"Trivial answers: {commonest(options):.3f} of the residues are of the commonest type; leaving noised atoms "
        f"where they are costs {TRIVIAL:.3f} angstrom; the set of a residue's atom names alone tells its type, so that "
        "in the arm `random` a look-up names every complete residue.",
        "",
        "| arm | hidden types named rightly | their cross-entropy | position of C-alphas, angstrom | of all atoms "
        "| torsions | sites, valid: AUROC | AUPRC | sites, test: AUROC | AUPRC |",
        "| --- |" + " --- |" * 9,
    ]
    for arm, found in rows.items():
        taught, sites = found.get("taught"), found.get("sites")
        cells = [f"`{arm}`: {ARMS.get(arm, 'no pre-training')}"]
        if taught:
            alpha = taught.get("position_alpha", taught.get("position"))
            cells += [taught.get(name) for name in ("residue_type_accuracy", "residue_type")]
            cells += [alpha, taught.get("position"), taught.get("torsion")]
        else:
            cells += [None] * 5
        for split in ("valid", "test"):
            cells += [sites[split][name] if sites else None for name in ("auroc", "auprc")]
        shown = ["" if cell is None else cell if isinstance(cell, str) else f"{cell:.3f}" for cell in cells]
        lines.append("| " + " | ".join(shown) + " |")
    lines += ["", verdict(rows, commonest(options)), ""]
    lines += [f"![accuracy of hidden types while training]({options.out.stem}.png)", ""]
    lines += [f"Command: `{command}`", ""]
    return "\n".join(lines)


def verdict(rows: dict, common: float) -> str:
    """What the numbers say of the paper's claim, in words."""
    named = {arm: found["taught"]["residue_type_accuracy"] for arm, found in rows.items() if found.get("taught")}
    leak = [f"`{arm}` ({value:.3f})" for arm, value in named.items() if value > 2 * common]
    kept = [f"`{arm}` ({value:.3f})" for arm, value in named.items() if value <= 2 * common]
    text = f"Hidden types are named more than twice as often as the commonest by {', '.join(leak) or 'no arm'}, "
    text += f"and not by {', '.join(kept) or 'any other'}. "
    sites = {arm: found["sites"]["test"] for arm, found in rows.items() if found.get("sites")}
    if not sites:
        return text
    best = max(found["auroc"] for found in sites.values())
    if best < LEARNED:
        return text + f"The fine-tuning is too short to compare arms by: the best AUROC on test is {best:.3f}."
    order = sorted(sites, key=lambda arm: -sites[arm]["auprc"])
    ranked = ", ".join(f"`{arm}` ({sites[arm]['auprc']:.3f})" for arm in order)
    text += f"Sites, by AUPRC on test: {ranked}. "
    if {"smpc", "random", "scratch"} <= sites.keys():
        smpc, random, scratch = (sites[arm]["auprc"] for arm in ("smpc", "random", "scratch"))
        text += f"SMPC gives {'better' if smpc > scratch else 'no better'} sites than no pre-training; "
        text += "that hiding spans is worth more than hiding single residues with their atoms in sight "
        text += f"{'holds' if smpc > random else 'does not hold'} here, with one seed and at this budget."
    return text


def draw(arms: list[str], options) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for arm in arms:
        lines = (options.work / arm / "metrics.jsonl").read_text().splitlines()
        points = [(one["step"], one[KEY]) for one in map(json.loads, lines) if KEY in one]
        axes.plot(*zip(*points, strict=True), label=arm, linewidth=1)
    axes.set(xlabel="step", ylabel="hidden types named rightly, training")
    axes.legend(fontsize=8)
    figure.savefig(options.out.with_suffix(".png"), dpi=120)


KEY = "train_residue_type_accuracy"
LEARNED = 0.6
"""Least AUROC of sites from which on arms are worth comparing."""

if __name__ == "__main__":
    main()
