"""docs/results/vabsnet.md: measures its sections and puts them into the page, where the others stay as they are.

    python benchmarks/vabsnet_page.py [SECTION ...] [--threads 1] [--repeat 3] [--out docs/results/vabsnet.md]

Sections are parameters, invariance, oracle, features, sites and speed-KIND (see `SPEED`); all of them if none is named.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import vabsnet
import vabsnet_checks
from page_sections import write_sections
from vabsnet import SHARED

SPEED = {
    "speed-base": ("Size base", []),
    "speed-base-checkpointing": ("Size base, checkpointing", ["--checkpointing", "--lengths", "300", "600", "1000"]),
    "speed-base-bfloat16": ("Size base, bfloat16", ["--dtype", "bfloat16", "--lengths", "300", "600", "1000"]),
    "speed-published": ("Size published", ["--size", "published", "--lengths", "300"]),
    "speed-published-bfloat16": (
        "Size published, bfloat16",
        ["--size", "published", "--dtype", "bfloat16", "--lengths", "300"],
    ),
}
FEATURES = 20.0
"""Structures of 300 residues a second, from file to batch, on one core."""

SITES = ("1ubi.pdb", "3pxf.pdb.gz", "AF-Q5VSL9-F1-model_v4.cif.gz", "4jsv.pdb.gz")
INTRODUCTION = """# Vabs-Net: parameters, invariance, agreement, speed and memory

