"""Models that read embeddings: from the model that their folder names, or from a file that is given."""

import json
import shutil

import numpy as np
import pytest
import torch
from embedding_sets import save_tiny

import plait
from plait.cli.main import main
from plait.encoders.base import EncoderWithHeads
from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder
from plait.errors import InputError
from plait.models.embedding import Embedder
from plait.models.embedding_arrays import FileEmbeddings
from plait.models.embedding_sources import ModelEmbeddings
from plait.models.loading import load, save
from plait.models.model import Model
from plait.models.scoring import Scoring
from plait.structure.reading import read_structure

TINY = {"layers": 1, "width": 16, "feed_forward": 16, "heads": 4, "edge_width": 8, "kernels": 8}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def ubiquitin(structures):
    return read_structure(structures / "1ubi.pdb")


@pytest.fixture(scope="module")
def antibody(structures):
    return read_structure(structures / "2d7t.pdb.gz")


def reader(source, name="reader") -> Model:
    """A model with random weights that reads the source's embeddings."""
    torch.manual_seed(0)
    encoder = VabsnetEncoder(VabsnetConfig(**TINY, language_width=source.width))
    network = EncoderWithHeads(encoder, {"binding_site": 1, "residue_type": 20})
    return Model(name, network, None, Scoring(), {"trained_on": "nothing"}, embeddings=source)


def answer(model, protein):
    return model.outputs(protein)["binding_site"]


def test_what_is_read_is_what_the_encoder_gets(tiny, ubiquitin):
    model = reader(ModelEmbeddings(tiny))
    rows = plait.embed(ubiquitin, str(tiny))["A"].astype(np.float16).astype(np.float32)
    assert np.array_equal(model.language(ubiquitin), rows)
    with torch.no_grad():
        expected = model.network(model.network.encoder.prepare([ubiquitin], language=[rows]))["binding_site"]
        blank = model.network(model.network.encoder.prepare([ubiquitin], language=[0 * rows]))["binding_site"]
    assert np.array_equal(answer(model, ubiquitin), expected.numpy())
    assert np.abs(answer(model, ubiquitin) - blank.numpy()).max() > 1e-3


def test_the_same_alone_or_in_a_batch(tiny, ubiquitin, antibody):
    model = reader(ModelEmbeddings(tiny))
    encoder, proteins = model.network.encoder, [ubiquitin, antibody]
    with torch.no_grad():
        batch = encoder(encoder.prepare(proteins, language=[model.language(one) for one in proteins]))
        for number, protein in enumerate(proteins):
            alone = encoder(encoder.prepare([protein], language=[model.language(protein)]))
            rows = slice(*batch.residue_offsets[number : number + 2].tolist())
            assert torch.allclose(batch.residue[rows], alone.residue, atol=2e-5)


def test_hidden_residues_have_no_row(tiny, ubiquitin):
    model, masked = reader(ModelEmbeddings(tiny)), [3, 40]
    rows = model.language(ubiquitin).copy()
    rows[masked] = 0
    with torch.no_grad():
        batch = model.network.encoder.prepare([ubiquitin], language=[rows], masked=[np.isin(np.arange(76), masked)])
        expected = model.network(batch)["binding_site"].numpy()
    for given in (masked, np.isin(np.arange(76), masked)):
        assert np.array_equal(model.outputs(ubiquitin, given)["binding_site"], expected)


def test_a_folder_is_brought_along_and_found_again(tiny, ubiquitin, tmp_path):
    model = reader(ModelEmbeddings(tiny))
    save(model, tmp_path / "first" / "reader")
    shutil.move(tmp_path / "first", tmp_path / "moved")
    again = load(tmp_path / "moved" / "reader")
    assert np.array_equal(answer(again, ubiquitin), answer(model, ubiquitin))
    assert again.embeddings.record == {"model": "tiny", "width": 16, "digest": model.embeddings.digest}
    save(again, tmp_path / "second")
    assert np.array_equal(answer(load(tmp_path / "second"), ubiquitin), answer(model, ubiquitin))


def test_a_bundled_model_is_found_by_its_name_too_and_loaded_once(ubiquitin, antibody, tmp_path, monkeypatch):
    import plait.models.loading as loading

    model = reader(ModelEmbeddings("plait-geometry"))
    save(model, tmp_path / "reader")
    again = load(tmp_path / "reader")
    assert np.array_equal(answer(again, ubiquitin), answer(model, ubiquitin))
    shutil.rmtree(tmp_path / "reader" / "plait-geometry")  # the one that ships has the same numbers in half the bytes
    loads, real = [], loading.load
    again = load(tmp_path / "reader")
    assert again.embeddings.name == "plait-geometry"
    monkeypatch.setattr(loading, "load", lambda name=None, **options: loads.append(str(name)) or real(name, **options))
    for protein in (ubiquitin, antibody):
        assert np.array_equal(answer(again, protein), answer(model, protein))
    assert loads == ["plait-geometry"]


