"""`plait cite`: what to cite for a command or a part."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Literal

from plait.config import option
from plait.errors import unknown_name
from plait.references import BIOTITE, GEMME, GEMMI, GVP, LIGSITE, P2RANK, RSALOR
from plait.registry import PACKAGES, Reference, parts

SUMMARY = "print what to cite for a command or a part"
DESCRIPTION = (
    "Print what to cite for commands (score, tokens, ...) or parts (prosst, 3di, ...); without a name: for score."
)
ORDER = 80


@dataclasses.dataclass(frozen=True)
class Config:
    names: tuple[str, ...] = option((), "commands or registered parts; score if none", positional=True)
    format: Literal["text", "bibtex"] = option("text", "text or bibtex")


READING = [(GEMMI, "reading structures"), (BIOTITE, "reading structures")]

Uses = list[tuple[Reference, str]]
"""References, each with what it is cited for."""


def run(config: Config) -> int:
    from plait import __version__

    names = config.names or ("score",)
    uses = merged([use for name in names for use in uses_of(name)])
    if config.format == "bibtex":
        print("\n\n".join(bibtex(entries(uses))))
        return 0
    print(f"To cite for {', '.join(names)}:\n")
    for reference, reasons in uses:
        print(f"  {dataclasses.replace(reference, where='')}\n      for {'; '.join(reasons)}\n")
    print(f"plait itself has no paper yet: name it with its version, {__version__}.")
    return 0


def uses_of(name: str) -> Uses:
    """What to cite for the command or the part of this name, of whatever kind.

    Raises
    ------
    InputError
        If there is neither; the closest name is suggested.
    """
    from plait.cli.main import commands

    registered = {kind: parts(kind) for kind in PACKAGES}
    found = [_part(kind, name) for kind in registered if name in registered[kind]]
    if name in COMMANDS:
        found.append(COMMANDS[name]())
    elif not found and name not in commands():
        known = {*commands(), *(part for kind in registered.values() for part in kind)}
        raise unknown_name("command or part", name, known)
    return [use for uses in found for use in uses]


def _part(kind: str, name: str) -> Uses:
    part = parts(kind).get(name)
    if part is None:
        return []
    where = f": {part.reference.where}" if part.reference.where else ""
    uses = [(part.reference, f"{kind} {name}{where}")]
    if name.startswith("gvp"):
        uses.append((GVP, f"the network of {kind} {name}"))
    return uses


def _score() -> Uses:
    """The default model decides: its members' encoders, tokenizers and heads, and how sites are weighted."""
    from plait.models.catalogue import DEFAULT, bundled, member_folder

    uses = _part("task", "mutation-effects")
    folder = bundled().get(DEFAULT)
    if folder is not None:
        record = _json(folder / "model.json")
        members = [member_folder(folder, name) for name in record.get("members", ())] or [folder]
        for member in members:
            uses += _network(member)
        scoring = record.get("scoring", {})
        if scoring.get("weighting", "none") != "none":
            uses.append((RSALOR, "weighting substitutions by how buried a site is"))
        if scoring.get("information"):
            uses.append((GEMME, "weighting substitutions by how conserved a site is"))
        if scoring.get("stability"):
            uses += _part("dataset", "stability")
        if scoring.get("sites"):
            uses.append((LIGSITE, "cavities that residues line, which the model of binding sites reads"))
        if scoring.get("site_groups"):
            uses += _part("dataset", "partners")
    return uses + READING


def _network(folder: Path) -> Uses:
    """Encoder, tokenizer and the objective behind the head of a model's folder."""
    config, scoring = _json(folder / "config.json"), _json(folder / "model.json").get("scoring", {})
    heads = config.get("heads", ())
    objective = {"profile": "profile", "log-odds": "log-odds"}.get(scoring.get("head"), "masked-lm")
    uses = _part("encoder", config.get("encoder", "prosst"))
    uses += _part("objective", "binding-site" if list(heads) == ["binding_site"] else objective)
    if (folder / "tokenizer" / "config.json").is_file():
        uses += _part("tokenizer", _json(folder / "tokenizer" / "config.json")["tokenizer"])
    return uses


