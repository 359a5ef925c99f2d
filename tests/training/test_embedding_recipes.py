"""Recipes with embeddings: trained, written, read again, gone on from, and refused where they do not fit."""

import dataclasses
import json

import numpy as np
import pytest
from embedding_sets import save_tiny

import plait
from plait.config import from_dict
from plait.data.complexes import Complexes, ComplexesConfig
from plait.data.embeddings import WithEmbeddings
from plait.errors import InputError
from plait.models.embedding import Embedder
from plait.models.embedding_sources import ModelEmbeddings
from plait.models.loading import load
from plait.structure.protein import Hetero
from plait.tasks.binding_sites import BindingSites
from plait.training.finetune import finetune, outputs_by_example
from plait.training.options import FinetuneConfig, PretrainConfig
from plait.training.pretrain import pretrain

TINY = {"name": "vabsnet", "layers": 1, "width": 16, "feed_forward": 16, "heads": 4, "edge_width": 8, "kernels": 8}
RUN = {"steps": 2, "warmup": 1, "validate_every": 2, "log_every": 1, "threads": 1, "device": "cpu"}


def data_of(shared, split):
    return ComplexesConfig(str(shared / "data" / "complexes"), split, exclude="nothing", longest=70)


def recipe(shared, folder, cls=FinetuneConfig, **changes):
    values = {
        "data": {"name": "complexes", **dataclasses.asdict(data_of(shared, "train"))},
        "batch": {"residues": 256, "crop": 64},
        "encoder": TINY,
        "run": {"out": str(folder / "run"), **RUN},
        "model": str(folder / "model"),
        **({"test": []} if cls is FinetuneConfig else {}),
        **changes,
    }  # fmt: skip
    values["embeddings"] = {"cache": str(folder / "cache"), **values.get("embeddings", {})}
    return from_dict(cls, values)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def trained(shared, tiny, tmp_path_factory):
    """A fine-tuning whose encoder reads a model's embeddings."""
    folder = tmp_path_factory.mktemp("trained")
    made = finetune(recipe(shared, folder, embeddings={"model": str(tiny)}), BindingSites)
    return folder, made


def test_the_written_model_answers_as_the_trained_one(trained, structures):
    folder, made = trained
    model = load(folder / "model")
    assert model.network.encoder.config.language_width == 16
    result, again = (plait.sites(structures / "1ubi.pdb", model=one) for one in (model, made.model))
    assert np.array_equal(result.probability, again.probability)
    record = json.loads((folder / "run" / "run.json").read_text())["run"]
    assert record["embeddings"]["model"] == "tiny" and "hidden neighbours" in record["embeddings"]["shown"]
    assert record["finetune"]["embeddings"]["model"].endswith("tiny")
    assert model.card["embeddings"] == record["embeddings"]


def test_validation_reads_what_inference_reads(trained, shared, tiny, tmp_path):
    """Rows of the label, as training and validation have them, and those that the written folder computes."""
    folder, _ = trained
    model = load(folder / "model")
    data = WithEmbeddings(Complexes(data_of(shared, "valid")), ModelEmbeddings(tiny), folder=tmp_path)
    example = data[0]
    (found,) = outputs_by_example(model.network, [example])
    expected = model.outputs(example.protein.replace(hetero=Hetero.empty()))
    assert np.array_equal(found["binding_site"], expected["binding_site"])


def test_a_run_and_a_model_are_starts_with_their_embeddings(trained, shared, tmp_path):
    folder, _ = trained
    before = load(folder / "model").network.encoder.state_dict()
    for start in ("run", "model"):
        config = recipe(shared, tmp_path / start, start=str(folder / start), probe=True)
        made = finetune(config, BindingSites)
        after = made.model.network.encoder.state_dict()
        assert all(np.array_equal(value, after[name]) for name, value in before.items())
        assert load(tmp_path / start / "model").embeddings.record == made.model.embeddings.record


