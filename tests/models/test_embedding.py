"""Vectors of every family of encoders: what they are of, and that they do not hang on how a structure stands."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from tiny_models import tiny_ensemble

import plait
from plait import registry
from plait.encoders.base import EncoderWithHeads
from plait.errors import InputError
from plait.models.embedding import Embedder
from plait.models.loading import save
from plait.models.model import Model
from plait.models.scoring import Scoring
from plait.structure.reading import read_structure
from plait.tokenizers.threedi import ThreeDiTokenizer

WITH_ATOMS = {"vabsnet": {}, "gearnet": {"level": "atom"}, "gearnet-edge": {"level": "atom"}, "gvp": {"level": "atom"}}
CASES = [
    *((name, "residue", {}) for name in registry.parts("encoder")),
    *((n, "atom", o) for n, o in WITH_ATOMS.items()),
]


def model_of(name: str, **options) -> Model:
    torch.manual_seed(0)
    cls = registry.get("encoder", name)
    network = EncoderWithHeads(cls(cls.Config(**options)), {"residue_type": 20})
    tokenizer = ThreeDiTokenizer.default() if name == "prosst" else None
    return Model(name, network, tokenizer, Scoring(), {})


@pytest.fixture(scope="module")
def antibody(structures):
    """Two chains; insertion codes in both."""
    return read_structure(structures / "2d7t.pdb.gz")


@pytest.mark.parametrize(("name", "level", "options"), CASES)
def test_each_chain_has_what_its_encoder_gives_alone(name, level, options, antibody):
    model = model_of(name, **options)
    found = Embedder(model, level)(antibody)
    assert [one.chain for one in found] == ["H", "L"]
    heavy = antibody.select_chain("H")
    encoder = model.network.encoder
    extras = {"structure_tokens": [model.tokenizer(heavy)]} if name == "prosst" else {}
    with torch.no_grad():
        expected = encoder(encoder.prepare([heavy], **extras))
    assert found[0].vectors.dtype == np.float32
    assert np.array_equal(found[0].vectors, getattr(expected, level).numpy())
    assert len(found[0].vectors) == (len(heavy) if level == "residue" else len(heavy.position))
    whole = plait.embed(antibody, model, "protein")
    assert np.array_equal(whole["H"], expected.protein[0].numpy())


@pytest.mark.parametrize(("name", "level", "options"), CASES)
def test_turning_the_structure_changes_nothing(name, level, options, antibody):
    model = model_of(name, **options)
    turned = antibody.with_positions(antibody.position @ Rotation.random(random_state=1).as_matrix().T + [9, -30, 50])
    before, after = plait.embed(antibody, model, level), plait.embed(turned, model, level)
    for chain in before:
        assert np.abs(before[chain] - after[chain]).max() < 1e-4


def test_rows_are_named_as_in_the_file(antibody, structures):
    (light,) = Embedder(model_of("gearnet", level="atom"), "atom")(antibody.select_chain("L"))
    whole = read_structure(structures / "2d7t.pdb.gz", chain="L")
    assert light.author_numbers == tuple(whole.residue_label(index) for index in range(len(whole)))
    assert light.residues == tuple(whole.residue_name)
    assert [name for names in light.atoms for name in names] == whole.atom_name.tolist()
    assert [len(names) for names in light.atoms] == np.bincount(whole.residue_of).tolist()


def test_chains_see_one_another_only_together(antibody):
    model = model_of("neighbourhood")
    apart, together = plait.embed(antibody, model), plait.embed(antibody, model, together=True)
    alone = plait.embed(antibody, model, chain="L")
    assert np.array_equal(apart["L"], alone["L"])
    assert list(together) == ["H", "L"]
    assert together["L"].shape == apart["L"].shape
    assert np.abs(together["L"] - apart["L"]).max() > 1e-2
    with torch.no_grad():
        expected = model.network.encoder(model.network.encoder.prepare([antibody]))
    assert np.array_equal(np.concatenate([*together.values()]), expected.residue.numpy())
    ((name, vector),) = plait.embed(antibody, model, "protein", together=True).items()
    assert name == "H,L"
    assert np.array_equal(vector, expected.protein[0].numpy())


def test_an_ensemble_has_its_members_side_by_side(antibody):
    ensemble = tiny_ensemble()
    found = plait.embed(antibody, ensemble)["H"]
    assert Embedder(ensemble, "residue").widths == {"tiny-0": 16, "tiny-1": 16, "tiny-2": 16}
    parts = [plait.embed(antibody, member)["H"] for member in ensemble.members]
    assert np.array_equal(found, np.concatenate(parts, axis=1))
    assert not np.array_equal(parts[0], parts[1])


def test_a_folder_gives_what_the_model_gave(antibody, tmp_path):
    model = model_of("gvp")
    save(model, tmp_path / "mine")
    assert np.array_equal(plait.embed(antibody, tmp_path / "mine")["H"], plait.embed(antibody, model)["H"])


@pytest.mark.parametrize("name", ["neighbourhood", "prosst", "gearnet"])
def test_atoms_of_an_encoder_of_residues(name):
    with pytest.raises(InputError, match=rf"{name}: this model has no vectors of atoms .*Use --level residue"):
        Embedder(model_of(name), "atom")


def test_bad_requests(antibody):
    with pytest.raises(InputError, match="Did you mean 'residue'"):
        plait.embed(antibody, model_of("gvp"), "residues")
    with pytest.raises(InputError, match="unknown chain"):
        plait.embed(antibody, model_of("gvp"), chain="Q")


def test_float16_says_where_it_is_too_narrow(antibody):
    (heavy, _) = Embedder(model_of("gvp"), "residue")(antibody)
    half = heavy.halved().vectors
    assert half.dtype == np.float16
    assert np.allclose(half, heavy.vectors, rtol=1e-3, atol=1e-4)
    import dataclasses

    with pytest.raises(InputError, match="does not fit into float16"):
        dataclasses.replace(heavy, vectors=heavy.vectors * 1e9).halved()
