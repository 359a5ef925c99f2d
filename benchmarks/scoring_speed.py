"""Time and memory of scoring all substitutions of a chain, without reading and writing.

    python benchmarks/scoring_speed.py --data ../shared/data --threads 2

Model time of the bundled models (structure tokens and site weights included) for chains of 300 and 600 residues,
beside the published architecture of ProSST-2048 (110 million parameters, random weights, its structure tokens given for
nothing) in plait's implementation. Each in a process of its own; the best of --repeat calls after one to warm up; peak
memory is that of the whole process. Writes docs/results/scoring_speed.md.
"""

import argparse
import json
import platform
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

CHAINS = {300: "AMIE_PSEAE", 600: "DLG4_RAT"}
PUBLISHED = "ProSST-2048, random weights"
MODELS = ("plait-braid", "plait-geometry", "plait-small", PUBLISHED)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("docs/results/scoring_speed.md"))
    parser.add_argument("--one", nargs=2, help="internal: model and residues to measure in this process")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]), options)))
        return
    rows = []
    for residues in CHAINS:
        for name in MODELS:
            command = [sys.executable, __file__, *sys.argv[1:], "--one", name, str(residues)]
            found = json.loads(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
            )
            rows.append(
                f"| {residues} | {name} | {found['parameters']:,} | {found['wall']:.2f} | {found['processor']:.2f} "
                f"| {found['memory']:.0f} |"
            )
            print(rows[-1], flush=True)
    lines = ["# Time and memory of scoring", "", *__doc__.split("\n\n")[2].splitlines(), ""]
    lines += [f"Command: `{shlex.join(['python', 'benchmarks/scoring_speed.py', *sys.argv[1:]])}`", ""]
    lines += [f"Machine: {platform.processor() or platform.machine()}, {options.threads} threads.", ""]
    lines += ["| residues | model | parameters | wall, s | processor, s | peak memory, MB |", "|" + " --- |" * 6]
    options.out.write_text("\n".join([*lines, *rows]) + "\n")


def measure(name: str, residues: int, options) -> dict[str, float]:
    import numpy as np
    import torch

    from plait.structure import read_structure

    torch.set_num_threads(options.threads)
    (file,) = (options.data / "dms" / "structures").glob(f"{CHAINS[residues]}*.pdb.gz")
    protein = read_structure(file)
    protein = protein.select(np.arange(len(protein)) < residues)
    score, parameters = published(protein) if name == PUBLISHED else bundled(name)
    times = []
    for number in range(options.repeat + 1):
        # another object with other content: nothing is remembered, cavities of a site model included
        copy = protein.with_positions(protein.position + np.float32(0.01 * number))
        started = time.perf_counter(), time.process_time()
        score(copy)
        times.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    wall, processor = min(times[1:])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"parameters": parameters, "wall": wall, "processor": processor, "memory": memory}


def bundled(name: str):
    from plait.models.loading import load

    model = load(name)
    members = getattr(model, "members", (model,))
    return model.score_matrix, sum(p.numel() for member in members for p in member.network.parameters())


def published(protein):
    """The published size of the language model (specs/prosst.md, B1): 768 wide, 12 layers, 12 heads, K = 2048."""
    import numpy as np
    import torch

    from plait.encoders.prosst import ProsstConfig, ProsstForMaskedLM

    torch.manual_seed(0)
    config = ProsstConfig(
        ss_vocab_size=2051, hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072,
        max_relative_positions=1024, structure_to_residue="compat", unknown_structure=False, tokenizer="gvp",
    )  # fmt: skip
    model = ProsstForMaskedLM(config).eval()
    tokens = np.random.default_rng(0).integers(0, 2048, len(protein))
    parameters = sum(p.numel() for p in model.parameters())
    return lambda copy: model.log_probabilities(copy, structure_tokens=tokens), parameters


if __name__ == "__main__":
    main()
