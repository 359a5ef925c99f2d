"""Time and memory of the ProSST language model, beside a transcription of its specification that makes every matrix.

    python benchmarks/attention.py [--lengths 100 300 600 1000] [--repeat 3] [--threads 1] [--out docs/results/FILE.md]

Published configuration (12 layers of width 768, K = 2048), random weights, float32, one sequence. Both are timed in
turn in one process, and the best of the repeats is taken, so that other work on the machine meets both. "dense" is
the cost of the dense layers alone (12 times four 768 -> 768, one 768 -> 3072, one 3072 -> 768). Memory is the peak of
resident memory beyond what stands after the weights are loaded and a sequence of 8 residues was run, each in a
process of its own (Linux only).

The published program took 1.07, 1.09, 1.04 and 0.76 of such a transcription's time at 100, 300, 600 and 1000 residues
(specs/prosst.md, B11).
"""

import argparse
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

MEMORY_LIMIT = 1 / 3


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
    if kind == "ours":
        return model(*tokens(length)).logits
    layer = model.prosst.encoder.layer[0]
    hidden = torch.zeros(length + 2, model.config.hidden_size)
    for _ in range(model.config.num_hidden_layers):
        for _ in range(4):
            layer.attention.output.dense(hidden)
        layer.output.dense(layer.intermediate.dense(hidden))
    return hidden


def timed(length: int, repeat: int, model, state) -> dict[str, tuple[float, float]]:
    """Best CPU and wall seconds of each kind; also checks that both give the same logits."""
    best = {}
    for _ in range(repeat):
        for kind in ("plain", "ours", "dense"):
            wall, processor = time.perf_counter(), time.process_time()
            found = run(kind, model, state, length)
            once = (time.process_time() - processor, time.perf_counter() - wall)
            best[kind] = min(best.get(kind, once), once)
            if kind == "plain":
                expected = found
            elif kind == "ours":
                assert (found - expected).abs().max() < 1e-4
    return best


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
    lines = [
        "| residues | plain, CPU s | ours, CPU s | ours / plain | plain, wall s | ours, wall s | dense, CPU s "
        "| plain / dense | ours / dense | plain, MB | ours, MB | ours / plain |",
        "|" + " --- |" * 12,
    ]
    print("\n".join(lines), flush=True)
    model = published_model()
    state, missed = model.state_dict(), []
    for length in options.lengths:
        with torch.no_grad():
            best = timed(length, options.repeat, model, state)
        (plain, plain_wall), (ours, ours_wall), (dense, _) = (best[kind] for kind in ("plain", "ours", "dense"))
        memory = {kind: peak_memory(kind, length, options.threads) for kind in ("plain", "ours")}
        cells = [length, plain, ours, ours / plain, plain_wall, ours_wall, dense, plain / dense, ours / dense]
        text = [str(length), *(f"{cell:.2f}" for cell in cells[1:])]
        if memory["plain"]:
            text += [f"{memory['plain']:.0f}", f"{memory['ours']:.0f}", f"{memory['ours'] / memory['plain']:.2f}"]
            if length in LIMITS and memory["ours"] > MEMORY_LIMIT * memory["plain"]:
                missed.append(f"memory at {length} residues is above {MEMORY_LIMIT:.2f} of the transcription's")
        else:
            text += ["-"] * 3
        if ours / plain > LIMITS.get(length, 1):
            missed.append(f"time at {length} residues is above {LIMITS.get(length, 1)} of the transcription's")
        lines.append("| " + " | ".join(text) + " |")
        print(lines[-1], flush=True)
    for line in missed:
        print(line, file=sys.stderr)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("\n".join([*head(options), *lines, "", *verdict(missed)]) + "\n", encoding="utf-8")
    return 1 if missed else 0


def head(options) -> list[str]:
    """Title, command and commit of the page."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return [
        "# ProSST's attention: speed and memory",
        "",
        f"Written by `python benchmarks/attention.py --repeat {options.repeat}` at commit {commit}; torch "
        f"{torch.__version__}, {options.threads} thread. The published configuration (12 layers, 768) with random "
        "weights, ours beside a plain transcription of the published program, in turn in one process. Dense is what "
        "the dense layers alone take. Memory is what is added beyond the weights.",
        "",
    ]


def verdict(missed: list[str]) -> list[str]:
    limits = ", ".join(f"{limit} at {length} residues" for length, limit in LIMITS.items())
    return [
        f"Limits: time {limits}; memory {MEMORY_LIMIT:.2f}. " + ("Missed: " + "; ".join(missed) if missed else "Met.")
    ]


if __name__ == "__main__":
    sys.exit(main())
