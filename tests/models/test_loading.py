"""Models: loaded from where users have them, refused with a reason, the same after save and load."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import scipy.stats
import torch

from plait.encoders.base import EncoderWithHeads
from plait.encoders.neighbourhood import NeighbourhoodEncoder
from plait.encoders.prosst import ProsstConfig, ProsstForMaskedLM
from plait.errors import InputError
from plait.models.ensemble import Ensemble
from plait.models.loading import load, save
from plait.models.model import Model
from plait.models.scoring import Scoring, information_content, site_weight
from plait.structure import read_structure
from plait.structure.surface import relative_accessibility
from plait.tokenizers.dssp import DSSPTokenizer


@pytest.fixture(scope="module")
def protein(structures):
    return read_structure(structures / "1ubi.pdb")


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = ProsstConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, ss_vocab_size=12,
        tokenizer="dssp", profile_head=True,
    )  # fmt: skip
    scoring = Scoring(head="profile", weighting="burial")
    tokenizer = DSSPTokenizer(DSSPTokenizer.Config())
    return Model("tiny", ProsstForMaskedLM(config), tokenizer, scoring, {"trained_on": "nothing"})


def test_the_same_after_save_and_load(model, protein, tmp_path):
    save(model, tmp_path / "tiny")
    again = load(tmp_path / "tiny")
    assert np.array_equal(again.score_matrix(protein), model.score_matrix(protein))
    assert (again.name, again.scoring, again.card) == (model.name, model.scoring, model.card)
    assert again.digest
    assert load(again) is again


@pytest.fixture
def stable():
    """A model of an encoder that reads no tokens, with a stability head."""
    torch.manual_seed(0)
    encoder = NeighbourhoodEncoder(NeighbourhoodEncoder.Config(width=16, edge_width=8, layers=1, heads=2))
    network = EncoderWithHeads(encoder, {"profile": 20, "residue_type": 20, "stability": 20})
    return Model("stable", network, None, Scoring(head="profile", weighting="burial", stability=1.5), {})


def test_any_encoder_is_a_model(stable, protein, tmp_path):
    save(stable, tmp_path / "stable")
    again = load(tmp_path / "stable")
    assert np.array_equal(again.score_matrix(protein), stable.score_matrix(protein))
    assert np.array_equal(again.score_matrix(protein, masked=[3, 4]), stable.score_matrix(protein, masked=[3, 4]))
    found, weight = stable.outputs(protein), stable.site_weight(protein)
    assert found.keys() == {"profile", "residue_type", "stability"}
    assert np.allclose(np.exp(found["profile"]).sum(1), 1, atol=1e-5)
    wild_type = int(protein.residue_type[26])
    gains = [found[name][26, 7] - found[name][26, wild_type] for name in ("profile", "stability")]
    rows, types = np.arange(76), protein.residue_type.astype(int)
    parts = [(found[n] - found[n][rows, types][:, None]) * weight[:, None] for n in ("profile", "stability")]
    expected = weight[26] * (gains[0] + 1.5 * gains[1] * parts[0].std() / parts[1].std())
    assert stable.score_matrix(protein)[26, 7] == pytest.approx(expected, abs=1e-5)
    assert "folding stability" in stable.describe_score()
    stable.scoring = Scoring(head="profile", weighting="burial", log_odds=0.0, stability=1.0)
    assert stable.score_matrix(protein)[26, 7] == pytest.approx(weight[26] * gains[1], abs=1e-5)


def test_heads_of_proteins_come_back_with_their_layers(stable, protein, tmp_path):
    network = EncoderWithHeads(stable.network.encoder, {"protein_fold": 7}, protein_layers=3)
    model = Model("folds", network, None, Scoring(), {})
    save(model, tmp_path / "folds")
    found = load(tmp_path / "folds").outputs(protein)["protein_fold"]
    assert found.shape == (1, 7)
    assert np.array_equal(found, model.outputs(protein)["protein_fold"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(protein_layers=0), "protein_layers"),
        (lambda c: c.pop("heads"), "no heads"),
        (lambda c: c["heads"].update(profile="x"), "head profile has no width"),
        (lambda c: c["heads"].update(profile=21), "not those of this configuration"),
        (lambda c: c["config"].update(wide=3), "wide"),
        (lambda c: c.update(encoder="neighborhood"), "neighbourhood"),
    ],
)
def test_configurations_that_do_not_fit_are_named(stable, tmp_path, change, message):
    save(stable, tmp_path / "stable")
    file = tmp_path / "stable" / "config.json"
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))
    with pytest.raises(InputError, match=message):
        load(tmp_path / "stable")


def test_score_is_log_odds_times_burial(model, protein):
    log_p, weight = model.log_probabilities(protein), model.site_weight(protein)
    wild_type = protein.residue_type.astype(int)
    for row, column in ((3, 5), (26, 0), (70, 19)):
        expected = (log_p[row, column] - log_p[row, wild_type[row]]) * weight[row]
        assert model.score_matrix(protein)[row, column] == pytest.approx(expected, abs=1e-6)
    assert np.all(model.score_matrix(protein)[np.arange(76), wild_type] == 0)
    assert weight.min() >= 0.05
    assert weight.max() == 1
    # by hand: Val 26 and Ile 30 stand in ubiquitin's core, Gly 75 and Gly 76 in its loose tail
    assert min(weight[25], weight[29]) > 0.8
    assert max(weight[74], weight[75]) < 0.3


def test_masking_hides_the_residue(model, protein):
    changed = protein.replace(residue_type=np.where(np.arange(76) == 10, 4, protein.residue_type).astype(np.int8))
    assert np.allclose(
        model.log_probabilities(protein, masked=[10]), model.log_probabilities(changed, masked=[10]), atol=1e-6
    )
    assert not np.allclose(model.log_probabilities(protein), model.log_probabilities(changed), atol=1e-4)


def test_published_folders_run_as_compat_and_say_what_they_lack(oracle, protein):
    model = load(oracle / "prosst" / "lm" / "full_k20")
    assert model.network.config.structure_to_residue == "compat"
    with pytest.raises(InputError, match="--tokenizer"):
        model.score_matrix(protein)
    with pytest.raises(InputError, match=r"8 states.*20 states"):
        load(oracle / "prosst" / "lm" / "full_k20", tokenizer="dssp")
    scores = load(oracle / "prosst" / "lm" / "full_k20", tokenizer="3di").score_matrix(protein)
    assert scores.shape == (76, 20)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("plait-smal", "unknown model"),
        ("weights.pt", "no such file"),
        ("a b/c d", "unknown model"),
    ],
)
def test_unknown_models_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        load(name)


def test_pickles_are_refused(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "AE.pt")
    with pytest.raises(InputError, match="plait models convert"):
        load(tmp_path / "AE.pt")


def test_an_unreachable_hub_is_one_error(monkeypatch):
    import huggingface_hub

    def fail(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(InputError, match="could not be downloaded"):
        load("nobody/nothing")


def test_broken_folders_are_named(model, tmp_path):
    save(model, tmp_path / "tiny")
    for change, message in (
        (lambda f: (f / "config.json").write_text("{"), "config.json"),
        (lambda f: (f / "config.json").unlink(), "config.json"),
        (lambda f: (f / "model.safetensors").write_bytes(b"abc"), "model.safetensors"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors"),
        (lambda f: (f / "model.json").write_text(json.dumps({"scoring": {"hed": "x"}})), "Did you mean 'head'"),
    ):
        folder = tmp_path / "broken"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "tiny", folder)
        change(folder)
        with pytest.raises(InputError, match=message):
            load(folder)


def test_exposure_weighs_burial_and_area_together(protein):
    weight = site_weight(protein, Scoring(weighting="exposure"))
    buried = site_weight(protein, Scoring(weighting="burial"))
    area = np.clip(relative_accessibility(protein), 0, 1)
    assert np.allclose(weight, (0.3 + buried) * (1.3 - area) / 1.69, atol=1e-6)
    assert 0 < weight.min() < 0.15 < 0.8 < weight.max() <= 1
    keep = np.isin(protein.atom_name, ["N", "CA", "C"])
    bare = protein.replace(
        position=protein.position[keep], atom_name=protein.atom_name[keep], element=protein.element[keep],
        residue_of=protein.residue_of[keep],
    )  # fmt: skip
    alone = site_weight(bare, Scoring(weighting="exposure"))
    assert np.allclose(alone, ((0.3 + buried) / 1.3) ** 2, atol=1e-6)


def test_an_ensemble_is_the_mean_of_its_members(model, stable, protein, tmp_path):
    scoring = Scoring(head="profile", weighting="burial", stability=1.5)
    both = Ensemble("both", [model, stable], scoring, {})
    assert np.array_equal(both.outputs(protein)["stability"], stable.outputs(protein)["stability"])
    both.scoring = dataclasses.replace(scoring, stability=0.0)
    score, spread = both.scores(protein)
    one, other = model.outputs(protein), stable.outputs(protein)
    profile = (one["profile"] + other["profile"]) / 2
    wild_type, weight = int(protein.residue_type[26]), both.site_weight(protein)[26]

    def gain(values):
        return float(values[26, 7] - values[26, wild_type])

    assert score[26, 7] == pytest.approx(weight * gain(profile), abs=1e-5)
    assert np.array_equal(both.score_matrix(protein), score)
    # the members differ in their profiles only: half the difference is the standard deviation of two values
    assert spread[26, 7] == pytest.approx(weight * abs(gain(one["profile"]) - gain(other["profile"])) / 2, abs=1e-5)
    save(both, tmp_path / "both")
    again = load(tmp_path / "both")
    assert np.array_equal(again.score_matrix(protein), score)
    shutil.rmtree(tmp_path / "both" / "tiny")
    with pytest.raises(InputError, match=r"member.*tiny"):
        load(tmp_path / "both")
    assert model.scores(protein)[1] is None


def test_members_count_by_their_weights(model, stable, protein, tmp_path):
    one, other = (member.outputs(protein)["profile"] for member in (model, stable))
    both = Ensemble("both", [model, stable], Scoring(head="profile"), {}, weights=[3, 1])
    assert np.allclose(both.outputs(protein)["profile"], (3 * one + other) / 4, atol=1e-6)
    save(both, tmp_path / "both")
    again = load(tmp_path / "both")
    assert again.weights == (3.0, 1.0)
    assert np.array_equal(again.score_matrix(protein), both.score_matrix(protein))
    for wrong in ([1], [1, 0], [1, -2], "31", ["3", 1], 4):
        with pytest.raises(InputError, match="2 numbers above 0"):
            Ensemble("both", [model, stable], Scoring(head="profile"), {}, weights=wrong)


def test_information_weighs_sites_by_how_certain_the_prediction_is(model, protein):
    scoring = Scoring(head="profile", weighting="exposure", information=0.5)
    other = Model("other", model.network, model.tokenizer, scoring, {})
    log_p, plain = other.log_probabilities(protein), site_weight(protein, other.scoring)
    entropy = [scipy.stats.entropy(np.exp(row)) for row in log_p.astype(float)]
    expected = plain * np.sqrt(1 - np.array(entropy) / np.log(20))
    assert np.allclose(other.site_weight(protein), expected, atol=1e-6)
    odds = log_p - log_p[np.arange(76), protein.residue_type.astype(int)][:, None]
    assert np.allclose(other.score_matrix(protein), odds * expected[:, None], atol=1e-5)
    assert "conserved" in other.describe_score()
    # by hand: nothing known, one of two types, one type; rows need not be normalised
    rows = np.log(np.array([[1.0] * 20, [4.0, 4.0] + [1e-30] * 18, [9.0] + [1e-30] * 19]))
    assert np.allclose(information_content(rows), [0, 1 - np.log(2) / np.log(20), 1], atol=1e-9)


def test_binding_sites_raise_the_weight_of_log_odds_alone(stable, protein, tmp_path):
    torch.manual_seed(1)
    network = EncoderWithHeads(stable.network.encoder, {"binding_site": 1})
    sites = Model("sites", network, None, Scoring(), {})
    scoring = Scoring(head="profile", weighting="exposure", sites=0.8, stability=0.5)
    both = Ensemble("both", [stable, sites], scoring, {})
    score, spread = both.scores(protein)
    assert spread is None  # a model of sites has no vote on substitutions
    found, logit = stable.outputs(protein), sites.outputs(protein)["binding_site"][:, 0]
    alone = site_weight(protein, Scoring(weighting="exposure"))
    weight = 1 - (1 - alone) * (1 - 0.8 / (1 + np.exp(-logit)))
    assert np.allclose(both.site_weight(protein), weight, atol=1e-6)
    rows, types = np.arange(76), protein.residue_type.astype(int)
    odds, change = ((found[n] - found[n][rows, types][:, None]) for n in ("profile", "stability"))
    odds, change = odds * weight[:, None], change * alone[:, None]
    assert np.allclose(score, odds + 0.5 * odds.std() / change.std() * change, atol=1e-5)
    assert "touch a ligand" in both.describe_score()
    save(both, tmp_path / "both")
    assert np.array_equal(load(tmp_path / "both").score_matrix(protein), score)


def test_members_of_an_ensemble_come_from_the_hub_with_it(model, stable, protein, tmp_path, monkeypatch):
    import huggingface_hub
    from huggingface_hub.utils import filter_repo_objects

    both = Ensemble("both", [model, stable], Scoring(head="profile"), {})
    save(both, tmp_path / "hub")
    files = [str(file.relative_to(tmp_path / "hub")) for file in (tmp_path / "hub").rglob("*") if file.is_file()]

    def download(name, allow_patterns):
        for file in filter_repo_objects(files, allow_patterns=allow_patterns):
            (tmp_path / "cache" / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / "hub" / file, tmp_path / "cache" / file)
        return str(tmp_path / "cache")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert np.array_equal(load("owner/both").score_matrix(protein), both.score_matrix(protein))
