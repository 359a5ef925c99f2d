"""docs/results/siamdiff.md: measures its sections and puts them into the page, where the others stay as they are.

    python benchmarks/siamdiff_page.py [SECTION ...] [--repeat 2] [--out docs/results/siamdiff.md]

Sections are oracle, speed-CASE, step-CASE, noise and runs; all of them if none is named. Trainings of noise and runs
are kept under runs/ and not made again.
"""

import argparse
import sys
from pathlib import Path

import gearnet
import noise_schedule
import numpy as np
import objective_runs
import pandas
import siamdiff_step
import torch
from gearnet import ROOT, SHARED
from page_sections import write_sections

INTRODUCTION = """# GearNet, DiffPreT and SiamDiff

Written by `python benchmarks/siamdiff_page.py`; each section says at what commit. Times are processor seconds of one
thread on a machine that other trainings shared: compare columns of a row, which took turns in one process, and not rows
or pages.
"""

TESTS = ROOT / "tests"


def oracle() -> list[str]:
    """Largest differences from recorded outputs, and of losses from recorded losses."""
    sys.path[:0] = [str(TESTS / "encoders" / "gearnet"), str(TESTS / "objectives")]
    import siamdiff_cases
    import test_gearnet_oracle as recorded

    from plait.encoders.blocks.loading import load_exactly
    from plait.encoders.gearnet import GearNetEdgeEncoder, GearNetEncoder
    from plait.encoders.gvp import GvpEncoder

    folder = siamdiff_cases.SiamDiffOracle(SHARED / "oracle" / "siamdiff")
    lines = [
        "Outputs and losses of the published programs on real structures, beside ours in `compat`; limit 1e-5. Tests "
        "hold them (`tests/encoders/gearnet`, `gvp`, `tests/objectives`), with edges, line-graph counts, gradients and "
        "conformers.",
        "",
        "| encoder | training mode | evaluation mode |",
        "| --- | --- | --- |",
    ]
    for name in (*recorded.NAMES, "gvp-atom"):
        weights, arrays, summary = folder.encoder(name)
        if name == "gvp-atom":
            encoder = GvpEncoder.from_published(weights)
        else:
            config = recorded.config_from(summary)
            encoder = (GearNetEdgeEncoder if config.angle_bins else GearNetEncoder)(config)
            load_exactly(encoder.gearnet, weights)
        proteins = [folder.protein(one) for one in summary.get("structures", ("p1", "1S3P-A"))]
        cells = []
        for mode in ("train", "eval"):
            with torch.no_grad():
                output = encoder.train(mode == "train")(encoder.prepare(proteins))
            cells.append(worst(output, arrays, f"batch.{mode}"))
            if name != "gvp-atom":
                load_exactly(encoder.gearnet, weights)  # running statistics as they were
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| objective | loss, relative difference |", "| --- | --- |"]
    for name, differs in sorted(losses(siamdiff_cases.Case).items()):
        lines.append(f"| {name} | {differs:.1e} |")
    return lines


def worst(output, arrays, prefix: str) -> str:
    """Largest difference over the largest value, of nodes and proteins."""
    found = {"graph": output.protein, "node": output.residue if output.atom is None else output.atom}
    differ = []
    for kind, got in found.items():
        for name in arrays.files:
            if name.startswith(f"{prefix}.{kind}_feature"):
                expected = arrays[name]
                differ.append(np.abs(got[: len(expected)].numpy() - expected).max() / np.abs(expected).max())
    return f"{max(differ):.1e}" if differ else "not recorded"


def losses(case: type) -> dict[str, float]:
    """Relative differences of the losses that the tests of the objectives compare."""
    import pytest

    found, check = {}, case.check

    def noted(self, got):
        found[self.name] = abs(got / float(self.arrays["train:loss.0"]) - 1)
        check(self, got)

    case.check = noted
    code = pytest.main(["-q", "-p", "no:cacheprovider", "-k", "published_loss", str(TESTS / "objectives")])
    case.check = check
    if code or not found:
        raise SystemExit("a recorded loss is not reproduced")
    return found


