"""Structure and sequence by noise level: one stage of noise against two, as DiffPreT and SiamDiff are trained.

    python benchmarks/noise_schedule.py [--data ../shared/data] [--steps 800] [--work runs/noise_schedule]
        [--out docs/results/siamdiff]

Four trainings of `diffpret` on chains of the corpus with a small GearNet-Edge: large noise (the first stage's schedule)
for all steps, small noise (the second's) for all steps, large noise for half of them, and from there small noise for
the other half. Every network is then asked at single noise levels, with the same residues hidden (30 %) at each: how
far its scores are from the right ones, over how far zeros are, and how many hidden types it names. Validation chains,
the same draws for all. A training is kept in --work and not made again. Writes --out.csv and --out.png.
"""

import argparse
import dataclasses
import functools
from pathlib import Path

import numpy as np
import pandas
import torch
from objective_runs import train

from plait.data.base import Example
from plait.data.corpus import Corpus, CorpusConfig
from plait.data.tensors import read_tensors, write_tensors
from plait.encoders.base import EncoderWithHeads
from plait.encoders.gearnet import GearNetEdgeConfig, GearNetEdgeEncoder
from plait.objectives.diffpret import DiffPreT
from plait.objectives.diffusion import LEAST_HIDDEN, DiffusionConfig
from plait.reports.benchmark_plot import COLOURS, MARKERS
from plait.training.examples import make_batch

STAGES = {"large": DiffusionConfig(), "small": DiffusionConfig(sigma_begin=1e-4, sigma_end=1e-4, steps=5, gamma=0.2)}
ARMS = {
    "large noise": (("large", 1.0),),
    "small noise": (("small", 1.0),),
    "first stage alone": (("large", 0.5),),
    "two stages": (("large", 0.5), ("small", 0.5)),
}
"""Stages, each with the part of the steps that it is trained for."""

LEVELS = (*(("small", step) for step in (0, 2, 4)), *(("large", step) for step in (0, 19, 39, 59, 79, 99)))
HIDDEN = 0.3
ENCODER = GearNetEdgeConfig(hidden=(32,) * 4)
CROP, TOGETHER, JUDGES = 60, 4, 96


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--work", type=Path, default=Path("runs/noise_schedule"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/siamdiff"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    make(options.data, options.steps, options.work, options.out)


def make(data: Path, steps: int, work: Path, out: Path) -> None:
    """Train what is not there yet, judge, write table and picture."""
    work.mkdir(parents=True, exist_ok=True)
    folder = str(data / "corpus")
    sets = {split: Corpus(CorpusConfig(folder=folder, split=split)) for split in ("train", "valid")}
    rows = []
    for arm in ARMS:
        model = trained(arm, sets["train"], steps, work)
        for stage, step in LEVELS:
            rows.append({"arm": arm, **judged(model, STAGES[stage], step, sets["valid"])})
            print(rows[-1], flush=True)
    table = pandas.DataFrame(rows)
    table.to_csv(out.with_suffix(".csv"), index=False, float_format="%.4f")
    draw(table, out.with_suffix(".png"), steps)


def trained(arm: str, chains: Corpus, steps: int, work: Path) -> EncoderWithHeads:
    """The network of an arm, trained now or before."""
    model, file = network(), f"{steps}"
    for number, (stage, part) in enumerate(ARMS[arm]):
        file += f"-{stage}-{part:g}"
        done = work / f"{file}.safetensors"
        if done.exists():
            model.load_state_dict(read_tensors(done))
            continue
        objective = DiffPreT(STAGES[stage])
        batches = functools.partial(batch_of, model, objective, chains, number)
        train(model, objective, batches, int(part * steps))
        write_tensors(model.state_dict(), done)
    return model


def network() -> EncoderWithHeads:
    torch.manual_seed(0)
    encoder = GearNetEdgeEncoder(ENCODER)
    return EncoderWithHeads(encoder, {}, DiffPreT(STAGES["large"]).make_heads(encoder)).train()


def batch_of(model, objective, chains, stage: int, step: int):
    """Some chains, cut to a stretch, with draws of their own at every step."""
    generator = np.random.default_rng([stage, step])
    examples = [cut(chains[int(index)], generator) for index in generator.integers(len(chains), size=TOGETHER)]
    return make_batch(model.encoder, objective, examples, generator)


def cut(example: Example, generator) -> Example:
    return example.crop(int(generator.integers(max(0, len(example.protein) - CROP) + 1)), CROP)


@torch.no_grad()
def judged(model: EncoderWithHeads, config: DiffusionConfig, step: int, chains: Corpus) -> dict[str, float]:
    """Structure error over that of zeros, and accuracy of hidden types, at one noise level."""
    most = LEAST_HIDDEN + (HIDDEN - LEAST_HIDDEN) * config.steps / (step + 1)
    objective = DiffPreT(dataclasses.replace(config, gamma=0.5, most_hidden=most, only_step=step))
    sums = dict.fromkeys(("error", "zeros", "right", "batches"), 0.0)
    for first in range(0, JUDGES, TOGETHER):
        generator = np.random.default_rng([9, first])
        examples = [cut(chains[index], generator) for index in range(first, first + TOGETHER)]
        batch = make_batch(model.encoder, objective, examples, generator)
        outputs = batch.outputs(model.eval())
        zeros = {name: torch.zeros_like(value) for name, value in outputs.items()}
        terms = objective.loss(outputs, batch.view)
        sums["error"] += float(terms["diffpret_structure"].value)
        sums["zeros"] += float(objective.loss(zeros, batch.view)["diffpret_structure"].value)
        sums["right"] += float(terms["diffpret_type_accuracy"].value)
        sums["batches"] += 1
    return {
        "noise": float(objective.scales[step]),
        "structure_error": sums["error"] / sums["zeros"],
        "type_accuracy": sums["right"] / sums["batches"],
    }


def draw(table: pandas.DataFrame, file: Path, steps: int) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, (arm, rows) in enumerate(table.groupby("arm", sort=False)):
        style = {"color": COLOURS[number], "marker": MARKERS[number], "label": arm, "markersize": 4, "linewidth": 1.2}
        left.plot(rows["noise"], rows["structure_error"], **style)
        right.plot(rows["noise"], rows["type_accuracy"], **style)
    left.axhline(1, color="#9a9a9a", linewidth=0.8, linestyle=":")
    left.set(ylabel="error of scores over that of zeros", title="structure: less is better", yscale="log")
    left.set_yticks([0.3, 0.5, 1, 2, 5], ["0.3", "0.5", "1", "2", "5"])
    left.set_yticks([], minor=True)
    right.set(ylabel="accuracy of hidden types (30 %)", title="sequence: more is better")
    for axes in (left, right):
        axes.set(xscale="log", xlabel="noise on each coordinate (angstrom)")
        axes.grid(color="#e5e5e5", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    left.legend(fontsize=8, title=f"{steps} steps in all", title_fontsize=8)
    figure.savefig(file, dpi=130)


if __name__ == "__main__":
    main()
