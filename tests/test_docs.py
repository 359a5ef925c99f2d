"""The pages: their code runs, their commands exist, what they show is what comes out, their links lead somewhere.

In `README.md`, `docs/how-to` and `docs/tutorials`, each page in a folder of its own with `examples` and `recipes`:

- a `python` block runs; with `>>>` its output is compared;
- in a `console` block, lines that begin with `$ plait` run, and what stands below them is compared (`...` stands for
  anything); `$ echo $?` shows the exit code, and a few harmless commands (`head`, `ls`) run too, others do not;
- a block with a file's name after its language (`csv mutants.csv`) becomes that file;
- `no-run` after the language: python is compiled only, and options of commands are read, but nothing runs.
"""

import ast
import contextlib
import dataclasses
import doctest
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from plait import registry
from plait.cli.main import commands, main
from plait.config import parse
from plait.models.catalogue import DEFAULT, bundled

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/how-to/*.md")), *sorted(ROOT.glob("docs/tutorials/*.md"))]
DOCS = sorted(ROOT.glob("docs/**/*.md"))
HARMLESS = ("cat", "head", "ls", "mkdir", "cp", "cut", "wc")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, the other words of its first line, its text and line number."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    found, start, info, lines = [], None, [], []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if start is None and line.startswith("```"):
            start, info, lines = number, line[3:].split() or [""], []
        elif start is not None and line == "```":
            found.append(Block(info[0], tuple(info[1:]), "\n".join(lines) + "\n", start))
            start = None
        else:
            lines.append(line)
    assert start is None, f"{page}: the block of line {start} has no end"
    return found


