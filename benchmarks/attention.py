"""Time and memory of the ProSST language model, beside a transcription of its specification that makes every matrix.

    python benchmarks/attention.py [--lengths 100 300 600 1000] [--repeat 3] [--threads 1] [--out docs/results/FILE.md]

Published configuration (12 layers of width 768, K = 2048), random weights, float32, one sequence. All are timed in turn
in one process, and the least processor time of the repeats is taken, so that other work on the machine meets all.
"First" is a pass that finds no projected position tables from passes before, "again" the third of this length, which
finds them. "bf16" is ours with weights and states in bfloat16, left out where the processor has no such instructions.
"dense" is the cost of the dense layers alone in float32 (12 times four 768 -> 768, one 768 -> 3072, one 3072 -> 768).
Memory is the peak of resident memory beyond what stands after the weights are loaded and a sequence of 8 residues was
run, each in a process of its own (Linux only); that is a first pass.

The figures of the published program are those of specs/prosst.md, B11, taken on another machine: its time over that
of the dense layers, and its memory. There it took 1.07, 1.09, 1.04 and 0.76 of such a transcription's time at 100, 300,
600 and 1000 residues.
"""

import argparse
import copy
import ctypes
import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import torch

from plait.encoders.prosst import ProsstConfig, ProsstForMaskedLM

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "encoders"))
from reference_prosst import masked_lm

LIMITS = {600: 0.65, 1000: 0.45}
"""Our time is at most this part of the transcription's."""

BF16_LIMIT = 1 / 3
MEMORY_LIMIT = 1 / 3

PUBLISHED = {100: (1.8, 103), 300: (2.2, 150), 600: (2.9, 331), 1000: (4.8, 523)}
"""Time over that of the dense layers and megabytes beyond the weights, by number of residues (B11)."""


def published_model(structure_to_residue="compat") -> ProsstForMaskedLM:
    """ProSST-2048 in size, random weights."""
    torch.manual_seed(0)
    config = ProsstConfig.from_dict({
        "vocab_size": 25, "ss_vocab_size": 2051, "relative_attention": True, "max_relative_positions": 1024,
        "max_position_embeddings": -1, "pos_att_type": "aa2pos|pos2aa|aa2ss|ss2aa",
    })  # fmt: skip
    return ProsstForMaskedLM(dataclasses.replace(config, structure_to_residue=structure_to_residue)).eval()


def tokens(length: int):
    generator = torch.Generator().manual_seed(length)
    shape = (1, length + 2)
    return torch.randint(3, 23, shape, generator=generator), torch.randint(3, 2051, shape, generator=generator)


def run(kind: str, model: ProsstForMaskedLM, state, length: int):
    """Logits of one of the two implementations, or the dense layers alone."""
    if kind == "plain":
        return masked_lm(state, model.config, *tokens(length))[0]
    if kind != "dense":
        return model(*tokens(length)).logits
    layer = model.prosst.encoder.layer[0]
    hidden = torch.zeros(length + 2, model.config.hidden_size)
    for _ in range(model.config.num_hidden_layers):
        for _ in range(4):
            layer.attention.output.dense(hidden)
        layer.output.dense(layer.intermediate.dense(hidden))
    return hidden


def timed(length: int, repeat: int, model, state, half) -> dict[str, float]:
    """Least processor seconds of each kind; also checks that the logits are the same."""
    best = {}
    for _ in range(repeat):
        for kind in ("plain", "first", "again", "dense", "bf16 first", "bf16 again"):
            used = half if kind.startswith("bf16") else model
            if used is None:
                continue
            if kind.endswith("first"):
                forget_tables(used)
            if kind.endswith("again"):
                run(kind, used, state, length)
            started = time.process_time()
            found = run(kind, used, state, length)
            once = time.process_time() - started
            best[kind] = min(best.get(kind, once), once)
            if kind == "plain":
                expected = found
            elif kind in ("first", "again"):
                assert (found - expected).abs().max() < 1e-4
    return best


def forget_tables(model) -> None:
    """As if the model had not been run: no position tables kept."""
    for layer in model.prosst.encoder.layer:
        layer.attention.self.tables.forget()


