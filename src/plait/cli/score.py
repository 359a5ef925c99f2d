"""`plait score`: from structure files to ranked mutations. The file to open first."""

import dataclasses
from pathlib import Path

from plait.cli.many import Each, asked_for, run_many, working
from plait.config import option

SUMMARY = "rank the mutations of a protein structure"
DESCRIPTION = (
    "Rank every single substitution of a protein structure, or score the mutants that you name. Higher scores are "
    "better tolerated and 0 is the wild type; scores rank mutations of one protein and are not comparable between "
    "proteins. Writes scores.csv, heatmap.png, report.html, structure.cif and run.json."
)
ORDER = 10


@dataclasses.dataclass(frozen=True)
class Config:
    """What to score, with what, and where to write."""

    structures: tuple[str, ...] = option(
        (), "structure files (PDB, mmCIF, BinaryCIF, also .gz) or folders of them", positional=True
    )
    chain: str | None = option(None, "chain to score, by author or label identifier; every protein chain if not given")
    mutations: str | None = option(
        None, "mutants, as A24C,D30E:K31R (several substitutions of one joined by ':'; a chain after '@': A24C@H)"
    )
    csv: str | None = option(None, "table with a column 'mutant' (A24C, A24C:D30E, p.Ala24Cys); other columns are kept")
    model: str | None = option(None, "bundled model, folder or hub id owner/name; the default bundled one if not given")
    tokenizer: str | None = option(None, "folder of the structure tokenizer, for models published without one")
    msa: str | None = option(
        None, "alignment of homologs to weigh in (a3m, a2m or aligned FASTA, also .gz), the chain's sequence first"
    )
    numbering: str = option("sequence", "what positions count: sequence (residues present, from 1) or author")
    multi: str = option("additive", "several substitutions in a mutant: additive (sum) or joint (masked together)")
    structure_model: int = option(1, "which model of a file that has several, from 1")
    out: str | None = option(
        None, "output folder; plait-NAME if not given. Several structures: a folder in it for each"
    )
    into: str | None = option(
        None, "instead of --out: a folder that gets a folder for each structure, also for only one"
    )
    workers: int = option(1, "processes that share the structures, with one thread and a model each")


def run(config: Config) -> int:
    """Score each structure; returns the exit code. In a batch a broken structure is reported and the rest goes on."""
    files, outs, many = asked_for(config, "score", "plait-scores")
    if not many:
        with working(f"scoring {files[0].name}"):
            result = _score_one(files[0], outs[0], config, config.model)
        _tell(result, outs[0])
        return 0
    return _score_many(files, outs, config)


def _score_one(file: Path, out: Path, config: Config, model, alignment=None):
    from plait.reports.folder import check_folder
    from plait.reports.writing import write
    from plait.tasks.mutation_effects import score

    check_folder(out)
    result = score(file, model=model, **{**_arguments(config), "msa": alignment or config.msa})
    write(result, out)
    return result


def _score_many(files: list[Path], outs: list[Path], config: Config) -> int:
    from plait.data.mutation_table import read_mutation_table
    from plait.data.mutations import parse_mutants

    if config.csv is not None:  # what would fail for every structure fails once
        read_mutation_table(config.csv)
    elif config.mutations is not None:
        parse_mutants(config.mutations)
    return run_many(_Scoring(config), files, outs, config.workers, doing="scoring", done="scored")


class _Scoring(Each):
    """Scores one structure of many; `loaded` is the model and the alignment."""

    def load(self):
        from plait.data.alignment_files import read_alignment
        from plait.models.loading import load

        alignment = None if self.config.msa is None else read_alignment(self.config.msa)
        return load(self.config.model, tokenizer=self.config.tokenizer), alignment

    def is_done(self, file: Path, out: Path) -> bool:
        return _is_done(file, out, self.config, self.loaded[0])

    def work(self, file: Path, out: Path) -> str:
        return _headline(_score_one(file, out, self.config, *self.loaded))


def _is_done(file: Path, out: Path, config: Config, model) -> bool:
    """Whether an earlier run left the whole result of the same file, arguments, model and version."""
    from plait import __version__
    from plait.data.digests import file_digest
    from plait.reports.folder import RECORD
    from plait.reports.run_record import finished

    if not (out / RECORD).is_file() or not file.is_file():
        return False
    expected = {
        "input.structure.sha256": file_digest(file)["sha256"],
        "input.mutations.sha256": file_digest(config.csv)["sha256"] if config.csv else None,
        "input.alignment.sha256": file_digest(config.msa)["sha256"] if config.msa else None,
        "versions.plait": __version__,
        "model.name": model.name,
        "model.digest": model.digest,
        **{f"arguments.{name}": value for name, value in _arguments(config).items()},
    }
    return finished(out, expected)


def _arguments(config: Config) -> dict:
    values = dataclasses.asdict(config)
    return {
        name: value for name, value in values.items() if name not in ("structures", "model", "out", "into", "workers")
    }


# -- what is said on the screen


def _headline(result) -> str:
    protein = result.protein
    chains = ", ".join(f"{name or '(blank)'} {count}" for name, count in protein.chain_lengths.items())
    what = "substitution" if not result.mutants_given else "mutant"
    what += "s" if len(result.table) != 1 else ""
    return f"{protein.source}: residues {chains}; {len(result.table):,} {what} scored with {_by(result)}"


def _by(result) -> str:
    return result.model.name + (f" and an alignment ({result.alignment})" if result.alignment else "")


def _tell(result, out: Path) -> None:
    table = result.table.dropna(subset=["plait_score"]).sort_values("plait_score", ascending=False, kind="stable")
    print(_headline(result))
    several = len(result.protein.chains) > 1

    def listed(rows) -> str:
        return ", ".join(
            f"{row.mutant}{'@' + row.chain if several and '@' not in row.mutant else ''} {row.plait_score:+.2f}"
            for row in rows.itertuples()
        )

    count = min(5, len(table) // 2) or len(table)
    print(f"  best   {listed(table.head(count))}")
    if len(table) > 1:
        print(f"  worst  {listed(table.tail(count).iloc[::-1])}")
    print("  higher is better tolerated, 0 is the wild type; scores rank mutations within a protein")
    for remark in result.remarks[:4]:
        print(f"  note   {remark}")
    if len(result.remarks) > 4:
        print(f"  note   {len(result.remarks) - 4} more in run.json and on the page")
    print(f"table:   {out / 'scores.csv'}")
    print(f"picture: {out / 'heatmap.png'}")
    print(f"page:    {out / 'report.html'}")
