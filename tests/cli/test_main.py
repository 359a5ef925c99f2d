"""The command `plait` itself: what it loads, how it refuses, and its exit codes."""

import json
import os
import subprocess
import sys
import types

import pytest

from plait import __version__
from plait.cli import main as command
from plait.cli.main import commands, main
from plait.config import option
from plait.errors import PlaitError

HEAVY = {
    "torch",
    "pandas",
    "biotite",
    "transformers",
    "lightning",
    "matplotlib",
    "pyarrow",
    "scipy",
    "gemmi",
    "sklearn",
}


def loaded_by(program: str) -> set[str]:
    """The heavy packages in memory after a program has run in a process of its own."""
    report = f"import sys, json; print(json.dumps(sorted({HEAVY!r} & set(sys.modules))), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"import atexit\natexit.register(lambda: exec({report!r}))\n{program}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_the_import_is_light():
    assert loaded_by("import plait") == set()
    assert loaded_by("import plait; dir(plait); plait.__version__") == set()


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["score", "--help"], ["sites", "--help"], ["tokens", "--help"], ["models", "--help"]],
    ids=" ".join,
)
def test_help_is_light(arguments):
    assert loaded_by(f"from plait.cli.main import main\nmain({arguments!r})") == set()


def test_tokens_of_a_light_tokenizer_are_light(structures, tmp_path):
    """The register finds a part in the module of its name, and the networks of its siblings stay where they are."""
    arguments = ["tokens", str(structures / "1crn.cif"), "--tokenizer", "dssp", "--out", str(tmp_path / "t.fasta")]
    assert "torch" not in loaded_by(f"from plait.cli.main import main\nassert main({arguments!r}) == 0")


def test_a_bar_on_a_terminal_leaves_the_output_alone():
    """Lines for a pipe get there whole while the bar is drawn on the terminal."""
    pty = pytest.importorskip("pty")
    program = (
        "from plait.cli.main import tracked\n"
        "for item in tracked('working')(iter(range(3)), total=3): print('line', item, flush=True)"
    )
    terminal, end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=end, env=environment)
    os.close(end)
    drawn = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert done.stdout.decode().splitlines() == ["line 0", "line 1", "line 2"]
    assert "working" in drawn and "3/3" in drawn
    piped = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert (piped.stdout, piped.stderr) == (done.stdout, b"")


def test_a_refused_command_line_is_light():
    program = "from plait.cli.main import main\nassert main(['score', '--no-such-flag']) == 2"
    assert loaded_by(program) == set()


def test_help_names_every_command_with_a_line(capsys):
    for arguments in ([], ["--help"], ["-h"], ["help"]):
        assert main(arguments) == 0
        lines = capsys.readouterr().out.splitlines()
        for name, module in commands().items():
            assert any(line.split(maxsplit=1) == [name, module.SUMMARY] for line in lines), name


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_a_help_page(name, capsys):
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr()
    assert f"usage: plait {name}" in shown.out
    assert shown.err == ""
    for action in getattr(commands()[name], "ACTIONS", {}):
        with pytest.raises(SystemExit):
            main([name, action, "--help"])
        assert f"usage: plait {name} {action}" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"plait {__version__}\n"


def refused(capsys, *arguments) -> str:
    assert main(list(arguments)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("plait: ")
    assert shown.err.count("\n") == 1
    return shown.err


def test_what_is_unknown_is_refused_with_the_closest(capsys, tmp_path):
    assert "Did you mean 'tokens'?" in refused(capsys, "tokns")
    assert "unknown command 'xyzzy'" in refused(capsys, "xyzzy")
    assert "Did you mean --tokenizer?" in refused(capsys, "tokens", "--tokeniser", "3di")
    assert "Did you mean 'convert'?" in refused(capsys, "models", "convrt")
    (tmp_path / "run.yaml").write_text("out: x\ntokeniser: 3di\n")
    text = refused(capsys, "tokens", "--config", str(tmp_path / "run.yaml"))
    assert f"{tmp_path / 'run.yaml'}, line 2" in text
    assert "Did you mean 'tokenizer'?" in text


def fake(run):
    import dataclasses

    @dataclasses.dataclass(frozen=True)
    class Config:
        number: int = option(0, "a number")

    return {"fake": types.SimpleNamespace(SUMMARY="for a test", Config=Config, run=run)}


@pytest.fixture
def command_that(monkeypatch):
    """Puts a command called fake in the place of all others."""

    def put(run):
        monkeypatch.setattr(command, "commands", lambda: fake(run))

    return put


def test_what_a_command_returns_is_the_exit_code(command_that):
    command_that(lambda config: config.number)
    assert main(["fake", "--number", "3"]) == 3
    command_that(lambda config: None)
    assert main(["fake"]) == 0


def test_a_failure_of_ours_is_one_line_and_code_1(command_that, capsys):
    def fail(config):
        raise PlaitError("over\nseveral lines")

    command_that(fail)
    assert main(["fake"]) == 1
    assert capsys.readouterr().err == "plait: over several lines\n"


def test_an_unforeseen_failure_is_one_line_and_its_traceback_in_a_file(command_that, capsys, tmp_path, monkeypatch):
    def fail(config):
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("PLAIT_TRACEBACK", raising=False)
    command_that(fail)
    assert main(["fake"]) == 1
    text = capsys.readouterr().err
    assert text.startswith("plait: internal error, ZeroDivisionError: by zero")
    assert text.count("\n") == 1
    (details,) = tmp_path.iterdir()
    assert str(details) in text
    assert "Traceback" in details.read_text()


def test_an_interruption_is_one_line_and_code_130(command_that, capsys):
    def stop(config):
        raise KeyboardInterrupt

    command_that(stop)
    assert main(["fake"]) == 130
    assert capsys.readouterr().err == "plait: stopped\n"


@pytest.mark.skipif(os.name != "posix", reason="pipes of a POSIX shell")
def test_a_reader_that_goes_away_is_no_error():
    """plait ... | head -1, with head gone before the first line."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "plait", "--help"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert done.returncode == 0
    assert done.stderr == ""


def test_the_module_runs_as_the_command_does():
    done = subprocess.run([sys.executable, "-m", "plait", "no-such"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("plait: unknown command 'no-such'")
