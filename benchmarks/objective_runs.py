"""A thousand steps of every objective on graphs with several encoders, small: does it train, and does it stay stable?

    python benchmarks/objective_runs.py [--data ../shared/data] [--steps 1000] [--work runs/objective_runs]
        [--out docs/results/objective_runs.md]

Chains of the complexes without ligands, all heavy atoms, cut to 40 residues; 100 batches of 3 with their draws are
made once and then read in turn. AdamW, peak rate 1e-3 after 50 steps of warm-up, then a cosine; gradients are cut at
norm 1, as in the recipes. A run is kept in --work and not made again. The page says for each run the loss over the
first and the last 100 steps (the same batches), what a constant answer reaches, the largest norm of a gradient after
warm-up over its median, and steps that were not finite.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch

from plait import registry
from plait.data.complexes import Complexes, ComplexesConfig
from plait.encoders.base import EncoderWithHeads
from plait.objectives.base import total
from plait.training.examples import make_batch

OBJECTIVES = ("diffpret", "siamdiff", "denoising", "residue-type", "distance", "angle", "dihedral", "multiview")
GEARNET = {"hidden": (16,) * 3}
GVP = {"node_hidden": (16, 4), "edge_hidden": (8, 1), "layers": 2}
ENCODERS = {
    "gearnet-edge, residue": ("gearnet-edge", GEARNET, "residue"),
    "gvp, residue": ("gvp", GVP, "residue"),
    "gearnet-edge, atom": ("gearnet-edge", {**GEARNET, "level": "atom"}, "atom"),
    "vabsnet, atom": ("vabsnet", {"width": 32, "edge_width": 16, "layers": 1, "heads": 2}, "atom"),
    "vabsnet, residue": ("vabsnet", {"width": 32, "edge_width": 16, "layers": 1, "heads": 2}, "residue"),
    "gvp, atom": ("gvp", {**GVP, "level": "atom"}, "atom"),
}
RESIDUES, TOGETHER, BATCHES = 40, 3, 100
RATE, WARMUP, CLIP = 1e-3, 50, 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS), choices=list(ENCODERS))
    parser.add_argument("--work", type=Path, default=Path("runs/objective_runs"))
    parser.add_argument("--out", type=Path, help="write the page here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    found = rows(options.data, options.encoders, options.steps, options.work)
    if options.out:
        title = f"# {options.steps:,} steps of every objective on graphs"
        options.out.write_text("\n".join([title, "", *page(found, options.steps)]) + "\n", encoding="utf-8")


def rows(data: Path, encoders: list[str], steps: int, work: Path) -> list[dict]:
    """A row for each encoder and objective, made now or before."""
    work.mkdir(parents=True, exist_ok=True)
    chains = Complexes(ComplexesConfig(folder=str(data / "complexes"), split="pretrain"))
    found = []
    for encoder in encoders:
        for objective in OBJECTIVES:
            file = work / f"{encoder} {objective} {steps}.json".replace(", ", "-").replace(" ", "-")
            if not file.exists():
                file.write_text(json.dumps(run(encoder, objective, chains, steps)))
            found.append({"encoder": encoder, "objective": objective, **json.loads(file.read_text())})
            print(row_of(found[-1]), flush=True)
    return found


def run(encoder: str, objective: str, chains, steps: int) -> dict:
    """Losses and norms of gradients, step by step."""
    name, config, level = ENCODERS[encoder]
    torch.manual_seed(0)
    cls = registry.get("encoder", name)
    network = cls(cls.Config(**config))
    objective = make_objective(objective, level)
    model = EncoderWithHeads(network, objective.heads, objective.make_heads(network)).train()
    generator = np.random.default_rng(0)
    order = generator.permutation(np.flatnonzero(chains.lengths >= RESIDUES))[: BATCHES * TOGETHER]
    batches = []
    for first in range(0, len(order), TOGETHER):
        examples = [chains[int(index)] for index in order[first : first + TOGETHER]]
        starts = [int(generator.integers(len(example.protein) - RESIDUES + 1)) for example in examples]
        cut = [example.crop(start, RESIDUES) for example, start in zip(examples, starts, strict=True)]
        batches.append(make_batch(network, objective, cut, generator))
    began = time.process_time()
    losses, norms = train(model, objective, lambda step: batches[step % len(batches)], steps)
    seconds = time.process_time() - began
    return {"losses": losses, "norms": norms, "constant": constant(objective, batches), "seconds": seconds}


def train(model: EncoderWithHeads, objective, batch_of, steps: int) -> tuple[list[float], list[float]]:
    """Losses and norms of gradients of each step; `batch_of` gives the batch of a step."""
    optimiser = torch.optim.AdamW(model.parameters(), RATE, betas=(0.9, 0.98), weight_decay=0.01)
    losses, norms = [], []
    for step in range(steps):
        batch = batch_of(step)
        rate = RATE * min(1, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * max(0, step - WARMUP) / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = total(objective.loss(batch.outputs(model), batch.view))
        optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        losses.append(float(loss.detach()))
        norms.append(float(norm))
    return losses, norms


def make_objective(name: str, level: str):
    cls = registry.get("objective", name)
    options = {"level": level, "length": 20, "radius": 8.0}  # parts of 40 residues
    known = set(cls.Config.__dataclass_fields__)
    return cls(cls.Config(**{key: value for key, value in options.items() if key in known}))


def constant(objective, batches) -> float:
    """The loss of an answer that reads nothing: zero scores, the frequencies of classes, the mean of a number."""
    found = []
    shares = {}
    for batch in batches:
        for name, target in batch.view.targets.items():
            if name in batch.view.weights and target.ndim == 1:
                shares.setdefault(name, []).append(target[batch.view.weights[name] > 0])
    for batch in batches:
        outputs = {}
        for name, shape in objective.shapes(batch.view).items():
            key = "residue_type" if shape[-1:] == (20,) and name not in batch.view.weights else name
            outputs[name] = torch.zeros(shape)
            if key in shares and len(shape) == 2:
                asked = np.concatenate(shares[key])
                if shape[1] == 1:
                    outputs[name] += float(asked.mean())
                else:
                    outputs[name] += torch.from_numpy(np.bincount(asked, minlength=shape[1]) / len(asked) + 1e-9).log()
        if objective.name == "multiview":
            outputs = {name: torch.ones(shape) for name, shape in objective.shapes(batch.view).items()}
        found.append(float(total(objective.loss(outputs, batch.view))))
    return float(np.mean(found))


def row_of(row: dict) -> str:
    losses, norms = np.array(row["losses"]), np.array(row["norms"])
    turn = min(BATCHES, len(losses) // 2)
    bad = int((~np.isfinite(losses) | ~np.isfinite(norms)).sum())
    later = norms[min(WARMUP, len(norms) // 2) :]
    cells = [
        f"{losses[:turn].mean():.3f}", f"{losses[-turn:].mean():.3f}", f"{row['constant']:.3f}",
        f"{np.nanmax(later) / np.nanmedian(later):.1f}", str(bad), f"{1000 * row['seconds'] / len(losses):.0f}",
    ]  # fmt: skip
    return f"| {row['encoder']} | {row['objective']} | " + " | ".join(cells) + " |"


def page(rows: list[dict], steps: int) -> list[str]:
    unstable = [f"{row['encoder']}, {row['objective']}" for row in rows if not np.isfinite(row["losses"]).all()]
    better = sum(np.mean(row["losses"][-BATCHES:]) < np.mean(row["losses"][:BATCHES]) for row in rows)
    return [
        f"`python benchmarks/objective_runs.py --steps {steps}`: small networks (widths 16 and 32), chains of 40 "
        "residues; the loss over the first and the last 100 steps, beside what an answer reaches that reads nothing "
        "(zero scores, class frequencies, the mean distance).",
        "",
        f"Runs: {len(rows)}. The loss falls in {better}. Steps that are not finite: "
        + ("none." if not unstable else "in " + "; ".join(unstable) + "."),
        "",
        "| encoder, level | objective | first 100 steps | last 100 | constant answer | largest / median gradient "
        "| not finite | ms a step |",
        "|" + " --- |" * 8,
        *(row_of(row) for row in rows),
    ]


if __name__ == "__main__":
    main()
