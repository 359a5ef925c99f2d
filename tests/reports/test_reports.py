"""What a scored protein leaves behind: whole or not at all, readable, and true to the scores."""

import csv
import json
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from plait.errors import InputError
from plait.reports.folder import check_folder, staged
from plait.reports.heatmap import draw_heatmap, write_heatmap
from plait.reports.run_record import FILES, finished
from plait.reports.scales import ROW_COLUMNS, ROWS, score_limit
from plait.reports.writing import write
from plait.structure.protein import Protein
from plait.structure.reading import read_structure
from plait.tasks.mutation_effects import COLUMNS, score


class Model:
    name, digest = "fixed", "0123"
    card = {"licence": "Apache-2.0", "note": "</script><script>bad()</script>"}

    def scores(self, protein, masked=None):
        return np.random.default_rng(0).normal(-2, 1, size=(len(protein), 20)).astype(np.float32), None

    def describe_score(self):
        return "Natural log; higher is better tolerated."


@pytest.fixture(scope="module")
def result(structures):
    return score(structures / "2d7t.pdb.gz", model=Model())


@pytest.fixture(scope="module")
def out(result, tmp_path_factory):
    return write(result, tmp_path_factory.mktemp("written") / "deep" / "run")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# -- the folder


def test_all_files_are_there_and_nothing_else(out):
    assert sorted(contents(out)) == sorted(FILES)
    assert [path.name for path in out.parent.iterdir()] == ["run"]


def test_an_existing_folder_keeps_what_is_not_ours(result, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "scores.csv").write_text("old")
    write(result, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "scores.csv").read_text().startswith("mutant,")


def test_a_failure_half_way_leaves_what_was_there(tmp_path):
    folder = tmp_path / "new" / "run"
    with pytest.raises(ZeroDivisionError), staged(folder) as place:
        (place / "scores.csv").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "scores.csv").write_text("old")
    with pytest.raises(ZeroDivisionError), staged(tmp_path) as place:
        (place / "scores.csv").write_text("half")
        raise ZeroDivisionError
    assert contents(tmp_path) == {"scores.csv": b"old"}


@pytest.mark.parametrize("place", ["file", "file/below", "file/far/below"])
def test_a_folder_that_cannot_be_written_is_an_input_error(result, tmp_path, place):
    (tmp_path / "file").write_text("x")
    for attempt in (check_folder, lambda folder: write(result, folder)):
        with pytest.raises(InputError, match="output folder") as caught:
            attempt(tmp_path / place)
        assert str(tmp_path / place) in str(caught.value)
    assert contents(tmp_path) == {"file": b"x"}


def test_a_read_only_place_is_an_input_error():
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc here to stand for a place that nobody can write")
    with pytest.raises(InputError, match="cannot be written"):
        check_folder("/proc/plait")


# -- the table


