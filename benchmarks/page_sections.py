"""Pages of results that are written section by section, each when it is measured."""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path


def write_sections(
    asked: Sequence[str],
    known: dict[str, tuple[str, Callable[[], list[str]]]],
    introduction: str,
    out: Path,
    stamp: str,
) -> None:
    """Measure the sections asked for, or all, and put each into the page as soon as it is there.

    Parameters
    ----------
    asked : sequence of str
        Names of sections; all if there are none.
    known : dict of str to (title, function that gives lines)
    introduction : str
        What stands above the sections.
    stamp : str
        What stands below each beside the commit.
    """
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    for name in asked or known:
        title, make = known[name]
        lines = make()
        page = _sections(out)  # read anew: another process may have written its own meanwhile
        page[title] = "\n".join([*lines, "", f"(Commit {commit}, {stamp}.)"])
        titles = [title for title, _ in known.values()]
        ordered = [one for one in titles if one in page] + [one for one in page if one not in titles]
        text = introduction + "".join(f"\n## {one}\n\n{page[one]}\n" for one in ordered)
        out.write_text(text, encoding="utf-8")
        print(f"{name}: written to {out}", flush=True)


def _sections(file: Path) -> dict[str, str]:
    """The sections that the page has, by title."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (part.strip("\n") for part in parts[1::2]), strict=True))
