"""`plait models convert`: weights in the published form become folders that plait reads, or nothing is left behind."""

import json
import lzma
import os

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_bytes
from safetensors.torch import load_file, save_file

from plait.cli.main import main
from plait.tokenizers.gvp import GVPTokenizer
from plait.tokenizers.gvp_network import PUBLISHED, GVPEncoder

joblib = pytest.importorskip("joblib")
cluster = pytest.importorskip("sklearn.cluster")


@pytest.fixture(scope="module")
def tensors():
    """A state dict in the published form: the names and shapes of specs/prosst.md, A8, with random numbers."""
    torch.manual_seed(0)
    state = {name: value.clone() for name, value in GVPEncoder(PUBLISHED).state_dict().items()}
    modules = {name.rsplit(".", 2)[0] for name in state if name.endswith("wh.weight")}
    modules |= {f"layers.{i}.dropout.{k}.vdropout" for i in range(6) for k in (0, 1)}
    state |= {f"{module}.dummy_param": torch.empty(0) for module in modules}
    assert len(state) == 210  # as AE.pt has, 45 of them empty
    return state


@pytest.fixture(scope="module")
def kmeans():
    vectors = np.random.default_rng(0).normal(size=(200, 256))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return cluster.KMeans(n_clusters=20, n_init=1, random_state=0).fit(vectors)


@pytest.fixture
def files(tmp_path, tensors, kmeans):
    torch.save(tensors, tmp_path / "AE.pt")
    joblib.dump(kmeans, tmp_path / "20.joblib")
    return tmp_path


def convert(*arguments):
    return main(["models", "convert", *map(str, arguments)])


def refused(capsys, folder, *arguments):
    """The one line of a refusal; nothing must have been written."""
    before = sorted(folder.iterdir())
    assert convert(*arguments, "--out", folder / "deep" / "out") == 2
    assert sorted(folder.iterdir()) == before
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err
    return shown.err


def test_a_tokenizer_is_made_that_holds_the_same_numbers(files, tensors, kmeans, capsys):
    out = files / "deep" / "prosst-20"
    assert convert("--encoder", files / "AE.pt", "--codebook", files / "20.joblib", "--out", out) == 0
    assert str(out) in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["centres.npy", "config.json", "encoder.safetensors"]
    centres = np.load(out / "centres.npy")
    assert centres.dtype == np.float64
    np.testing.assert_array_equal(centres, kmeans.cluster_centers_)
    written = load_file(out / "encoder.safetensors")
    assert set(written) == {name for name in tensors if not name.endswith("dummy_param")}
    assert all(torch.equal(value, tensors[name]) for name, value in written.items())
    tokenizer = GVPTokenizer.load(out)
    assert tokenizer.size == 20
    assert tokenizer.config.compat
    assert os.stat(out).st_mode & 0o777 == 0o777 & ~current_umask()


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_tokens_of_the_oracle_after_the_way_through_pickles(oracle, tmp_path):
    """The oracle's weights as a published user has them: the tokens come out as from the published program."""
    from plait.structure.reading import read_structure

    quant = oracle / "prosst" / "quant"
    torch.save(load_bytes(lzma.decompress((quant / "encoder.safetensors.xz").read_bytes())), tmp_path / "AE.pt")
    fitted = cluster.KMeans(n_clusters=128)
    fitted.cluster_centers_ = np.load(quant / "codebooks" / "128.npy").astype(np.float64)
    joblib.dump(fitted, tmp_path / "128.joblib", compress=3)
    parts = "--encoder", tmp_path / "AE.pt", "--codebook", tmp_path / "128.joblib"
    assert convert(*parts, "--out", tmp_path / "out") == 0
    tokenizer = GVPTokenizer.load(tmp_path / "out")
    expected = np.load(quant / "expected" / "p1.npz")
    clear = expected["margin_128"] > 1e-5
    tokens = tokenizer(read_structure(quant / "structures" / "p1.pdb.gz"))
    np.testing.assert_array_equal(tokens[clear], expected["tokens_128"][clear])


def test_safetensors_and_npy_will_do_as_well(files, tensors, kmeans):
    save_file(tensors, files / "AE.safetensors")
    np.save(files / "20.npy", kmeans.cluster_centers_.astype(np.float32))
    parts = "--encoder", files / "AE.safetensors", "--codebook", files / "20.npy"
    assert convert(*parts, "--out", files / "out") == 0
    assert np.load(files / "out" / "centres.npy").dtype == np.float32


def test_an_empty_folder_is_filled_and_a_full_one_is_left_alone(files, capsys):
    parts = "--encoder", files / "AE.pt", "--codebook", files / "20.joblib"
    out = files / "out"
    out.mkdir()
    assert convert(*parts, "--out", out) == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    assert convert(*parts, "--out", out) == 2
    assert "is there already" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_an_output_that_cannot_be_made_is_refused(files, capsys):
    out = files / "AE.pt" / "out"
    assert convert("--encoder", files / "AE.pt", "--codebook", files / "20.joblib", "--out", out) == 2
    assert "cannot be made" in capsys.readouterr().err


