"""The errors that plait raises on purpose, and their exit codes."""

import difflib
from collections.abc import Iterable


class PlaitError(Exception):
    """Something failed that the user cannot mend by changing the input. Exit code 1."""

    exit_code = 1


class InputError(PlaitError):
    """Something that the user can mend: a file, a mutation, a configuration, a checkpoint. Exit code 2.

    Parameters
    ----------
    what : str
        One clause, without a full stop: what is wrong.
    file, place : str, optional
        The file, and where in it (line, chain, row, column).
    got, expected : optional
        What was found and what would have been right.
    do : str, optional
        What to do about it.
    """

    exit_code = 2

    def __init__(self, what: str, *, file=None, place=None, got=None, expected=None, do=None):
        self.what, self.file, self.place, self.got, self.expected, self.do = (
            what,
            file,
            place,
            got,
            expected,
            do,
        )
        super().__init__(str(self))

    def __str__(self) -> str:
        head = ", ".join(str(part) for part in (self.file, self.place) if part is not None)
        text = f"{head}: {self.what}" if head else self.what
        details = [
            f"{name} {value}" for name, value in (("got", self.got), ("expected", self.expected)) if value is not None
        ]
        if details:
            text += " (" + "; ".join(details) + ")"
        if self.do is not None:
            text += f". {self.do}"
        return " ".join(text.split())

    def at(self, *, file=None, place=None) -> "InputError":
        """The same error with file and place filled in where they were unknown."""
        return InputError(
            self.what,
            file=self.file if self.file is not None else file,
            place=self.place if self.place is not None else place,
            got=self.got,
            expected=self.expected,
            do=self.do,
        )


def closest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that `name` was most likely meant to be, or None."""
    found = difflib.get_close_matches(str(name), list(names), n=1, cutoff=0.5)
    return found[0] if found else None


def unknown_name(kind: str, name: str, names: Iterable[str], **where) -> InputError:
    """The error for a name that is not among `names`, with the closest one suggested."""
    names = sorted(names)
    near = closest(name, names)
    return InputError(
        f"unknown {kind}",
        got=repr(name),
        expected="one of " + ", ".join(names),
        do=f"Did you mean {near!r}?" if near else None,
        **where,
    )
