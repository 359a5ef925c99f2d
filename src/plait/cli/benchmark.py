"""`plait benchmark dms`: how well models rank the mutants of mutational scans, beside published ones."""

import dataclasses
import sys
import types
from pathlib import Path

from plait.cli.benchmark_sites import SITES
from plait.cli.words import command_line, names_in
from plait.config import option
from plait.errors import InputError, PlaitError, unknown_name

SUMMARY = "measure models on mutational scans (benchmark dms) or on complexes with ligands (benchmark sites)"
DMS = "how well models rank the mutants of mutational scans, beside published ones"
ORDER = 50


@dataclasses.dataclass(frozen=True)
class Config:
    data: str | None = option(
        None, "folder with reference.csv, assays/, structures/ and, if there are, published_spearman.csv and the like"
    )
    models: str | None = option(
        None,
        "names, folders or hub ids, separated by commas; also blosum62, accessibility, burial, random; the default "
        "model and these four if not given. Differences are to the first",
    )
    out: str = option("plait-benchmark", "output folder; scores that are there already are not made again")
    beside: str = option("", "published models to list by name for each assay, separated by commas")
    seed: int = option(0, "of the bootstrap")
    resamples: int = option(10_000, "of the bootstrap")


def run(config: Config) -> int:
    """Score every assay with every model; returns the exit code. A broken assay is reported and the rest goes on."""
    from plait.cli.main import _unexpected, tracked
    from plait.models.baselines import BASELINES
    from plait.reports.benchmark import PAGE, PICTURE, write_benchmark
    from plait.reports.folder import check_folder
    from plait.tasks.dms_benchmark import SCORES, benchmark_dms

    if config.data is None:
        raise InputError("no folder of assays given", expected="--data DIR", do="See plait benchmark dms --help.")
    if config.resamples < 2:
        raise InputError("too few resamples", got=config.resamples, expected="2 or more")
    models = [None, *BASELINES] if config.models is None else names_in(config.models, "--models")
    beside = tuple(names_in(config.beside, "--beside")) if config.beside else ()
    _check_published(config.data, beside)
    out = check_folder(config.out)
    codes = [0]

    def report(failure) -> None:
        if isinstance(failure.error, PlaitError):
            codes.append(failure.error.exit_code)
            print(f"plait: {failure.assay}: {failure.error}", file=sys.stderr)
        else:
            codes.append(_unexpected(failure.error))

    result = benchmark_dms(
        config.data,
        models,
        out=out,
        seed=config.seed,
        resamples=config.resamples,
        report=report,
        progress=tracked("assays"),
    )
    write_benchmark(result, out, beside=beside, command=command_line(["plait", "benchmark", "dms"], config))
    _tell(result)
    print(f"scores:  {out / SCORES}/MODEL/ASSAY.parquet, {result.reused} of them were there already")
    print(f"tables:  {out}/assays.csv, summary.csv, spearman.csv, ndcg.csv, top_recall.csv")
    print(f"picture: {out / PICTURE}")
    print(f"page:    {out / PAGE}")
    return 1 if 1 in codes else max(codes)


def _tell(result) -> None:
    """The averages of the models that were run, and the published ones next to them."""
    cells = result.summary[result.summary["metric"] == "spearman"].set_index(["model", "average"])
    order = [name for name in result.order if (name, "mean") in cells.index]
    ours = [order.index(name) for name in result.models if name in order]
    shown = [name for at, name in enumerate(order) if any(abs(at - one) <= 1 for one in ours)]
    width = max(map(len, shown))
    print(f"{'Spearman correlation':<{width + 2}}   mean   aggregated   assays")
    for name in shown:
        mean, aggregated = cells.loc[(name, "mean")], cells.loc[(name, "aggregated")]
        mark = "*" if name in result.models else " "
        print(f"{mark} {name:<{width}}  {mean['value']:6.3f}   {aggregated['value']:10.3f}   {int(mean['assays']):6d}")
    print(
        "* run here; the others are those published that come next to them" if len(shown) > len(ours) else "* run here"
    )
    failed = {failure.assay for failure in result.failures}
    if failed:
        print("failed: " + ", ".join(sorted(failed)))


def _check_published(data: str, beside: tuple[str, ...]) -> None:
    """Raise InputError for a name that no published table has, before the work begins."""
    from plait.data.assays import read_published

    table = read_published(Path(data), "spearman") if beside else None
    for name in beside:
        if table is None or name not in table.columns:
            raise unknown_name("published model", name, [] if table is None else table.columns)


ACTIONS = {"dms": types.SimpleNamespace(SUMMARY=DMS, Config=Config, run=run), "sites": SITES}