def has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 (x86 on Linux)."""
    path = Path("/proc/cpuinfo")
    return path.exists() and "bf16" in path.read_text()


def peak_memory(kind: str, length: int, threads: int) -> float | None:
    """Megabytes beyond the weights, measured in a process of its own."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    command = [sys.executable, __file__, "--memory-of", kind, "--lengths", str(length), "--threads", str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_own_peak(kind: str, length: int) -> None:
    model = published_model()
    state = model.state_dict()
    with torch.no_grad():
        run(kind, model, state, 8)
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = _status("VmRSS")
        run(kind, model, state, length)
    print((_status("VmHWM") - before) / 1024)


def _status(name: str) -> int:
    """A field of /proc/self/status in kB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[100, 300, 600, 1000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the table here, as Markdown")
    parser.add_argument("--memory-of", choices=["plain", "ours"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        print_own_peak(options.memory_of, options.lengths[0])
        return 0
    title = head(options)  # the commit at the start: others may add to it meanwhile
    columns = [
        "residues", "plain, s", "ours first, s", "/ plain", "ours again, s", "/ plain", "bf16 first, s", "/ plain",
        "bf16 again, s", "/ plain", "dense, s", "published / dense (B11)", "plain / dense", "ours first / dense",
        "published, MB (B11)", "plain, MB", "ours, MB", "/ plain",
    ]  # fmt: skip
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    print("\n".join(lines), flush=True)
    model = published_model()
    half = copy.deepcopy(model).bfloat16() if has_bf16() else None
    state, missed = model.state_dict(), []
    for length in options.lengths:
        with torch.no_grad():
            best = timed(length, options.repeat, model, state, half)
        memory = {kind: peak_memory(kind, length, options.threads) for kind in ("plain", "ours")}
        plain, dense = best["plain"], best["dense"]
        text = [str(length), f"{plain:.2f}"]
        for kind in ("first", "again", "bf16 first", "bf16 again"):
            text += [f"{best[kind]:.2f}", f"{best[kind] / plain:.2f}"] if kind in best else ["-", "-"]
        published, published_memory = PUBLISHED.get(length, ("-", "-"))
        text += [f"{dense:.2f}", str(published), f"{plain / dense:.1f}", f"{best['first'] / dense:.1f}"]
        text.append(str(published_memory))
        if memory["plain"]:
            text += [f"{memory['plain']:.0f}", f"{memory['ours']:.0f}", f"{memory['ours'] / memory['plain']:.2f}"]
            if length >= 300 and memory["ours"] > MEMORY_LIMIT * memory["plain"]:
                missed.append(f"memory at {length} residues is above {MEMORY_LIMIT:.2f} of the transcription's")
        else:
            text += ["-"] * 3
        for kind, limit in (("first", LIMITS.get(length)), ("bf16 again", BF16_LIMIT if length in LIMITS else None)):
            if limit and kind in best and best[kind] > limit * plain:
                missed.append(f"time ({kind}) at {length} residues is above {limit:.2f} of the transcription's")
        lines.append("| " + " | ".join(text) + " |")
        print(lines[-1], flush=True)
    for line in missed:
        print(line, file=sys.stderr)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("\n".join([*title, *lines, "", *verdict(missed)]) + "\n", encoding="utf-8")
    return 1 if missed else 0


def head(options) -> list[str]:
    """Title, command and commit of the page."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return [
        "# ProSST's attention: speed and memory",
        "",
        f"Written by `python benchmarks/attention.py --repeat {options.repeat}` at commit {commit}; torch "
        f"{torch.__version__}, {options.threads} thread, processor time. The published configuration (12 layers, 768) "
        "with random weights, ours beside a plain transcription of the published program, in turn in one process. "
        "First: without position tables kept from passes before; again: with them. Dense is what the dense layers "
        "alone take. Memory is what a first pass adds beyond the weights. B11: figures of the published program on "
        "another machine, from the specification.",
        "",
    ]


def verdict(missed: list[str]) -> list[str]:
    limits = ", ".join(f"{limit} at {length} residues" for length, limit in LIMITS.items())
    return [
        f"Limits: time {limits} (first), bf16 {BF16_LIMIT:.2f} at the same lengths (again), memory {MEMORY_LIMIT:.2f} "
        "from 300 on. " + ("Missed: " + "; ".join(missed) if missed else "Met.")
    ]


if __name__ == "__main__":
    sys.exit(main())
