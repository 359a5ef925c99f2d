"""Speed and memory of the structure tokenizers.

    python benchmarks/quantiser.py [--threads 1] [--repeat 3] [--out docs/results/quantiser.md]

First table: `GVPTokenizer.from_published` beside a plain transcription of the published program
(tests/tokenizers/reference_gvp.py: all subgraphs of a chain in one batch, nothing shared), from coordinates to tokens,
in turn in one process with the same threads; the best of several. Memory is the highest resident size less that before
the call, each in a process of its own that has tokenised three residues before. Second table: our own tokenizer by size
of its encoder. Weights are random or the oracle's, which does not change the work. Structures and weights come from
../shared/oracle (or $PLAIT_SHARED).
"""

import argparse
import lzma
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import torch
from safetensors.torch import load_file

from plait.structure.protein import Protein
from plait.tokenizers.codebook import Codebook
from plait.tokenizers.gvp import ChainGVPTokenizer, GVPTokenizer
from plait.tokenizers.gvp_network import GVPEncoder, GVPEncoderConfig

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("PLAIT_SHARED", ROOT.parent / "shared"))
ORACLE = SHARED / "oracle/prosst/quant"
STRUCTURES = [
    ("5l33", None),
    ("2pe5B", None),
    ("af_A0A1B0GTW7", 100),
    ("af_A0A1B0GTW7", 300),
    ("af_A0A1B0GTW7", 600),
]
PUBLISHED = [
    ("2.0 to 3.3", "345"),
    ("9.0 to 13.3", "1,037 to 1,063"),
    ("1.3", "122"),
    ("6.4", "612"),
    ("17.8", "1,332"),
]
"""CPU seconds and megabytes of the published program for each of `STRUCTURES`, on another machine (A11)."""

