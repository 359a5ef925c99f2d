"""The label "language": what `plait embed` gives, computed once and kept, or read from files by id."""

import dataclasses

import numpy as np
import pytest
import torch
from embedding_sets import InMemory, save_tiny
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

import plait
from plait.cli.main import main
from plait.data import embeddings
from plait.data.embeddings import WithEmbeddings
from plait.data.tokens import WithStructureTokens
from plait.errors import InputError
from plait.models.embedding_arrays import FileEmbeddings
from plait.models.embedding_sources import ModelEmbeddings
from plait.structure.reading import read_structure


@pytest.fixture(scope="module")
def proteins(structures):
    """Ubiquitin; two chains of an antibody."""
    return {"1ubi": read_structure(structures / "1ubi.pdb"), "2d7t": read_structure(structures / "2d7t.pdb.gz")}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def embedded(tiny, structures, tmp_path_factory):
    """Files of `plait embed`: chains together and in float16, as the label has them."""
    folder = tmp_path_factory.mktemp("embedded")
    files = [str(structures / name) for name in ("1ubi.pdb", "2d7t.pdb.gz")]
    for name in ("x.safetensors", "x.parquet"):
        command = ["embed", *files, "--model", str(tiny), "--out", str(folder / name), "--together", "--half"]
        assert main(command) == 0
    return folder


def label(dataset, index):
    return dataset[index].labels["language"]


def test_a_models_label_is_what_plait_embed_gives(proteins, tiny, tmp_path):
    dataset = WithEmbeddings(InMemory(proteins), ModelEmbeddings(tiny), folder=tmp_path)
    model = plait.load(str(tiny))
    alone = plait.embed(proteins["1ubi"], model)["A"]
    together = plait.embed(proteins["2d7t"], model, together=True)
    assert np.array_equal(label(dataset, 0), alone.astype(np.float16))
    assert np.array_equal(label(dataset, 1), np.concatenate([together["H"], together["L"]]).astype(np.float16))
    assert label(dataset, 0).dtype == np.float32
    apart = plait.embed(proteins["2d7t"], model)
    assert np.abs(label(dataset, 1)[: len(apart["H"])] - apart["H"]).max() > 0.01  # the other chain is seen


@pytest.mark.parametrize("kind", ["x.safetensors", "x.parquet"])
def test_a_file_of_plait_embed_gives_the_same(kind, proteins, tiny, embedded, tmp_path):
    computed = WithEmbeddings(InMemory(proteins), ModelEmbeddings(tiny), folder=tmp_path)
    read = WithEmbeddings(InMemory(proteins), FileEmbeddings(embedded / kind), folder=tmp_path)
    for index in range(2):
        assert np.array_equal(label(read, index), label(computed, index))


def arrays_of(proteins, width=7):
    generator = np.random.default_rng(0)
    return {name: generator.standard_normal((len(p), width)).astype(np.float32) for name, p in proteins.items()}


def test_a_folder_has_an_array_for_each_id(proteins, tmp_path):
    arrays = arrays_of(proteins)
    np.save(tmp_path / "1ubi.npy", arrays["1ubi"].astype(np.float16))
    save_torch({"representations": torch.from_numpy(arrays["2d7t"]).bfloat16()}, tmp_path / "2d7t.safetensors")
    dataset = WithEmbeddings(InMemory(proteins), FileEmbeddings(tmp_path), folder=tmp_path / "cache")
    assert dataset.source.width == 7
    assert np.array_equal(label(dataset, 0), arrays["1ubi"].astype(np.float16))
    assert np.abs(label(dataset, 1) - arrays["2d7t"]).max() < 0.02
    assert not (tmp_path / "cache").exists()


def test_a_safetensors_file_may_have_a_tensor_for_each_id_or_a_folder_one_for_each_chain(proteins, tmp_path):
    arrays = arrays_of(proteins)
    save_file(arrays, tmp_path / "all.safetensors")
    (tmp_path / "folder").mkdir()
    own = {chain: np.ascontiguousarray(arrays["2d7t"][proteins["2d7t"].chain == chain]) for chain in ("H", "L")}
    save_file(own, tmp_path / "folder" / "2d7t.safetensors")
    np.save(tmp_path / "folder" / "1ubi.npy", arrays["1ubi"])
    for name in ("all.safetensors", "folder"):
        dataset = WithEmbeddings(InMemory(proteins), FileEmbeddings(tmp_path / name), folder=tmp_path)
        assert np.array_equal(label(dataset, 0), arrays["1ubi"])
        assert np.array_equal(label(dataset, 1), arrays["2d7t"])


