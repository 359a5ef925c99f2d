"""The whole command: wall and processor seconds, peak memory and where the time goes, per structure.

    python benchmarks/score_process.py --structures ../shared/data/structures --out docs/results/score_process.md

Runs `plait score` as a process of its own, several times, and reports the fastest.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES = ("1ubi.pdb", "3pxf.pdb.gz", "AF-Q5VSL9-F1-model_v4.cif.gz")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structures", type=Path, default=Path("../shared/data/structures"))
    parser.add_argument("--model", default=None)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    rows = [best(options.structures / name, options) for name in FILES]
    steps = list(rows[0]["seconds"])
    lines = [
        "# The whole command",
        "",
        f"`plait score FILE` as a process, best of {options.repeats}, {os.cpu_count()} cores. Limits: 8 s and 1.5 GB "
        "at 300 residues. Inside: seconds of each step as `run.json` records them; the rest is starting Python and "
        "imports.",
        "",
        "    python benchmarks/score_process.py",
        "",
        "| file | residues | wall s | processor s | peak MB | " + " | ".join(steps) + " |",
        "| --- |" + " --- |" * (4 + len(steps)),
    ]
    for row in rows:
        numbers = [f"{row['wall']:.1f}", f"{row['cpu']:.1f}", f"{row['memory']:.0f}"]
        numbers += [f"{row['seconds'].get(step, 0):.2f}" for step in steps]
        lines.append(f"| {row['file']} | {row['residues']} | " + " | ".join(numbers) + " |")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def best(structure: Path, options) -> dict:
    runs = [run(structure, options.model) for _ in range(options.repeats)]
    return min(runs, key=lambda row: row["wall"])


def run(structure: Path, model: str | None) -> dict:
    """One process; its record and what it used."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = [sys.executable, "-m", "plait", "score", str(structure), "--out", str(out)]
        command += ["--model", model] if model else []
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        if status:
            raise SystemExit(f"{' '.join(command)} failed")
        record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return {
        "file": structure.name,
        "residues": sum(chain["residues"] for chain in record["input"]["chains"]),
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss / 1024,
        "seconds": record["seconds"],
    }


if __name__ == "__main__":
    main()
