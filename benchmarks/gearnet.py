"""Time and memory of GearNet-Edge, beside a plain transcription of its specification.

    python benchmarks/gearnet.py [--cases residue-354 residue-564 atom-150] [--repeat 3] [--threads 1] [--profile]
        [--out docs/results/FILE.md]

Published sizes (6 layers of 512 at residue level, of 128 at atom level), random weights, one structure; line graph
and encoder, forward alone and with the backward pass of the sum of all vectors. The transcription (float32), ours in
float32 and ours in bfloat16 (autocast) run in turn in one process, and the best processor time of the repeats is
taken, so that other work on the machine meets all three. `ref` is a product of two 2048 x 2048 matrices in float32.
Memory is the peak of resident memory beyond what stands after a small structure was run, each in a process of its own
(Linux only). Structures: $PLAIT_SHARED/oracle/siamdiff, or ../shared beside the checkout.
"""

import argparse
import contextlib
import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from plait.encoders.gearnet import GearNetEdgeEncoder
from plait.encoders.gearnet.published import PUBLISHED

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "encoders"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "encoders" / "gearnet"))
from reference_gearnet import gearnet
from siamdiff_oracle import SiamDiffOracle

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("PLAIT_SHARED", ROOT.parent / "shared"))

CASES = {
    "residue-354": ("AF-MK01_HUMAN", 354, "gearnet-edge"),
    "residue-564": ("AF-A0A2Z5U3Z0", 564, "gearnet-edge"),
    "atom-150": ("2W83-E", 150, "gearnet-edge-atom"),
}
KINDS = ("plain", "ours", "bf16")
LIMITS = {"ours": 1.0, "bf16": 1 / 3}
"""Our time is at most this part of the transcription's."""

MEMORY_LIMIT = 0.5


class Case:
    """The encoder of a case, the graph of its structure, and the ways to run it."""

    def __init__(self, name: str, residues: int | None = None):
        structure, length, model = CASES[name]
        oracle = SiamDiffOracle(SHARED / "oracle" / "siamdiff")
        protein = oracle.protein(structure)
        protein = protein.select(np.arange(len(protein)) < (residues or length))
        torch.manual_seed(0)
        self.config = PUBLISHED[model]
        self.model = GearNetEdgeEncoder(self.config).gearnet
        self.batch = GearNetEdgeEncoder.prepare(self, [protein])

    def run(self, kind: str, backward: bool) -> torch.Tensor:
        """Vectors of the nodes [N, d]; with `backward` in training mode and with gradients."""
        batch, config = self.batch, self.config
        arguments = (
            batch.node_feature(config), batch.edge_feature(config), batch.source, batch.target, batch.relation,
            batch.position,
        )  # fmt: skip
        self.model.train(backward).zero_grad()
        half = torch.autocast("cpu", torch.bfloat16) if kind == "bf16" else contextlib.nullcontext()
        with torch.set_grad_enabled(backward):
            with half:
                if kind == "plain":
                    state = dict(self.model.named_parameters()) | dict(self.model.named_buffers())
                    found = gearnet(state, config, *arguments, training=backward)
                else:
                    found = self.model(*arguments)
            if backward:
                found.float().sum().backward()
        return found.detach().float()


def timed(case: Case, backward: bool, repeat: int) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """Best CPU and wall seconds of each kind and of `ref`; and how far ours are from the transcription, over its
    largest value."""
    best, differs = {}, {}
    square = torch.randn(2048, 2048)
    for _ in range(repeat):
        for kind in (*KINDS, "ref"):
            wall, processor = time.perf_counter(), time.process_time()
            found = square @ square if kind == "ref" else case.run(kind, backward)
            once = (time.process_time() - processor, time.perf_counter() - wall)
            best[kind] = min(best.get(kind, once), once)
            if kind == "plain":
                expected = found
            elif kind != "ref":
                differs[kind] = ((found - expected).abs().max() / expected.abs().max()).item()
    return best, differs


