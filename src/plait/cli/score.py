"""`plait score`: from structure files to ranked mutations. The file to open first."""

import dataclasses
import sys
import time
from pathlib import Path

from plait.config import option
from plait.errors import InputError, PlaitError

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
    from plait.structure.files import structure_files

    if not config.structures:
        raise InputError("no structure given", expected="a file: plait score 1ubi.pdb", do="See plait score --help.")
    if config.out is not None and config.into is not None:
        raise InputError("--out and --into are both given", do="Give one of them.")
    files = structure_files(config.structures)
    many = len(files) > 1 or config.into is not None or any(Path(name).is_dir() for name in config.structures)
    outs = _out_folders(files, config.out or config.into, many)
    if not many:
        with _working(f"scoring {files[0].name}"):
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
    from plait.cli.main import tracked
    from plait.data.mutation_table import read_mutation_table
    from plait.data.mutations import parse_mutants
    from plait.workers import in_order

    if config.csv is not None:  # what would fail for every structure fails once
        read_mutation_table(config.csv)
    elif config.mutations is not None:
        parse_mutants(config.mutations)
    one = _One(config)
    one.load()
    failed, skipped, code = [], 0, 0
    started = time.perf_counter()
    outcomes = in_order(one, zip(files, outs), min(config.workers, len(files)))
    for number, outcome in enumerate(tracked("scoring")(outcomes, total=len(files)), 1):
        if outcome.code:
            failed.append(files[number - 1])
            code = 1 if 1 in (code, outcome.code) else outcome.code
            print(f"plait: {outcome.text}", file=sys.stderr)
        elif outcome.text:
            print(f"[{number}/{len(files)}] {outcome.text}: {outs[number - 1]}", flush=True)
        else:
            skipped += 1
    done = len(files) - len(failed) - skipped
    seconds = time.perf_counter() - started
    print(f"{done} scored in {seconds:.0f} s, {skipped} already there, {len(failed)} failed")
    if failed:
        print("failed: " + ", ".join(str(file) for file in failed))
    print(f"tables, pictures and pages: {outs[0].parent}/NAME/")
    return code


@dataclasses.dataclass
class _Outcome:
    """What became of one structure: an exit code, and what there is to say; nothing where it was there already."""

    text: str = ""
    code: int = 0


class _One:
    """Scores one structure of many, in whichever process; the model and the alignment are read once in each."""

    def __init__(self, config: Config):
        self.config, self.model, self.alignment = config, None, None

    def __getstate__(self):
        return {"config": self.config, "model": None, "alignment": None}

    def load(self) -> None:
        from plait.data.alignment_files import read_alignment
        from plait.models.loading import load

        if self.config.msa is not None:
            self.alignment = read_alignment(self.config.msa)
        self.model = load(self.config.model, tokenizer=self.config.tokenizer)

    def __call__(self, job: tuple[Path, Path]) -> _Outcome:
        from plait.cli.main import unexpected

        file, out = job
        try:
            if self.model is None:
                self.load()
            if _is_done(file, out, self.config, self.model):
                return _Outcome()
            return _Outcome(_headline(_score_one(file, out, self.config, self.model, self.alignment)))
        except PlaitError as error:
            return _Outcome(str(error), error.exit_code)
        except Exception as error:  # ours; the rest goes on
            return _Outcome(unexpected(error), 1)


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


def _out_folders(files: list[Path], out: str | None, many: bool) -> list[Path]:
    from plait.structure.files import stem

    if not many:
        return [Path(out) if out else Path(f"plait-{stem(files[0])}")]
    folder, taken, folders = Path(out or "plait-scores"), {}, []
    for file in files:
        name = stem(file)
        taken[name] = taken.get(name, 0) + 1
        folders.append(folder / (name if taken[name] == 1 else f"{name}-{taken[name]}"))
    return folders


# -- what is said on the screen


def _working(text: str):
    """A sign of life on a terminal, nothing in a pipe."""
    from rich.console import Console

    return Console(stderr=True).status(text)


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
