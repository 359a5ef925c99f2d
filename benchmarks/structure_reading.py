"""How long a file takes from bytes on disk to `Protein`, beside gemmi's own parse of the same file.

    python benchmarks/structure_reading.py [FILE ...] [--repeat 31]

Without files: those of ../shared/data/structures (or $PLAIT_SHARED) that the limit is stated for and the largest.
Both are timed in turn, so that other work on the machine meets both; the ratio is that of the medians.
BinaryCIF, which gemmi does not read, is timed beside biotite's decoding of atom_site.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import gemmi

from plait.structure import read_structure

LIMIT = 3.0
"""Text mmCIF to Protein takes at most this many times gemmi's own parse."""

SHARED = Path(os.environ.get("PLAIT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
FILES = (
    "1igy.cif.gz",
    "3wip.cif.gz",
    "1crn.cif",
    "AF-Q5VSL9-F1-model_v4.cif.gz",
    "4jsv.pdb.gz",
    "1ubi.pdb",
    "1gbt.bcif.gz",
)


def parse_alone(path: Path):
    """The parse of the library alone."""
    if ".bcif" in path.name:
        import gzip
        import io

        from biotite.structure.io.pdbx import BinaryCIFFile

        data = path.read_bytes()
        block = BinaryCIFFile.read(io.BytesIO(gzip.decompress(data) if path.suffix == ".gz" else data)).block
        category = block["atom_site"]
        return [category[name].as_array() for name in category]
    return gemmi.read_structure(str(path))


def measure(path: Path, repeat: int) -> tuple[float, float]:
    """Median seconds of the library's parse and of `read_structure`."""
    alone, ours = [], []
    for number in range(repeat + 2):  # the first two are imports and warm-up
        start = time.perf_counter()
        parse_alone(path)
        middle = time.perf_counter()
        read_structure(path)
        end = time.perf_counter()
        if number >= 2:
            alone.append(middle - start)
            ours.append(end - middle)
    return statistics.median(alone), statistics.median(ours)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--repeat", type=int, default=31)
    options = parser.parse_args()
    files = options.files or [SHARED / "data" / "structures" / name for name in FILES]
    print("| file | residues | atoms | library alone, ms | read_structure, ms | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for path in files:
        protein = read_structure(path)
        alone, ours = measure(path, options.repeat)
        row = (
            path.name,
            len(protein),
            len(protein.position),
            f"{alone * 1e3:.1f}",
            f"{ours * 1e3:.1f}",
            f"{ours / alone:.2f}",
        )
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
