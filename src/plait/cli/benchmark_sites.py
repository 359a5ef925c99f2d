"""`plait benchmark sites`: how well models find the binding sites of complexes whose ligands they do not see."""

import dataclasses
import sys
import types

from plait.cli.words import command_line, names_in
from plait.config import option
from plait.errors import InputError, PlaitError, unknown_name


@dataclasses.dataclass(frozen=True)
class Config:
    data: str | None = option(None, "folder of the data set complexes, with index.parquet")
    models: str | None = option(
        None,
        "names, folders or hub ids, separated by commas; also geometry (cavities, nothing learned). The bundled model, "
        "if one ships, and geometry if not given. Differences are to the first",
    )
    splits: str = option("test,test_dude", "splits of the data, separated by commas")
    cutoff: float = option(4.0, "a residue binds if a heavy atom of it is closer than this to a ligand (angstrom)")
    out: str = option("plait-benchmark-sites", "output folder; predictions that are there already are not made again")
    embeddings: str | None = option(
        None, "precomputed embeddings, a file or a folder by entry, for models whose encoders read such"
    )
    seed: int = option(0, "of the bootstrap")
    resamples: int = option(10_000, "of the bootstrap")


def run(config: Config) -> int:
    """Ask every model for the sites of every complex; returns the exit code. A broken entry is reported and the rest
    goes on."""
    from plait.cli.main import tracked, unexpected
    from plait.models.catalogue import bundled
    from plait.reports.folder import check_folder
    from plait.reports.site_benchmark import PAGE, write_site_benchmark
    from plait.tasks.binding_sites.geometric import GEOMETRIC
    from plait.tasks.binding_sites.predicting import DEFAULT
    from plait.tasks.site_benchmark import PREDICTIONS, benchmark_sites

    if config.data is None:
        raise InputError("no folder of complexes given", expected="--data DIR", do="See plait benchmark sites --help.")
    if config.resamples < 2:
        raise InputError("too few resamples", got=config.resamples, expected="2 or more")
    if not config.cutoff > 0:
        raise InputError("cut-off", got=config.cutoff, expected="a distance above 0")
    if config.models is not None:
        models = names_in(config.models, "--models")
    else:
        models = [*([DEFAULT] if DEFAULT in bundled() else []), GEOMETRIC.name]
    if config.embeddings is not None:
        models = _given(models, config.embeddings)
    splits = names_in(config.splits, "--splits")
    known = ("train", "valid", "test", "test_dude")
    strange = next((split for split in splits if split not in known), None)
    if strange is not None:
        raise unknown_name("split", strange, known)
    out = check_folder(config.out)
    codes = [0]

    def report(failure) -> None:
        ours = not isinstance(failure.error, PlaitError)
        codes.append(1 if ours else failure.error.exit_code)
        by = f", {failure.model}" if failure.model else ""
        text = unexpected(failure.error) if ours else failure.error
        print(f"plait: {failure.entry}{by}: {text}", file=sys.stderr)

    result = benchmark_sites(
        config.data,
        models,
        splits=splits,
        cutoff=config.cutoff,
        out=out,
        seed=config.seed,
        resamples=config.resamples,
        report=report,
        progress=tracked("complexes"),
    )
    write_site_benchmark(result, out, command=command_line(["plait", "benchmark", "sites"], config))
    _tell(result)
    print(f"predictions: {out / PREDICTIONS}/MODEL/ENTRY.npz, {result.reused} of them were there already")
    print(f"tables:      {out}/proteins.csv, ligands.csv, summary.csv")
    print(f"page:        {out / PAGE}")
    return 1 if 1 in codes else max(codes)


def _given(names: list[str], embeddings: str) -> list:
    """The models, and precomputed embeddings to those that wait for some."""
    from plait.models.loading import load
    from plait.tasks.binding_sites.geometric import GEOMETRIC

    models = [name if name == GEOMETRIC.name else load(name) for name in names]
    waiting = [getattr(getattr(model, "embeddings", None), "awaited", False) for model in models]
    if not any(waiting):
        raise InputError("none of the models waits for embeddings", got=", ".join(names), do="Leave out --embeddings.")
    pairs = zip(names, models, waiting, strict=True)
    return [load(name, embeddings=embeddings) if waits else model for name, model, waits in pairs]


def _tell(result) -> None:
    shown = ("iou", "auroc", "auprc", "dca_top3", "dcc_top3", "dca_topn", "dcc_topn")
    width = max(map(len, result.models))
    for split in dict.fromkeys(result.summary["split"]):
        cells = result.summary[result.summary["split"] == split].set_index(["model", "metric"])["value"]
        entries = result.proteins.loc[result.proteins["split"] == split, "entry"].nunique()
        print(f"{split}, {entries} complexes")
        print(f"  {'':<{width}}  " + "  ".join(f"{metric:>8}" for metric in shown))
        for model in result.models:
            print(f"  {model:<{width}}  " + "  ".join(f"{cells[model, metric]:8.3f}" for metric in shown))
    if result.failures:
        print("failed: " + ", ".join(sorted({failure.entry for failure in result.failures})))


SITES = types.SimpleNamespace(
    SUMMARY="how well models find the binding sites of complexes whose ligands they do not see", Config=Config, run=run
)
