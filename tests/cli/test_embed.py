"""`plait embed`: structures in, one file of vectors out, in order, resumed after a kill, and every failure named."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas
import pytest
from safetensors import safe_open

import plait
from plait.cli.main import main
from plait.models.embedding import Embedder
from plait.structure.reading import read_structure


@pytest.fixture(scope="module")
def model():
    return plait.load("plait-geometry")


@pytest.fixture
def here(structures, tmp_path, monkeypatch, model):
    """Good files and a broken one in a folder; the model is read once for all tests."""
    import plait.models.loading as loading

    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("1crn.cif", "2d7t.pdb.gz", "1ubi.pdb"):
        shutil.copy(structures / name, folder / name)
    shutil.copy(structures / "bad" / "truncated.cif", folder / "1truncated.cif")
    monkeypatch.chdir(tmp_path)
    real = loading.load
    monkeypatch.setattr(
        loading, "load", lambda name=None, **_: model if name in (None, "plait-geometry") else real(name)
    )
    return tmp_path


GOOD = ("in/2d7t.pdb.gz", "in/1crn.cif", "in/1ubi.pdb")


@pytest.fixture
def embedded(monkeypatch):
    """Sources of the proteins that are embedded."""
    seen = []
    usual = Embedder.__call__

    def note(self, protein):
        seen.append(protein.source)
        return usual(self, protein)

    monkeypatch.setattr(Embedder, "__call__", note)
    return seen


def kept(folder):
    return sorted(path.name for path in folder.iterdir())


def test_parquet_has_a_row_for_each_residue_in_the_order_given(here, model, capsys):
    assert main(["embed", *GOOD, "--out", "e.parquet"]) == 0
    said = capsys.readouterr()
    assert said.out == (
        "e.parquet: 3 structures, 0 already there, 0 failed; residue vectors of 160 values, by plait-geometry\n"
    )
    assert said.err == ""
    assert kept(here) == ["e.parquet", "in"]
    table = pandas.read_parquet("e.parquet")
    columns = ["structure", "chain", "sequence_position", "author_number", "residue", "vector"]
    assert table.columns.tolist() == columns
    assert table["structure"].unique().tolist() == ["2d7t", "1crn", "1ubi"]
    start = 0
    for file in GOOD:
        protein = read_structure(file)
        expected = plait.embed(file, model)
        for chain in protein.chains:
            part = protein.select_chain(chain)
            rows = table[start : start + len(part)]
            start += len(part)
            assert set(rows["chain"]) == {chain}
            assert rows["sequence_position"].tolist() == list(range(1, len(part) + 1))
            assert rows["author_number"].tolist() == [part.residue_label(index) for index in range(len(part))]
            assert rows["residue"].tolist() == part.residue_name.tolist()
            assert np.array_equal(np.stack(rows["vector"]), expected[chain])
    assert start == len(table)
    assert table["vector"][0].dtype == np.float32
    assert {"52A", "100A"} & set(table["author_number"])  # insertion codes of the antibody


def test_safetensors_has_a_tensor_for_each_chain(here, model):
    assert main(["embed", *GOOD, "--out", "e.safetensors"]) == 0
    with safe_open("e.safetensors", "numpy") as file:
        assert sorted(file.keys()) == ["1crn/A", "1ubi/A", "2d7t/H", "2d7t/L"]
        for name in sorted(file.keys()):
            structure, chain = name.split("/")
            source = next(one for one in GOOD if structure in one)
            assert np.array_equal(file.get_tensor(name), plait.embed(source, model)[chain])
            part = read_structure(source, chain=chain)
            labels = json.loads(file.metadata()[name])
            assert labels["author_numbers"].split() == [part.residue_label(index) for index in range(len(part))]
            assert labels["residues"].split() == part.residue_name.tolist()
        assert [one[0] for one in json.loads(file.metadata()["structures"])] == ["2d7t", "1crn", "1ubi"]
        assert json.loads(file.metadata()["plait"])["digest"] == model.digest


@pytest.mark.parametrize("ending", ["parquet", "safetensors"])
def test_proteins_and_half_precision(here, model, ending):
    arguments = ["embed", *GOOD, "--out", f"e.{ending}", "--level", "protein", "--half", "--together"]
    assert main(arguments) == 0
    expected = plait.embed("in/2d7t.pdb.gz", model, "protein", together=True)["H,L"]
    if ending == "parquet":
        table = pandas.read_parquet("e.parquet")
        assert table["chain"].tolist() == ["H,L", "A", "A"]
        assert [len(one) for one in table["residues"]] == [226, 46, 76]
        found = table["vector"][0]
    else:
        with safe_open("e.safetensors", "numpy") as file:
            found = file.get_tensor("2d7t/H,L")
    assert found.dtype == np.float16
    assert np.array_equal(found, expected.astype(np.float16))


def test_atoms_have_names(here, structures, tmp_path):
    from plait.encoders.base import EncoderWithHeads
    from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder
    from plait.models.loading import save
    from plait.models.model import Model
    from plait.models.scoring import Scoring

    config = VabsnetConfig(layers=1, width=32, feed_forward=32, heads=4)
    model = Model("mine", EncoderWithHeads(VabsnetEncoder(config), {"residue_type": 20}), None, Scoring(), {})
    save(model, tmp_path / "mine")
    for ending in ("parquet", "safetensors"):
        assert main(["embed", *GOOD[:2], "--level", "atom", "--model", "mine", "--out", f"e.{ending}"]) == 0
    table = pandas.read_parquet("e.parquet")
    protein = read_structure(GOOD[0])
    assert table["atom"][: len(protein.position)].tolist() == protein.atom_name.tolist()
    numbers = [protein.residue_label(index) for index in protein.residue_of]
    assert table["author_number"][: len(numbers)].tolist() == numbers
    with safe_open("e.safetensors", "numpy") as file:
        heavy = file.get_tensor("2d7t/H")
        names = json.loads(file.metadata()["2d7t/H"])["atoms"].split()
    assert np.array_equal(heavy, np.stack(table["vector"][: len(heavy)]))
    assert ",".join(names).split(",") == protein.select_chain("H").atom_name.tolist()


@pytest.mark.parametrize("ending", ["parquet", "safetensors"])
def test_a_broken_file_is_named_and_mended_later(here, structures, capsys, embedded, ending):
    out = f"e.{ending}"
    assert main(["embed", "in", "--out", out]) == 2
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith("plait: in/1truncated.cif")
    assert said.out.splitlines()[0].startswith(f"{out}: 3 structures, 0 already there, 1 failed")
    assert said.out.splitlines()[1] == "failed: in/1truncated.cif"
    stamp = os.stat(out).st_mtime_ns
    assert main(["embed", "in", "--out", out]) == 2  # nothing has changed
    assert "3 structures, 3 already there, 1 failed" in capsys.readouterr().out
    assert os.stat(out).st_mtime_ns == stamp
    shutil.copy(structures / "1aki.cif", "in/1truncated.cif")
    embedded.clear()
    assert main(["embed", "in", "--out", out]) == 0
    assert embedded == ["1truncated.cif"]
    assert main(["embed", "in", "--out", f"fresh.{ending}"]) == 0
    assert (here / out).read_bytes() == (here / f"fresh.{ending}").read_bytes()
    assert kept(here) == sorted([out, f"fresh.{ending}", "in"])


@pytest.mark.parametrize("level", ["residue", "protein"])
@pytest.mark.parametrize("ending", ["parquet", "safetensors"])
def test_another_order_or_number_takes_what_is_there(here, embedded, ending, level):
    asked = ["--level", level, "--out", f"e.{ending}"]
    assert main(["embed", *GOOD, *asked]) == 0
    embedded.clear()
    assert main(["embed", *GOOD[:0:-1], *asked]) == 0
    assert embedded == []
    assert main(["embed", *GOOD[:0:-1], "--level", level, "--out", f"fresh.{ending}"]) == 0
    assert (here / f"e.{ending}").read_bytes() == (here / f"fresh.{ending}").read_bytes()


def test_other_settings_take_nothing(here, embedded):
    assert main(["embed", GOOD[1], "--out", "e.parquet"]) == 0
    assert main(["embed", GOOD[1], "--out", "e.parquet", "--half"]) == 0
    assert embedded == ["1crn.cif"] * 2
    assert pandas.read_parquet("e.parquet")["vector"][0].dtype == np.float16


def test_the_same_weights_under_another_configuration_take_nothing(here, embedded, model, tmp_path):
    from plait.models.loading import save

    save(model, tmp_path / "mine")
    assert main(["embed", GOOD[1], "--out", "e.parquet", "--model", "mine"]) == 0
    file = tmp_path / "mine" / "config.json"
    record = json.loads(file.read_text())
    record["config"]["neighbours"] = 12
    file.write_text(json.dumps(record))
    before = pandas.read_parquet("e.parquet")
    assert main(["embed", GOOD[1], "--out", "e.parquet", "--model", "mine"]) == 0
    assert embedded == ["1crn.cif"] * 2
    assert np.abs(np.stack(before["vector"]) - np.stack(pandas.read_parquet("e.parquet")["vector"])).max() > 0.1


@pytest.mark.parametrize("ending", ["parquet", "safetensors"])
def test_stopped_and_resumed(here, ending, embedded, monkeypatch, capsys):
    """Ctrl-C in the third structure; the first two are not done again, and the file is the same to the byte."""
    assert main(["embed", *GOOD, "--out", f"whole.{ending}"]) == 0
    counting = Embedder.__call__

    def stop(self, protein):
        if protein.source == "1ubi.pdb":
            raise KeyboardInterrupt
        return counting(self, protein)

    with monkeypatch.context() as patched:
        patched.setattr(Embedder, "__call__", stop)
        assert main(["embed", *GOOD, "--out", f"e.{ending}"]) == 130
    assert not (here / f"e.{ending}").exists()
    embedded.clear()
    capsys.readouterr()
    assert main(["embed", *GOOD, "--out", f"e.{ending}"]) == 0
    assert embedded == ["1ubi.pdb"]
    assert "3 structures, 2 already there" in capsys.readouterr().out
    assert (here / f"e.{ending}").read_bytes() == (here / f"whole.{ending}").read_bytes()
    assert kept(here) == sorted(["in", f"whole.{ending}", f"e.{ending}"])


@pytest.mark.slow
def test_killed_and_resumed(structures, tmp_path):
    names = ("1crn.cif", "1ubi.pdb", "1aki.cif", "2d0f.cif.gz", "4eiy.cif.gz", "2d7t.pdb.gz", "1a8o.pdb", "1as5.cif.gz")
    command = [sys.executable, "-m", "plait", "embed", *(str(structures / name) for name in names), "--out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*command, str(tmp_path / "e.safetensors")], env=environment) as process:
        parts = tmp_path / ".e.safetensors.parts"
        while process.poll() is None and not any(parts.glob("*.safetensors")):  # also while it is not there yet
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    done = len([*parts.glob("*.safetensors")])
    assert 1 <= done < len(names)
    for out in ("e.safetensors", "whole.safetensors"):
        ran = subprocess.run([*command, str(tmp_path / out)], env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        assert f"{done if out[0] == 'e' else 0} already there" in ran.stdout
    assert (tmp_path / "e.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert kept(tmp_path) == ["e.safetensors", "whole.safetensors"]


@pytest.mark.slow
def test_workers_give_the_same(here, capfd):
    files = {}
    for workers in ("1", "2"):
        command = [sys.executable, "-m", "plait", "embed", "in", "--out", f"{workers}.safetensors"]
        command += ["--workers", workers]
        ran = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
        assert ran.returncode == 2
        assert "in/1truncated.cif" in ran.stderr
        files[workers] = (here / f"{workers}.safetensors").read_bytes()
    assert files["1"] == files["2"]


def test_two_files_of_one_name(here):
    (here / "other").mkdir()
    shutil.copy(here / "in" / "1ubi.pdb", here / "other" / "1crn.pdb")
    assert main(["embed", "in/1crn.cif", "other/1crn.pdb", "in/1ubi.pdb", "--out", "e.safetensors"]) == 0
    with safe_open("e.safetensors", "numpy") as file:
        assert sorted(file.keys()) == ["1crn-2/A", "1crn/A", "1ubi/A"]
        assert np.array_equal(file.get_tensor("1crn-2/A"), file.get_tensor("1ubi/A"))


def test_row_groups_keep_memory_bounded(here, monkeypatch):
    import pyarrow.parquet

    import plait.models.embedding_files as files

    monkeypatch.setattr(files, "BYTES", 100 * 160 * 4)
    assert main(["embed", *GOOD, "--out", "e.parquet"]) == 0
    with pyarrow.parquet.ParquetFile("e.parquet") as file:
        assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [116, 110, 122]
    assert [(name, len(chains)) for name, chains in files.read_embeddings("e.parquet")[1]] == [
        ("2d7t", 2), ("1crn", 1), ("1ubi", 1),
    ]  # fmt: skip


def test_it_is_light(structures, tmp_path):
    code = (
        "from plait.cli.main import main\n"
        f"assert main(['embed', {str(structures / '1crn.cif')!r}, '--out', {str(tmp_path / 'e.parquet')!r}]) == 0\n"
        "import sys; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "torch" in loaded
    assert not {"transformers", "lightning", "pytorch_lightning", "sklearn"} & set(loaded)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["in/1crn.cif", "--level", "atom"], "this model has no vectors of atoms"),
        (["in/1crn.cif", "--level", "atoms"], "expected residue or atom or protein"),
        (["in/1crn.cif", "--out", "e.parqet"], "Did you mean .parquet?"),
        (["in/1crn.cif", "--model", "plait-geometri"], "Did you mean 'plait-geometry'?"),
        (["in/1crn.cif", "--chain", "Q"], "no such chain"),
        (["absent.pdb"], "no such file"),
        ([], "no structure file given"),
        (["in/1truncated.cif"], "not readable as mmCIF"),
    ],
)
def test_bad_requests_are_one_line(here, capsys, arguments, said):
    assert main(["embed", *arguments]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""
    assert kept(here) == ["in"]
