"""Time and memory of Vabs-Net by size of the structure, and where the time goes.

    python benchmarks/vabsnet.py [--size base] [--lengths 100 300 600 1000] [--dtype float32] [--device cpu]
        [--checkpointing] [--repeat 3] [--threads 1] [--structure FILE]

`vabsnet_page.py` puts its tables into docs/results/vabsnet.md.

Structures are the first residues of a chain with all heavy atoms (PDB 2d0f, 637 residues, or what --structure names);
for greater lengths a copy is laid beside it. "prepare" is features and neighbour lists, "forward" without
gradients, "training" forward and backward with dropout. Processor seconds on a CPU (wall seconds on a GPU), the best of
the repeats. The shares are those of attention, edges and feed-forward branches in "forward". Memory is the peak beyond
weights and batch, in a process of its own (Linux), or what the GPU's allocator counts.
"""

import argparse
import contextlib
import ctypes
import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from plait.encoders.blocks.perceptrons import FeedForward
from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder
from plait.encoders.vabsnet.attention import TrackAttention
from plait.encoders.vabsnet.edges import EdgeEncoder
from plait.structure import Protein, read_structure

LIMIT = 12_000
"""Megabytes for forward and backward of the base size at 600 residues."""

PARTS = {"attention": TrackAttention, "edges": EdgeEncoder, "feed-forward": FeedForward}
SHARED = Path(os.environ.get("PLAIT_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def structures(options) -> list[Protein]:
    """The first residues of the structure (or of copies of it) for each length."""
    protein = read_structure(options.structure)
    while len(protein) < max(options.lengths):
        protein = beside(protein)
    return [protein.select(np.arange(len(protein)) < length) for length in options.lengths]


def beside(protein: Protein) -> Protein:
    """The protein twice, in contact along its smallest extent."""
    extent = np.ptp(protein.position, axis=0)
    shift = np.eye(3)[extent.argmin()] * (extent.min() + 3)
    count = len(protein)
    fields = {field.name: getattr(protein, field.name) for field in dataclasses.fields(protein)}
    doubled = {
        name: np.concatenate([value, value])
        for name, value in fields.items()
        if isinstance(value, np.ndarray) and name not in ("position", "residue_of")
    }
    doubled["position"] = np.concatenate([protein.position, protein.position + shift.astype(protein.position.dtype)])
    doubled["residue_of"] = np.concatenate([protein.residue_of, protein.residue_of + count]).astype(np.int32)
    return protein.replace(**doubled)


def make(options) -> VabsnetEncoder:
    torch.manual_seed(0)
    config = VabsnetConfig(size=options.size, checkpointing=options.checkpointing)
    encoder = VabsnetEncoder(config).to(options.device, getattr(torch, options.dtype))
    return encoder.eval()


class Clock:
    """Seconds of the processor, or on a GPU of the clock on the wall once it has done its work."""

    def __init__(self, device: str):
        self.gpu = device != "cpu"

    def now(self) -> float:
        if self.gpu:
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()


@contextlib.contextmanager
def timed_parts(encoder, clock: Clock):
    """Seconds spent in each of `PARTS` while it lasts."""
    seconds, starts, handles = dict.fromkeys(PARTS, 0.0), {}, []

    def before(module, _):
        starts[module] = clock.now()

    def after_part(part):
        def after(module, *_):
            seconds[part] += clock.now() - starts[module]

        return after

    for module in encoder.modules():
        for part, kind in PARTS.items():
            if type(module) is kind:
                handles += [
                    module.register_forward_pre_hook(before), module.register_forward_hook(after_part(part))
                ]  # fmt: skip
    yield seconds
    for handle in handles:
        handle.remove()


def train(encoder, batch) -> None:
    encoder.train()
    encoder(batch).residue.float().square().sum().backward()
    encoder.zero_grad(set_to_none=True)
    encoder.eval()


def measure(protein: Protein, encoder, options) -> dict[str, float]:
    """Best seconds of each step, and the shares of the best forward."""
    clock, best = Clock(options.device), {}
    for _ in range(options.repeat):
        start = time.process_time()
        batch = encoder.prepare([protein])
        times = {"prepare": time.process_time() - start}
        batch = batch.to(options.device)
        with torch.no_grad(), timed_parts(encoder, clock) as seconds:
            start = clock.now()
            encoder(batch)
            times["forward"] = clock.now() - start
        if times["forward"] < best.get("forward", np.inf):
            best |= {part: spent / times["forward"] for part, spent in seconds.items()}
        start = clock.now()
        train(encoder, batch)
        times["training"] = clock.now() - start
        best |= {name: min(best.get(name, np.inf), value) for name, value in times.items()}
    return best


# -- memory


def peak_memory(number: int, kind: str, options) -> float | None:
    """Megabytes beyond weights and batch of forward or training."""
    if options.device == "cpu":
        if not Path("/proc/self/clear_refs").exists():
            return None
        command = [sys.executable, __file__, "--memory-of", kind, "--lengths", str(options.lengths[number])]
        for name in ("size", "dtype", "threads", "structure"):
            command += [f"--{name}", str(getattr(options, name))]
        command += ["--checkpointing"] * options.checkpointing
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return None


def print_own_peak(options) -> None:
    encoder, (protein,) = make(options), structures(options)
    step = one_step(options.memory_of)
    step(encoder, encoder.prepare([protein.select(np.arange(len(protein)) < 8)]))
    batch = encoder.prepare([protein])
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _status("VmRSS")
    step(encoder, batch)
    print((_status("VmHWM") - before) / 1024)


def memory_on_gpu(protein: Protein, encoder, kind: str, device: str) -> float:
    batch = encoder.prepare([protein]).to(device)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    one_step(kind)(encoder, batch)
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def one_step(kind: str):
    def forward(encoder, batch):
        with torch.no_grad():
            encoder(batch)

    return train if kind == "training" else forward


def _status(name: str) -> int:
    """A field of /proc/self/status in kB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


# -- table


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--size", default="base")
    options.add_argument("--lengths", type=int, nargs="+", default=[100, 300, 600, 1000])
    options.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    options.add_argument("--device", default="cpu")
    options.add_argument("--checkpointing", action="store_true")
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--structure", type=Path, default=SHARED / "data" / "structures" / "2d0f.cif.gz")
    options.add_argument("--memory-of", choices=["forward", "training"], help=argparse.SUPPRESS)
    return options


def table(options) -> tuple[list[str], list[str]]:
    """The lines of a Markdown table, each printed as it comes, and what is above the limit."""
    encoder, missed = make(options), []
    lines = [
        "| residues | atoms | prepare, s | forward, s | training, s | attention | edges | feed-forward "
        "| forward, MB | training, MB |",
        "|" + " --- |" * 10,
    ]
    print("\n".join(lines), flush=True)
    for number, protein in enumerate(structures(options)):
        best = measure(protein, encoder, options)
        if options.device == "cpu":
            memory = [peak_memory(number, kind, options) for kind in ("forward", "training")]
        else:
            memory = [memory_on_gpu(protein, encoder, kind, options.device) for kind in ("forward", "training")]
        cells = [str(len(protein)), str(len(protein.position))]
        cells += [f"{best[name]:.3g}" for name in ("prepare", "forward", "training")]
        cells += [f"{best[part]:.0%}" for part in PARTS]
        cells += ["-" if megabytes is None else f"{megabytes:.0f}" for megabytes in memory]
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
        if options.size == "base" and len(protein) == 600 and memory[1] is not None and memory[1] > LIMIT:
            missed.append(f"{memory[1]:.0f} MB in training at 600 residues, above {LIMIT}")
    return lines, missed


def main() -> int:
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        print_own_peak(options)
        return 0
    _, missed = table(options)
    for line in missed:
        print(line, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