def test_another_model_of_the_name_is_refused(tiny, ubiquitin, tmp_path):
    save(reader(ModelEmbeddings(tiny)), tmp_path / "reader")
    shutil.rmtree(tmp_path / "reader" / "tiny")
    save_tiny(tmp_path / "reader" / "tiny", seed=1)
    model = load(tmp_path / "reader")
    with pytest.raises(InputError, match="not the one of training"):
        model.outputs(ubiquitin)
    shutil.rmtree(tmp_path / "reader" / "tiny")
    with pytest.raises(InputError, match="unknown model"):
        load(tmp_path / "reader").outputs(ubiquitin)


def test_its_own_vectors_are_made_with_them(tiny, antibody, tmp_path):
    """A model that reads embeddings can be embedded with, and be read itself."""
    save(reader(ModelEmbeddings(tiny)), tmp_path / "reader")
    model = load(tmp_path / "reader")
    found = Embedder(model, "residue", together=True)(antibody)
    with torch.no_grad():
        batch = model.network.encoder.prepare([antibody], language=[model.language(antibody)])
        expected = model.network.encoder(batch).residue.numpy()
    assert np.array_equal(np.concatenate([one.vectors for one in found]), expected)
    assert ModelEmbeddings(tmp_path / "reader").width == 16


@pytest.fixture
def precomputed(tiny, structures, ubiquitin, tmp_path, monkeypatch):
    """A folder with a model that was trained on a file, and the file that `plait embed` makes for a structure."""
    monkeypatch.chdir(tmp_path)
    structure = str(structures / "1ubi.pdb")
    assert main(["embed", structure, "--model", str(tiny), "--out", "rows.safetensors", "--half"]) == 0
    model = reader(FileEmbeddings("rows.safetensors"))
    save(model, tmp_path / "reader")
    assert json.loads((tmp_path / "reader" / "model.json").read_text())["embeddings"] == {
        "file": "rows.safetensors", "width": 16,
    }  # fmt: skip
    return structure, answer(model, ubiquitin)


def test_a_file_is_given_by_an_option(precomputed, ubiquitin, capsys):
    structure, expected = precomputed
    given = load("reader", embeddings="rows.safetensors")
    assert np.array_equal(answer(given, ubiquitin), expected)
    assert given.digest != load("reader").digest
    command = [structure, "--model", "reader"]
    assert main(["sites", *command, "--embeddings", "rows.safetensors", "--out", "found"]) == 0
    sites = plait.sites(structure, model=given)
    import pandas

    assert np.allclose(pandas.read_csv("found/sites.csv")["probability"], sites.probability, atol=1e-4)
    assert main(["embed", *command, "--embeddings", "rows.safetensors", "--out", "vectors.parquet"]) == 0
    assert len(pandas.read_parquet("vectors.parquet")) == 76
    capsys.readouterr()
    for verb, out in (("sites", "none"), ("embed", "none.parquet")):
        assert main([verb, *command, "--out", out]) == 2
        told = capsys.readouterr().err
        assert "reader: this model reads precomputed embeddings" in told and "--embeddings FILE" in told


def test_what_does_not_fit_is_refused(precomputed, structures, antibody, tmp_path, capsys):
    structure, _ = precomputed
    given = load("reader", embeddings="rows.safetensors")
    with pytest.raises(InputError, match=r"2d7t.pdb.gz: no embeddings of this structure"):
        given.outputs(antibody)
    with pytest.raises(InputError, match=r"1ubi: embeddings do not fit .*got 76 rows .*expected 50 residues"):
        given.outputs(read_structure(structure).select(np.arange(76) < 50))
    np.save("narrow.npy", np.zeros((76, 5), np.float32))
    (tmp_path / "narrow").mkdir()
    shutil.move("narrow.npy", "narrow/1ubi.npy")
    with pytest.raises(InputError, match=r"narrow: embeddings that the model does not read .got 5 .*expected 16"):
        load("reader", embeddings="narrow")
    with pytest.raises(InputError, match="reads no embeddings"):
        load("plait-geometry", embeddings="rows.safetensors")
    with pytest.raises(InputError, match="an ensemble reads no embeddings"):
        load("plait-braid", embeddings="rows.safetensors")
    assert main(["benchmark", "sites", "--data", "x", "--models", "geometry", "--embeddings", "rows.safetensors"]) == 2
    assert "none of the models waits for embeddings" in capsys.readouterr().err
