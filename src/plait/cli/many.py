"""Many structures at one command: a folder for each, done ones left alone, broken ones told and passed over."""

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plait.errors import InputError, PlaitError


def out_folders(files: list[Path], out: str | None, many: bool, default: str) -> list[Path]:
    """The folder of each structure: `out` itself for one, a folder by its name in `out` (or `default`) for many."""
    from plait.structure.files import stem

    if not many:
        return [Path(out) if out else Path(f"plait-{stem(files[0])}")]
    return [Path(out or default) / name for name in unique_stems(files)]


def unique_stems(files: list[Path]) -> list[str]:
    """Names of files without their endings; the second of a name has "-2" behind it, and so on."""
    from plait.structure.files import stem

    names: dict[str, None] = {}
    for file in files:
        name, number = stem(file), 1
        while name in names:
            number += 1
            name = f"{stem(file)}-{number}"
        names[name] = None
    return list(names)


def asked_for(config, command: str, default: str) -> tuple[list[Path], list[Path], bool]:
    """The files that a command is given, a folder for each, and whether they are a batch.

    `config` has `structures`, `out` and `into`.

    Raises
    ------
    InputError
        If no structure is given, or both kinds of output folder.
    """
    from plait.structure.files import structure_files

    if not config.structures:
        raise InputError(
            "no structure given", expected=f"a file: plait {command} 1ubi.pdb", do=f"See plait {command} --help."
        )
    if config.out is not None and config.into is not None:
        raise InputError("--out and --into are both given", do="Give one of them.")
    files = structure_files(config.structures)
    many = len(files) > 1 or config.into is not None or any(Path(name).is_dir() for name in config.structures)
    return files, out_folders(files, config.out or config.into, many, default), many


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one structure: an exit code, and what there is to say; nothing where it was there already."""

    text: str = ""
    code: int = 0


class Each:
    """What is done with one structure of many, in whichever process; `loaded` (models) is read once in each."""

    def __init__(self, config):
        self.config = config
        self.loaded: Any = None

    def __getstate__(self):
        return {"config": self.config, "loaded": None}

    def load(self) -> Any:
        """What all structures need."""
        raise NotImplementedError

    def is_done(self, file: Path, out: Path) -> bool:
        """Whether an earlier run left the same result."""
        raise NotImplementedError

    def work(self, file: Path, out: Path) -> str:
        """Do it, and say what was done in a line."""
        raise NotImplementedError

    def __call__(self, job: tuple[Path, Path]) -> Outcome:
        from plait.cli.main import unexpected

        try:
            if self.loaded is None:
                self.loaded = self.load()
            return Outcome() if self.is_done(*job) else Outcome(self.work(*job))
        except PlaitError as error:
            return Outcome(str(error), error.exit_code)
        except Exception as error:  # ours; the rest goes on
            return Outcome(unexpected(error), 1)


def run_many(each: Each, files: list[Path], outs: list[Path], workers: int, *, doing: str, done: str) -> int:
    """Do each, say what became of it, and return the exit code.

    Parameters
    ----------
    doing, done : str
        What is done, for the bar ("scoring") and for the last lines ("scored").
    """
    each.loaded = each.load()  # what would fail for every structure fails once
    started = time.perf_counter()

    def tell(number: int, text: str) -> None:
        print(f"[{number}/{len(files)}] {text}: {outs[number - 1]}", flush=True)

    failed, skipped, code = work_through(each, list(zip(files, outs)), workers, doing=doing, tell=tell)
    count = len(files) - len(failed) - skipped
    print(f"{count} {done} in {time.perf_counter() - started:.0f} s, {skipped} already there, {len(failed)} failed")
    if failed:
        print("failed: " + ", ".join(str(file) for file in failed))
    print(f"tables, pictures and pages: {outs[0].parent}/NAME/")
    return code


def work_through(
    each: Each, jobs: list[tuple[Path, Path]], workers: int, *, doing: str, tell: Callable[[int, str], None]
) -> tuple[list[Path], int, int]:
    """Do each and say what failed: the files that failed, how many were done before, and the exit code.

    Parameters
    ----------
    each : Each
        Loaded.
    tell : callable
        Is given the number of each job that is now done, from 1, and what its work said.
    """
    from plait.cli.main import tracked
    from plait.workers import in_order

    failed, skipped, code = [], 0, 0
    outcomes = in_order(each, jobs, min(workers, len(jobs)))
    for number, outcome in enumerate(tracked(doing)(outcomes, total=len(jobs)), 1):
        if outcome.code:
            failed.append(jobs[number - 1][0])
            code = 1 if 1 in (code, outcome.code) else outcome.code
            print(f"plait: {outcome.text}", file=sys.stderr)
        elif outcome.text:
            tell(number, outcome.text)
        else:
            skipped += 1
    return failed, skipped, code


def working(text: str):
    """A sign of life on a terminal, nothing in a pipe."""
    from rich.console import Console

    return Console(stderr=True).status(text)
