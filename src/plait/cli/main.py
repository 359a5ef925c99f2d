"""The command `plait`: finds the command's module, hands it its configuration, and turns errors into one line."""

import importlib
import os
import pkgutil
import sys

from plait.errors import InputError, PlaitError, closest, unknown_name


def commands() -> dict[str, object]:
    """The modules of this package that are commands (they have a SUMMARY), by name. Importing them is cheap: heavy
    imports stand inside."""
    import plait.cli

    found = {}
    for name in (module.name for module in pkgutil.iter_modules(plait.cli.__path__)):
        module = importlib.import_module(f"plait.cli.{name}")
        if hasattr(module, "SUMMARY"):
            found[name.replace("_", "-")] = module
    return dict(sorted(found.items(), key=lambda item: (getattr(item[1], "ORDER", 50), item[0])))


def tracked(description: str):
    """A function that wraps items, and their number where they do not know it, in a progress bar on a terminal, and in
    nothing in a pipe. Lines printed meanwhile stand above the bar."""

    def track(items, total=None):
        return _with_bar(items, description, total) if sys.stderr.isatty() else iter(items)

    return track


def _with_bar(items, description: str, total):
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # what goes into a file or a pipe must not be turned to the terminal
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    )
    with bar:
        yield from bar.track(items, total=total, description=description)


def usage() -> str:
    lines = [
        "plait: learning from 3D protein structures",
        "",
        "usage: plait COMMAND [options]       plait COMMAND --help       plait --version",
        "",
    ]
    available = commands()
    width = max(map(len, available)) + 2
    lines += [f"  {name:<{width}}{module.SUMMARY}" for name, module in available.items()]
    lines += ["", "For example:  plait score 1ubi.pdb --out ubiquitin"]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Returns the exit code: 0, 2 for input that the user can mend, 1 for a failure of ours."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(arguments)
        sys.stdout.flush()  # a reader that has gone is met here, and not when the interpreter ends
        return code
    except PlaitError as error:
        print("plait: " + " ".join(str(error).split()), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("plait: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _unexpected(error)


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if arguments[0] in ("-V", "--version"):
        from plait import __version__

        print(f"plait {__version__}")
        return 0
    name, rest = arguments[0], arguments[1:]
    available = commands()
    if name not in available:
        near = closest(name, available)
        raise InputError(
            f"unknown command {name!r}",
            expected="one of " + ", ".join(available),
            do=f"Did you mean {near!r}?" if near else "See plait --help.",
        )
    module, program = available[name], f"plait {name}"
    actions = getattr(module, "ACTIONS", None)
    if actions is not None and rest and not rest[0].startswith("-"):
        if rest[0] not in actions:
            raise unknown_name(f"action of {program}", rest[0], actions)
        program, module, rest = f"{program} {rest[0]}", actions[rest[0]], rest[1:]
    from plait.config import parse

    return module.run(parse(module.Config, rest, program=program, description=_description(module))) or 0


def _description(module) -> str:
    return getattr(module, "DESCRIPTION", module.SUMMARY)


def _unexpected(error: Exception) -> int:
    print(f"plait: {unexpected(error)}", file=sys.stderr)
    return 1


def unexpected(error: Exception) -> str:
    """What is said of a failure that nobody foresaw: one line; the traceback is in a file that a report can carry, or
    follows where PLAIT_TRACEBACK is set."""
    import tempfile
    import traceback

    details = "".join(traceback.format_exception(error))
    line = f"internal error, {type(error).__name__}: " + " ".join(str(error).split())
    if os.environ.get("PLAIT_TRACEBACK"):
        return f"{line}\n{details}"
    handle, path = tempfile.mkstemp(prefix="plait-error-", suffix=".txt")
    with os.fdopen(handle, "w") as file:
        file.write(details)
    return f"{line} (details in {path})"


if __name__ == "__main__":
    sys.exit(main())