def speed(case: str, options) -> list[str]:
    own = argparse.Namespace(cases=[case], repeat=options.repeat, threads=1, profile=options.profile)
    lines, notes, missed = gearnet.table(own)
    command = f"`python benchmarks/gearnet.py --cases {case} --repeat {options.repeat}`. "
    return [command + gearnet.verdict(missed)[0], "", *lines, "", *(f"- {note}" for note in notes)]


def step(case: str, options) -> list[str]:
    more = {"memory": options.memory, "profile": options.profile}
    own = argparse.Namespace(cases=[case], repeat=options.repeat, threads=1, **more)
    command = f"`python benchmarks/siamdiff_step.py --cases {case} --repeat {options.repeat}`: a pair of "
    command += "conformers, encoders, heads, losses, backward and Adam."
    return [command, "", *siamdiff_step.table(own)[0]]


def noise(options) -> list[str]:
    steps, out = options.noise_steps, options.out.with_suffix("")
    noise_schedule.make(SHARED / "data", steps, ROOT / "runs" / "noise_schedule", out)
    table = pandas.read_csv(out.with_suffix(".csv"))
    asked = noise_schedule.JUDGES * noise_schedule.CROP * noise_schedule.HIDDEN
    lines = [
        f"`python benchmarks/noise_schedule.py --steps {steps}`: `diffpret` with a small GearNet-Edge (4 layers of 32) "
        f"and {noise_schedule.TOGETHER} chains of {noise_schedule.CROP} residues a step, a tiny budget. "
        f"Judged on {noise_schedule.JUDGES} validation chains with 30 % of the residues hidden at every level; "
        f"the standard error of an accuracy is {(0.12 * 0.88 / asked) ** 0.5:.3f}. With an error above 1 no answer is "
        "better.",
        "",
        f"![structure and sequence by noise level]({out.name}.png)",
        "",
    ]
    for column, title in (("structure_error", "error of scores over that of zeros"), ("type_accuracy", "accuracy")):
        wide = table.pivot_table(index="arm", columns="noise", values=column, sort=False)
        lines += [f"| {title}; noise, angstrom | " + " | ".join(f"{level:.3g}" for level in wide) + " |"]
        lines += ["|" + " --- |" * (1 + len(wide.columns))]
        lines += [f"| {arm} | " + " | ".join(f"{value:.3f}" for value in row) + " |" for arm, row in wide.iterrows()]
        lines += [""]
    return lines[:-1]


def runs(options) -> list[str]:
    rows = objective_runs.rows(SHARED / "data", options.encoders, 1000, ROOT / "runs" / "objective_runs")
    return objective_runs.page(rows, 1000)


def sections(options) -> dict:
    """Title and function of each section, in the order of the page."""
    found = {"oracle": ("Agreement with the published programs", oracle)}
    for case in gearnet.CASES:
        found[f"speed-{case}"] = (f"GearNet-Edge: speed and memory, {case}", lambda c=case: speed(c, options))
    for case in siamdiff_step.CASES:
        found[f"step-{case}"] = (f"A step of SiamDiff, {case}", lambda c=case: step(c, options))
    found["noise"] = ("One stage of noise and two", lambda: noise(options))
    found["runs"] = ("A thousand steps of every objective", lambda: runs(options))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    parser.add_argument("--memory", action="store_true", help="also measure the peaks of memory of steps")
    parser.add_argument("--noise-steps", type=int, default=800)
    parser.add_argument("--encoders", nargs="+", default=list(objective_runs.ENCODERS), help="of the section runs")
    parser.add_argument("--out", type=Path, default=Path("docs/results/siamdiff.md"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = sections(options)
    unknown = set(options.sections) - set(known)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    write_sections(options.sections, known, INTRODUCTION, options.out, f"torch {torch.__version__}")


if __name__ == "__main__":
    main()