def test_the_table_has_the_scores_with_four_decimals(result, out):
    with open(out / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(result.table) == 226 * 19
    for row, expected in zip(rows, result.table.itertuples()):
        assert float(row["plait_score"]) == pytest.approx(expected.plait_score, abs=5.1e-5)  # four decimals
    assert all(re.fullmatch(r"-?\d+\.\d{4}", row["plait_score"]) for row in rows)


def test_the_users_text_comes_back_unchanged(structures, tmp_path):
    cells = ["NA", "001", 'say "hi", you', " spaced ", "1e5", "ünï"]
    with open(tmp_path / "in.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["note", "mutant"])
        writer.writerows([cell, "M1A"] for cell in cells)
    out = write(score(structures / "1ubi.pdb", csv=tmp_path / "in.csv", model=Model()), tmp_path / "run")
    with open(out / "scores.csv", newline="", encoding="utf-8") as file:
        assert [row["note"] for row in csv.DictReader(file)] == cells


# -- the structure and the record


def test_the_structure_carries_the_sensitivity(result, out):
    again = read_structure(out / "structure.cif")
    assert not again.predicted
    assert again.sequence == result.protein.sequence
    np.testing.assert_allclose(again.b_factor, result.sensitivity, atol=0.006)  # two decimals in the file


def test_the_record_says_what_was_run_and_what_it_means(out):
    record = json.loads((out / "run.json").read_text())
    assert record["model"] == {"name": "fixed", "digest": "0123", "members": None, "card": Model.card}
    assert "higher is better" in record["score"]["meaning"]
    assert len(record["input"]["structure"]["sha256"]) == 64
    assert record["versions"]["plait"]
    assert record["versions"]["torch"]
    assert {"water"} <= {one["kind"] for one in record["left_out"]}
    assert record["seconds"]["draw picture"] > 0


def test_a_run_is_finished_only_if_complete_and_the_same(out, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(out, copy)
    same = {"model.digest": "0123", "arguments.chain": None, "arguments.numbering": "sequence"}
    assert finished(copy, same)
    assert not finished(copy, {**same, "arguments.chain": "H"})
    assert not finished(tmp_path / "nowhere", same)
    (copy / "report.html").unlink()
    assert not finished(copy, same)


# -- the picture


def pixels(path):
    from matplotlib.image import imread

    return imread(path)


def test_the_picture_shows_the_colours_of_the_scores(structures, tmp_path):
    from matplotlib import colormaps

    result = score(structures / "1ubi.pdb", model=Model())
    figure = draw_heatmap(result)
    limit = score_limit(result.scores)
    (image,) = [one for one in figure.axes[0].images if one.get_array().shape == (20, 76)]
    shown = image.cmap(image.norm(image.get_array()))
    palette = colormaps["RdBu"]
    for residue, letter in ((0, "A"), (30, "W"), (75, "E")):
        row = ROWS.index(letter)
        value = result.scores[residue, ROW_COLUMNS[row]]
        np.testing.assert_allclose(shown[row, residue], palette((value / limit + 1) / 2), atol=0.02)  # 256 steps
    path = write_heatmap(result, tmp_path / "h.png")
    image = pixels(path)
    assert image.shape[1] > 1200
    assert 0.02 < (image[..., :3] < 0.5).any(-1).mean() < 0.9  # neither blank nor black


@pytest.mark.parametrize("name", ["3pxf.pdb.gz", "AF-Q5VSL9-F1-model_v4.cif.gz", "4jsv.pdb.gz"])
def test_long_chains_are_wrapped_so_that_cells_stay_readable(structures, tmp_path, name):
    result = score(structures / name, model=Model())
    figure = draw_heatmap(result)
    lengths = [one.get_array().shape[1] for one in figure.axes[0].images if one.get_array().shape[0] == 20]
    assert max(lengths) <= 200
    assert sum(lengths) == len(result.protein)
    assert figure.get_size_inches()[0] < 26
    started = time.process_time()
    path = write_heatmap(result, tmp_path / "h.png")
    height, width, _ = pixels(path).shape
    assert width * height <= 41e6
    assert width / max(lengths) > 12  # pixels a residue: letters can be told apart
    if len(result.protein) < 310:
        assert time.process_time() - started < 2.0  # measured: 0.3 s; it must never again be seconds


def test_a_title_is_text_not_mathematics(structures, tmp_path):
    protein = read_structure(structures / "1ubi.pdb").replace(source="$\\frac{1}$ 構造 <b>.pdb")
    path = write_heatmap(score(protein, model=Model()), tmp_path / "h.png")
    assert path.stat().st_size > 10_000


def test_one_residue_and_unknown_residues_are_drawn(tmp_path):
    protein = Protein.from_backbone("MX", np.random.default_rng(0).normal(size=(2, 4, 3)))
    out = write(score(protein, model=Model()), tmp_path / "run")
    assert sorted(contents(out)) == sorted(FILES)


# -- the page


def script(page: str, name: str):
    return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)[1])


def test_the_page_is_self_contained(out):
    page = (out / "report.html").read_text()
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", outside)
    assert "default-src 'none'" in page
    assert "{{" not in outside


def test_the_page_holds_the_same_numbers_as_the_table(result, out):
    page = (out / "report.html").read_text()
    data = script(page, "data")
    chains = {chain["name"]: chain for chain in data["chains"]}
    for row in result.table.sample(60, random_state=0).itertuples():
        chain = chains[row.chain]
        index = chain["positions"].index(row.sequence_position)
        assert f"{chain['numbers'][index]}{chain['codes'][index]}" == row.author_number
        column = data["letters"].index(row.mutated)
        assert chain["scores"][index][column] == pytest.approx(row.plait_score, abs=5.1e-5)
        assert chain["percentiles"][index][column] == pytest.approx(row.percentile, abs=5.1e-3)
    assert data["meaning"] == result.meaning
    assert script(page, "structure-data").startswith("data_")


def test_nothing_that_users_name_can_leave_its_place(structures, tmp_path):
    evil = "</script><script>alert(1)</script><!--{{script}}"
    protein = read_structure(structures / "1ubi.pdb").replace(source=evil)
    (tmp_path / "in.csv").write_text(f"mutant,{evil}\nM1A,{evil}\n")
    out = write(score(protein, csv=tmp_path / "in.csv", model=Model()), tmp_path / "run")
    page = (out / "report.html").read_text()
    clean = (write(score(structures / "1ubi.pdb", model=Model()), tmp_path / "clean") / "report.html").read_text()
    for mark in ("<script", "</script", "<!--"):
        assert page.count(mark) == clean.count(mark)
    assert script(page, "data")["name"] == evil
    assert script(page, "data")["mutants"]["rows"][0][-1] == evil


def test_chains_without_scores_are_empty_in_the_page(structures, tmp_path):
    protein = read_structure(structures / "2d7t.pdb.gz")
    bare = protein.chain == "L"
    position = protein.position.copy()
    keep = ~(bare[protein.residue_of] & np.isin(protein.atom_name, ["N", "C"]))
    protein = protein.replace(
        position=position[keep],
        atom_name=protein.atom_name[keep],
        element=protein.element[keep],
        residue_of=protein.residue_of[keep],
    )
    result = score(protein, model=Model())
    assert any(remark.kind == "no backbone" and "chain L" in remark.place for remark in result.remarks)
    data = script((write(result, tmp_path / "run") / "report.html").read_text(), "data")
    assert set(data["chains"][1]["sensitivity"]) == {None}