def test_wrong_encoders_are_refused_by_what_is_wrong(files, tensors, capsys):
    book = "--codebook", files / "20.joblib"
    first = "layers.0.norm.0.scalar_norm.weight"
    for change, words in (
        ({first: None}, (first, "missing")),
        ({"extra.weight": torch.ones(2)}, ("extra.weight", "not one of")),
        ({first: torch.ones(255)}, (first, "(255,)", "(256,)")),
        ({first: torch.full((256,), torch.nan)}, (first, "not finite")),
    ):
        state = {name: value for name, value in (tensors | change).items() if value is not None}
        save_file(state, files / "wrong.safetensors")
        text = refused(capsys, files, "--encoder", files / "wrong.safetensors", *book)
        for word in ("wrong.safetensors", *words):
            assert word in text


def test_wrong_codebooks_are_refused_by_what_is_wrong(files, kmeans, capsys):
    encoder = "--encoder", files / "AE.pt"
    np.save(files / "narrow.npy", np.ones((20, 255)))
    assert "(20, 255)" in refused(capsys, files, *encoder, "--codebook", files / "narrow.npy")
    np.save(files / "holed.npy", np.full((20, 256), np.nan))
    assert "not finite" in refused(capsys, files, *encoder, "--codebook", files / "holed.npy")
    np.save(files / "objects.npy", np.array([[None]]), allow_pickle=True)
    assert "objects.npy" in refused(capsys, files, *encoder, "--codebook", files / "objects.npy")
    (files / "empty.joblib").write_bytes(b"")
    assert "empty file" in refused(capsys, files, *encoder, "--codebook", files / "empty.joblib")
    assert "no such file" in refused(capsys, files, *encoder, "--codebook", files / "absent.joblib")


class Call:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_malicious_files_are_refused_and_do_not_run(files, tensors, kmeans, capsys):
    marker = files / "ran"
    call = Call(f"echo > {marker}")
    torch.save(tensors | {"W_v.0.scalar_norm.weight": call}, files / "bad.pt")
    text = refused(capsys, files, "--encoder", files / "bad.pt", "--codebook", files / "20.joblib")
    assert "bad.pt: refused" in text
    assert ".system" in text
    bad = cluster.KMeans(n_clusters=20, random_state=call)
    bad.cluster_centers_ = kmeans.cluster_centers_
    joblib.dump(bad, files / "bad.joblib")
    # under the names of what is read without suspicion, too
    for name in ("bad.joblib", "bad.npy"):
        os.replace(files / "bad.joblib", files / name)
        text = refused(capsys, files, "--encoder", files / "AE.pt", "--codebook", files / name)
        assert f"{name}: refused" in text
        assert ".system" in text
        os.replace(files / name, files / "bad.joblib")
    os.replace(files / "bad.pt", files / "bad.safetensors")
    refused(capsys, files, "--encoder", files / "bad.safetensors", "--codebook", files / "20.joblib")
    assert not marker.exists()


def test_files_in_the_place_of_the_other_are_refused(files, capsys):
    text = refused(capsys, files, "--encoder", files / "20.joblib", "--codebook", files / "AE.pt")
    assert "20.joblib" in text or "AE.pt" in text


def test_half_a_question_is_refused(files, capsys):
    for arguments in (
        ["--encoder", "AE.pt", "--out", "x"],
        ["--codebook", "20.joblib", "--out", "x"],
        ["--encoder", "AE.pt", "--codebook", "20.joblib"],
        ["--language_model", "x", "--encoder", "AE.pt", "--out", "x"],
        [],
    ):
        assert convert(*arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_language_model_in_a_pickle_becomes_the_published_folder(oracle, tmp_path, capsys):
    source = oracle / "prosst" / "lm" / "no_terms"
    published = load_file(source / "model.safetensors")
    held = tmp_path / "held"
    held.mkdir()
    (held / "config.json").write_bytes((source / "config.json").read_bytes())
    torch.save(published, held / "pytorch_model.bin")
    assert convert("--language-model", held, "--out", tmp_path / "out") == 0
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert set(written) == set(published)
    assert all(torch.equal(written[name], published[name]) for name in published)
    # the published weights keep the published form of the attention
    assert json.loads((tmp_path / "out" / "config.json").read_text())["structure_to_residue"] == "compat"
    capsys.readouterr()
    torch.save({"x": torch.ones(1)}, held / "pytorch_model.bin")
    assert "pytorch_model.bin" in refused(capsys, tmp_path, "--language-model", held)


def test_models_are_listed_plainly_in_a_pipe_and_as_json(capsys):
    from plait.models.catalogue import models

    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t")[:3] == ["name", "kind", "bytes"]
    assert [line.split("\t")[0] for line in lines[1:]] == [record["name"] for record in models()]
    assert main(["models", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == models()