def _json(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _sites() -> Uses:
    uses = [(P2RANK, "ranking pockets of likely residues"), (LIGSITE, "cavities by geometry (--model geometry)")]
    return _part("task", "binding-sites") + uses + READING


def _tokens() -> Uses:
    from plait.cli.tokens import Config as TokensConfig

    return _part("tokenizer", TokensConfig().tokenizer) + READING


def _fit_tokenizer() -> Uses:
    return _part("tokenizer", "gvp") + _part("tokenizer", "gvp-chain") + _part("dataset", "corpus")


def _pretrain() -> Uses:
    return _part("encoder", "prosst") + _part("objective", "masked-lm") + _part("dataset", "corpus")


def _embed() -> Uses:
    """The encoder of the default model."""
    from plait.models.catalogue import bundled
    from plait.models.embedding import DEFAULT

    config = json.loads((bundled()[DEFAULT] / "config.json").read_text(encoding="utf-8"))
    return _part("encoder", config["encoder"]) + READING


COMMANDS = {
    "score": _score,
    "sites": _sites,
    "embed": _embed,
    "tokens": _tokens,
    "fit-tokenizer": _fit_tokenizer,
    "pretrain": _pretrain,
}
"""What a command uses where nothing else is asked for."""


def merged(uses: Uses) -> list[tuple[Reference, list[str]]]:
    """Each work once, with all that it is cited for; the reference that says most (DOI, authors) stands for it."""
    found: dict[str, tuple[Reference, list[str]]] = {}
    for reference, reason in uses:
        key = title_key(reference.title)
        best, reasons = found.setdefault(key, (reference, []))
        if reason not in reasons:
            reasons.append(reason)
        best = max(best, reference, key=lambda one: (bool(one.doi), "et al" not in one.authors, len(one.authors)))
        found[key] = best, reasons
    return list(found.values())


def title_key(title: str) -> str:
    """A title without its strokes and capitals, which differ from list to list."""
    return re.sub(r"\W+", " ", title).casefold().strip()


def entries(uses: list[tuple[Reference, list[str]]]) -> list[dict[str, str]]:
    """The fields of a BibTeX entry for each work, in their order; `type` and `key` first."""
    found, keys = [], set()
    for reference, reasons in uses:
        fields = {
            "author": _authors(reference.authors),
            "title": "{" + reference.title + "}",
            **_venue(reference.venue),
            "year": str(reference.year),
            "doi": reference.doi,
            "note": "for " + "; ".join(reasons),
        }
        surname = re.sub(r"\W", "", re.split(r",| and ", fields["author"])[0])
        word = next(w for w in re.findall(r"\w+", reference.title) if len(w) > 3)
        key = f"{surname}{reference.year}{word}".lower()
        while key in keys:
            key += "a"
        keys.add(key)
        found.append({"type": fields.pop("type"), "key": key, **fields})
    return found


def bibtex(entries: list[dict[str, str]]) -> list[str]:
    """Entries as BibTeX."""
    texts = []
    for entry in entries:
        lines = [f"@{entry['type']}{{{entry['key']},"]
        for name, value in entry.items():
            if name in ("type", "key") or not value:
                continue
            value = value if name == "doi" else re.sub(r"(?<!\\)([&%_#])", r"\\\1", value)
            lines.append(f"  {name} = {{{value}}},")
        texts.append("\n".join([*lines, "}"]))
    return texts


def _authors(authors: str) -> str:
    """ "Kabsch W, Sander C" as "Kabsch, W. and Sander, C."; "et al." as "others"."""
    if "authors" in authors:
        return "{" + authors + "}"
    people = []
    for person in re.split(r", | and ", re.sub(r",?\s+et al\.?$", ", others", authors)):
        match = re.fullmatch(r"(.+) ([A-Z]{1,4})", person)
        people.append(f"{match[1]}, {' '.join(letter + '.' for letter in match[2])}" if match else person)
    return " and ".join(people)


def _venue(venue: str) -> dict[str, str]:
    if re.search(r"NeurIPS|ICLR|ICML|Conference|Proceedings|Advances in Neural", venue):
        return {"type": "inproceedings", "booktitle": venue}
    match = re.fullmatch(r"(.+?) (\d+)(?:\((\d+)\))?:([\w-]+)", venue)
    if match:
        return {
            "type": "article",
            "journal": match[1],
            "volume": match[2],
            "number": match[3] or "",
            "pages": match[4].replace("-", "--"),
        }
    if venue.startswith("distributed"):
        return {"type": "misc", "howpublished": venue}
    return {"type": "article", "journal": venue}
