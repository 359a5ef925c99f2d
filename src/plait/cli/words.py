"""What stands on a command line: lists of names that are read from it, and the line that is written to a record."""

import dataclasses
import shlex

from plait.errors import InputError


def names_in(text: str, flag: str) -> list[str]:
    """The names in an option's value, which commas separate.

    Raises
    ------
    InputError
        If one is empty.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise InputError(f"an empty name in {flag}", got=repr(text), expected="names separated by commas")
    return names


def command_line(words: list[str], config) -> str:
    """The command that gives this config: options other than their defaults, and `--out`."""
    words = list(words)
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != field.default or field.name == "out":
            words += [f"--{field.name}", str(value)]
    return shlex.join(words)
