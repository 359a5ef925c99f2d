"""Writes docs/reference: the registered parts, and the commands with their options. `python docs/make_reference.py`."""

import dataclasses
import json
import typing
from pathlib import Path

from plait import registry
from plait.cli.main import commands

FOLDER = Path(__file__).parent / "reference"
NOTE = "Made by `python docs/make_reference.py` from the code. Do not edit."
HOW_TO = {
    "tokenizer": "add-a-tokenizer.md",
    "encoder": "add-an-encoder.md",
    "objective": "add-an-objective.md",
    "task": "add-a-task.md",
    "dataset": "add-a-dataset.md",
}
TITLES = {
    "tokenizer": "Tokenizers",
    "encoder": "Encoders",
    "objective": "Objectives",
    "task": "Tasks",
    "dataset": "Data sets",
}


def parts() -> str:
    """The page of registered parts."""
    lines = ["# Parts", "", NOTE]
    for kind, title in TITLES.items():
        lines += ["", f"## {title}", "", f"To add one: [how to](../how-to/{HOW_TO[kind]})."]
        for name, cls in registry.parts(kind).items():
            lines += ["", f"### {name}", "", _sentence(cls.summary), "", f"Source: {cls.reference}."]
            lines += [f"\nExempt from the promise {promise!r}: {reason}." for promise, reason in cls.exempt.items()]
            rows = list(_options(cls.Config))
            lines += ["", *(_table(rows) if rows else ["No options."])]
    return "\n".join(lines) + "\n"


def command_page() -> str:
    """The page of commands."""
    lines = ["# Commands", "", NOTE, ""]
    lines += [
        "Every command has `--help` and `--config FILE`, a YAML file with any of its options; flags override the file.",
        "Words in a flag may be joined by `-` or `_`. Exit codes: 0, 2 for input that can be mended, 1 for a failure",
        "of plait. `plait --version` gives the version.",
    ]
    for name, module in commands().items():
        lines += ["", f"## plait {name}", "", _sentence(getattr(module, "DESCRIPTION", module.SUMMARY))]
        actions = getattr(module, "ACTIONS", None)
        if actions is None:
            lines += ["", *_command(module)]
            continue
        for action, inner in actions.items():
            lines += ["", f"### plait {name} {action}", "", _sentence(inner.SUMMARY), "", *_command(inner)]
    return "\n".join(lines) + "\n"


PAGES = {"parts.md": parts, "commands.md": command_page}


def _command(module) -> list[str]:
    return _table(list(_options(module.Config, flag="--")))


def _options(config: type, prefix: str = "", flag: str = "", default=None):
    """Name, default and help of each option; groups are followed into."""
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        name, help = prefix + field.name, field.metadata.get("help", "")
        if default is not None:
            value = getattr(default, field.name)
        elif field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        else:
            value = field.default
        if "part" in field.metadata:
            kind = field.metadata["part"]
            link = f"its own options beside it, see [{TITLES[kind].lower()}](parts.md#{TITLES[kind].lower()})"
            yield f"{flag}{name}.name", field.metadata["default"], f"{help}; {link}"
        elif dataclasses.is_dataclass(hints[field.name]):
            yield from _options(hints[field.name], f"{name}.", flag, value)
        else:
            yield (name.upper() if flag and field.metadata.get("positional") else f"{flag}{name}"), value, help


def _table(rows) -> list[str]:
    lines = ["| option | default | what |", "| --- | --- | --- |"]
    for name, default, help in rows:
        lines.append(f"| `{name}` | {_shown(default)} | {_escaped(help)} |")
    return lines


def _shown(value) -> str:
    if value is dataclasses.MISSING:
        return "(needed)"
    if value is None or value == "" or value == ():
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "`" + ", ".join(map(str, value)) + "`"
    return f"`{json.dumps(value) if isinstance(value, dict) else value}`"


def _escaped(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")
        print(FOLDER / name)