def test_a_start_without_them_begins_the_input_anew(trained, shared, tiny, tmp_path):
    plain = recipe(shared, tmp_path / "plain")
    finetune(plain, BindingSites)
    config = recipe(shared, tmp_path / "more", start=str(tmp_path / "plain" / "model"), embeddings={"model": str(tiny)})
    made = finetune(config, BindingSites)
    assert made.model.network.encoder.config.language_width == 16
    assert load(tmp_path / "plain" / "model").embeddings is None


@pytest.mark.parametrize(
    ("objective", "shown"),
    [
        ({"masked-lm": {}}, "hidden neighbours"),
        ({"smpc": {"language": True, "accessibility": 0.0}}, "hidden neighbours"),
        ({"smpc": {"accessibility": 0.0}}, "none"),
    ],
)
def test_pre_training_reads_them_too(objective, shown, shared, tiny, ubiquitin, tmp_path):
    config = recipe(shared, tmp_path, PretrainConfig, embeddings={"model": str(tiny)}, objective=objective)
    network, result = pretrain(config)
    assert np.isfinite(result["loss"])
    model = load(tmp_path / "model")
    assert shown in model.card["embeddings"]["shown"]
    assert model.card["recipe"]["encoder"]["language_width"] == 16
    (found,) = Embedder(model, "residue")(ubiquitin)
    batch = network.encoder.prepare([ubiquitin], language=[model.language(ubiquitin)])
    assert np.array_equal(found.vectors, network.encoder(batch).residue.detach().numpy())


@pytest.fixture(scope="module")
def ubiquitin(structures):
    return plait.read_structure(structures / "1ubi.pdb")


def test_a_folder_of_arrays_trains_and_calibrates(shared, tmp_path):
    """Rows of another program, an array for each entry; the written folder asks for them."""
    rows = tmp_path / "rows"
    rows.mkdir()
    for split in ("train", "valid"):
        data = Complexes(data_of(shared, split))
        for name, length in zip(data.ids, data.lengths, strict=True):
            drawn = np.random.default_rng(int(length)).normal(size=(length, 6))
            np.save(rows / f"{name}.npy", drawn.astype(np.float16))
    made = finetune(recipe(shared, tmp_path, embeddings={"file": str(rows)}), BindingSites)
    assert set(made.model.card["binding_sites"]) >= {"threshold", "link"}
    model, given = load(tmp_path / "model"), load(tmp_path / "model", embeddings=rows)
    protein = data[0].protein
    with pytest.raises(InputError, match="such as those of training, rows"):
        model.outputs(protein)
    assert np.array_equal(given.outputs(protein)["binding_site"], made.model.outputs(protein)["binding_site"])
    (rows / f"{data.ids[0]}.npy").unlink()
    with pytest.raises(InputError, match=f"{data.ids[0]}: no embeddings of this structure"):
        finetune(recipe(shared, tmp_path, embeddings={"file": str(rows)}), BindingSites)


def test_what_does_not_fit_is_refused(shared, tiny, trained, tmp_path):
    def refused(match, **changes):
        with pytest.raises(InputError, match=match):
            finetune(recipe(shared, tmp_path, **changes), BindingSites)

    named = {"model": str(tiny)}
    refused("this encoder reads no embeddings", encoder={"name": "neighbourhood"}, embeddings=named)
    refused(r"another width .* .got 16 .*expected 1280", encoder={**TINY, "language_width": 1280}, embeddings=named)
    refused("reads embeddings, and the recipe names none", encoder={**TINY, "language_width": 16})
    refused("two places", embeddings={**named, "file": "x"})
    refused("unknown model", embeddings={"model": "plait-geometri"})
    refused("no precomputed embeddings here", embeddings={"file": str(tmp_path / "none")})
    with pytest.raises(InputError, match="this encoder reads no embeddings"):
        pretrain(recipe(shared, tmp_path, PretrainConfig, encoder={"name": "prosst"}, embeddings=named))