def test_what_does_not_fit_is_refused_before_training(proteins, tmp_path):
    arrays = arrays_of(proteins)

    def refused(match, names=("1ubi", "2d7t"), **changed):
        folder = tmp_path / match.split()[0].replace(".", "")
        folder.mkdir()
        for name in names:
            np.save(folder / f"{name}.npy", changed.get(f"_{name}", arrays[name]))
        with pytest.raises(InputError, match=match):
            WithEmbeddings(InMemory(proteins), FileEmbeddings(folder), folder=tmp_path)

    refused(r"2d7t: no embeddings of this structure", names=("1ubi",))
    refused(
        r"1ubi: embeddings do not fit .*got 75 rows of 7 values; expected 76 residues of 7", _1ubi=arrays["1ubi"][1:]
    )
    refused(r".*2d7t: embeddings do not fit .*of 6 values; expected 226", _2d7t=arrays["2d7t"][:, 1:])
    refused(r"not embeddings of residues", _1ubi=arrays["1ubi"][0])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda path: path, "no precomputed embeddings here"),
        (lambda path: path.mkdir() or path, "holds no embeddings"),
        (lambda path: (path.with_suffix(".safetensors").write_bytes(b"x" * 99), path.with_suffix(".safetensors"))[1],
         "not a safetensors file"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_embeddings_is_refused(make, match, tmp_path):
    with pytest.raises(InputError, match=match):
        FileEmbeddings(make(tmp_path / "what"))


def test_vectors_of_chains_are_refused(structures, tiny, tmp_path):
    out = str(tmp_path / "x.safetensors")
    assert main(["embed", str(structures / "1ubi.pdb"), "--model", str(tiny), "--out", out, "--level", "protein"]) == 0
    with pytest.raises(InputError, match=r"another level .got protein; expected plait embed --level residue"):
        FileEmbeddings(out)


class Counting:
    """Rows that say how often they were computed."""

    width, digest, computed = 3, "counting", True

    def __init__(self, stop=None):
        self.calls, self.stop = 0, stop

    def __call__(self, protein):
        if self.calls == self.stop:
            raise KeyboardInterrupt
        self.calls += 1
        return np.full((len(protein), 3), len(protein), np.float32)


def test_rows_are_computed_once_and_go_on_after_a_kill(proteins, tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "RESIDUES", 100)
    inner = InMemory({f"{name}{number}": p for number in range(3) for name, p in proteins.items()})
    killed, whole = Counting(stop=4), Counting()
    with pytest.raises(KeyboardInterrupt):
        WithEmbeddings(inner, killed, folder=tmp_path)
    WithEmbeddings(inner, whole, folder=tmp_path)
    assert 0 < whole.calls < len(inner)  # what was in files was not made again
    again = Counting()
    dataset = WithEmbeddings(inner, again, folder=tmp_path)
    assert again.calls == 0
    for index, length in enumerate(inner.lengths):
        assert label(dataset, index).shape == (length, 3) and (label(dataset, index) == length).all()


def test_other_weights_are_other_rows(proteins, tiny, tmp_path):
    other = save_tiny(tmp_path / "other", seed=1)
    sets = [WithEmbeddings(InMemory(proteins), ModelEmbeddings(one), folder=tmp_path) for one in (tiny, other)]
    assert sets[0].digest != sets[1].digest
    assert np.abs(label(sets[0], 0) - label(sets[1], 0)).max() > 0.01


def test_a_crop_and_tokens_around_it_keep_the_rows(proteins, tiny, tmp_path):
    inner = WithEmbeddings(InMemory(proteins), ModelEmbeddings(tiny), folder=tmp_path)
    both = WithStructureTokens(inner, lambda p: np.zeros(len(p), np.int64), key="none", folder=tmp_path)
    cropped = both[1].crop(100, 30)
    assert np.array_equal(cropped.labels["language"], label(inner, 1)[100:130])


def test_a_broken_record_is_passed_over(proteins, tmp_path):
    class Broken(InMemory):
        def __getitem__(self, index):
            if index == 0:
                raise InputError("broken record")
            return super().__getitem__(index)

    dataset = WithEmbeddings(Broken(proteins), Counting(), folder=tmp_path)
    assert (label(dataset, 1) == 226).all()
    with pytest.raises(InputError, match="broken record"):
        dataset[0]


def test_rows_are_found_by_the_examples_id_whatever_its_protein_is_called(proteins, tmp_path):
    renamed = {name: dataclasses.replace(p, source="something else") for name, p in proteins.items()}
    arrays = arrays_of(proteins)
    save_file(arrays, tmp_path / "all.safetensors")
    dataset = WithEmbeddings(InMemory(renamed), FileEmbeddings(tmp_path / "all.safetensors"), folder=tmp_path)
    assert np.array_equal(label(dataset, 1), arrays["2d7t"])