def console(text: str) -> list[tuple[list[str], str]]:
    """Commands (as words) of a console block, each with what is shown below it."""
    text = text.replace("\\\n", " ")
    found: list[tuple[list[str], str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((shlex.split(line[2:], comments=True), ""))
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


@pytest.fixture
def playground(tmp_path, monkeypatch):
    """A folder with examples and recipes to run a page in; the register is put back afterwards."""
    for name in ("examples", "recipes"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield tmp_path
    for parts in registry._parts.values():
        for name in [name for name, part in parts.items() if part.__module__ == "page"]:
            del parts[name]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_page_runs(page, playground):
    text = page.read_text(encoding="utf-8")
    if DEFAULT not in bundled() and re.search(r"plait score|plait\.score|plait\.load\(\)|gvp-chain", text):
        pytest.skip(f"the page uses the model {DEFAULT}, and no such model ships with this tree")
    names: dict = {"__name__": "page"}
    for block in blocks(page):
        place = f"{name_of(page)}, line {block.line}"
        if block.language == "console":
            run_console(block, place)
        elif block.language == "python":
            run_python(block, names, place)
        elif block.words:
            (playground / block.words[0]).write_text(block.text, encoding="utf-8")


def run_python(block: Block, names: dict, place: str) -> None:
    code = block.text
    if ">>>" in code:
        test = doctest.DocTestParser().get_doctest(code, names, place, place, block.line)
        if "no-run" in block.words:
            return
        said = io.StringIO()
        failed = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.write, clear_globs=False).failed
        names.update(test.globs)
        assert not failed, f"{place}\n{said.getvalue()}"
    elif "no-run" in block.words:
        ast.parse(code)
    else:
        exec(compile(code, place, "exec"), names)


def run_console(block: Block, place: str) -> None:
    shown = console(block.text)
    code = 0
    for number, (words, expected) in enumerate(shown):
        following = shown[number + 1][0] if number + 1 < len(shown) else []
        if "no-run" in block.words:
            if words[0] == "plait":
                check_options(words[1:])
            continue
        if words == ["echo", "$?"]:
            assert int(expected) == code, f"{place}: exit code {code}"
            continue
        if words[0] == "plait":
            code, got = run_plait(words[1:])
        elif words[0] in HARMLESS:
            done = subprocess.run(words, capture_output=True, text=True)
            code, got = done.returncode, done.stdout
        else:
            continue
        if following != ["echo", "$?"]:
            assert code == 0, f"{place}: {' '.join(words)} ended with {code}:\n{got}"
        if expected.strip():
            assert doctest.OutputChecker().check_output(expected, got, FLAGS), (
                f"{place}: {' '.join(words)}\nthe page shows\n{expected}\nand it said\n{got}"
            )


def run_plait(arguments: list[str]) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = main(arguments)
        except SystemExit as stop:  # --help
            code = stop.code or 0
    return code, said.getvalue()


def check_options(arguments: list[str]) -> None:
    """Raise InputError if there is no such command, or it has no such options."""
    if arguments and arguments[0].startswith("-"):
        return
    module, rest = commands()[arguments[0]], arguments[1:]
    actions = getattr(module, "ACTIONS", None)
    if actions is not None and rest and not rest[0].startswith("-"):
        module, rest = actions[rest[0]], rest[1:]
    if "--help" not in rest:
        parse(module.Config, rest, program="plait")


def test_an_unknown_option_on_a_page_would_be_found():
    with pytest.raises(Exception, match="Did you mean --numbering"):
        check_options(["score", "x.pdb", "--nubering", "author"])


def test_a_wrong_output_on_a_page_would_be_found():
    with pytest.raises(AssertionError, match="the page shows"):
        run_console(Block("console", (), "$ plait --version\nplait 99.0\n", 1), "page")
    with pytest.raises(AssertionError, match="Expected"):
        run_python(Block("python", (), ">>> 1 + 1\n3\n", 1), {}, "page")


# -- the parts that the "add a ..." pages show


@pytest.mark.slow
def test_parts_of_the_pages_keep_their_promises(shared, tmp_path, monkeypatch):
    """The examples of docs/how-to/add-*.md are registered in a process of their own, which runs tests/promises."""
    parts = [block.text for page in PAGES for block in blocks(page) if block.words == ("part",)]
    names = re.findall(r'^    name = "([\w-]+)"$', "".join(parts), flags=re.MULTILINE)
    assert len(names) == len(parts) == 6
    (tmp_path / "page_parts.py").write_text("\n\n".join(parts), encoding="utf-8")
    small = tmp_path / "shared"
    small.mkdir()
    (small / "README.md").write_text("real structures, and chains for the data set of the page\n")
    (small / "data").symlink_to(shared / "data")
    write_chains(small / "my-chains")
    command = [sys.executable, "-m", "pytest", "-p", "page_parts", "-p", "no:cacheprovider", "-rs"]
    done = subprocess.run(
        [*command, "tests/promises", "-k", " or ".join(names)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PLAIT_SHARED": str(small)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout, done.stdout[-2000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 25


def write_chains(folder: Path) -> None:
    """Pieces of ubiquitin in the form that docs/how-to/add-a-dataset.md describes."""
    from plait.structure import read_structure

    protein = read_structure(ROOT / "examples" / "1ubi.pdb")
    folder.mkdir()
    rows = ["id,cluster,split,residues"]
    for number, split in enumerate(("train", "valid", "test", "valid")):
        part = slice(15 * number, 15 * number + 30)
        name = f"piece{number}"
        np.savez(
            folder / f"{name}.npz",
            sequence=np.array(protein.sequence[part]),
            backbone=protein.backbone[part],
        )
        rows.append(f"{name},{number},{split},30")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")


# -- links and reference pages


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *DOCS], ids=name_of)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if there.suffix == ".png" and DEFAULT not in bundled():
            continue  # pictures are made with the bundled model
        assert there.exists(), f"{name_of(page)}: no such file {target}"
        if anchor:
            assert anchor in anchors(there), f"{name_of(page)}: no such heading {target}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_can_be_reached_from_the_readme():
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            there = (page.parent / target).resolve()
            if there.is_dir():
                waiting += there.glob("*.md")
            elif there.exists():
                waiting.append(there)
    unreachable = [name_of(page) for page in DOCS if page not in seen]
    assert not unreachable


@pytest.mark.parametrize("name", ["parts.md", "commands.md"])
def test_reference_pages_are_those_of_the_code(name):
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    make_reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_reference)
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert make_reference.PAGES[name]() == written, f"docs/reference/{name} is stale: run python docs/make_reference.py"