def peak_memory(name: str, kind: str, backward: bool, threads: int) -> float | None:
    """Megabytes beyond what stands after a small structure, measured in a process of its own."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    command = [sys.executable, __file__, "--memory-of", kind, "--cases", name, "--threads", str(threads)]
    command += ["--backward"] if backward else []
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_own_peak(name: str, kind: str, backward: bool) -> None:
    case, small = Case(name), Case(name, residues=12)
    small.model = case.model
    small.run(kind, backward)
    case.model.zero_grad()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = status("VmRSS")
    case.run(kind, backward)
    print((status("VmHWM") - before) / 1024)


def status(name: str) -> int:
    """A field of /proc/self/status in kB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def profiles(case: Case, backward: bool) -> list[str]:
    """Where the time goes, of the transcription and of ours: share of the processor time by kind of operation."""
    from torch.profiler import ProfilerActivity, profile

    groups = {
        "matrix products": ("aten::mm", "aten::addmm"),
        "zero filling": ("aten::zero_", "aten::fill_"),
        "sums over neighbours": ("embedding_bag", "scatter_add", "index_add", "sparse", "index_select", "hspmm"),
        "batch norm": ("batch_norm",),
    }
    lines = []
    for kind in KINDS:
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            case.run(kind, backward)
        times = {event.key: event.self_cpu_time_total for event in seen.key_averages()}
        shares = {
            group: sum(t for key, t in times.items() if any(part in key for part in parts)) / sum(times.values())
            for group, parts in groups.items()
        }
        shares["rest"] = 1 - sum(shares.values())
        lines.append(f"{kind}: " + ", ".join(f"{group} {share:.0%}" for group, share in shares.items()))
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    parser.add_argument("--out", type=Path, help="write the table here, as Markdown")
    parser.add_argument("--memory-of", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--backward", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        print_own_peak(options.cases[0], options.memory_of, options.backward)
        return 0
    lines, notes, missed = table(options)
    print("\n".join(notes))
    for line in missed:
        print(f"above the limit: {line}", file=sys.stderr)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        page = [*head(options), *lines, "", *verdict(missed), "", *(f"- {note}" for note in notes)]
        options.out.write_text("\n".join(page) + "\n", encoding="utf-8")
    return 1 if missed else 0


def table(options) -> tuple[list[str], list[str], list[str]]:
    """The lines of the table (printed as they come), what is to be noted, and what is above its limit."""
    lines = [
        "| case | ref, CPU s | plain, CPU s | ours | bf16 | ours / plain | bf16 / plain | plain, wall s | ours | bf16 "
        "| plain, MB | ours | bf16 | ours / plain |",
        "|" + " --- |" * 14,
    ]
    print("\n".join(lines), flush=True)
    missed, notes = [], []
    for name in options.cases:
        case = Case(name)
        for backward in (False, True):
            title = f"{name}, forward" + (" and backward" if backward else "")
            best, differs = timed(case, backward, options.repeat)
            assert differs["ours"] < 5e-5, differs
            notes.append(f"{title}: vectors of bf16 differ by {differs['bf16']:.1e} of the largest value")
            processor = {kind: best[kind][0] for kind in best}
            ratio = {kind: processor[kind] / processor["plain"] for kind in LIMITS}
            cells = [processor["ref"], *(processor[kind] for kind in KINDS), *ratio.values()]
            text = [title, *(f"{cell:.2f}" for cell in [*cells, *(best[kind][1] for kind in KINDS)])]
            missed += [f"{kind}, {title}" for kind, limit in LIMITS.items() if ratio[kind] > limit]
            memory = [peak_memory(name, kind, backward, options.threads) for kind in KINDS]
            if memory[0]:
                text += [*(f"{value:.0f}" for value in memory), f"{memory[1] / memory[0]:.2f}"]
                missed += [f"memory, {title}"] if memory[1] > MEMORY_LIMIT * memory[0] else []
            else:
                text += ["-"] * 4
            lines.append("| " + " | ".join(text) + " |")
            print(lines[-1], flush=True)
            if options.profile:
                notes += [f"{title}, {line}" for line in profiles(case, backward)]
    return lines, notes, missed


def head(options) -> list[str]:
    """Title, command and commit of the page."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return [
        "# GearNet-Edge: speed and memory",
        "",
        f"Written by `python benchmarks/gearnet.py --repeat {options.repeat}` at commit {commit}; torch "
        f"{torch.__version__}, threads: {options.threads}. Published sizes with random weights; ours beside a plain "
        "transcription of the published layers, in turn in one process. Memory is what is added beyond the weights.",
        "",
    ]


def verdict(missed: list[str]) -> list[str]:
    text = "Limits: time below the transcription's in float32, a third of it in bfloat16; half its memory. "
    return [text + ("Missed: " + "; ".join(missed) + "." if missed else "Met.")]


if __name__ == "__main__":
    sys.exit(main())
