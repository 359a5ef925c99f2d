"""`plait cite`: every part can be cited, each work once, in words and as BibTeX that parses."""

import json
import re

import pytest

from plait.cli import cite
from plait.cli.main import commands, main
from plait.registry import PACKAGES, Reference, parts

PARTS = [(kind, name) for kind in PACKAGES for name in parts(kind)]


def said(capsys, *arguments) -> str:
    assert main(["cite", *arguments]) == 0
    return capsys.readouterr().out


def parsed(text: str) -> dict[str, dict[str, str]]:
    """The entries of a BibTeX text by key; fails where braces do not match."""
    found, position = {}, 0
    while match := re.compile(r"\s*@(\w+)\{([\w:]+),").match(text, position):
        position, depth = match.end(), 1
        while depth:
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            position += 1
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},$", text[match.end() : position], re.M))
        assert match[2] not in found
        found[match[2]] = {"type": match[1], **fields}
    assert not text[position:].strip()
    return found


def test_every_part_can_be_cited_by_its_name(capsys):
    assert len(PARTS) >= 5
    for kind, name in PARTS:
        text = said(capsys, name)
        assert parts(kind)[name].reference.title.casefold() in text.casefold()
        assert f"{kind} {name}" in text


def test_every_part_becomes_bibtex_that_parses(capsys):
    names = sorted({name for _, name in PARTS})
    entries = parsed(said(capsys, *names, "--format", "bibtex"))
    titles = {cite.title_key(parts(kind)[name].reference.title) for kind, name in PARTS}
    assert {cite.title_key(entry["title"]) for entry in entries.values()} >= titles
    for entry in entries.values():
        assert entry["author"]
        assert re.fullmatch(r"(18|19|20)\d\d", entry["year"])
        assert entry["type"] != "article" or entry["journal"]
        assert entry["type"] != "inproceedings" or entry["booktitle"]


def test_dois_look_like_dois():
    for kind, name in PARTS:
        doi = parts(kind)[name].reference.doi
        assert doi == "" or re.fullmatch(r"10\.\d{4,}/\S+", doi), (kind, name)


def test_without_a_name_it_speaks_of_scoring(capsys):
    text = said(capsys)
    assert text == said(capsys, "score")
    for work in ("ProSST", "zero-shot prediction", "GEMMI", "Biotite"):
        assert work in text


def test_a_work_is_named_once_with_all_its_uses(capsys):
    text = said(capsys, "prosst", "masked-lm", "prosst")
    assert text.casefold().count("quantized structure and disentangled attention") == 1
    assert re.search(r"encoder prosst: section 3.2.*; objective masked-lm: pre-training objective", text)


def test_the_default_model_decides_what_scoring_cites(capsys, tmp_path, monkeypatch):
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "model.json").write_text(json.dumps({"scoring": {"head": "profile", "weighting": "burial"}}))
    (tmp_path / "tokenizer" / "config.json").write_text(json.dumps({"tokenizer": "3di"}))
    monkeypatch.setattr("plait.models.catalogue.bundled", lambda: {"one": tmp_path})
    monkeypatch.setattr("plait.models.catalogue.DEFAULT", "one")
    text = said(capsys, "score")
    for work in ("Foldseek", "btaf322", "btae621"):
        assert work in text


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_can_be_asked_for(name, capsys):
    said(capsys, name)


def test_what_is_unknown_is_refused_with_the_closest(capsys):
    assert main(["cite", "prosstt"]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("plait: unknown command or part")
    assert "Did you mean 'prosst'?" in shown.err
    assert main(["cite", "--format", "endnote"]) == 2
    assert "text or bibtex" in capsys.readouterr().err


def entry(*arguments, **keywords) -> dict:
    (found,) = cite.entries([(Reference(*arguments, **keywords), ["x"])])
    return found


def test_authors_are_written_for_bibtex():
    cases = {
        "Kabsch W, Sander C": "Kabsch, W. and Sander, C.",
        "van Kempen M, Kim SS, et al.": "van Kempen, M. and Kim, S. S. and others",
        "Li et al.": "Li and others",
        "Jing B": "Jing, B.",
        "plait authors": "{plait authors}",
    }
    for written, expected in cases.items():
        assert entry(written, "A title", "A journal", 2020)["author"] == expected


def test_a_venue_becomes_journal_volume_number_and_pages():
    found = entry("A B", "On long titles", "Bioinformatics 41(6):btaf322", 2025, "10.1/x")
    split = [found[name] for name in ("journal", "volume", "number", "pages")]
    assert split == ["Bioinformatics", "41", "6", "btaf322"]
    found = entry("A B", "On long titles", "Biopolymers 22:2577-2637", 1983)
    assert (found["journal"], found["volume"], found["pages"]) == ("Biopolymers", "22", "2577--2637")
    assert entry("A B", "On long titles", "NeurIPS", 2024)["type"] == "inproceedings"


def test_characters_that_latex_reads_are_escaped():
    (text,) = cite.bibtex([entry("A B", "Salt & pepper, 100 % of it_all", "A journal", 2020, "10.1/a_b")])
    assert r"Salt \& pepper, 100 \% of it\_all" in text
    assert "{10.1/a_b}" in text


def test_two_works_of_a_name_and_year_have_two_keys():
    uses = [(Reference("Jing B", f"Proteins {number}", "ICLR", 2021), ["x"]) for number in ["one", "two"]]
    first, second = cite.entries(uses)
    assert first["key"] != second["key"]