Written by `python benchmarks/vabsnet_page.py`; each section says at what commit. Other work ran on the machine, so that
processor seconds are good to one or two tenths of themselves.
"""


def speed(title: str, arguments: list[str], options) -> list[str]:
    given = [*arguments, "--threads", str(options.threads), "--repeat", str(options.repeat)]
    own = vabsnet.parser().parse_args(given)
    torch.set_num_threads(own.threads)
    lines, missed = vabsnet.table(own)
    count = sum(parameter.numel() for parameter in vabsnet.make(own).parameters())
    head = (
        f"`python benchmarks/vabsnet.py {' '.join(given)}`: {count:,} parameters. Processor seconds, the best of "
        f"{own.repeat}; shares are those of the time of forward; memory is what is added beyond weights and batch."
    )
    if not arguments:
        met = "Missed: " + "; ".join(missed) if missed else "Met"
        head += f" Limit: {vabsnet.LIMIT:,} MB for forward and backward at 600 residues. {met}."
    return [head, "", *lines]


def features(options) -> list[str]:
    """From a file to the batch, for a structure of about 300 residues."""
    from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder
    from plait.objectives.torsions import torsions
    from plait.structure import read_structure

    file = SHARED / "data" / "structures" / "3pxf.pdb.gz"
    lines = [
        f"{file.name} (302 residues, all heavy atoms), processor seconds on one core, median of 15: reading the file; "
        "nodes, frames, neighbour lists of both tracks and directions (`prepare`; sines of directions are made in the "
        f"network); torsions. Accessibility is not made here. Limit: {FEATURES:.0f} structures a second.",
        "",
        "| size | read, ms | prepare, ms | torsions, ms | structures a second |",
        "| --- | --- | --- | --- | --- |",
    ]
    for size in ("small", "base", "published"):
        with torch.device("meta"):  # without weights: it only prepares
            encoder = VabsnetEncoder(VabsnetConfig(size=size))
        steps = []
        for _ in range(16):
            times = [time.process_time()]
            protein = read_structure(file)
            times.append(time.process_time())
            encoder.prepare([protein])
            times.append(time.process_time())
            torsions(protein)
            times.append(time.process_time())
            steps.append(np.diff(times))
        read, prepare, angles = np.median(steps[1:], axis=0)
        rate = 1 / (read + prepare + angles)
        cells = [f"{1000 * one:.1f}" for one in (read, prepare, angles)]
        lines.append(f"| {size} | " + " | ".join(cells) + f" | {rate:.0f} |")
    return lines


def sites(options) -> list[str]:
    """`plait sites` as a process."""
    lines = [
        f"`plait sites FILE` as a process of its own from start to end, best of {options.repeat}: processor seconds "
        "and peak resident memory. The network is an untrained one of size small. The last structure is two copies of "
        "4jsv side by side, cut to 5,000 residues.",
        "",
        "| structure | residues | model | processor s | peak MB |",
        "| --- | --- | --- | --- | --- |",
    ]
    with tempfile.TemporaryDirectory() as place:
        model = untrained(Path(place) / "model")
        files = [SHARED / "data" / "structures" / name for name in SITES]
        for file in [*files, five_thousand(Path(place) / "5000.pdb")]:
            for name in ("geometry", str(model)):
                runs = [one_process(file, name, Path(place) / "out") for _ in range(options.repeat)]
                best = min(runs, key=lambda run: run["seconds"])
                cells = [file.name, f"{best['residues']:,}", "geometry" if name == "geometry" else "vabsnet"]
                cells += [f"{best['seconds']:.1f}", f"{best['memory']:.0f}"]
                lines.append("| " + " | ".join(cells) + " |")
                print(lines[-1], flush=True)
    return lines


def untrained(folder: Path) -> Path:
    from plait.encoders.base import EncoderWithHeads
    from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder
    from plait.models.loading import save
    from plait.models.model import Model
    from plait.models.scoring import Scoring

    torch.manual_seed(0)
    network = EncoderWithHeads(VabsnetEncoder(VabsnetConfig()), {"binding_site": 1})
    save(Model("untrained", network, None, Scoring(), {}), folder)
    return folder


def five_thousand(file: Path) -> Path:
    from plait.structure import read_structure
    from plait.structure.writing import write_structure

    protein = read_structure(SHARED / "data" / "structures" / "4jsv.pdb.gz")
    twice = vabsnet.beside(protein)
    names = np.array([chr(ord("A") + number) for number in range(26)])
    chain = names[np.unique(protein.chain, return_inverse=True)[1]]
    chain = np.concatenate([chain, names[len(protein.chains) + np.searchsorted(names, chain)]])
    twice = twice.replace(chain=chain, label_chain=chain)
    write_structure(twice.select(np.arange(len(twice)) < 5000), file)
    return file


LIGHT = (
    "import json, resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
    "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
    "print(json.dumps({'seconds': used.ru_utime + used.ru_stime, 'memory': used.ru_maxrss / 1024}))"
)
"""Starts a command from a small process: Linux counts the memory of the one that starts it as its own."""


def one_process(file: Path, model: str, out: Path) -> dict:
    command = [sys.executable, "-m", "plait", "sites", str(file), "--model", model, "--out", str(out)]
    used = subprocess.run([sys.executable, "-c", LIGHT, *command], check=True, capture_output=True, text=True).stdout
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return {"residues": sum(chain["residues"] for chain in record["input"]["chains"]), **json.loads(used)}


def sections(options) -> dict:
    """Title and function of each section, in the order of the page."""
    found = {
        "parameters": ("Parameters", lambda: vabsnet_checks.parameters(SHARED)),
        "invariance": ("Invariance", lambda: vabsnet_checks.invariance(SHARED)),
        "oracle": ("Agreement with the published program", lambda: vabsnet_checks.oracle(SHARED)),
        "features": ("Features from a file", lambda: features(options)),
    }
    for name, (title, arguments) in SPEED.items():
        found[name] = (f"Speed and memory: {title}", lambda t=title, a=arguments: speed(t, a, options))
    found["sites"] = ("The whole command", lambda: sites(options))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("docs/results/vabsnet.md"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    known = sections(options)
    unknown = set(options.sections) - set(known)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    write_sections(
        options.sections, known, INTRODUCTION, options.out, f"torch {torch.__version__}, {options.threads} thread"
    )


if __name__ == "__main__":
    main()