SIZES = [
    GVPEncoderConfig(),
    GVPEncoderConfig(radius=12.0),
    GVPEncoderConfig(layers=4),
    GVPEncoderConfig(neighbours=30, radius=12.0),
    GVPEncoderConfig(node_hidden=(96, 16)),
    GVPEncoderConfig(node_hidden=(128, 16)),
    GVPEncoderConfig(node_hidden=(128, 16), layers=4, neighbours=24, radius=12.0),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--repeat", type=int, default=3, help="the best of so many is reported")
    parser.add_argument("--longest", type=int, default=1000, help="leave out structures of more residues")
    parser.add_argument("--out", type=Path, help="Markdown file to write; the screen if not given")
    parser.add_argument("--memory", nargs=2, metavar=("WHICH", "STRUCTURE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "encoder.safetensors"
        weights.write_bytes(lzma.decompress((ORACLE / "encoder.safetensors.xz").read_bytes()))
        ours, plain = programs(weights)
        if options.memory:
            which, number = options.memory
            call, protein = {"ours": ours, "plain": plain}[which], structure(*STRUCTURES[int(number)])
            call(structure("ggg"))  # what a first call loads is not the tokens' memory
            print(added_memory(lambda: call(protein)))
            return
        lines = [*heading(options), "", *beside_plain(ours, plain, options), "", *own_sizes(options)]
    text = "\n".join(lines) + "\n"
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")
    print(text)


def programs(weights: Path):
    """Two functions from a protein to tokens: ours, and the plain transcription."""
    sys.path.insert(0, str(ROOT / "tests/tokenizers"))
    import reference_gvp

    tokenizer = GVPTokenizer.from_published(weights, ORACLE / "codebooks/2048.npy")
    tensors, centres = load_file(weights), torch.from_numpy(tokenizer.codebook.centres)

    def plain(protein):
        return reference_gvp.tokens(tensors, centres, torch.from_numpy(protein.backbone.copy())).numpy()

    return tokenizer, plain


def structure(name: str, residues: int | None = None) -> Protein:
    coordinates = np.load(ORACLE / f"expected/{name}.npz")["coords_milliangstrom"][:residues] / 1000
    return Protein.from_backbone("A" * len(coordinates), coordinates)


def heading(options) -> list[str]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return [
        "# Structure tokenizers: speed and memory",
        "",
        f"Written by `python benchmarks/quantiser.py --threads {options.threads} --repeat {options.repeat}` at commit "
        f"{commit.stdout.strip() or 'unknown'}; torch {torch.__version__}, Python {platform.python_version()}, "
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start. CPU seconds are those of the "
        "process and the fairer figure on a machine that does other work besides.",
    ]


def beside_plain(ours, plain, options) -> list[str]:
    lines = [
        "## `gvp` with the published sizes, beside a plain transcription of the published program",
        "",
        "K = 2048, from coordinates to tokens. The published program itself takes 0.84 to 0.97 of the time of such a "
        "transcription (specs/prosst.md, A11); its own figures there are from another machine.",
        "",
        "| structure | residues | plain, CPU s | ours, CPU s | times faster | plain, wall s | ours, wall s "
        "| times faster | plain, MB added | ours, MB added | share | published, CPU s (A11) | published, MB (A11) "
        "| same tokens |",
        "| --- " + "| ---: " * 13 + "|",
    ]
    for number, (name, residues) in enumerate(STRUCTURES):
        protein = structure(name, residues)
        if len(protein) > options.longest:
            continue
        (plain_cpu, plain_wall, expected), (our_cpu, our_wall, found) = in_turn(
            [lambda p=protein: plain(p), lambda p=protein: ours(p)], options.repeat
        )
        same = (found == expected).all()
        plain_memory, our_memory = (measure_memory(which, number, options) for which in ("plain", "ours"))
        lines.append(
            f"| {name}{f', first {residues}' if residues else ''} | {len(protein)} "
            f"| {plain_cpu:.2f} | {our_cpu:.2f} | {plain_cpu / our_cpu:.1f} "
            f"| {plain_wall:.2f} | {our_wall:.2f} | {plain_wall / our_wall:.1f} "
            f"| {plain_memory:.0f} | {our_memory:.0f} | {our_memory / plain_memory:.2f} "
            f"| {PUBLISHED[number][0]} | {PUBLISHED[number][1]} | {'yes' if same else 'no'} |"
        )
        print(lines[-1], file=sys.stderr)
    return lines


def own_sizes(options) -> list[str]:
    proteins = [structure(name) for name in ("5l33", "3eiy", "2pe5B", "af_A0A1B0GTW7")]
    residues = sum(map(len, proteins))
    lines = [
        "## `gvp-chain` by size of its encoder",
        "",
        f"Residues per second, from coordinates to tokens, K = 2048, over {len(proteins)} chains of {residues} "
        "residues in all, one after the other.",
        "",
        "| node scalars, vectors | layers | neighbours | radius (angstrom) | parameters | per CPU second "
        "| per second, 1 thread | per second, 2 threads |",
        "| --- " + "| ---: " * 7 + "|",
    ]
    generator = np.random.default_rng(0)
    for config in SIZES:
        codebook = Codebook(generator.random((2048, config.node_hidden[0]), np.float32))
        tokenizer = ChainGVPTokenizer(GVPEncoder(config), codebook)
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found += in_turn([lambda t=tokenizer: t.batch(proteins)], 2 * options.repeat)
        torch.set_num_threads(options.threads)
        (cpu, wall, _), (_, wall_of_two, _) = found
        parameters = sum(p.numel() for name, p in tokenizer.encoder.named_parameters() if not name.startswith("dense"))
        lines.append(
            f"| {config.node_hidden[0]}, {config.node_hidden[1]} | {config.layers} | {config.neighbours} "
            f"| {config.radius:g} | {parameters:,} | {residues / cpu:,.0f} | {residues / wall:,.0f} "
            f"| {residues / wall_of_two:,.0f} |"
        )
        print(lines[-1], file=sys.stderr)
    return lines


def in_turn(calls, repeat: int) -> list[tuple]:
    """Best CPU and wall seconds of each of the calls, made in turn, and what it gave."""
    best = [(np.inf, np.inf, None)] * len(calls)
    for _ in range(repeat):
        for number, call in enumerate(calls):
            cpu, wall = time.process_time(), time.perf_counter()
            result = call()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            best[number] = min(best[number][0], cpu), min(best[number][1], wall), result
    return best


def measure_memory(which: str, number: int, options) -> float:
    """Megabytes that a call adds, in a process of its own."""
    command = [sys.executable, __file__, "--threads", str(options.threads), "--memory", which, str(number)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def added_memory(call) -> float:
    """Highest resident size during a call less that before it, in megabytes, looked at every millisecond."""
    process, stop = psutil.Process(), threading.Event()
    before = highest = process.memory_info().rss

    def watch():
        nonlocal highest
        while not stop.wait(0.001):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    call()
    stop.set()
    watcher.join()
    return (max(highest, process.memory_info().rss) - before) / 1e6


if __name__ == "__main__":
    main()
